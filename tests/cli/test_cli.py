"""The command line as people meet it: help, refusals, results."""

import dataclasses
import itertools
import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributed.run import get_args_parser

from pixelrnn import DataConfig, ImageModel, ModelConfig, load_data
from pixelrnn.__main__ import main
from pixelrnn.app.conditions import read_contexts
from pixelrnn.cli.evaluate import Evaluate
from pixelrnn.cli.models import Models
from pixelrnn.cli.train import Train
from pixelrnn.config import to_json
from pixelrnn.data.single import read_image, read_opacity
from pixelrnn.progress import Progress
from pixelrnn.runs.run import Run
from tests.pictures import picture

SMALL = [
    "--architecture",
    "pixelcnn",
    "--layers",
    1,
    "--hidden",
    4,
    "--steps",
    10,
    "--samples",
    2,
    "--valid-images",
    20,
]
VERBS = [
    "train",
    "evaluate",
    "sample",
    "complete",
    "upscale",
    "compress",
    "decompress",
    "pack",
    "unpack",
    "score",
    "inspect",
    "calibrate",
    "entropy",
    "merge",
    "info",
    "models",
    "push",
    "data",
    "demo",
    "studio",
    "serve",
    "bench",
]


def run(*arguments):
    """Run a command in this process: exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert run("train", "digits", *SMALL, "--out", folder) == 0
    return folder


def test_a_run_without_validation_is_said_to_be_one(capsys, trained, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(trained, begun)
    assert run("sample", begun, "-n", 1, "--out", tmp_path / "a.png") == 0
    assert "not trained yet" not in capsys.readouterr().err
    (begun / "metrics.jsonl").unlink()
    assert run("sample", begun, "-n", 1, "--out", tmp_path / "b.png") == 0
    assert f"begun is not trained yet; go on with: pixelrnn train --resume {begun}" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize("verb", [None, *VERBS, "data show", "data binarize"])
def test_help_has_an_example(capsys, verb):
    assert run(*(verb.split() if verb else []), "--help") == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    if verb != "data":
        assert [line for line in lines if line.startswith(f"pixelrnn {verb or 'demo'}")], "a line that can be pasted"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["train", "digits", "--hiden", "3"], ["nothing"]]
)
def test_help_and_usage_errors_do_not_import_torch(arguments):
    code = f"""
import sys
from pixelrnn.__main__ import main
try:
    main({arguments!r})
except SystemExit:
    pass
heavy = [name for name in ("torch", "matplotlib", "PIL", "numpy") if name in sys.modules]
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "train needs a source"),
        (
            ["trian", "digits"],
            f"'trian' is none of the commands {', '.join(VERBS)}; did you mean train?",
        ),
        (["train", "nowhere"], "nowhere: no such file or folder"),
        (["train", "digits", "--hidden", "0"], "hidden is 0; at least one feature per channel"),
        (["train", "digits", "--output", "bernoulli"], "output 'bernoulli' takes levels 2; levels is 17"),
        (["train", "digits", "--steps", "1", "--epochs", "1"], "steps and epochs are both given"),
        (["train", "digits", "--hiden", "3"], "--hidden"),
        (["train", "digits", "--architecture", "rnn"], "diagonal-bilstm"),
        (["train", "digits", "--device", "tpu"], "device is 'tpu'; auto, cpu, cuda, cuda:N or mps are allowed"),
        (["train", "digits", "--device", "cuda:77"], "device cuda:77 is not there; try --device cpu"),
        (["train", "digits", "--threads", "0"], "threads is 0; at least 1 is needed"),
        (["train", "digits", "--seed", "-1"], "seed is -1; 0 to 2^63 - 1 are allowed"),
        (["train", "digits", "--epochs", "inf"], "epochs is inf; it must be above 0 and finite"),
        (["train", "digits", "--separately"], "separately is for a Multi-Scale model (--scales 2 or more)"),
        (["train", "digits", "--scales", "5"], "height and width must be multiples of 16; they are 8 and 8"),
        (["train", "digits", "--context", "grey"], "context 'grey' needs colour images; these have 1 channels"),
        (["train", "digits", "--label-dropout", "0.1"], "label_dropout withholds labels; give --labels as well"),
        (["train", "digits", "--label-dropout", "1"], "label_dropout is 1.0; it is a share of the images"),
        (["train", "digits", "--levels", "18"], "digits: has 17 levels; 18 are more than there are"),
        (["train", "digits", "--out", "/dev/null/run"], "cannot be made"),
        (["train", "x" * 5000], "no such file or folder"),
        (["train", "--resume", "nowhere"], "no config.json here; is this a run or model folder?"),
        (["evaluate", "nowhere"], "nowhere is neither a folder nor one of the shipped models"),
        (["sample", "nowhere"], "nowhere is neither a folder nor one of the shipped models"),
        (["complete", "nowhere", "--keep", "top"], "nowhere is neither a folder nor one of the shipped models"),
        (["upscale", "nowhere", "x.png"], "nowhere is neither a folder nor one of the shipped models"),
        (["info", "nowhere"], "nowhere is neither a folder nor one of the shipped models"),
        (["info", "."], "no config.json here"),
        (["data", "show", "nowhere"], "no such file or folder"),
        (
            ["train", "digits", "--dropout", "0.1", "--architecture", "local"],
            "dropout is 0.1, which architecture 'local' does not take",
        ),
        (["train", "digits", "--cuda-graph", "--device", "cpu"], "--cuda-graph needs a CUDA device; this is cpu"),
        (["data", "binarize", "digits"], "grey images with splits train and test are needed"),
        (["data", "binarize", "digits", "--out", "x.zip"], "it names a file that ends in .npz"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_refusals_are_a_line_and_exit_with_2(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert message in " ".join(captured.err.replace("│", " ").split())
    assert "Traceback" not in captured.err
    if "hiden" not in str(arguments) and "rnn" not in arguments:
        assert captured.err.splitlines()[-1].startswith("pixelrnn: ")
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_resume_keeps_its_settings(capsys, trained):
    assert run("train", "--resume", trained, "--layers", 3) == 2
    assert "--layers cannot be given with --resume" in capsys.readouterr().err
    assert run("train", "--resume", trained, "--steps", 12) == 0
    assert json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 12
    capsys.readouterr()
    assert run("train", "--resume", trained) == 0
    assert f"{trained} is complete at step 12; to go on, give a larger budget" in capsys.readouterr().out
    assert run("train", "--resume", trained, "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 12


def test_train_prints_json(capsys, tmp_path):
    settings = ["--layers", 1, "--hidden", 4, "--steps", 2, "--samples", 0, "--valid-images", 5]
    assert run("train", "digits", *settings, "--out", tmp_path / "run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2


def test_evaluate_warns_when_the_source_has_changed(capsys, tmp_path):
    for n in range(12):
        picture("L", size=(8, 8), seed=n).save(tmp_path / f"{n:02d}.png")
    settings = ["--layers", 1, "--hidden", 4, "--steps", 1, "--samples", 0]
    assert run("train", tmp_path, *settings, "--out", tmp_path / "runs" / "a") == 0
    assert run("evaluate", tmp_path / "runs" / "a") == 0
    assert "warning" not in capsys.readouterr().err
    for n in range(12, 30):
        picture("L", size=(8, 8), seed=n).save(tmp_path / f"{n:02d}.png")
    assert run("evaluate", tmp_path / "runs" / "a") == 0
    assert "images drawn for testing may have been trained on" in capsys.readouterr().err
    assert run("train", "--resume", tmp_path / "runs" / "a", "--steps", 2) == 2
    assert "the run was begun with" in capsys.readouterr().err


def test_train_starts_from_a_model(capsys, trained, tmp_path):
    """The network is the model's; images of another size and other training options are the new run's."""
    for n in range(12):
        picture("L", size=(10, 9), seed=n).save(tmp_path / f"{n:02d}.png")
    settings = ["--start-from", trained, "--levels", 17, "--steps", 1, "--samples", 0, "--out", tmp_path / "runs" / "a"]
    assert run("train", tmp_path, *settings) == 0
    made = json.loads((tmp_path / "runs" / "a" / "config.json").read_text())
    earlier = json.loads((trained / "config.json").read_text())
    assert made["model"] == earlier["model"] | {"shape": [1, 9, 10]}
    assert made["train"]["start_from"] == str(trained)
    capsys.readouterr()
    assert run("info", tmp_path / "runs" / "a") == 0
    assert f"trained on {tmp_path}, from {trained} on" in capsys.readouterr().out
    for options, message in {
        ("--layers", 3): f"--layers cannot be given with --start-from: {trained} keeps its own",
        ("--no_skip",): "--no-skip cannot be given with --start-from",
        (
            "--levels",
            8,
        ): "the images have 1 channels and 8 levels; the model takes 1 channels and 17 levels (--levels 17)",
        ("--channels", "rgb"): "the images have 3 channels and 17 levels; the model takes 1 channels",
        ("--resume", trained): "cannot be given with --resume",
        ("--start-from", "no-such-model"): "no-such-model is neither a folder nor one of the shipped models",
        ("--separately",): "separately is for a Multi-Scale model (--scales 2 or more)",
        ("--start-from", tmp_path): "no config.json here; is this a run or model folder?",
    }.items():
        assert run("train", tmp_path, *settings[:-1], tmp_path / "runs" / "b", *options) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "runs" / "b").exists()


def test_train_starts_from_a_model_of_labels(capsys, tmp_path):
    """They are told apart by their names, not their order."""
    for folder, labels in {"pets": "ac", "more": "bc", "one": "c"}.items():
        for label, n in itertools.product(labels, range(6)):
            path = tmp_path / folder / label / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture("L", size=(8, 8), seed=n).save(path)
    settings = ["--labels", "--steps", 1, "--samples", 0]
    small = ["--layers", 1, "--hidden", 4]
    assert run("train", tmp_path / "pets", *settings, *small, "--out", tmp_path / "runs" / "a") == 0
    start = ["--start-from", tmp_path / "runs" / "a"]
    assert run("train", tmp_path / "one", *settings, *start, "--out", tmp_path / "runs" / "b") == 0
    assert json.loads((tmp_path / "runs" / "b" / "config.json").read_text())["labels"] == ["a", "c"]
    assert run("train", "--resume", tmp_path / "runs" / "b", "--steps", 2) == 0
    capsys.readouterr()
    assert run("train", tmp_path / "more", *settings, *start, "--out", tmp_path / "runs" / "c") == 2
    assert "'b' is none of the labels that the model knows: a, c" in capsys.readouterr().err
    assert run("train", tmp_path / "one", "--size", 8, *start, "--steps", 1) == 2
    assert "classes of the data is 0, that of the model 2 (--labels)" in capsys.readouterr().err


def test_torchrun_takes_no_option_for_one_of_its_own():
    """It looks for its options behind the name of the program as well, and takes beginnings of them for them."""
    theirs = {option for action in get_args_parser()._actions for option in action.option_strings}

    def names(kind):
        for field in dataclasses.fields(kind):
            is_group = dataclasses.is_dataclass(field.type)
            yield from names(field.type) if is_group else [f"--{field.name.replace('_', '-')}"]

    ours = set(names(Train)) | set(names(Evaluate))
    assert {"--levels", "--layers", "--start-from", "--device", "--json"} <= ours
    assert {(our, their) for our in ours for their in theirs if their.startswith(our)} == set()


def test_training_ends_with_the_commands_that_use_the_result(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("train", "digits", "--layers", 1, "--hidden", 4, "--steps", 2, "--samples", 0, "--valid-images", 5) == 0
    captured = capsys.readouterr()
    assert "digits: 1,797 images, 8x8 grey" in captured.err
    for command in ("evaluate", "sample", "info"):
        assert f"pixelrnn {command} runs/digits-diagonal-bilstm" in captured.out
    for part in ("# test images: nats, bits/dim", " -n 64      # new images", "# what it is"):
        assert part in captured.out
    assert run("train", "digits", "--layers", 1, "--hidden", 4, "--steps", 2, "--samples", 0, "--valid-images", 5) == 0
    assert (tmp_path / "runs" / "digits-diagonal-bilstm-2" / "model.safetensors").exists(), (
        "a second run has its own folder"
    )


def test_evaluate(capsys, trained, tmp_path):
    assert run("evaluate", trained) == 0
    text = capsys.readouterr().out
    for part in ("nats per image", "bits/dim", "180 images", "images/s", "protocol: test images of digits; 17 levels"):
        assert part in text
    assert run("evaluate", trained, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert {"nats", "standard_error", "bits_per_dim", "images", "images_per_second", "protocol"} <= set(result)
    np.save(tmp_path / "x.npy", np.zeros((1, 8, 8), np.uint8))
    assert run("evaluate", trained, tmp_path / "x.npy") == 2
    assert "the images have 256 levels; the model has 17" in capsys.readouterr().err
    assert run("evaluate", trained, tmp_path / "x.npy", "--source-levels", 17, "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 1, "another source is measured whole"
    assert run("evaluate", trained, "--split", "all", "--json", "--limit", 7) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 7


def test_evaluate_says_what_does_not_fit(capsys, trained, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 3, 8, 8), np.uint8))
    assert run("evaluate", trained, tmp_path / "x.npy", "--source-levels", 17) == 2
    assert "images have shape (3, 3, 8, 8); (N, 1, H, W) is needed" in capsys.readouterr().err


def test_sample(capsys, trained, tmp_path):
    assert run("sample", trained, "-n", 3, "--seed", 5, "--out", tmp_path / "a", "--batch", 2) == 0
    assert f"3 new images and grid.png written to {tmp_path / 'a'}" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["grid.png", "seed-5-000000.png", "seed-5-000001.png", "seed-5-000002.png"]
    assert run("sample", trained, "-n", 3, "--seed", 5, "--out", tmp_path / "a", "--overwrite") == 0
    assert "warning" not in capsys.readouterr().err
    assert run("sample", trained, "-n", 1, "--seed", 5, "--out", tmp_path / "b") == 0
    first = (tmp_path / "b" / "seed-5-000000.png").read_bytes()
    assert first == (tmp_path / "a" / "seed-5-000000.png").read_bytes()
    assert run("sample", trained, "-n", 1, "--size", 4, 9, "--out", tmp_path / "c") == 0
    with Image.open(tmp_path / "c" / "seed-0-000000.png") as image:
        assert image.size == (9, 4)
    assert run("sample", trained, "-n", 0) == 2
    assert "pixelrnn: -n is 0; at least 1 is needed" in capsys.readouterr().err
    assert run("sample", trained, "--batch", 0) == 2
    assert run("sample", trained, "--seed", -1) == 2
    assert "seed is -1; 0 to 2^63 - 1 are allowed" in capsys.readouterr().err
    assert run("sample", trained, "-n", 2, "--json", "--out", tmp_path / "d") == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 2


def test_info(capsys, trained):
    assert run("info", trained) == 0
    text = capsys.readouterr().out
    assert "pixelcnn, 1 layer, h=4, 1x8x8" in text
    assert "best validation" in text
    assert run("info", trained, "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"]["architecture"] == "pixelcnn"


def test_data_show(capsys, tmp_path):
    for n in range(20):
        (tmp_path / str(n % 2)).mkdir(exist_ok=True)
        picture(size=(8, 8), seed=n).save(tmp_path / str(n % 2) / f"{n}.png")
    (tmp_path / "0" / "bad.png").write_bytes(b"")
    assert run("data", "show", tmp_path, "--labels", "--skip-bad") == 0
    captured = capsys.readouterr()
    assert "20 images, 20 RGB, 1 unreadable (listed)" in captured.err
    assert "bad.png" in captured.err
    assert "(channels x height x width), " in captured.out
    assert "2 labels: 0, 1" in captured.out
    assert run("data", "show", tmp_path, "--skip-bad", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] == {"train": 16, "valid": 2, "test": 2}


def test_data_binarize(capsys, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train=images[:20], test=images[20:])
    assert run("data", "binarize", tmp_path / "x.npz", "--out", tmp_path / "b.npz", "--valid", 5, "--seed", 3) == 0
    assert "train 15, valid 5, test 10" in capsys.readouterr().out
    expected = np.random.Generator(np.random.PCG64(3)).random(images.shape) < images / 255
    with np.load(tmp_path / "b.npz") as file:
        rows = np.concatenate([file["train"], file["valid"], file["test"]])
    assert np.array_equal(np.unpackbits(rows, axis=1, count=16).reshape(-1, 4, 4), expected)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [(KeyboardInterrupt, 130, "pixelrnn: interrupted\n"), (MemoryError, 2, "pixelrnn: there is not enough memory\n")],
)
def test_how_a_command_ends_that_is_cut_short(error, code, message, capsys, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(Models, "run", fail)
    assert run("models") == code
    assert capsys.readouterr().err == message


def test_demo(capsys, tmp_path, monkeypatch):
    assert run("demo", "--minutes", 0.005, "--out", tmp_path / "demo") == 0
    text = capsys.readouterr().out
    for part in (
        "uniform              4.087",
        "per-pixel histogram",
        "Diagonal BiLSTM",
        "give it more --minutes",
        "then try:",
        "as WebP. Decoded again, they are the same pixels.",
    ):
        assert part in text
    page = (tmp_path / "demo" / "index.html").read_text()
    shown = re.findall(r'src="([^"]+)"', page)
    assert len(shown) == 7
    assert "flaw.png" in shown
    assert all((tmp_path / "demo" / name).stat().st_size > 1_000 for name in shown)
    with Image.open(tmp_path / "demo" / "samples.png") as image:
        assert image.width > 100
    assert (tmp_path / "demo" / "curve.png").exists()
    capsys.readouterr()
    monkeypatch.setattr("pixelrnn.cli.demo.tour", lambda *_: [])  # once is enough
    assert run("demo", "--minutes", 0.01, "--out", tmp_path / "demo", "--json") == 0, "a second demo replaces the first"
    assert set(json.loads(capsys.readouterr().out)) == {"page", "run", "bits_per_dim", "histogram_bits_per_dim"}
    (tmp_path / "mine" / "run").mkdir(parents=True)
    assert run("demo", "--minutes", 0.01, "--out", tmp_path / "mine") == 2
    assert "was not made by a demo" in capsys.readouterr().err


def test_version_and_public_names():
    import pixelrnn

    assert all(hasattr(pixelrnn, name) for name in pixelrnn.__all__)
    assert pixelrnn.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pixelrnn.nothing


def test_progress_without_a_terminal_is_plain_lines(capsys, monkeypatch):
    from pixelrnn.cli import console

    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.01)
    with console.progress("working") as report:
        for share in (0.0, 0.5, 1.0):
            time.sleep(0.02)
            report(Progress(fraction=share, text="busy"))
    text = capsys.readouterr().err
    assert "working: 50%" in text
    assert "s left, busy" in text
    assert "\r" not in text


def test_the_time_left_of_what_is_resumed(capsys, monkeypatch):
    """A quarter in ten seconds, after half that was done before: ten more for the last quarter."""
    from pixelrnn.cli import console

    clock = iter([0.0, 30.0, 40.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress("working") as report:
        report(Progress(fraction=0.5))
        report(Progress(fraction=0.75))
    assert "working: 75%, 10 s left" in capsys.readouterr().err


BENCH = ("bench", "--layers", 1, "--hidden", 4, "--side", 6, "--batch", 2, "--runs", 1)


def test_bench(capsys):
    assert run(*BENCH, "--no-memory") == 0
    text = capsys.readouterr().out
    for part in (
        "one large matrix product",
        "diagonal-bilstm",
        "gated-pixelcnn",
        "x plain torch",
        "x faster than",
        " levels, batch ",
    ):
        assert part in text
    assert run(*BENCH, "--architecture", "pixelcnn") == 0
    assert "MB for a training step" in capsys.readouterr().out


def test_bench_prints_json_and_draws_growth(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("pixelrnn.cli.bench.GROWTH", {"side": (3, 5), "batch": (1, 2)})
    picture = tmp_path / "growth.png"
    assert run(*BENCH, "--architecture", "row-lstm", "--no-memory", "--growth", picture, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [speed["model"]["architecture"] for speed in result["speeds"]] == ["row-lstm"]
    assert [speed["batch"] for speed in result["growth"]["batch"]] == [1, 2]
    assert [speed["model"]["shape"] for speed in result["growth"]["side"]] == [[1, 3, 3], [1, 5, 5]]
    with Image.open(picture) as image:
        assert image.width > image.height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", 0), "--batch is 0; at least 1 is needed"),
        (("--runs", 0), "--runs is 0; at least 1 is needed"),
        (("--hidden", 0), "hidden is 0; at least one feature per channel"),
    ],
)
def test_bench_refuses(capsys, arguments, message):
    assert run("bench", *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs with labels, of several scales, with a context, and of named labels in colour."""
    folder = tmp_path_factory.mktemp("conditions")
    assert run("train", "digits", "--labels", "--label-dropout", 0.1, *SMALL, "--out", folder / "labels") == 0
    assert run("train", "digits", "--scales", 3, *SMALL, "--out", folder / "scales") == 0
    assert run("train", "digits", "--scales", 2, "--separately", *SMALL, "--out", folder / "separately") == 0
    assert run("train", "digits", "--context", "shrunk", *SMALL, "--out", folder / "context") == 0
    for number in range(30):
        path = folder / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture("RGB", size=(8, 8), seed=number).save(path)
    options = [folder / "pictures", "--labels", "--context", "grey", "--levels", 8]
    assert run("train", *options, *SMALL, "--out", folder / "colour") == 0
    return folder


def test_training_of_scales_is_resumed(capsys, runs):
    assert run("train", "--resume", runs / "separately", "--steps", 12, "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 12
    assert run("train", "--resume", runs / "separately" / "scale-4x4", "--steps", 14, "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 14
    assert run("evaluate", runs / "separately" / "scale-8x8", "--json") == 0
    assert "context subsample" in json.loads(capsys.readouterr().out)["protocol"]


def test_evaluate_with_labels(capsys, runs):
    assert run("evaluate", runs / "labels", "--classify", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert 0 <= result["classification"]["accuracy"] <= 1
    assert run("evaluate", runs / "labels", "--without-labels", "--json") == 0
    assert json.loads(capsys.readouterr().out)["nats"] != result["nats"]
    assert run("evaluate", runs / "labels", "--classify") == 0
    assert "of the labels found by Bayes' rule" in capsys.readouterr().out
    assert run("evaluate", runs / "colour", "--without-labels") == 2
    assert "the model needs a label, 0 .. 1" in capsys.readouterr().err
    assert run("evaluate", runs / "scales", "--classify") == 2
    assert "the model has no classes; it was trained without labels" in capsys.readouterr().err


def test_sample_with_conditions(capsys, runs, tmp_path):
    assert run("sample", runs / "labels", "--label", "each", "-n", 2, "--out", tmp_path / "each") == 0
    assert "20 new images" in capsys.readouterr().out
    assert run("sample", runs / "labels", "--label", 3, "-n", 1, "--out", tmp_path / "three") == 0
    photo = runs / "pictures" / "cat" / "0.png"
    colour = ["--context", photo, "-n", 2, "--out", tmp_path / "colour", "--overwrite"]
    assert run("sample", runs / "colour", "--label", "dog", *colour) == 0
    for option, message in [
        (["--label", "bird"], "--label is 'bird'; the labels are cat, dog"),
        (["--label", 7, *colour], "labels are 7 .. 7; 0 .. 1 are allowed"),
        (colour, "the model needs a label, 0 .. 1"),
        (["--label", "dog"], "the model needs a context image of 1x8x8"),
        (["--label", "dog", "--context", tmp_path / "none.png"], "none.png cannot be used"),
    ]:
        assert run("sample", runs / "colour", *option) == 2
        assert message in capsys.readouterr().err
    assert run("sample", runs / "scales", "--label", "x") == 2
    assert "--label is given, but the model has no labels" in capsys.readouterr().err
    assert run("sample", runs / "scales", "--label", "each") == 2
    assert "--label is 'each', but the model has no labels" in capsys.readouterr().err
    assert run("sample", runs / "scales", "--context", photo) == 2
    assert "--context is given, but the model has none" in capsys.readouterr().err


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", ["labels", "scales", "context"])
def test_complete_a_source(capsys, runs, tmp_path, name):
    options = ["--limit", 3, "-n", 2, "--particles", 8, "--out", tmp_path]
    assert run("complete", runs / name, "--keep", "bottom", *options) == 0
    assert "completions.png: occluded, 2 completions, original\n  image 0: log p(known)" in capsys.readouterr().out
    assert run("complete", runs / name, "--keep", "bottom", *options, "--overwrite", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["images"]) == 6
    assert len(result["log_known"]) == 3
    first, second = (pixels(path) for path in result["images"][:2])
    assert (first[4:] == second[4:]).all()
    assert (first[:4] != second[:4]).any()
    # A row for each image: occluded, two completions, original.
    strip = pixels(result["strip"])
    assert strip.shape[1] / strip.shape[0] == pytest.approx(4 / 3, rel=0.02)


def test_a_source_without_labels_or_with_others(capsys, runs, tmp_path):
    """Labels go by their names; an option, or --without-labels, does without those of the source."""
    for name in ("dog", "bird"):
        (tmp_path / name / "x").mkdir(parents=True)
        picture("RGB", size=(8, 8), seed=1).save(tmp_path / name / "x" / "1.png")
    (tmp_path / "dog" / "x").rename(tmp_path / "dog" / "dog")
    (tmp_path / "bird" / "x").rename(tmp_path / "bird" / "bird")
    assert run("evaluate", runs / "colour", tmp_path / "dog", "--json") == 0
    assert run("evaluate", runs / "colour", tmp_path / "bird") == 2
    assert "'bird' is none of the labels that the model knows: cat, dog" in capsys.readouterr().err
    flat = tmp_path / "dog" / "dog"
    (flat / "1.png").rename(tmp_path / "1.png")
    (tmp_path / "flat").mkdir()
    (tmp_path / "1.png").rename(tmp_path / "flat" / "1.png")
    options = ["--keep", "top", "-n", 1, "--out", tmp_path / "out", "--json"]
    assert run("complete", runs / "colour", tmp_path / "flat", *options) == 2
    assert "lies in no sub-folder that could be its label" in capsys.readouterr().err
    assert run("complete", runs / "colour", tmp_path / "flat", "--label", "dog", *options) == 0
    assert run("complete", runs / "colour", tmp_path / "flat", "--label", "--5", *options) == 2
    picture("L", size=(8, 8)).save(tmp_path / "flat" / "2.png")
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8), np.uint8))
    plain = ["--without-labels", "--source-levels", 17, "--json"]
    assert run("evaluate", runs / "labels", tmp_path / "x.npy", *plain) == 0


@pytest.mark.parametrize("kind", ["grey", "shrunk"])
def test_contexts_of_files_are_those_of_training(tmp_path, kind):
    config = DataConfig(context=kind, levels=16, size=8)
    for number in range(5):
        picture("RGB", size=(8, 8), seed=number).save(tmp_path / f"{number}.png")
    data = load_data(tmp_path, config)
    model = ImageModel(ModelConfig(**data.model_fields, layers=1, hidden=4), seed=0)
    model.save_pretrained(tmp_path / "run")
    content = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**content, "data": to_json(config)}))
    paths = tuple(tmp_path / f"{number}.png" for number in range(5))
    expected = data.whole.examples(range(5)).condition.context
    assert torch.equal(read_contexts(Run.open(tmp_path / "run"), paths), expected)


def test_a_mask_of_a_turned_photograph(capsys, runs, tmp_path):
    """Sizes are those of the upright images; where resizing mixes known and unknown, nothing is known."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture("RGB", size=(10, 6)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("L", (6, 10), 255).save(tmp_path / "upright.png")
    Image.new("L", (10, 6), 255).save(tmp_path / "lying.png")
    options = ["-n", 1, "--label", "cat", "--context", tmp_path / "turned.jpg", "--out", tmp_path / "out"]
    assert run("complete", runs / "colour", tmp_path / "turned.jpg", "--mask", tmp_path / "lying.png", *options) == 2
    assert "is 10x6 pixels" in capsys.readouterr().err
    black = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    black.paste((255, 255, 255, 0), (20, 20, 40, 40))
    black.save(tmp_path / "hole.png")
    config = DataConfig(size=16)
    image = read_image(tmp_path / "hole.png", config, channels=3, levels=256)
    known = read_opacity(tmp_path / "hole.png", config)
    assert image[:, known].max() < 20
    assert 0 < (~known).sum() < 64


def test_upscale_from_the_run_of_a_scale(capsys, runs, tmp_path):
    picture("L", size=(4, 4)).save(tmp_path / "small.png")
    assert run("upscale", runs / "separately" / "scale-8x8", tmp_path / "small.png", "--out", tmp_path / "out") == 0
    assert "versions of 8x8 pixels" in capsys.readouterr().out


def test_complete_an_image_file(capsys, runs, tmp_path):
    image = picture("RGBA", size=(8, 8))
    opacity = np.full((8, 8), 255, np.uint8)
    opacity[2:5, 3:6] = 0
    image.putalpha(Image.fromarray(opacity))
    image.save(tmp_path / "torn.png")
    options = ["-n", 1, "--label", "cat", "--context", tmp_path / "torn.png", "--particles", 2, "--json"]
    results = []
    for number, how in enumerate([[], ["--mask", tmp_path / "mask.png"], ["--drop", "box:2,3,3,3"]]):
        Image.fromarray(opacity).save(tmp_path / "mask.png")
        out = ["--out", tmp_path / str(number)]
        assert run("complete", runs / "colour", tmp_path / "torn.png", *how, *options, *out) == 0
        results.append(pixels(json.loads(capsys.readouterr().out)["images"][0]))
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()
    image.resize((8, 12)).save(tmp_path / "tall.png")
    assert (
        run("complete", runs / "labels", tmp_path / "tall.png", "--label", 3, "-n", 1, "--out", tmp_path / "tall") == 0
    )
    assert "tall.png has 8x12 pixels; the model was trained on 8x8" in capsys.readouterr().err
    whole = np.asarray(Image.alpha_composite(Image.new("RGBA", (8, 8), "white"), image).convert("RGB"))
    kept = np.rint(whole.astype(int) // 32 * 255 / 7).astype(np.uint8)
    assert (results[0][opacity > 0] == kept[opacity > 0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "what is missing? give --keep, --drop or, with an image file, --mask or transparency"),
        (["--keep", "top", "--drop", "left"], "--keep and --drop are both given"),
        (["--keep", "middle"], "--keep is 'middle'; top, bottom, left, right (each with :PIXELS) or box:"),
        (["--keep", "box:1,2,3"], "--keep is 'box:1,2,3'"),
        (["--drop", "box:1,2,0,3"], "height and width of a box are at least 1"),
        (["--keep", "top:8"], "nothing is missing"),
        (["--drop", "box:4,4,5,5"], "box:4,4,5,5 reaches beyond the image of 8x8"),
        (["--keep", "left:9"], "left:9 reaches beyond the image of 8x8"),
        (["--mask", "mask.png"], "--mask belongs to an image file"),
        (["--keep", "top", "-n", "0"], "-n is 0; at least 1 is needed"),
        (["--keep", "top", "--particles", "0"], "--particles is 0"),
        (["whole.png"], "whole.png has no transparency that would say what is missing"),
        (["whole.png", "--mask", "wide.png"], "wide.png is 9x8 pixels, whole.png is 8x8"),
        (["whole.png", "--mask", "text.png"], "text.png cannot be used: not an image that is known"),
        (["text.png", "--keep", "top"], "text.png cannot be used"),
        (["nowhere.png", "--keep", "top"], "nowhere.png: no such file or folder"),
    ],
)
def test_complete_refuses(capsys, monkeypatch, runs, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    picture("L", size=(8, 8)).save("whole.png")
    picture("L", size=(9, 8)).save("wide.png")
    (tmp_path / "text.png").write_text("not an image")
    assert run("complete", runs / "scales", *arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_upscale(capsys, runs, tmp_path):
    picture("L", size=(4, 4)).save(tmp_path / "small.png")
    small = pixels(tmp_path / "small.png").astype(int) * 17 // 256
    for name, step in (("scales", 2), ("context", 2)):
        assert run("upscale", runs / name, tmp_path / "small.png", "-n", 2, "--out", tmp_path / name, "--json") == 0
        large = [pixels(path) for path in json.loads(capsys.readouterr().out)["images"]]
        assert large[0].shape == (8, 8)
        assert (large[0] != large[1]).any()
        if name == "scales":
            assert (np.rint(large[0] / 255 * 16)[::step, ::step] == small).all()
    assert run("upscale", runs / "scales", tmp_path / "small.png", "--doublings", 2, "--out", tmp_path / "more") == 0
    assert "4 versions of 16x16 pixels" in capsys.readouterr().out
    for options, message in [
        ([runs / "labels", tmp_path / "small.png"], "this model does not upscale"),
        ([runs / "scales", tmp_path / "small.png", "--doublings", 3], "this model of 3 scales can do 1 to 2"),
        ([runs / "scales", tmp_path / "none.png"], "none.png cannot be used"),
        ([runs / "scales", tmp_path / "small.png", "-n", 0], "-n is 0; at least 1 is needed"),
    ]:
        assert run("upscale", *options) == 2
        assert message in capsys.readouterr().err

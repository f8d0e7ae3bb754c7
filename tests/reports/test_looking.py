"""What people look at: two models side by side, what a source holds, what a result is, which models there are."""

import json
import pickle
import re
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import Codec, TrainConfig, evaluate, fit, load_data, load_model
from pixelrnn.archive.compress import compress
from pixelrnn.data.advice import Advice, advise
from pixelrnn.scores.anomaly import detector
from pixelrnn.scores.entropy import entropy
from pixelrnn.scores.score import score
from pixelrnn.train.evaluation import compare
from tests.cli.test_cli import run
from tests.conftest import build


@pytest.fixture
def pair(tmp_path):
    """Two runs on the same images, and the images."""
    data = load_data("digits", limit=40)
    for name, layers in (("a", 1), ("b", 2)):
        model = build(architecture="pixelcnn", layers=layers, **data.model_fields).float()
        fit(model, data, TrainConfig(steps=2, batch=4, samples=0), folder=tmp_path / name)
    return tmp_path / "a", tmp_path / "b", data


def test_differences_are_of_the_same_images(pair):
    *folders, data = pair
    first, second = models = [load_model(folder) for folder in folders]
    results = compare(models, data.test, batch=7)
    nats = [score(model, data.test).nats for model in models]
    difference = nats[1] - nats[0]
    assert results[0].difference is None
    assert results[0].nats == pytest.approx(evaluate(first, data.test).nats, rel=1e-6)
    for result, each in zip(results, nats, strict=True):
        assert result.nats == pytest.approx(each.mean(), rel=1e-6)
    assert results[1].difference == pytest.approx(difference.mean(), rel=1e-5)
    assert results[1].difference_error == pytest.approx(difference.std(ddof=1) / len(difference) ** 0.5, rel=1e-4)
    assert results[1].nats == pytest.approx(evaluate(second, data.test).nats, rel=1e-6)


def test_evaluate_compares_two_models(pair, capsys):
    first, second, _ = pair
    assert run("evaluate", first, second) == 0
    head, *lines, _, protocol = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["nats", "per", "image"]
    assert [line.split()[0] for line in lines] == [str(first), str(second)]
    assert re.search(r"[+-]\d+\.\d{3} \+- \d+\.\d{3}", lines[1])
    assert "images of digits" in protocol
    assert run("evaluate", first, second, "digits", "--json", "--limit", "5") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in found["models"]] == [str(first), str(second)]
    assert "difference" not in found["models"][0]
    assert found["models"][1]["images"] == 5
    assert run("evaluate", first, "--json", "digits") == 0  # a source, wherever it stands
    assert "difference" not in json.loads(capsys.readouterr().out)


def test_evaluate_says_what_is_no_model(pair, capsys):
    first, *_ = pair
    assert run("evaluate", first, "nowhere", "digits") == 2
    assert "nowhere is neither a folder nor one of the shipped models" in capsys.readouterr().err
    assert run("evaluate", first, "mnist-row-lstm") == 2
    error = capsys.readouterr().err
    assert "mnist-row-lstm takes 1 channel of 2 levels, " in error
    assert " 1 channel of 17 levels; ask them one by one" in error


def arrays(values, dtype=np.uint8):
    return np.random.default_rng(0).choice(np.array(values, dtype), (30, 6, 6))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 1], Advice("0 and 1", "source_levels", 2)),
        (range(16), Advice("16, 0 .. 15,", "source_levels", 16)),
        ([0, 255], Advice("0 and 255", "levels", 2)),
        ([0, 85, 170, 255], Advice("4, 0 .. 255,", "levels", 4)),
        (range(256), None),
        ([3], None),
        ([0, 100, 255], None),
    ],
)
def test_the_option_that_fits_few_values(values, wanted, tmp_path, capsys):
    np.save(tmp_path / "x.npy", arrays(list(values)))
    found = advise(load_data(tmp_path / "x.npy"))
    assert found == wanted
    assert run("data", "show", tmp_path / "x.npy") == 0
    said = capsys.readouterr().err
    if wanted is None:
        assert "occur" not in said
        return
    option = f"--{wanted.option.replace('_', '-')}"
    assert f"of 256 values only {wanted.values} occur; {option} {wanted.levels} makes" in said
    # What is advised makes each value a level of its own, and is not advised again.
    better = load_data(tmp_path / "x.npy", **{wanted.option: wanted.levels})
    assert better.levels == wanted.levels
    assert len(better.whole.batch(range(30)).unique()) == len(list(values))
    assert advise(better) is None


def test_dark_image_files_are_no_levels(tmp_path):
    for number in range(4):
        Image.fromarray(arrays([0, 1])[number]).save(tmp_path / f"{number}.png")
    assert advise(load_data(tmp_path)) is None


def test_black_and_white_files_become_two_levels(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(4):
            Image.fromarray(arrays([0, 255])[number]).save(tmp_path / f"{number}.png")
            archive.write(tmp_path / f"{number}.png", f"{number}.png")
    assert advise(load_data(tmp_path / "x.zip")) == Advice("0 and 255", "levels", 2)


def test_results_are_a_few_lines(tmp_path):
    model = build(architecture="pixelcnn", shape=(1, 16, 16), levels=2, layers=1).float()
    images = torch.randint(0, 2, (300, 1, 16, 16), dtype=torch.uint8)
    for number in range(20):
        Image.fromarray(images[number, 0].numpy() * np.uint8(255)).save(tmp_path / f"{number}.png")
    results = [
        score(model, images),
        entropy(model, images),
        model.complete(images, torch.zeros(16, 16, dtype=torch.bool), particles=1),
        compress(None, tmp_path, tmp_path / "a.pxr"),
        load_data("digits"),
        evaluate(model, load_data(tmp_path, levels=2).test),
    ]
    for result in results:
        assert type(result).__name__ in repr(result)
        assert len(repr(result)) < 500
        assert "\n" not in repr(result)


def test_what_is_used_elsewhere_can_be_pickled():
    model = build(architecture="row-lstm", shape=(1, 8, 8), levels=2, layers=1).float()
    images = torch.randint(0, 2, (9, 1, 8, 8), dtype=torch.uint8)
    codec = Codec(model, tile=(4, 8))
    data = codec.encode(images)
    again = pickle.loads(pickle.dumps(codec))
    assert again.encode(images) == data
    assert torch.equal(again.decode(data), images)
    found = detector("likelihood", model).fit(images)
    fitted = pickle.loads(pickle.dumps(found))
    assert np.array_equal(fitted.p_values(fitted.score_samples(images)), found.p_values(found.score_samples(images)))


def test_models_begin_with_a_short_table(capsys):
    assert run("models") == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert lines[0].split() == ["model", "MB", "what"]
    assert all(len(line) < 100 for line in lines)
    assert any(line.startswith("mnist-row-lstm") for line in lines)


def test_advice_never_merges_values(tmp_path):
    """Of evenly spaced values some share a level by floor quantisation: then there is nothing to advise."""
    values = np.round(np.arange(28) * 255 / 27).astype(np.uint8)
    np.save(tmp_path / "x.npy", np.resize(values, (30, 6, 6)))
    found = advise(load_data(tmp_path / "x.npy"))
    assert (
        found is None or len(load_data(tmp_path / "x.npy", levels=found.levels).whole.batch(range(30)).unique()) == 28
    )


def test_other_numbers_of_labels_are_refused(tmp_path, capsys):
    data = load_data("digits", labels=True, limit=60)
    model = build(architecture="pixelcnn", layers=1, **data.model_fields).float()
    fit(model, data, TrainConfig(steps=1, batch=4, samples=0), folder=tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    (tmp_path / "b" / "config.json").write_text(json.dumps(config | {"labels": config["labels"][::-1]}))
    assert run("evaluate", tmp_path / "a", tmp_path / "b") == 2
    assert "numbers the labels otherwise than" in capsys.readouterr().err
    (tmp_path / "b" / "config.json").write_text(
        json.dumps(config | {"fingerprints": dict.fromkeys(config["fingerprints"], "0")})
    )
    assert run("evaluate", tmp_path / "a", tmp_path / "b") == 0
    assert "was trained on other images of digits, maybe on these" in capsys.readouterr().err


def test_a_folder_of_pictures_stays_a_source(pair, tmp_path, monkeypatch, capsys):
    first, *_ = pair
    (tmp_path / "emoji").mkdir()  # the name of a shipped model
    for number in range(3):
        Image.fromarray(arrays([0, 15])[number][:4, :4].repeat(2, 0).repeat(2, 1)).save(
            tmp_path / "emoji" / f"{number}.png"
        )
    (tmp_path / "emoji" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert run("evaluate", first, "emoji", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 3

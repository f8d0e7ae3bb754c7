"""Parts of some work, done anywhere and in any order, come to what a single run comes to."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from pixelrnn import load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.restore import decompress
from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.scale import parts as parts_module
from pixelrnn.scale.parts import Part, chunks_of, parts_in
from tests.cli.test_cli import run

MODEL = "mnist-grey"


def said_by(capsys, *words):
    """What a command prints."""
    assert run(*words) == 0
    return capsys.readouterr().out


def in_parts(count, *words, folder):
    """Run a command in so many parts, the last one first."""
    for number in reversed(range(1, count + 1)):
        assert run(*words, "--shard", f"{number}/{count}", "--parts", folder) == 0


def test_every_name_is_in_one_part_and_stays_there():
    names = [f"a/{number}.png" for number in range(500)]
    shards = [Shard(number, 7) for number in range(1, 8)]
    taken = [[shard.takes(name) for name in names] for shard in shards]
    assert (np.sum(taken, 0) == 1).all()
    assert np.sum(taken, 1).min() > 40
    assert [shards[0].takes(name) for name in names[::3]] == taken[0][::3]  # whatever else there is
    for one, other in (("b/x.bmp", "b/X.PNG"), ("x", "x.tar"), (".png", ".png")):
        assert [shard.takes(one) for shard in shards] == [shard.takes(other) for shard in shards]
    assert [shard.takes("\udcff.png") for shard in shards].count(True) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "a", "1", "1/2/3", "-1/2", "1/"])
def test_what_is_no_part_is_refused(text, digits, tmp_path, capsys):
    assert run("score", MODEL, digits / "new", "--shard", text, "--parts", tmp_path / "parts") == 2
    assert "shard is" in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("options", [[], ["--exact"], ["--method", "surprise"]])
def test_scores_are_those_of_the_single_run(options, digits, tmp_path, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual", *options]
    single = said_by(capsys, *words, "--csv", tmp_path / "single.csv")
    in_parts(3, *words, folder=tmp_path / "parts")
    assert f"when all parts are done: pixelrnn merge {tmp_path / 'parts'}" in capsys.readouterr().out
    assert said_by(capsys, "merge", tmp_path / "parts", "--out", tmp_path / "merged.csv") == single
    rows = [list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines())) for name in ("single", "merged")]
    assert [row["name"] for row in rows[0]] == [row["name"] for row in rows[1]]
    for one, other in zip(*rows, strict=True):
        for column in ("score", "p_value", "rank", "nats", "bits_per_dim"):
            assert float(one[column]) == pytest.approx(float(other[column]), rel=1e-6, abs=1e-9)
    if options == ["--exact"]:
        assert rows[0] == rows[1]  # to the last bit


def test_figures_have_the_errors_of_the_single_run(digits, tmp_path, capsys):
    for words, names in (
        (["evaluate", MODEL, digits / "new"], ("nats", "standard_error", "bits_per_dim")),
        (["entropy", MODEL, digits / "new"], ("bits", "interval", "position", "position_error")),
    ):
        single = json.loads(said_by(capsys, *words, "--json"))
        in_parts(3, *words, folder=tmp_path / words[0])
        capsys.readouterr()
        merged = json.loads(said_by(capsys, "merge", tmp_path / words[0], "--json"))
        for name in names:
            np.testing.assert_allclose(merged[name], single[name], rtol=1e-6, atol=1e-9)
        assert merged["images"] == single["images"]
        assert merged["protocol"] == single["protocol"]
    assert run("merge", tmp_path / "entropy", "--out", tmp_path / "map.png") == 0
    assert size_of(tmp_path / "map.png")[0] > 28
    assert run("merge", tmp_path / "evaluate", "--out", tmp_path / "a.csv") == 2
    assert "come to figures alone" in capsys.readouterr().err


def test_two_models_are_compared_over_parts(digits, tmp_path, capsys):
    words = ["evaluate", MODEL, "mnist-grey", digits / "new"]
    words[2] = tmp_path / "other"
    from pixelrnn import ImageModel, ModelConfig

    config = ModelConfig(architecture="pixelcnn", shape=(1, 28, 28), levels=256, layers=1, hidden=4)
    ImageModel(config, seed=0).save_pretrained(tmp_path / "other")
    single = json.loads(said_by(capsys, *words, "--json"))
    in_parts(2, *words, folder=tmp_path / "parts")
    capsys.readouterr()
    merged = json.loads(said_by(capsys, "merge", tmp_path / "parts", "--json"))
    for one, other in zip(single["models"], merged["models"], strict=True):
        del one["images_per_second"], other["images_per_second"]
        assert other.pop("model") == one.pop("model")
        for error in {"standard_error", "difference_error"} & one.keys():  # small differences of large float32 sums
            assert other.pop(error) == pytest.approx(one.pop(error), rel=1e-4)
        assert other == pytest.approx(one, rel=1e-6)


def test_what_random_draws_decide_is_as_in_the_whole_set(tmp_path, capsys):
    """Test images of the digits, of which a model of two levels sees random bits."""
    options = ["--architecture", "pixelcnn", "--layers", 1, "--hidden", 4, "--steps", 4, "--samples", 0]
    assert run("train", "digits", "--binarize", "dynamic", *options, "--out", tmp_path / "run") == 0
    capsys.readouterr()
    single = json.loads(said_by(capsys, "evaluate", tmp_path / "run", "--json", "--exact"))
    in_parts(3, "evaluate", tmp_path / "run", "--exact", folder=tmp_path / "parts")
    capsys.readouterr()
    merged = json.loads(said_by(capsys, "merge", tmp_path / "parts", "--json"))
    assert merged["nats"] == pytest.approx(single["nats"], rel=1e-12)
    assert merged["images"] == single["images"]


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def content_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_archives_are_merged_without_coding_anew(digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parts_module, "MOST_ROWS", 7)
    words = ["compress", MODEL, digits / "new"]
    assert run(*words, "--out", tmp_path / "single.pxr") == 0
    in_parts(3, *words, folder=tmp_path / "parts")
    monkeypatch.setattr("pixelrnn.codec.coder.Coder.__init__", None)  # nothing is coded
    assert "31 files" in said_by(capsys, "merge", tmp_path / "parts", "--out", tmp_path / "merged.pxr")
    monkeypatch.undo()
    for name in ("single", "merged"):
        with Archive(tmp_path / f"{name}.pxr") as archive:
            assert not decompress(archive, None, tmp_path / name).damaged
    assert content_of(tmp_path / "single") == content_of(tmp_path / "merged")
    assert len(content_of(tmp_path / "merged")) == 31


def test_a_picture_whose_name_is_taken_gets_another(tmp_path, capsys):
    """Of files that differ in more than their suffix, and are in different parts, so that no part knows of both."""
    source = tmp_path / "source"
    source.mkdir()
    parts = [Shard(number, 2) for number in (1, 2)]
    name = next(name for name in map(str, range(99)) if parts[0].takes(name) and parts[1].takes(f"{name}.tif.png"))
    values = load_model(MODEL).sample(3, seed=0)[:, 0].numpy().astype(np.uint8)
    for number, suffix in enumerate((".png", ".tif", ".tif.png")):
        Image.fromarray(values[number]).save(source / f"{name}{suffix}")
    in_parts(2, "compress", MODEL, source, folder=tmp_path / "parts")
    capsys.readouterr()
    said = said_by(capsys, "merge", tmp_path / "parts", "--out", tmp_path / "a.pxr")
    assert f"{name}.tif.png is called {name}.tif-2.png there, since another file has its name" in said
    with Archive(tmp_path / "a.pxr") as archive:
        assert not decompress(archive, None, tmp_path / "out").damaged
    assert len(content_of(tmp_path / "out")) == 3


def test_samples_are_those_of_the_single_run(tmp_path, capsys):
    words = ["sample", "mnist-classes", "-n", 11, "--seed", 4, "--label", 3]
    assert run(*words, "--out", tmp_path / "single") == 0
    in_parts(4, *words, folder=tmp_path / "parts")
    capsys.readouterr()
    said = said_by(capsys, "merge", tmp_path / "parts")
    assert said.startswith(f"11 images in {tmp_path / 'parts'}; ")
    assert said.endswith("grid.png shows the first 11\n")
    single, merged = content_of(tmp_path / "single"), content_of(tmp_path / "parts")
    assert all(merged[path] == content for path, content in single.items() if path.name != "grid.png")
    assert size_of(tmp_path / "parts" / "grid.png") == size_of(tmp_path / "single" / "grid.png")
    assert run("merge", tmp_path / "parts") == 2
    assert "grid.png exists" in capsys.readouterr().err
    (tmp_path / "parts" / "seed-4-000007.png").unlink()
    assert run("merge", tmp_path / "parts", "--overwrite") == 2
    assert "is not there (of 1 images)" in capsys.readouterr().err


def test_what_was_killed_is_gone_on_with(digits, tmp_path, capsys):
    """A part is killed as soon as it has written something, again and again."""
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]
    single = said_by(capsys, *words)
    script = "from pixelrnn.scale import parts; parts.MOST_ROWS = 1; from pixelrnn.__main__ import main; main()"
    command = [sys.executable, "-c", script, *words, "--shard", "1/2", "--parts", tmp_path / "parts", "--resume"]
    part, kills = tmp_path / "parts" / "part-1-of-2", 0
    while not (part / "whole.json").exists():
        before = len(list(part.glob("*.npz")))
        with subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list(part.glob("*.npz"))) == before:
                time.sleep(0.01)
            if process.poll() is None and kills < 3:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
        assert process.returncode in (0, -signal.SIGKILL)
    assert kills == 3
    assert run(*words, "--shard", "2/2", "--parts", tmp_path / "parts", "--resume") == 0
    capsys.readouterr()
    assert said_by(capsys, "merge", tmp_path / "parts") == single


def test_pictures_that_come_later_are_done_too_and_others_move_nowhere(digits, tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    paths = sorted(path for path in (digits / "new").rglob("*.png"))
    for path in paths[:10]:
        (source / path.name).write_bytes(path.read_bytes())
    words = ["score", MODEL, source, "--usual", digits / "usual", "--parts", tmp_path / "parts", "--resume"]
    for number in (1, 2):
        assert run(*words, "--shard", f"{number}/2") == 0
    for path in paths[10:]:
        (source / path.name).write_bytes(path.read_bytes())
    for number in (1, 2):
        assert run(*words, "--shard", f"{number}/2") == 0
    capsys.readouterr()
    found = json.loads(said_by(capsys, "merge", tmp_path / "parts", "--json"))
    assert len(found["images"]) == len(paths)
    held = next((tmp_path / "parts" / "part-1-of-2").glob("*.npz"))
    (source / str(np.load(held)["name"][0])).unlink()
    assert run(*words, "--shard", "1/2") == 2
    assert "has not any more" in capsys.readouterr().err


def test_more_parts_than_pictures(digits, tmp_path, capsys):
    source = tmp_path / "one"
    source.mkdir()
    (source / "a.png").write_bytes(next((digits / "new").glob("*.png")).read_bytes())
    words = ["score", MODEL, source, "--usual", digits / "usual"]
    in_parts(3, *words, folder=tmp_path / "parts")
    assert "holds no images (PNG, JPEG, BMP, WebP, TIFF) (in part" in capsys.readouterr().err
    assert len(json.loads(said_by(capsys, "merge", tmp_path / "parts", "--json"))["images"]) == 1
    words = ["compress", MODEL, source]
    in_parts(3, *words, folder=tmp_path / "archives")
    assert run("merge", tmp_path / "archives", "--out", tmp_path / "a.pxr") == 0
    (tmp_path / "none").mkdir()
    empty = ["--shard", "1/1", "--parts", tmp_path / "of-none"]
    assert run("score", MODEL, tmp_path / "none", "--usual", digits / "usual", *empty) == 0
    capsys.readouterr()
    assert run("merge", tmp_path / "of-none") == 2
    assert "no part holds an image" in capsys.readouterr().err


def test_parts_that_do_not_go_together(digits, tmp_path, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]

    def refused(*words):
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "holds no parts" in refused("merge", digits)
    assert "no such folder" in refused("merge", tmp_path / "nothing")
    parts = ["--parts", tmp_path / "parts"]
    assert run(*words, "--shard", "1/2", *parts) == 0
    capsys.readouterr()
    assert "lacks 1 of 2 parts: 2" in refused("merge", tmp_path / "parts")
    assert "go on with --resume, or choose another folder" in refused(*words, "--shard", "1/2", *parts)
    resumed = refused(*words, "--shard", "1/2", *parts, "--resume", "--method", "likelihood")
    assert "is of other work: its method is 'complexity', not 'likelihood'" in resumed
    assert run(*words, "--shard", "2/2", *parts, "--method", "likelihood") == 0
    capsys.readouterr()
    assert "is of other work than part-1-of-2: its method is 'likelihood'" in refused("merge", tmp_path / "parts")
    assert run(*words, "--shard", "1/3", *parts) == 0
    capsys.readouterr()
    assert "holds parts of 2 and of 3" in refused("merge", tmp_path / "parts")
    assert "--shard and --parts go together" in refused(*words, "--shard", "1/3")
    assert "--resume goes on with a part" in refused(*words, "--resume")
    for option in (["--csv", "a.csv"], ["--limit", 3], ["--maps", "maps"]):
        assert "is of all images; it goes with no --shard" in refused(*words, "--shard", "1/3", *parts, *option)


def test_a_part_has_one_writer_and_whole_files(tmp_path):
    about = {"verb": "score", "sizes": (1, 2)}
    with Part.begin(tmp_path, Shard(1, 1), about, resume=False) as part:
        part.write({"name": np.array(["a"]), "nats": np.array([1.0])})
        with (
            pytest.raises(RunError, match="another process writes"),
            Part.begin(tmp_path, Shard(1, 1), about, resume=True),
        ):
            pass
    with pytest.raises(RunError, match="is not done"):
        parts_in(tmp_path)
    (path,) = part.files()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match="delete it, and go on with --resume"):
        part.done()
    about_path = part.path / "about.json"
    about_path.write_text(json.dumps({"verb": "dance"}))
    part.path.joinpath("whole.json").write_text("{}")
    assert run("merge", tmp_path) == 2


def test_unknown_parts_and_places_are_named(tmp_path, capsys, monkeypatch):
    part = tmp_path / "parts" / "part-1-of-1"
    part.mkdir(parents=True)
    (part / "about.json").write_text(json.dumps({"verb": "dance"}))
    (part / "whole.json").write_text("{}")
    assert run("merge", tmp_path / "parts") == 2
    assert "parts of 'dance', which this program does not know" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"), Part.begin(tmp_path / "file", Shard(1, 1), {}, resume=False):
        pass
    with pytest.raises(ConfigError, match="shard is 3/2; it is one from 1/2 to 2/2"):
        Shard(3, 2)


def test_one_name_in_two_parts_is_refused(digits, tmp_path, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]
    in_parts(2, *words, folder=tmp_path)
    first, second = (tmp_path / f"part-{number}-of-2" for number in (1, 2))
    (second / "000007.npz").write_bytes((first / "000000.npz").read_bytes())
    assert run("merge", tmp_path) == 2
    assert "two parts hold" in capsys.readouterr().err


def test_files_hold_some_images_each(monkeypatch):
    monkeypatch.setattr(parts_module, "MOST_ROWS", 3)
    monkeypatch.setattr(parts_module, "MOST_VALUES", 10)
    assert list(chunks_of(range(7), [1] * 7)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks_of(range(4), [6, 6, 20, 1])) == [[0], [1], [2], [3]]
    assert list(chunks_of([], [])) == []


def test_what_was_skipped_is_said_of_all_parts(digits, tmp_path, capsys):
    source = tmp_path / "s"
    source.mkdir()
    for number in range(4):
        (source / f"{number}.png").write_bytes(b"none")
    (source / "good\n.png").write_bytes((digits / "new" / "1.png").read_bytes())
    in_parts(3, "evaluate", MODEL, source, "--skip-bad", folder=tmp_path / "parts")
    capsys.readouterr()
    assert run("merge", tmp_path / "parts") == 0
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if "skipped" in line] == [
        f"  skipped {source}/{number}.png: not an image that is known" for number in range(4)
    ]
    in_parts(2, "score", MODEL, source, "--usual", digits / "usual", "--skip-bad", folder=tmp_path / "scores")
    assert run("merge", tmp_path / "scores") == 0
    assert "  good\\n.png\n" in capsys.readouterr().out  # a name is a line


def test_read_only_and_full_places_end_in_a_line(digits, tmp_path, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual", "--shard", "1/2"]
    assert run(*words, "--parts", "/proc/parts") == 2
    assert "cannot be made" in capsys.readouterr().err

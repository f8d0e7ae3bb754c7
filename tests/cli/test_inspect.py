"""Calibration and inspection from the command line: verdicts, tables that grow, pictures, kinds of flaws."""

import csv
import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from pixelrnn.cli import inspect
from tests.cli.test_cli import run


def stripes(random, side=16):
    """A usual picture: rows of two colours."""
    return np.repeat(random.integers(0, 2, (side, 1)) * 200, side, axis=1) + random.integers(0, 9, (side, side))


def flawed(random):
    """One with noise in a square, and where that is."""
    pixels, mask = stripes(random), np.zeros((16, 16), np.uint8)
    pixels[6:11, 4:9] = random.integers(0, 256, (5, 5))
    mask[6:11, 4:9] = 255
    return pixels, mask


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, usual pictures, labelled ones and their masks, and thresholds."""
    root, random = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for number in range(60):
        save(stripes(random), root / "train" / f"{number:02d}.png")
    for number in range(30):
        save(stripes(random), root / "usual" / f"{number:02d}.png")
    for number in range(12):
        save(stripes(random), root / "labelled" / "good" / f"{number}.png")
    for number in range(6):
        pixels, mask = flawed(random)
        save(pixels, root / "labelled" / "noise" / f"{number}.png")
        save(mask, root / "masks" / "noise" / f"{number}.png")
    network = ["--architecture", "pixelcnn", "--layers", "1", "--hidden", "8", "--output", "logistic-mixture"]
    assert run("train", root / "train", *network, "--steps", "240", "--samples", "0", "--out", root / "run") == 0
    assert run("calibrate", root / "run", root / "usual", "--alpha", "0.02", "--out", root / "a.thresholds") == 0
    return root


def inspected(folder, source, *options):
    """Exit code of an inspection with the thresholds."""
    return run("inspect", folder / "run", source, "--threshold", folder / "a.thresholds", *options)


def test_calibration_says_what_it_means(folder, tmp_path, capsys):
    assert run("calibrate", folder / "run", folder / "usual", "--out", tmp_path / "b.thresholds") == 0
    said = capsys.readouterr().out
    assert "30 usual images; at alpha 0.01 0.0% of them are rejected" in said
    assert "95% interval of that share: 0.0% to 11.6%" in said
    assert "so rare an event was not seen among 30" in said
    assert run("calibrate", folder / "run", "--limit", 3, "--out", tmp_path / "c.thresholds") == 2
    assert "6 usual images are given; at least 10 are needed" in capsys.readouterr().err  # those of validation
    assert run("calibrate", folder / "run", folder / "usual", "--out", tmp_path / "b.thresholds", "--json") == 2
    assert "b.thresholds exists" in capsys.readouterr().err


def test_kinds_of_flaws(folder, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--masks", folder / "masks", "--out", out, "--csv", tmp_path / "a.csv"]
    assert inspected(folder, folder / "labelled", *options) == inspect.REJECTED
    said = capsys.readouterr().out.splitlines()
    assert any("of as many usual pictures about 0.4 would be" in line for line in said)
    assert any(line.startswith("unusual") and "noise/0.png" in line for line in said)
    table = {line.split()[0]: line.split() for line in said if line.startswith(("good", "noise"))}
    assert table["noise"][1:4] == ["6", "6", "(100%)"]
    assert float(table["noise"][4]) == 1.0
    assert float(table["noise"][-1]) > 0.8
    page = (out / "index.html").read_text()
    for number in range(6):
        assert f'src="noise-{number}.overlay.png"' in page
        with (
            Image.open(out / f"noise-{number}.mask.png") as mask,
            Image.open(out / f"noise-{number}.overlay.png") as shown,
        ):
            assert mask.size == (16, 16)
            assert np.asarray(mask)[6:11, 4:9].mean() > 0.5
            assert shown.size == (240, 240)
            red = np.asarray(shown).astype(int)
            assert (red[..., 0] - red[..., 1] > 60).sum() > 1_000
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert [row["verdict"] for row in rows if row["name"].startswith("noise")] == ["unusual"] * 6
    for row in rows:
        if row["name"].startswith("noise"):
            assert int(row["top"]) < 11
            assert int(row["bottom"]) > 6


def test_pictures_may_be_read_smaller(folder, tmp_path, capsys):
    """Whatever is shown and measured is of the pictures as they are."""
    shutil.copytree(folder / "run", tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["data"]["shrink"] = 2
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    options = ["--usual", folder / "usual", "--alpha", "0.5", "--masks", folder / "masks", "--out", tmp_path / "out"]
    assert run("inspect", tmp_path / "run", folder / "labelled", *options, "--json") == inspect.REJECTED
    said = json.loads(capsys.readouterr().out)
    assert said["kinds"][1]["overlap"] is not None
    rejected = [row for row in said["images"] if "file" in row and row["name"].startswith("noise")]
    assert rejected
    for row in rejected:
        assert row["bottom"] <= 16
        stem = row["file"].removesuffix(".overlay.png")
        with Image.open(tmp_path / "out" / f"{stem}.mask.png") as mask:
            assert mask.size == (16, 16)
            pixels = np.asarray(mask)
        assert (pixels == np.kron(pixels[::2, ::2], np.ones((2, 2), bool))).all()
        with Image.open(tmp_path / "out" / row["file"]) as shown:
            assert shown.size == (240, 240)


def test_pictures_whose_names_differ_in_little_are_shown_each(folder, tmp_path, capsys):
    random = np.random.default_rng(8)
    for name in ("a/b.png", "a-b.png", "a-b.bmp"):
        save(flawed(random)[0], tmp_path / "new" / name)
    assert inspected(folder, tmp_path / "new", "--out", tmp_path / "out", "--json") == inspect.REJECTED
    files = {row["name"]: row["file"] for row in json.loads(capsys.readouterr().out)["images"]}
    assert sorted(files.values()) == ["a-b-2.overlay.png", "a-b-3.overlay.png", "a-b.overlay.png"]
    assert {path.name for path in (tmp_path / "out").glob("*.overlay.png")} == {*files.values()}


def test_usual_pictures_alone_end_with_0(folder, tmp_path, capsys):
    assert inspected(folder, folder / "labelled" / "good", "--alpha", "1e-5", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["alpha"] == 1e-5
    assert said["kinds"] == []
    assert {image["verdict"] for image in said["images"]} == {"usual"}
    save(np.full((7, 30), 128), tmp_path / "x" / "other size.png")
    assert inspected(folder, tmp_path / "x") == 2
    assert (
        "an image is read as 7x30 pixels; the usual ones are 16x16 and alike at their places" in capsys.readouterr().err
    )


def test_a_table_goes_on_where_it_ended(folder, tmp_path, capsys):
    source, table = tmp_path / "new", tmp_path / "new.csv"
    random = np.random.default_rng(5)
    save(flawed(random)[0], source / "a.png")
    assert inspected(folder, source, "--csv", table) == inspect.REJECTED
    first = table.read_text()
    save(stripes(random), source / "b.png")
    capsys.readouterr()
    assert inspected(folder, source, "--csv", table) == inspect.REJECTED  # as the first one was
    assert "new.csv: 1" in capsys.readouterr().out
    assert table.read_text().startswith(first)
    assert len(table.read_text().splitlines()) == 3
    assert inspected(folder, source, "--csv", table, "--alpha", "0.5") == 2
    assert "holds verdicts by another model, threshold or alpha" in capsys.readouterr().err
    assert inspected(folder, source, "--csv", table, "--alpha", "0.5", "--overwrite") == inspect.REJECTED
    table.write_text("a,b\n1,2\n")
    assert inspected(folder, source, "--csv", table) == 2
    assert "is a table of something else" in capsys.readouterr().err


def test_a_table_and_its_pictures_go_on_together(folder, tmp_path, capsys):
    """What was inspected earlier is shown and rated with what is new."""
    source, shown = tmp_path / "new", [*("--csv", tmp_path / "new.csv", "--out", tmp_path / "out")]
    random = np.random.default_rng(9)
    for name in ("good/a.png", "good/b.png"):
        save(stripes(random), source / name)
    pixels, mask = flawed(random)
    for place, picture in ((source, pixels), (tmp_path / "masks", mask)):
        save(picture, place / "noise" / "c.png")
    assert inspected(folder, source, *shown) == inspect.REJECTED
    pixels, mask = flawed(random)
    for place, picture in ((source, pixels), (tmp_path / "masks", mask)):
        save(picture, place / "noise" / "d.png")
    capsys.readouterr()
    assert inspected(folder, source, *shown, "--masks", tmp_path / "masks") == inspect.REJECTED
    said = capsys.readouterr().out
    assert "rejected: 2 of 4" in said
    assert "AUPRO needs what was found in all pictures: --overwrite inspects them again" in said
    (noise,) = [line.split() for line in said.splitlines() if line.startswith("noise")]
    assert noise[1:5] == ["2", "2", "(100%)", "1.000"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Rejected: 2 of 4" in page
    for name in ("noise-c", "noise-d"):
        assert f'src="{name}.overlay.png"' in page
        assert (tmp_path / "out" / f"{name}.mask.png").exists()
    assert inspected(folder, source, *shown, "--json") == inspect.REJECTED
    rows = json.loads(capsys.readouterr().out)["images"]
    assert [row["name"] for row in rows] == ["good/a.png", "good/b.png", "noise/c.png", "noise/d.png"]
    assert inspected(folder, source, *shown, "--masks", tmp_path / "masks", "--overwrite") == inspect.REJECTED
    (noise,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("noise")]
    assert float(noise[-1]) > 0.8
    assert inspected(folder, source, *shown[2:]) == 2  # without the table the pictures are somebody's
    assert "holds what an earlier call wrote" in capsys.readouterr().err
    whole = (tmp_path / "new.csv").read_text()
    (tmp_path / "new.csv").write_text(whole + "noise/e.png,unus")  # the process was killed
    assert inspected(folder, source, *shown) == inspect.REJECTED
    assert (tmp_path / "new.csv").read_text() == whole
    capsys.readouterr()
    (tmp_path / "new.csv").write_text((tmp_path / "new.csv").read_text() + "noise/e.png,unusual\n")
    assert inspected(folder, source, *shown) == 2
    assert "is damaged (that of noise/e.png has another number of values" in capsys.readouterr().err


def test_a_folder_is_watched(folder, tmp_path, capsys, monkeypatch):
    """Whatever comes is inspected once it is whole; Ctrl-C ends it."""
    source, random, naps = tmp_path / "incoming", np.random.default_rng(7), []
    save(stripes(random), source / "first.png")

    def sleep(_):
        naps.append(None)
        if len(naps) == 2:
            save(flawed(random)[0], source / "later.png")
        if len(naps) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr("pixelrnn.cli.inspect.time.sleep", sleep)
    assert inspected(folder, source, "--watch", "--csv", tmp_path / "a.csv") == 130
    lines = [line for line in capsys.readouterr().out.splitlines() if "later.png" in line]
    assert len(lines) == 1
    assert lines[0].startswith("unusual")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3
    assert threading.active_count() < 20


def test_what_is_refused(folder, tmp_path, capsys):
    for options, error in (
        (["--alpha", "0"], "alpha is 0.0; above 0 and below 1 is needed"),
        (["--usual", folder / "usual"], "--threshold says what is usual already; --usual goes without it"),
        (["--csv", "x.txt"], "--csv is x.txt; it names a file that ends in .csv"),
        (["--masks", tmp_path], "has no mask of noise/0.png; 0.png, or 0_mask.png, is needed"),
    ):
        assert inspected(folder, folder / "labelled", *options) == 2
        assert error in capsys.readouterr().err
    assert inspected(folder, "digits", "--watch") == 2
    assert "--watch needs a folder; digits is none" in capsys.readouterr().err
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "0.png").write_text("no picture")
    assert inspected(folder, folder / "labelled", "--masks", tmp_path) == 2
    assert "noise/0.png: no picture" in capsys.readouterr().err

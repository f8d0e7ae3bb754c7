"""Scores, maps and entropy from the command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_cli import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty small pictures of two colours in patches of stripes, in a folder that a model was trained on."""
    source, random = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0)
    for number in range(40):
        pixels = np.repeat(random.integers(0, 2, (8, 1)) * 200, 8, axis=1) + random.integers(0, 9, (8, 8))
        Image.fromarray(pixels.astype(np.uint8)).save(source / f"{number:02d}.png")
    options = ["--architecture", "pixelcnn", "--layers", "1", "--hidden", "8", "--steps", "240", "--samples", "0"]
    assert run("train", source, *options, "--output", "logistic-mixture", "--out", source / "run") == 0
    noisy = ["--perturb", "0.3", "--out", source / "background"]
    assert run("train", source, *options, "--output", "logistic-mixture", *noisy) == 0
    return source


@pytest.fixture
def new(tmp_path):
    """A usual picture and one of noise, whose name is markup."""
    random, where = np.random.default_rng(9), tmp_path / "new"
    where.mkdir()
    stripes = np.repeat(random.integers(0, 2, (8, 1)) * 200, 8, axis=1) + random.integers(0, 9, (8, 8))
    Image.fromarray(stripes.astype(np.uint8)).save(where / "stripes.png")
    Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(where / "<b>noise.png")
    return where


@pytest.mark.parametrize("method", ["likelihood", "typicality", "complexity", "ratio", "surprise"])
def test_what_is_unusual_comes_first(folder, new, method, tmp_path, capsys):
    against = ["--against", folder / "background"] if method == "ratio" else []
    options = [*against, "--method", method, "--csv", tmp_path / "a.csv", "--json"]
    assert run("score", folder / "run", new, *options) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == method
    noise, stripes = said["images"]
    assert (noise["name"], stripes["name"]) == ("<b>noise.png", "stripes.png")
    if method != "complexity":  # noise has no order that PNG could use, and its header is half of these files
        assert noise["score"] < stripes["score"]
        assert noise["p_value"] < 0.3
    assert noise["nats"] > stripes["nats"]
    assert noise["rank"] <= stripes["rank"]  # there are four images to compare with
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [{key: row[key] if key == "name" else float(row[key]) for key in row} for row in rows] == said["images"]


def test_maps_and_a_page(folder, new, tmp_path, capsys):
    assert run("score", folder / "run", new, "--maps", tmp_path / "maps", "--most", 1) == 0
    said = capsys.readouterr().out
    assert "maps/index.html shows the least and the most usual images" in said
    page = (tmp_path / "maps" / "index.html").read_text()
    assert "&lt;b&gt;noise.png" in page
    assert "<b>" not in page
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["index.html", "least-01.png", "most-01.png"]
    for name in ("least-01.png", "most-01.png"):
        assert f'src="{name}"' in page
        with Image.open(tmp_path / "maps" / name) as picture:
            assert picture.width > 500


def test_maps_of_an_earlier_run_do_not_stay(folder, new, tmp_path):
    (tmp_path / "least-100.png").touch()
    (tmp_path / "least-liked.png").touch()
    for most in (2, 1):
        assert run("score", folder / "run", folder, "--maps", tmp_path, "--most", most, "--overwrite") == 0
        pictures = {path.name for path in tmp_path.glob("*.png")} - {"least-liked.png"}
        assert pictures == {f"{group}-{place:02d}.png" for group in ("least", "most") for place in range(1, most + 1)}


def test_few_usual_images_are_no_proof(folder, new, capsys):
    """With four of them nothing can be rarer than one in five."""
    assert run("score", folder / "run", new) == 0
    said = capsys.readouterr().out
    assert "compared with 4 usual images, no p-value can be below 0.20" in said
    assert "of as many usual ones" not in said


def test_images_of_several_sizes_are_refused_with_the_reason(folder, tmp_path, capsys):
    for side in (8, 9):
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
    for command in ("score", "entropy", "evaluate"):
        assert run(command, folder / "run", tmp_path) == 2
        assert "images that are measured together need one size" in capsys.readouterr().err


def test_usual_images_from_elsewhere(folder, new, capsys):
    assert run("score", folder / "run", new, "--usual", new, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["usual_images"] == 2
    assert {row["p_value"] for row in said["images"]} == {2 / 3, 1.0}
    assert {row["rank"] for row in said["images"]} == {0.25, 0.75}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "ratio"], "--method ratio needs --against"),
        (["--method", "typicality", "--against", "run"], "--against goes with --method ratio"),
        (["--most", "0"], "most is 0; at least 1 is needed"),
        (["--usual", "nowhere"], "nowhere"),
        (["--maps", "background/config.json"], "config.json is no folder; choose another name with --maps"),
    ],
)
def test_what_is_refused(folder, options, message, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run("score", "run", *options) == 2
    assert message in capsys.readouterr().err


def test_entropy(folder, tmp_path, capsys):
    assert run("entropy", folder / "run", "--map", tmp_path / "bits.png") == 0
    said = capsys.readouterr().out
    for part in (" bits an image", "interval of the mean code length: ", "bootstrap draws with seed 0"):
        assert part in said
    assert f"{tmp_path / 'bits.png'} shows the bits of each position" in said
    assert run("entropy", folder / "run", "--map", tmp_path / "bits.png", "--overwrite", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["interval"][0] < found["bits"] < found["interval"][1]
    position = np.array(found["position"])
    assert position.shape == (1, 8, 8)
    assert position.sum() == pytest.approx(found["bits"])
    assert position[0, :, 0].sum() > position.sum() / 8  # the first of a row of one colour tells the colour
    with Image.open(tmp_path / "bits.png") as picture:
        assert picture.width > 300
    assert run("evaluate", folder / "run", "--json") == 0
    nats = json.loads(capsys.readouterr().out)["nats"]
    assert found["bits"] == pytest.approx(nats / np.log(2))
    assert run("entropy", folder / "run", "--map", tmp_path / "bits.jpg") == 2
    assert "it names a file that ends in .png" in capsys.readouterr().err
    assert run("entropy", folder / "run", "--confidence", 1) == 2
    assert "confidence is 1.0; it lies above 0 and below 1" in capsys.readouterr().err


def test_whole_images_after_a_training_on_patches(tmp_path, capsys):
    """The run's own images are split as they were for training; others may be smaller than a patch."""
    random = np.random.default_rng(0)
    for number in range(24):
        size = (5, 9) if number == 3 else (12 + number % 3, 10)
        (tmp_path / "photos").mkdir(exist_ok=True)
        pixels = random.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02d}.png")
    options = ["--size", 8, "--crop", "random", "--skip-bad", "--architecture", "local", "--steps", 5, "--samples", 0]
    assert run("train", tmp_path / "photos", *options, "--out", tmp_path / "run") == 0
    counts = json.loads((tmp_path / "run" / "config.json").read_text())["images"]
    capsys.readouterr()
    assert run("score", tmp_path / "run", "--json") == 0
    said = capsys.readouterr()
    assert "warning" not in said.err
    found = json.loads(said.out)
    assert (len(found["images"]), found["usual_images"]) == (counts["test"], counts["valid"])
    assert "whole images" in found["protocol"]
    dims = [row["nats"] / row["bits_per_dim"] / np.log(2) for row in found["images"]]
    assert all(round(each) in (120, 130, 140) for each in dims)
    (tmp_path / "small").mkdir()
    Image.fromarray(random.integers(0, 256, (3, 4), dtype=np.uint8)).save(tmp_path / "small" / "a.png")
    assert run("score", tmp_path / "run", tmp_path / "small", "--json", "--limit", 1) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["images"]] == ["a.png"]
    assert found["usual_images"] == counts["valid"]

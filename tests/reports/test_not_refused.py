"""What is obvious is done: one picture as a source, test images alone, black and white files for a model of two levels."""

import json

import numpy as np
import pytest
from PIL import Image

from pixelrnn import DataError, RunError, fit, load_data, load_model, zoo
from pixelrnn.cli.train import _Overfitting
from tests.cli.test_cli import run
from tests.conftest import build


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits in black and white, as PNG files of 0 and 255, and as the array of bits that they are."""
    bits = load_model("mnist-row-lstm").sample(6, seed=0).numpy()
    folder = tmp_path_factory.mktemp("digits")
    for number, each in enumerate(bits):
        Image.fromarray(each[0] * 255).save(folder / f"{number}.png")
    np.savez(folder.parent / "bits.npz", test=bits[:, 0].astype(bool))
    return folder


def nats(capsys, *arguments):
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_black_and_white_files_are_of_two_levels(digits, capsys):
    files = nats(capsys, "evaluate", "mnist-row-lstm", digits, "--split", "all")
    array = nats(capsys, "evaluate", "mnist-row-lstm", digits.parent / "bits.npz")
    assert files["images"] == array["images"] == 6
    assert files["nats"] == pytest.approx(array["nats"], rel=1e-6)
    assert "2 levels, floor quantisation of 256" in files["protocol"]
    scored = nats(capsys, "score", "mnist-row-lstm", digits, "--usual", digits)
    assert len(scored["images"]) == 6


def test_one_picture_is_a_source(digits, capsys, tmp_path):
    one = nats(capsys, "score", "mnist-row-lstm", digits / "3.png", "--usual", digits, "--method", "likelihood")
    whole = nats(capsys, "score", "mnist-row-lstm", digits, "--usual", digits, "--method", "likelihood")
    (mine,) = [each for each in whole["images"] if each["name"] == "3.png"]
    assert one["images"][0]["nats"] == pytest.approx(mine["nats"], rel=1e-5)
    assert nats(capsys, "evaluate", "mnist-row-lstm", digits / "3.png")["images"] == 1
    assert load_data(digits / "3.png").counts == {"train": 0, "valid": 0, "test": 1}
    assert run("data", "show", digits / "3.png") == 0
    assert run("train", digits / "3.png", "--steps", "1", "--out", tmp_path / "run") == 2
    assert not (tmp_path / "run").exists()


def test_test_images_alone_are_measured_but_not_trained_on(digits, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", test=np.zeros((3, 8, 8), np.uint8))
    data = load_data(tmp_path / "x.npz", source_levels=17)
    assert data.counts == {"train": 0, "valid": 0, "test": 3}
    with pytest.raises(DataError, match="0 images to train on and 0 to validate on"):
        fit(build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).float(), data)
    capsys.readouterr()
    assert run("train", tmp_path / "x.npz", "--steps", "1", "--out", tmp_path / "run") == 2
    assert capsys.readouterr().err.count("\n") <= 2


def test_a_name_that_is_nearly_one_is_told_the_shipped_ones():
    with pytest.raises(RunError, match=f"mnist is neither a folder nor one of the shipped models {zoo.names()[0]}, "):
        load_model("mnist")


def test_p_values_are_never_from_images_that_were_trained_on(digits, tmp_path, capsys):
    options = ["--architecture", "pixelcnn", "--layers", "1", "--hidden", "2", "--levels", "2", "--steps", "2"]
    assert run("train", digits, *options, "--samples", "0", "--out", tmp_path / "run") == 0
    capsys.readouterr()
    own = nats(capsys, "score", tmp_path / "run", digits, "--usual", digits)
    assert own["usual_images"] == len(load_data(digits, levels=2).valid) < 6
    assert run("score", tmp_path / "run", digits, "--usual", digits) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "is what the model was trained on: of its images those of validation are compared with" in said
    other = tmp_path / "other"
    other.mkdir()
    for path in digits.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert nats(capsys, "score", tmp_path / "run", digits, "--usual", other)["usual_images"] == 6


def test_sizes_are_told_where_they_differ(tmp_path, capsys):
    for number, side in enumerate([8] * 5 + [9] * 3 + list(range(20, 32))):
        Image.new("L", (side, 8)).save(tmp_path / f"{number:02d}.png")
    assert run("data", "show", tmp_path) == 0
    said = capsys.readouterr().out
    assert "5 of 8x8 pixels, 3 of 9x8 pixels" in said
    assert "... and 4 other sizes" in said
    assert "give --size, to which all are brought, or --crop random for patches" in said
    found = nats(capsys, "data", "show", tmp_path)
    assert found["sizes"]["8x8"] == 5
    assert len(found["sizes"]) == 14


def test_learning_by_heart_is_said_once():
    watch = _Overfitting()

    def line(step, valid, train):
        return {"step": step, "valid_bits_per_dim": valid, "train_bits_per_dim": train}

    assert watch.warning(line(0, 4.0, 4.0)) == ""
    assert watch.warning(line(10, 2.0, 2.0)) == ""
    assert watch.warning(line(20, 2.01, 1.9)) == "", "not yet more than noise"
    assert watch.warning(line(30, 2.1, 2.2)) == "", "training has risen too"
    assert "validation has risen since step 10 while training still falls" in watch.warning(line(40, 2.1, 1.5))
    assert watch.warning(line(50, 2.4, 1.1)) == ""
    assert _Overfitting().warning({"step": 0, "valid_bits_per_dim": 3.0}) == ""

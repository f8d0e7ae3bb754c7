"""The shipped models: small, described, and as good as their cards say."""

import re
import tarfile
from pathlib import Path

import pytest

from pixelrnn import DataConfig, ImageModel, RunError, load_data, load_model, zoo
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.runs.run import Run
from pixelrnn.train import evaluate
from tests.cli.test_cli import run
from tests.conftest import DATA

MOST, MOST_IN_ALL = 2_000_000, 10_000_000


def test_they_are_small():
    assert zoo.names()
    assert max(map(zoo.size, zoo.names())) <= MOST
    assert sum(map(zoo.size, zoo.names())) <= MOST_IN_ALL


@pytest.mark.parametrize("name", zoo.names())
def test_a_card_says_everything(name):
    card = zoo.card(name)
    assert all(vars(card).values())
    assert card.command.startswith(("pixelrnn train ", "python benchmarks/"))
    assert f"| `{name}` | {card.licence} |" in (Path(zoo.__file__).parent / "README.md").read_text()


def thinned(source, folder):
    """An archive of every fortieth of the files of another, in its folders: to decode all 60,000 takes half a minute."""
    path = folder / "thinned.tar"
    with tarfile.open(source) as whole, tarfile.open(path, "w") as part:
        for number, member in enumerate(each for each in whole if each.isfile()):
            if number % 40 == 0:
                part.addfile(member, whole.extractfile(member))
    return path


@pytest.mark.skipif(
    not (DATA / "emoji.zip").exists(), reason="needs the data of results.md in the folder PIXELRNN_DATA"
)
@pytest.mark.parametrize(
    ("name", "source", "count"),
    [
        ("mnist-diagonal-bilstm", "mnist_binarized.npz", 300),
        ("mnist-row-lstm", "mnist_binarized.npz", 300),
        ("mnist-pixelcnn", "mnist_binarized.npz", 200),
        ("mnist-classes", "mnist.npz", 300),
        ("mnist-grey", "mnist.npz", 300),
        ("cifar-row-lstm", "cifar10-jpeg.tar.xz", 120),
        ("emoji", "emoji.zip", 50),
    ],
)
def test_the_figure_is_true(name, source, count, tmp_path):
    """On some of the test images, evenly spread: their mean lies within four standard errors of that of all."""
    said = float(re.search(r"([0-9.]+) bits/dim", zoo.card(name).figure)[1])
    path = thinned(DATA / source, tmp_path) if source.endswith(".xz") else DATA / source
    data = load_data(path, Run.open(zoo.find(name)).config(DataConfig))
    result = evaluate(load_model(name), data.test.spaced(count))
    error = result.standard_error * result.bits_per_dim / result.nats
    assert error < 0.1 * said
    assert abs(result.bits_per_dim - said) < 4 * error


def test_names_stand_for_folders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("sample", "mnist-row-lstm", "-n", "2") == 0
    assert (tmp_path / "runs" / "mnist-row-lstm" / "samples-0" / "grid.png").exists()
    # Still the shipped one: there is no model in the folder that has its name.
    assert run("info", "mnist-row-lstm") == 0
    assert "row-lstm, 12 layers" in capsys.readouterr().out
    load_model("mnist-diagonal-bilstm").save_pretrained("mnist-row-lstm")
    assert ImageModel.from_pretrained("mnist-row-lstm").config.architecture == "diagonal-bilstm"


def test_they_are_listed(capsys):
    assert run("models") == 0
    said = capsys.readouterr().out
    assert all(f"{name}: {zoo.card(name).figure}" in said for name in zoo.names())


def test_what_is_known_of_one_is_told(capsys):
    assert run("info", "mnist-pixelcnn") == 0
    said = capsys.readouterr().out
    card = zoo.card("mnist-pixelcnn")
    assert all(word in said for word in ("pixelcnn, 24 layers", card.figure, card.licence, card.command))
    assert run("evaluate", "mnist-pixelcnn") == 2
    assert "mnist-pixelcnn names no source of images; give one: a folder or a file of images" in capsys.readouterr().err
    assert run("score", "mnist-pixelcnn", "digits") == 2
    assert "mnist-pixelcnn says of no images that they are usual; name some with --usual" in capsys.readouterr().err


def test_an_unknown_name_is_told_what_there_is(capsys):
    assert run("info", "mnist-rwo-lstm") == 2
    names = ", ".join(zoo.names())
    assert f"mnist-rwo-lstm is neither a folder nor one of the shipped models {names}" in capsys.readouterr().err
    with pytest.raises(RunError, match=rf"mnist-rwo-lstm is neither a folder nor one of the shipped models {names}"):
        load_model("mnist-rwo-lstm")


@pytest.mark.parametrize("name", zoo.names())
def test_the_fingerprint_is_true(name):
    assert zoo.card(name).fingerprint == fingerprint(load_model(name)).hex()
    assert zoo.with_fingerprint(bytes.fromhex(zoo.card(name).fingerprint)) == name
    assert zoo.with_fingerprint(bytes(8)) is None

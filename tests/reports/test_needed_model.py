"""An archive that a shipped model made, or one of the hub, is restored without being told which."""

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ArchiveError, Codec, TrainConfig, fit, load_data, load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.pillow import use_model
from pixelrnn.zoo import hub
from tests.cli.test_cli import run
from tests.conftest import build


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number, each in enumerate(load_model("mnist-pixelcnn").sample(4, seed=0)[:, 0].numpy()):
        Image.fromarray(each * np.uint8(255)).save(tmp_path / "in" / f"{number}.png")
    return tmp_path


def test_it_is_recognised_and_used(folder, capsys):
    assert run("compress", "mnist-row-lstm", folder / "in", "--out", folder / "a.pxr") == 0
    capsys.readouterr()
    assert run("decompress", folder / "a.pxr", "--list") == 0
    assert capsys.readouterr().out.rstrip().endswith("(shipped: mnist-row-lstm)")
    assert run("decompress", folder / "a.pxr", "--out", folder / "out") == 0
    assert run("decompress", folder / "a.pxr", "--check") == 0
    for path in (folder / "in").iterdir():
        with Image.open(path) as before, Image.open(folder / "out" / path.name) as after:
            assert before.tobytes() == after.tobytes()
    with Image.open(folder / "a.pxr") as opened, Image.open(folder / "in" / "0.png") as first:
        assert opened.convert("L").tobytes() == first.tobytes()
    with Archive(folder / "a.pxr") as archive:
        assert len(dict(archive.extract(None))) == 4


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def on_the_hub(tmp_path, monkeypatch):
    """The folder of a model that was fetched; a fetch gives it, and is counted."""
    fetched = tmp_path / "models--me--model" / "snapshots" / COMMIT
    model = load_model("mnist-pixelcnn")
    with torch.no_grad():
        next(model.parameters()).mul_(1.001)  # another than the shipped one
    model.save_pretrained(fetched)
    names: list[str] = []

    def fetch(name):
        names.append(str(name))
        return fetched

    monkeypatch.setattr(hub, "fetch", fetch)
    return names


def test_one_of_the_hub_is_named_and_fetched(folder, on_the_hub, capsys):
    assert run("compress", "hf:me/model", folder / "in", "--out", folder / "a.pxr") == 0
    assert on_the_hub == ["hf:me/model"]
    capsys.readouterr()
    assert run("decompress", folder / "a.pxr", "--list") == 0
    assert capsys.readouterr().out.rstrip().endswith(f"(hf:me/model@{COMMIT})")
    assert run("decompress", folder / "a.pxr", "--check") == 0
    assert on_the_hub[1:] == [f"hf:me/model@{COMMIT}"]  # the version that it was, whatever comes after it


def test_a_picture_is_opened_without_fetching(folder, on_the_hub):
    assert run("compress", "hf:me/model", folder / "in", "--out", folder / "a.pxr") == 0
    with (
        Image.open(folder / "a.pxr") as opened,
        pytest.raises(ArchiveError, match="it needs the model with fingerprint"),
    ):
        opened.load()
    assert len(on_the_hub) == 1
    use_model(load_model("hf:me/model"))
    with Image.open(folder / "a.pxr") as opened:
        opened.load()
    assert len(on_the_hub) == 2


def test_a_model_that_was_trained_further_is_no_longer_that_of_the_name(tmp_path):
    model = load_model("mnist-row-lstm")
    assert model.origin == "mnist-row-lstm"
    np.save(tmp_path / "x.npy", model.sample(20, seed=0).numpy())
    fit(model, load_data(tmp_path / "x.npy", source_levels=2), TrainConfig(steps=1, batch=2, samples=0))
    assert model.origin == ""


def test_a_name_that_is_none_is_told_and_not_opened(folder):
    """A path in the place of the name: it leads to no model, wherever it leads."""
    model = build(architecture="pixelcnn", shape=(1, 28, 28), levels=2, layers=1).float()
    model.save_pretrained(folder / "model")
    model.origin = str(folder / "model")
    images = load_model("mnist-pixelcnn").sample(2, seed=0)
    (folder / "a.pxr").write_bytes(Codec(model).encode(images))
    with Archive(folder / "a.pxr") as archive:
        assert archive.model() is None
        assert archive.named_model == str(folder / "model")


def test_another_is_still_asked_for(folder):
    model = build(architecture="pixelcnn", shape=(1, 28, 28), levels=2, layers=1).float()
    model.save_pretrained(folder / "model")
    assert run("compress", folder / "model", folder / "in", "--out", folder / "a.pxr") == 0
    with Archive(folder / "a.pxr") as archive:
        coded = archive.index.coded
        if coded:
            with pytest.raises(ArchiveError, match=r"the model with fingerprint .* is needed"):
                dict(archive.extract(None))

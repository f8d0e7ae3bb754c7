"""An archive that a shipped model made is restored without being told which."""

import numpy as np
import pytest
from PIL import Image

import pixelrnn.pillow  # noqa: F401  (opens archives)
from pixelrnn import ArchiveError, load_model
from pixelrnn.archive.archive import Archive
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


def test_another_is_still_asked_for(folder):
    model = build(architecture="pixelcnn", shape=(1, 28, 28), levels=2, layers=1).float()
    model.save_pretrained(folder / "model")
    assert run("compress", folder / "model", folder / "in", "--out", folder / "a.pxr") == 0
    with Archive(folder / "a.pxr") as archive:
        coded = archive.index.coded
        if coded:
            with pytest.raises(ArchiveError, match=r"the model with fingerprint .* is needed"):
                dict(archive.extract(None))

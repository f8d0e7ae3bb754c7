"""Work that cannot pay is not done to its end."""

import re

import numpy as np
import pytest
from PIL import Image

from pixelrnn.archive import coding
from pixelrnn.archive.compress import compress
from pixelrnn.codec import pool
from pixelrnn.codec.encoder import Encoder
from pixelrnn.pack import search
from pixelrnn.pack.pack import pack
from tests.conftest import build
from tests.pictures import saved


def test_a_photograph_as_jpeg_is_given_up_once_it_has_cost_its_file(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    smooth = Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).resize((640, 640), Image.BICUBIC)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.jpg").write_bytes(saved(smooth, "JPEG", quality=20))
    smooth.crop((0, 0, 32, 32)).save(tmp_path / "in" / "small.png")
    coded, shares = [], []
    code = Encoder._code

    def count(self, jobs, tiles, tick):
        coded.extend(tiles)
        return code(self, jobs, tiles, tick)

    monkeypatch.setattr(Encoder, "_code", count)
    model = build(architecture="local", shape=(3, 32, 32), levels=256, layers=1, scale=1.0).float()
    model.save_pretrained(tmp_path / "model")
    done = compress(
        model, tmp_path / "in", tmp_path / "a.pxr", tile=(32, 32), callback=lambda at: shares.append(at.fraction)
    )
    assert done.kept["larger with the model"][0] == "photo.jpg"
    assert len(coded) < 200, "of 400 tiles, and the small picture"
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_nearly_empty_picture_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(Encoder, "_code", lambda *_: pytest.fail("it was coded"))
    model = build(architecture="local", shape=(3, 32, 32), levels=256, layers=1, scale=1.0).float()
    empty = Image.new("L", (3000, 2000), 255)
    empty.putpixel((7, 9), 0)
    empty.save(tmp_path / "empty.png")
    done = compress(model, tmp_path / "empty.png", tmp_path / "a.pxr")
    assert done.kept == {"next to nothing to save": ("empty.png",)}
    assert done.size < 2 * done.original


def test_a_large_picture_shows_its_rows_and_says_its_time_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(coding, "LARGE", 2**10)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)).save(tmp_path / "large.png")
    model = build(architecture="local", shape=(1, 32, 32), levels=256, layers=1, scale=1.0).float()
    monkeypatch.setattr(pool, "PATIENCE", 0.001)
    said = []
    compress(model, tmp_path / "large.png", tmp_path / "a.pxr", callback=said.append)
    assert re.fullmatch(r"about \d+ s", next(at.text for at in said if at.text))
    shares = sorted({at.fraction for at in said})
    assert len([share for share in shares if 0 < share < 0.5]) > 5  # while it is coded
    assert len([share for share in shares if 0.5 < share < 1]) > 5  # while it is verified
    assert max(at.subpixels for at in said) == 256 * 256


def test_pack_of_jpegs_does_not_train_to_the_end(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(5):
        small = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        smooth = small.resize((96, 96), Image.BICUBIC)
        (tmp_path / "in" / f"{number}.jpg").write_bytes(saved(smooth, "JPEG", quality=50))
    tried, kinds = {}, search._kinds
    monkeypatch.setattr(search, "_kinds", lambda corpus, size: kinds(corpus, size)[:2])
    for judged in (0.0, 99.0):
        monkeypatch.setattr(search, "JUDGED", judged)
        said = []
        found = pack(
            tmp_path / "in",
            tmp_path / f"{judged}.pxr",
            minutes=0.02,
            compare=False,
            callback=lambda at, said=said: said.append(at.text),
        )
        assert len(found.compressed.kept["smaller without a model"]) == 5
        assert any("no model can pay" in text for text in said) == (judged == 0)
        tried[judged] = len(found.tried)
    assert tried[0.0] < tried[99.0]

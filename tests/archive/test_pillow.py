"""Archives as images for Pillow."""

import numpy as np
import pytest
from PIL import Image

import pixelrnn.pillow
from pixelrnn.archive.compress import PackedModel, compress
from pixelrnn.codec.coder import Coder
from pixelrnn.codec.weights import pack_model, unpack_model
from pixelrnn.errors import ArchiveError
from tests.conftest import build


@pytest.fixture
def archive(tmp_path):
    """Three pictures that a model codes, one that it does not, and a text."""
    source = tmp_path / "source"
    source.mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(generator.integers(0, 256, (5, 6), dtype=np.uint8)).save(source / f"{number}.png")
    Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(source / "3.bmp")
    (source / "a.txt").write_text("a")
    packed = pack_model(build(shape=(1, 6, 6), levels=256, output="logistic-mixture").float(), 16)
    for name, content in (("with.pxr", packed), ("without.pxr", b"")):
        compress(unpack_model(packed), source, tmp_path / name, packed=PackedModel(content))
    return tmp_path, unpack_model(packed)


def test_pictures_are_frames(archive):
    folder, _ = archive
    with Image.open(folder / "with.pxr") as image:
        assert (image.format, image.n_frames, image.mode, image.size) == ("PXR", 4, "L", (6, 5))
        for number, name in ((2, "2.png"), (0, "0.png"), (3, "3.bmp"), (1, "1.png")):
            image.seek(number)
            assert image.tell() == number
            with Image.open(folder / "source" / name) as before:
                assert image.mode == before.mode
                assert (np.asarray(image) == np.asarray(before)).all()
        with pytest.raises(EOFError):
            image.seek(4)


def test_a_group_is_decoded_once(archive, monkeypatch):
    folder, _ = archive
    decoded = []
    decode = Coder.decode
    monkeypatch.setattr(Coder, "decode", lambda *a, **of: decoded.append(1) or decode(*a, **of))
    with Image.open(folder / "with.pxr") as image:
        for number in range(4):
            image.seek(number)
            image.load()
    assert decoded == [1]


def test_metadata_is_that_of_each_frame(tmp_path):
    """It is there before a picture is decoded, too."""
    source = tmp_path / "source"
    source.mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        exif = Image.Exif()
        exif[0x10E] = f"picture {number}"
        picture = Image.fromarray(generator.integers(0, 256, (24, 6), dtype=np.uint8))
        picture.save(source / f"{number}.png", exif=exif if number else None)
    packed = pack_model(build(shape=(1, 6, 6), levels=256, output="logistic-mixture").float(), 16)
    done = compress(unpack_model(packed), source, tmp_path / "a.pxr", packed=PackedModel(packed))
    assert done.coded == 3
    with Image.open(tmp_path / "a.pxr") as image:
        for number in (2, 0, 1):
            image.seek(number)
            assert image.info["name"] == f"{number}.png"
            assert image.getexif().get(0x10E) == (f"picture {number}" if number else None)
            assert ("exif" in image.info) == bool(number)
            image.load()
            assert image.getexif().get(0x10E) == (f"picture {number}" if number else None)


def test_a_model_from_elsewhere(archive, monkeypatch):
    folder, model = archive
    monkeypatch.setattr(pixelrnn.pillow, "_models", {})
    with Image.open(folder / "without.pxr") as image:
        assert image.size == (6, 5)
        with pytest.raises(ArchiveError, match=r"without\.pxr: it needs the model .*use_model"):
            image.load()
        pixelrnn.pillow.use_model(model)
        with Image.open(folder / "source" / "0.png") as before:
            assert image.tobytes() == before.tobytes()


@pytest.mark.parametrize("change", ["cut", "text"])
def test_what_cannot_be_opened_says_why(archive, change):
    folder, model = archive
    if change == "cut":
        (folder / "x.pxr").write_bytes((folder / "with.pxr").read_bytes()[:-1])
    else:
        compress(model, folder / "source" / "a.txt", folder / "x.pxr")
    with pytest.raises(ArchiveError, match="cut off" if change == "cut" else "there are no pictures in it"):
        Image.open(folder / "x.pxr")

"""Conversions of colours: exact, and those that pictures really went through."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ConfigError, ModelConfig, build_model
from pixelrnn.codec.archive import Archive
from pixelrnn.codec.compress import compress
from pixelrnn.codec.files import find
from pixelrnn.codec.material import gather
from pixelrnn.codec.restore import decompress
from pixelrnn.colours import from_planes, to_planes

ORIGINS = ["jpeg", "photo-cd"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def through_jpeg(values, **options):
    """What a picture `(3, H, W)` is after it was a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(values.transpose(1, 2, 0)).save(file, "JPEG", **options)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


@pytest.mark.parametrize("colours", ORIGINS)
def test_planes_give_the_colours_back(colours):
    values = from_planes(noise(3, 100, 100), colours)
    planes = to_planes(values, colours)
    assert planes.dtype == np.uint8
    assert (from_planes(planes, colours) == values).all()


@pytest.mark.parametrize("colours", ORIGINS)
def test_planes_that_nothing_clips_are_found_again(colours):
    planes = noise(3, 40_000)
    planes[1:] = planes[1:] // 16 + 120  # nearly grey
    values = from_planes(planes, colours)
    is_inside = ((values > 0) & (values < 255)).all(0)
    assert is_inside.mean() > 0.4
    assert (to_planes(values, colours) == planes)[:, is_inside].all()


@pytest.mark.parametrize(("colours", "share"), [("jpeg", 0.25403), ("photo-cd", 0.12770)])
def test_most_colours_never_occur(colours, share):
    values = np.random.default_rng(1).integers(0, 256, (3, 20_000)).astype(np.uint8)
    found = [to_planes(values[:, i : i + 1], colours) is not None for i in range(20_000)]
    assert np.mean(found) == pytest.approx(share, abs=0.012)
    assert to_planes(values, colours) is None


@pytest.mark.parametrize("options", [{"quality": 75}, {"quality": 95, "subsampling": 0}, {"quality": 10}], ids=str)
def test_decoded_jpeg_files_have_these_colours(options):
    smooth = np.asarray(Image.fromarray(noise(9, 12, 3)).resize((120, 90), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    for values in (noise(3, 64, 48), smooth):
        decoded = through_jpeg(values, **options)
        planes = to_planes(decoded, "jpeg")
        assert planes is not None
        assert (from_planes(planes, "jpeg") == decoded).all()


def test_grey_is_grey():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None], 3, axis=0)
    planes = to_planes(grey, "jpeg")
    assert (planes[0] == grey[0]).all()
    assert (planes[1:] == 128).all()
    assert to_planes(grey, "rgb") is grey


def write(folder, count, size=(96, 128)):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        values = through_jpeg(noise(3, *size, seed=number))
        Image.fromarray(values.transpose(1, 2, 0)).save(folder / f"{number}.png")


def test_a_folder_tells_what_its_colours_come_from(tmp_path):
    write(tmp_path / "jpegs", 6)
    material = gather(find(tmp_path / "jpegs", without=tmp_path / "none", skip_bad=False).files)
    assert material.colours == "jpeg"
    planes = material.data.train.batch([0])[0].numpy()
    assert to_planes(from_planes(planes, "jpeg"), "jpeg") is not None
    Image.fromarray(noise(50, 50, 3)).save(tmp_path / "jpegs" / "x.png")
    assert gather(find(tmp_path / "jpegs", without=tmp_path / "none", skip_bad=False).files).colours == "rgb"


def test_pictures_of_other_colours_are_kept_too(tmp_path):
    write(tmp_path / "in", 2, size=(20, 30))
    jpegs = sorted((tmp_path / "in").iterdir())
    odd = noise(20, 30, 3, seed=9)
    Image.fromarray(odd).save(tmp_path / "in" / "odd.png")
    config = ModelConfig(architecture="local", shape=(3, 16, 16), layers=1, hidden=4, mixtures=2, colours="jpeg")
    model = build_model(config, seed=0)
    planes = [to_planes(np.asarray(Image.open(path)).transpose(2, 0, 1), "jpeg") for path in jpegs]
    x, optimiser = torch.from_numpy(np.stack(planes)), torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        model.bits_per_dim(x).mean().backward()
        optimiser.step()
    done = compress(model, tmp_path / "in", tmp_path / "a.pxr")
    assert done.coded == 2
    assert done.kept == {"colours that never come from jpeg": ("odd.png",)}
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, model, tmp_path / "out")
    for path in (tmp_path / "in").iterdir():
        assert Image.open(path).tobytes() == Image.open(tmp_path / "out" / path.name).tobytes()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"colours": "yuv"}, "colours is 'yuv'; one of rgb, jpeg, photo-cd is allowed"),
        ({"colours": "jpeg", "shape": (1, 4, 4)}, "of 3 channels and 256 levels; these are 1 and 256"),
        ({"colours": "photo-cd", "levels": 16}, "these are 3 and 16"),
    ],
)
def test_what_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**{"shape": (3, 4, 4), **fields})

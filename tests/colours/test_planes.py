"""Conversions of colours: exact, and those that pictures really went through."""

import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import Codec, ConfigError, DataError, ImageModel, ModelConfig, TrainConfig, build_model, fit
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.restore import decompress
from pixelrnn.colours.planes import from_planes, to_planes
from pixelrnn.data.images import Data, ImageSet
from pixelrnn.data.pixels import Dense
from pixelrnn.data.quantise import Quantiser
from pixelrnn.pack.corpus import gather
from tests.pictures import ingest_of

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
    material = gather(ingest_of(tmp_path / "jpegs"))
    assert material.colours == "jpeg"
    assert to_planes(material.data.train.batch([0])[0].numpy(), "jpeg") is not None
    Image.fromarray(noise(50, 50, 3)).save(tmp_path / "jpegs" / "x.png")
    assert gather(ingest_of(tmp_path / "jpegs")).colours == "rgb"


def test_pictures_of_other_colours_are_kept_too(tmp_path):
    write(tmp_path / "in", 2, size=(20, 30))
    jpegs = sorted((tmp_path / "in").iterdir())
    odd = noise(20, 30, 3, seed=9)
    Image.fromarray(odd).save(tmp_path / "in" / "odd.png")
    config = ModelConfig(architecture="local", shape=(3, 16, 16), layers=1, hidden=4, mixtures=2, colours="jpeg")
    model = build_model(config, seed=0)
    x = torch.from_numpy(np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in jpegs]))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
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
        ({"colours": "jpeg", "scales": 2}, "colours is 'jpeg'; contexts and scales are for 'rgb' only"),
        ({"colours": "jpeg", "shape": (1, 4, 4)}, "of 3 channels and 256 levels; these are 1 and 256"),
        ({"colours": "photo-cd", "levels": 16}, "these are 3 and 16"),
    ],
)
def test_what_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        build_model(ModelConfig(**{"shape": (3, 4, 4), "hidden": 4, **fields}), seed=0)


def small(**fields):
    fields = {"architecture": "local", "layers": 1, "hidden": 6, "mixtures": 2} | fields
    return build_model(ModelConfig(shape=(3, 6, 7), colours="jpeg", **fields), seed=0)


def test_a_model_takes_and_gives_colours():
    model = small()
    x = torch.from_numpy(from_planes(noise(3, 4, 6, 7), "jpeg")).movedim(0, 1)
    planes = torch.from_numpy(to_planes(x.movedim(1, 0).numpy(), "jpeg")).movedim(0, 1)
    as_rgb = ImageModel(dataclasses.replace(model.config, colours="rgb"), seed=0)
    assert (model.log_prob_map(x) == as_rgb.log_prob_map(planes)).all()
    drawn = as_rgb.sample(4, seed=3)
    assert (
        model.sample(4, seed=3) == torch.from_numpy(from_planes(drawn.movedim(1, 0).numpy(), "jpeg")).movedim(0, 1)
    ).all()
    assert model.log_prob(model.sample(4, seed=3)).isfinite().all()
    assert (Codec(model).decode(Codec(model).encode(x)) == x).all()


def test_colours_that_never_occur_have_probability_zero():
    model, odd = small(), torch.from_numpy(noise(2, 3, 6, 7))
    odd[1] = torch.from_numpy(from_planes(noise(3, 6, 7), "jpeg"))
    assert (model.log_prob(odd) == -math.inf).tolist() == [True, False]
    with pytest.raises(DataError, match="the images have colours that never come from jpeg"):
        Codec(model).encode(odd)
    known = torch.zeros(6, 7, dtype=torch.bool)
    known[0, 3:] = True
    with pytest.raises(DataError, match="known pixels have colours that never come from jpeg"):
        model.complete(odd, known, seed=0)
    with pytest.raises(DataError, match="a model of jpeg colours needs whole ones"):
        model.complete(odd, known & torch.tensor([True, False, True])[:, None, None], seed=0)


def test_known_pixels_stay_and_the_rest_is_drawn_from_the_colours_there_are():
    model, x = small(), torch.from_numpy(from_planes(noise(3, 2, 6, 7), "jpeg")).movedim(0, 1)
    known = torch.zeros(6, 7, dtype=torch.bool)
    known[:3], known[5, 2] = True, True
    completed = model.complete(x, known, seed=0, particles=4).images
    assert (completed[:, :, known] == x[:, :, known]).all()
    assert to_planes(completed.movedim(1, 0).numpy(), "jpeg") is not None


def test_training_refuses_other_colours():
    pixels = Dense(noise(6, 3, 6, 7))
    images = ImageSet(pixels, np.arange(6), Quantiser(256, 256, "none", 0))
    data = Data(images, images, images, images, 256, (3, 6, 7), None, "", "")
    with pytest.raises(DataError, match="the images have colours that never come from jpeg"):
        fit(small(), data, TrainConfig(steps=1))

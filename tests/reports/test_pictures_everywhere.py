"""Arrays and PIL images wherever a picture is, turned into the levels of the model by one function."""

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import Codec, DataError, ModelConfig, load_data
from pixelrnn.model.pictures import as_tensor
from pixelrnn.scores.anomaly import METHODS, detector
from pixelrnn.scores.entropy import entropy
from pixelrnn.scores.score import score
from tests.conftest import build
from tests.pictures import noise


def grey(n=3):
    """Images of 17 levels: as a tensor, as arrays in several orders, as PIL images."""
    levels = noise(n, 1, 8, 8, levels=17)
    pictures = [Image.fromarray(np.ceil(one[0].astype(int) * 256 / 17).astype(np.uint8)) for one in levels]
    return torch.from_numpy(levels), [levels, levels[:, 0], levels.transpose(0, 2, 3, 1), pictures]


def test_every_entry_takes_them():
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).float()
    x, others = grey()
    known = torch.ones(8, 8, dtype=torch.bool)
    known[4:] = False
    for other in others:
        assert torch.equal(model.log_prob(other), model.log_prob(x))
        assert torch.equal(model.bits_per_dim(other), model.bits_per_dim(x))
        assert torch.equal(model.complete(other, known, seed=0).images, model.complete(x, known, seed=0).images)
        assert Codec(model).encode(other) == Codec(model).encode(x)
        assert np.array_equal(score(model, other).nats, score(model, x).nats)
        assert entropy(model, other).bits == entropy(model, x).bits
    assert torch.equal(model.log_prob(others[-1][0]), model.log_prob(x[:1]))
    scales = build(shape=(1, 8, 8), levels=17, scales=2, layers=1).float()
    assert torch.equal(scales.log_prob(others[-1]), scales.log_prob(x))
    labelled = build(shape=(1, 8, 8), levels=17, classes=3, layers=1).float()
    assert torch.equal(labelled.classify(others[-1]), labelled.classify(x))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "ratio"])
def test_detectors_take_them(method):
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).float()
    usual, (x, others) = load_data("digits").test.spaced(9), grey()
    found = detector(method, model).fit(usual)
    for other in others:
        assert np.array_equal(found.score_samples(other), found.score_samples(x))
        assert np.array_equal(found.predict(other), found.predict(x))
        assert np.array_equal(detector(method, model).fit(other).usual_, detector(method, model).fit(x).usual_)


def test_colours_transparency_orientation_and_floats():
    colours = noise(4, 6, 3)
    config = ModelConfig(shape=(3, 4, 6), levels=256, layers=1, hidden=3)
    assert np.array_equal(as_tensor(config, Image.fromarray(colours))[0], colours.transpose(2, 0, 1))
    assert np.array_equal(as_tensor(config, Image.fromarray(colours[..., 0]))[0, 1], colours[..., 0])
    clear = Image.fromarray(np.dstack([colours, np.zeros((4, 6), np.uint8)]))
    assert (as_tensor(config, clear) == 255).all()
    turned = Image.fromarray(colours)
    turned.getexif()[274] = 6
    assert as_tensor(config, turned).shape == (1, 3, 6, 4)
    continuous = ModelConfig(shape=(1, 4, 6), levels=0, layers=1, hidden=2)
    found = as_tensor(continuous, Image.fromarray(np.array([[0, 255]], np.uint8)))
    assert found.flatten().tolist() == pytest.approx([1 / 256 - 1, 511 / 256 - 1])
    two = ModelConfig(shape=(1, 4, 6), levels=2, layers=1, hidden=2)
    assert as_tensor(two, Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8))).flatten().tolist() == [0, 0, 1, 1]
    assert as_tensor(two, Image.fromarray(np.array([[True, False]]))).flatten().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Image.new("L", (4, 6)), Image.new("L", (6, 4))], r"images differ in size \(4x6 and 6x4 pixels\)"),
        (Image.new("F", (4, 4)), r"a PIL image cannot be used: its mode 'F'"),
        ([], "images are a list; a tensor, an array or PIL images are needed"),
        ([1, 2], "images are a list; a tensor, an array or PIL images are needed"),
        (np.array(["x"]), "images are <U1; integers or floats are needed"),
        (np.zeros((2, 5, 8, 8), np.uint8), r"images have shape \(2, 5, 8, 8\); \(N, 1, H, W\) is needed"),
        (np.full((1, 8, 8), 17), "images hold values 17 .. 17; this model has 17 levels"),
    ],
)
def test_what_is_no_image(given, message):
    with pytest.raises(DataError, match=message):
        build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).log_prob(given)


def test_what_pil_images_cannot_be():
    with pytest.raises(DataError, match="PIL images have 1, 3 or 4 channels; 2 are needed"):
        as_tensor(ModelConfig(shape=(2, 4, 4), levels=4, layers=1, hidden=2), Image.new("L", (4, 4)))
    with pytest.raises(DataError, match="PIL images have 256 levels; 300 are needed"):
        as_tensor(ModelConfig(shape=(1, 4, 4), levels=300, layers=1, hidden=2), Image.new("L", (4, 4)))

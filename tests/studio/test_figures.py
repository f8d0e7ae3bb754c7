"""The figures of 'How it works' are those of the networks."""

import numpy as np
import pytest
import torch

from pixelrnn import load_model, zoo
from pixelrnn.masks import causal_mask, groups
from pixelrnn.model.receptive import receptive_fields
from pixelrnn.runs.run import Run
from tests.conftest import build
from tests.studio.conftest import array, told

LAYERS = {name: Run.open(zoo.find(name)).model.layers for name in ("mnist-row-lstm", "drawn-discs", "mnist-classes")}


@pytest.fixture
def plans(client):
    return client.get("/api/plans").json()


def places(plans, name):
    (walk,) = [walk for walk in plans["walks"] if name in walk["name"]]
    return array(walk["places"], np.int32).reshape(plans["side"], plans["side"])


def test_masks_are_those_of_the_networks(plans):
    for kind in ("A", "B"):
        wanted = causal_mask(kind, groups(3, 3), groups(3, 3), plans["kernel"], plans["kernel"])
        np.testing.assert_array_equal(plans["masks"][kind], wanted.int())


def test_every_order_has_every_pixel(plans):
    raster = np.arange(32 * 32).reshape(32, 32)
    np.testing.assert_array_equal(places(plans, "rows from the upper left"), raster)
    np.testing.assert_array_equal(places(plans, "rows from the lower left"), raster[::-1])
    np.testing.assert_array_equal(places(plans, "columns from the upper right"), raster.T[:, ::-1])
    np.testing.assert_array_equal(places(plans, "columns from the lower left"), raster.T[::-1])
    small_first = places(plans, "Multi-Scale")
    assert sorted(small_first.ravel().tolist()) == list(range(32 * 32))
    for step, pixels in ((8, 16), (4, 64), (2, 256)):
        assert small_first[::step, ::step].max() == pixels - 1
    front = places(plans, "local")
    assert ((front[1:, :-4] - front[:-1, 4:]) > 0).all()  # what a pixel sees of the row above is there


@pytest.mark.parametrize(
    "name", ["pixelcnn", "diagonal-bilstm", "local", "mnist-row-lstm", "drawn-discs", "mnist-classes"]
)
def test_fields_are_measured(client, name):
    event = told(client.post("/api/fields", json={"of": name, "row": 9, "column": 11}))[-1]
    height, width = event["size"]
    fields = np.stack([array(each, np.float32) for each in event["fields"]]).reshape(-1, height, width)
    assert len(event["layers"]) == len(fields) == (1 if name == "local" else LAYERS.get(name, 6) + 2)
    assert event["layers"][-1] == "the output"
    later = np.arange(height * width).reshape(height, width) >= 9 * width + 11
    assert (fields[:, later] == 0).all()
    assert (fields[-1][~later] > 0).any()
    if name.startswith("mnist"):
        model = load_model(name).requires_grad_(False)
        x = model.sample(3, label=0 if model.config.classes else None, seed=0)
        np.testing.assert_allclose(fields, receptive_fields(model, x, 9, 11), rtol=1e-5, atol=1e-9)


def test_what_has_no_field_says_so(client, studio):
    build(architecture="pixelcnn", shape=(1, 100, 64), levels=2).float().save_pretrained(studio.shelf.runs / "large")
    for of, error in (
        ("runs/large", "images of 100x64 pixels are too large for this figure; 4,096 pixels at most"),
        ("nothing", "there is no model 'nothing' (any more)"),
        ("pixelcnn", "the pixel (30, 0) is not in 21x21"),
    ):
        assert error in told(client.post("/api/fields", json={"of": of, "row": 30, "column": 0}))[-1]["error"]


def test_samples_of_several_scales_come_in_their_order(client, studio):
    build(architecture="pixelcnn", shape=(1, 8, 8), levels=4, scales=3).float().save_pretrained(studio.shelf.runs / "s")
    start, *_, done = [event for event in told(client.post("/api/draw", json={"model": "runs/s", "n": 2, "seed": 1}))][
        1:
    ]
    places = array(start["places"][0], np.int32).reshape(8, 8)
    assert sorted(places.ravel().tolist()) == list(range(64))
    picture = done["pictures"][0]
    x = studio.pictures.find(picture).x
    asked = {"model": "runs/s", "picture": picture, "seed": 1, "channel": 0, "row": 2, "column": 2}
    other = (int(x[0, 2, 2]) + 1) % 4
    changed = studio.pictures.find(told(client.post("/api/redraw", json=asked | {"value": other}))[-1]["pictures"][0]).x
    before = torch.from_numpy(places < places[2, 2])
    assert (changed[0] == x[0])[before].all()
    assert changed[0, 2, 2] == other

"""Pictures that a page brings, and what is drawn again of them: as the library does it."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import load_model
from pixelrnn.errors import DataError
from pixelrnn.studio import completing
from tests.conftest import build
from tests.studio.conftest import array, shown, told

MODEL = "mnist-diagonal-bilstm"


def text(content):
    return base64.b64encode(content).decode()


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def bring(client, pixels, model=MODEL, **fields):
    return client.post("/api/picture", json={"model": model, "file": text(png(pixels)), **fields}).json()


def test_a_picture_is_read_as_the_model_reads_it(client, studio):
    x = load_model(MODEL).sample(1, seed=1)[0]
    held = bring(client, x[0].numpy() * 255)
    assert held["shape"] == [1, 28, 28]
    assert (studio.pictures.find(held["picture"]).x == x).all()
    np.testing.assert_array_equal(array(held["values"], np.uint8), x[0].numpy().ravel() * 255)
    again = client.post("/api/picture", json={"model": MODEL, "picture": held["picture"]}).json()
    assert again == {name: held[name] for name in ("shape", "values")}
    colour = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    assert bring(client, colour)["shape"] == [1, 28, 28]  # of the size of the model's images
    assert bring(client, colour, "cifar-row-lstm")["shape"] == [3, 32, 32]
    assert bring(client, colour, "photographs")["shape"] == [3, 50, 90]  # but for one of any size
    assert bring(client, colour, "magnetic-tiles")["shape"] == [1, 13, 23]  # which this one reads smaller
    assert bring(client, colour[:1, :1])["shape"] == [1, 28, 28]


def test_completions_are_those_of_the_library(client):
    model = load_model(MODEL)
    x = model.sample(1, seed=1)
    picture = bring(client, x[0, 0].numpy() * 255)["picture"]
    known = torch.ones(28, 28, dtype=torch.bool)
    known[8:18, 5:20] = False
    asked = {"model": MODEL, "picture": picture, "n": 4, "seed": 7, "particles": 16}
    events = told(client.post("/api/complete", json=asked | {"known": text(known.numpy().astype(np.uint8).tobytes())}))
    wanted = model.complete(x.expand(4, -1, -1, -1), known, seed=7, particles=16)
    images, counts = shown(events)
    np.testing.assert_array_equal(images, wanted.images.numpy() * 255)
    assert len(counts) > 1  # they were seen on their way
    bits = np.array(events[-1]["bitsOfKnown"])
    np.testing.assert_allclose(bits, wanted.log_known.numpy() / np.log(2), rtol=1e-6)


def test_another_value_of_a_completion_keeps_what_is_known(client, studio):
    model = load_model(MODEL)
    x = model.sample(1, seed=1)
    picture = bring(client, x[0, 0].numpy() * 255)["picture"]
    known = torch.ones(28, 28, dtype=torch.bool)
    known[8:18, 5:20] = False
    fields = {"model": MODEL, "seed": 7, "particles": 16, "known": text(known.numpy().astype(np.uint8).tobytes())}
    done = told(client.post("/api/complete", json=fields | {"picture": picture, "n": 2}))[-1]["pictures"]
    first = studio.pictures.find(done[0]).x
    value = 1 - int(first[0, 11, 9])
    asked = fields | {"picture": done[0], "row": 11, "column": 9, "channel": 0, "value": value}
    events = told(client.post("/api/redraw", json=asked))
    before = torch.arange(784).view(28, 28) <= 11 * 28 + 9
    changed = first.clone()
    changed[0, 11, 9] = value
    wanted = model.complete(changed[None], known | before, seed=7, particles=16).images
    np.testing.assert_array_equal(shown(events)[0], wanted.numpy() * 255)
    assert (wanted[0, 0][known] == x[0, 0][known]).all()
    assert (wanted[0] != first).sum() > 1
    few = text(bytes(3))
    said = client.post("/api/redraw", json=asked | {"known": few}).json()["error"]
    assert said == "known has 3 values; 28x28 are needed"


def test_labels_go_along(client):
    model = load_model("mnist-classes")
    x = model.sample(1, seed=1, label=3)
    picture = bring(client, np.rint(x[0, 0].numpy() / 15 * 255).astype(np.uint8), "mnist-classes", label=3)["picture"]
    known = torch.arange(28)[:, None].expand(28, 28) < 14
    asked = {"model": "mnist-classes", "picture": picture, "n": 2, "seed": 0, "particles": 1}
    events = told(client.post("/api/complete", json=asked | {"known": text(known.numpy().astype(np.uint8).tobytes())}))
    wanted = model.complete(x.expand(2, -1, -1, -1), known, label=3, seed=0, particles=1).images
    np.testing.assert_array_equal(shown(events)[0], np.rint(wanted.numpy() / 15 * 255))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"file": "?"}, "file is no base64"),
        ({"file": text(b"no picture")}, "the picture cannot be used"),
        ({"file": text(png(np.zeros((40, 40), np.uint8))[:45])}, "the picture cannot be used"),
        ({"model": "photographs", "file": text(png(np.zeros((4001, 4000), np.uint8)))}, "4000x4001 pixels; 16,000,000"),
        ({"file": text(png(np.zeros((8000, 8000), np.uint8)))}, "8000x8000 pixels; 60,000,000 at most are taken"),
        ({"model": "mnist-classes", "label": 10, "file": text(png(np.zeros((9, 9), np.uint8)))}, "label is 10"),
        ({"picture": "?"}, "this picture is not in memory any more"),
        ({}, "picture is None; a text is needed"),
    ],
)
def test_pictures_that_are_refused(client, fields, error):
    response = client.post("/api/picture", json={"model": MODEL, **fields})
    assert response.status_code == 400
    assert error in response.json()["error"]


def test_values_of_large_pictures_are_refused(client):
    held = bring(client, np.zeros((1600, 2000, 3), np.uint8), "photographs")
    asked = {"model": "photographs", "picture": held["picture"], "row": 0, "column": 0}
    error = client.post("/api/value", json=asked).json()["error"]
    assert error == "this picture is too large to tell the distributions of its values"


def test_masks_that_are_refused(client):
    asked = {"model": MODEL, "picture": bring(client, np.zeros((28, 28), np.uint8))["picture"], "n": 1, "seed": 0}
    for known, error in (
        (b"\1", "known has 1 values; 28x28 are needed"),
        (b"\1" * 784, "nothing is missing; paint over what is to be drawn again"),
    ):
        assert error in client.post("/api/complete", json=asked | {"known": text(known)}).json()["error"]


def test_particles_are_told_of_when_they_die(client):
    """Where each takes its place from is what explains the completion that comes of it."""
    name = "mnist-diagonal-bilstm"
    x = load_model(name).sample(1, seed=3)
    picture = bring(client, x[0, 0].numpy() * 255, name)["picture"]
    known = np.zeros((28, 28), np.uint8)
    known[:, 14:] = 1  # what is known lies behind what is not, row by row
    fields = {"model": name, "picture": picture, "known": base64.b64encode(known.tobytes()).decode()}
    events = told(client.post("/api/complete", json=fields | {"n": 2, "seed": 1, "particles": 16}))
    drawn = [event.get("drawn", event) for event in events if event["type"] in ("start", "drawn")]
    ancestry = [each for event in drawn for each in event["ancestry"]]
    assert len(ancestry) >= 3
    pixels = [each["pixel"] for each in ancestry]
    assert pixels == sorted(set(pixels))
    for each in ancestry:
        assert each["pixel"] > 14  # nothing weighs before
        assert len(each["parents"]) == 16
        assert each["parents"] == sorted(each["parents"])  # systematic resampling keeps the order
        assert 0 <= each["parents"][0] <= each["parents"][-1] < 16
    plain = told(client.post("/api/complete", json=fields | {"n": 2, "seed": 1, "particles": 1}))
    assert all(not event.get("ancestry") for event in plain)


@pytest.mark.parametrize("options", [{}, {"adaptive": True, "fits": 2}, {"grid": 8, "copies": 4}], ids=str)
def test_a_window_of_a_large_picture_is_all_that_matters(options):
    """p(one) / p(other) of two pictures that differ in what is not known is the same in the window, whatever is around."""
    model = build(architecture="local", shape=(3, 16, 16), levels=256, layers=1, hidden=4, **options)
    x = torch.randint(0, 256, (2, 3, 340, 330), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    known = torch.ones(340, 330, dtype=torch.bool)
    known[150:155, 160:170] = False
    other = torch.where(known, x[:1], x[1:])
    window = completing._window(model, known)
    assert all(side.stop - side.start < 150 for side in window)
    everywhere = (slice(None), slice(None))
    whole, part = (
        [model.log_prob(each[(..., *place)])[0].item() for each in (x[:1], other)] for place in (everywhere, window)
    )
    assert part[0] - part[1] == pytest.approx(whole[0] - whole[1], abs=1e-6)
    tight = (slice(144, 155), slice(160, 170))
    cut = [model.log_prob(each[(..., *tight)])[0].item() for each in (x[:1], other)]
    assert cut[0] - cut[1] != pytest.approx(whole[0] - whole[1], abs=1e-2)


def test_part_of_a_photograph_is_completed(client, studio):
    photo = np.random.default_rng(0).integers(100, 130, (330, 320, 3), np.uint8)
    picture = bring(client, photo, "photographs")["picture"]
    known = np.ones((330, 320), np.uint8)
    known[100:104, 200:206] = 0
    fields = {"model": "photographs", "picture": picture, "known": base64.b64encode(known.tobytes()).decode()}
    events = told(client.post("/api/complete", json=fields | {"n": 2, "seed": 1, "particles": 2}))
    start = next(event for event in events if event["type"] == "start")
    images, _ = shown(events)
    top, left = start["window"]
    for number, name in enumerate(events[-1]["pictures"]):
        x = studio.pictures.find(name).x
        assert x.shape == (3, 330, 320)
        is_known = known != 0
        np.testing.assert_array_equal(x.permute(1, 2, 0).numpy()[is_known], photo[is_known])
        height, width = images.shape[2:]
        np.testing.assert_array_equal(x[:, top : top + height, left : left + width].numpy(), images[number])
    assert events[-1]["bitsOfKnown"] is None


def test_parts_of_pictures_that_are_too_large_are_refused():
    model = build(architecture="local", shape=(1, 8, 8), levels=256, layers=1, hidden=2)
    known = torch.ones(2_001, 2_000, dtype=torch.bool)
    with pytest.raises(DataError, match="the picture has 4,002,000 pixels; of up to 4,000,000 parts are completed"):
        completing._window(model, known)

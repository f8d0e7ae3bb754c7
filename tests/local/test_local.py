"""The front of a local network: the numbers of the parallel face, in any order, on every processor."""

import numpy as np
import pytest
import torch

from pixelrnn import Codec
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.codec.weights import pack_model, unpack_model
from pixelrnn.local.program import LocalProgram
from pixelrnn.walk.walk import Stops
from tests.conftest import build
from tests.faces import face_of, run_walk
from tests.walk.test_walk import draw, follow, random_images

KINDS = [
    {"shape": (1, 5, 6), "levels": 2},
    {"shape": (3, 5, 6), "levels": 256},
    {"shape": (3, 5, 6), "levels": 5, "copies": 5, "grid": 2},
    {"shape": (4, 5, 6), "levels": 7, "copies": 8, "grid": 8, "classes": 3, "label_dropout": 0.1},
    {"shape": (2, 5, 6), "levels": 300, "head": 5, "hidden": 17, "mixtures": 4},
    {"shape": (3, 5, 6), "levels": 256, "adaptive": True},
    {"shape": (1, 5, 6), "levels": 9, "adaptive": True, "copies": 3, "grid": 2},
    {"shape": (3, 5, 6), "levels": 256, "adaptive": True, "fits": 2},
    {"shape": (4, 5, 6), "levels": 17, "adaptive": True, "fits": 2, "grid": 2},
    {"shape": (1, 5, 6), "levels": 4096, "adaptive": True, "fits": 2},
    {"shape": (3, 5, 6), "levels": 65536, "adaptive": True, "fits": 2, "copies": 3},
]
SIZES = [(5, 6), (1, 1), (1, 9), (9, 1), (23, 8), (7, 40)]


def conditions_of(model, count):
    return {"label": torch.arange(count) % 4 - 1} if model.config.classes else {}


@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_both_faces_agree(fields):
    model = build(architecture="local", scale=1.2, **fields).float()
    for size in SIZES:
        x, given = random_images(model, 11, size), conditions_of(model, 11)
        with torch.no_grad():
            expected_parameters, expected = model(x, **given), model.log_prob_map(x, **given)
        nats, parameters = follow(model, x, **given)
        torch.testing.assert_close(parameters, expected_parameters, atol=1e-4, rtol=0)
        # The walk's come from a table in float32, in which a component is never below e^-88: near that all count.
        torch.testing.assert_close(nats.clamp(min=-80), expected.clamp(min=-80), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_the_order_makes_no_difference(fields, monkeypatch):
    """Bit by bit: many images or one, a front or the raster, drawn or known."""
    model = build(architecture="local", **fields).float()
    x, label = random_images(model, 11, (9, 22)), conditions_of(model, 11).get("label")
    nats, parameters = follow(model, x, label)
    alone = [follow(model, x[i : i + 1], None if label is None else label[i : i + 1]) for i in range(11)]
    assert torch.equal(nats, torch.cat([part for part, _ in alone]))
    assert torch.equal(parameters, torch.cat([part for _, part in alone]))
    for lag in (22, 16, 100):
        monkeypatch.setattr(LocalProgram, "lag", lag)
        again = follow(model, x, label)
        assert torch.equal(nats, again[0])
        assert torch.equal(parameters, again[1])


@pytest.mark.parametrize(("fields", "least"), [({}, 5), ({"adaptive": True}, 8), ({"adaptive": True, "fits": 2}, 14)])
def test_less_of_a_lag_is_not_enough(fields, least, monkeypatch):
    model = build(architecture="local", shape=(1, 9, 24), levels=256, **fields).float()
    x = random_images(model, 3, (9, 24))
    nats, _ = follow(model, x)
    monkeypatch.setattr(LocalProgram, "lag", least)
    assert torch.equal(nats, follow(model, x)[0])
    monkeypatch.setattr(LocalProgram, "lag", least - 1)
    assert not torch.equal(nats, follow(model, x)[0])  # what is not there yet is taken for what lies above an image


@pytest.mark.parametrize("fields", [KINDS[1], KINDS[2], KINDS[4], KINDS[-2]], ids=str)
def test_samples_are_what_the_parallel_face_says(fields):
    """The stretch of the cumulative distribution that a value owns holds the number that drew it."""
    model = build(architecture="local", scale=1.2, **fields).float()
    channels = model.config.shape[0]
    uniform = np.random.default_rng(3).random((5, 4, 7, channels))
    images, nats = draw(model, (4, 7), uniform)
    numbers = torch.from_numpy(uniform).permute(0, 3, 1, 2)
    with torch.no_grad():
        table = model.output.log_table(model(images)).double().exp()  # (N, C, L, H, W)
        torch.testing.assert_close(nats, model.log_prob_map(images.long()), atol=3e-4, rtol=3e-4)
    ends, chosen = table.cumsum(2), images.long().unsqueeze(2)
    above = ends.gather(2, chosen)[:, :, 0]
    below = above - table.gather(2, chosen)[:, :, 0]
    assert (numbers < above + 1e-4).all()
    assert (numbers > below - 1e-4).all()
    assert len(torch.unique(images)) > 3


def test_a_walk_goes_on_from_chosen_images():
    model = build(architecture="local", shape=(2, 3, 4), levels=5, classes=2, copies=2).float()
    count, stop = 11, 2 * (4 + 2)  # before the third pixel of the second row
    uniform = np.random.default_rng(0).random((count, 3, 4, 2))
    label, chosen = np.arange(count) % 2, np.random.default_rng(1).integers(0, count, count)
    face = face_of(model, (3, 4))

    def run(uniform, label, stops=None):
        values = np.zeros((count, 2, 3, 4), np.float32)
        run_walk(face, values, label=label, uniform=lambda _: uniform, stops=stops)
        return values

    values = run(uniform, label, Stops(frozenset([stop]), lambda place: chosen))
    flat = uniform.reshape(count, -1)
    joined = np.concatenate([flat[chosen, :stop], flat[:, stop:]], axis=1).reshape(uniform.shape)
    assert (values == run(joined, label[chosen])).all()
    assert (values != run(uniform, label)).any()


def test_completions_come_from_the_posterior():
    """Of a 1x3 image of two levels whose last pixel is known, against all of its images."""
    model = build(architecture="local", shape=(1, 1, 3), levels=2, scale=1.0).float()
    known = torch.tensor([[False, False, True]])
    x = torch.ones(4000, 1, 1, 3, dtype=torch.uint8)
    done = model.complete(x, known, particles=32, seed=0)
    every = torch.tensor([[a, b, 1] for a in (0, 1) for b in (0, 1)], dtype=torch.uint8).view(4, 1, 1, 3)
    with torch.no_grad():
        joint = model.log_prob(every).double().exp()
    counts = torch.stack([(done.images == image).all((1, 2, 3)).double().mean() for image in every])
    torch.testing.assert_close(counts, joint / joint.sum(), atol=0.03, rtol=0)
    assert done.log_known.exp().mean().item() == pytest.approx(joint.sum().item(), abs=0.01)


@pytest.mark.parametrize("fields", [*KINDS[:4], *KINDS[-2:]], ids=str)
def test_codec(fields):
    model = build(architecture="local", scale=1.2, **fields).float()
    for size in SIZES:
        x = random_images(model, 70, size)
        x = x.to(torch.uint8) if model.config.levels <= 256 else x
        given = conditions_of(model, 70)
        data = Codec(model).encode(x, **given)
        bits = -model.log_prob(x, **given).sum().item() / np.log(2)
        assert len(data) <= 1.005 * bits / 8 + 7 * 70 + 64
        assert torch.equal(Codec(model).decode(data), x)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_packed_model_is_the_same_model(bits):
    model = build(architecture="local", **KINDS[3]).float()
    kept = unpack_model(pack_model(model, bits))
    assert fingerprint(unpack_model(pack_model(kept, bits))) == fingerprint(kept)
    x = random_images(model, 3, (9, 8))
    torch.testing.assert_close(kept.bits_per_dim(x), model.bits_per_dim(x), rtol=0.1, atol=0)

"""The local network: normalised, causal, and blind to everything but its neighbourhood."""

import itertools

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, ImageModel, ModelConfig
from pixelrnn.local.geometry import NEIGHBOURS
from pixelrnn.local.network import padded
from tests.conftest import all_images, build

KINDS = [{}, {"copies": 3}, {"copies": 8, "grid": 2}, {"grid": 8}]


@pytest.mark.parametrize("fields", [*KINDS, {"adaptive": True}, {"adaptive": True, "fits": 2}], ids=str)
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 3, 3), 2), ((1, 2, 3), 3), ((3, 2, 2), 2), ((4, 1, 2), 2), ((1, 1, 2), 257)]
)
def test_probabilities_of_all_images_sum_to_one(shape, levels, fields):
    model = build(architecture="local", shape=shape, levels=levels, **fields)
    log_prob = model.log_prob(all_images(shape, levels))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_prob.std() > 0.1


def test_probabilities_of_all_images_sum_to_one_for_each_label():
    model = build(architecture="local", shape=(1, 2, 3), levels=3, classes=2, label_dropout=0.1)
    totals = [model.log_prob(all_images((1, 2, 3), 3), label=label) for label in (-1, 0, 1)]
    for log_prob in totals:
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (totals[1] != totals[2]).any()
    assert (totals[0] != totals[1]).any()


def seen_from(row, column, height, width):
    """The pixels that the neighbours of one stand for: of those beside the image, the ends of rows."""
    pixels = set()
    for up, right in NEIGHBOURS:
        r, c = row - up, column + right
        if c < 0:
            r, c = r - 1, 0
        if r >= 0:
            pixels.add((r, min(c, width - 1)))
    return pixels


@pytest.mark.parametrize("fields", KINDS, ids=str)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 6, 11), (3, 4, 6), (2, 5, 1)])
def test_what_is_seen_is_the_neighbourhood(channels, height, width, fields):
    """Exact equality, not a tolerance, of the parameters of every other sub-pixel; some change of those that see it."""
    model = build(architecture="local", shape=(channels, height, width), levels=256, **fields)
    generator = torch.Generator().manual_seed(0)
    nodes = list(itertools.product(range(height), range(width), range(channels)))
    found = np.zeros((len(nodes), len(nodes)), bool)
    for _ in range(3):
        x = torch.randint(0, 256, (1, channels, height, width), generator=generator, dtype=torch.uint8)
        with torch.no_grad():
            base = model(x)
            for place, (row, column, channel) in enumerate(nodes):
                changed = x.clone()
                changed[0, channel, row, column] = 255 - changed[0, channel, row, column]
                found[:, place] |= (model(changed) != base).any(2)[0].permute(1, 2, 0).flatten().numpy()
    expected = np.array([
        [(q[:2] == p[:2] and q[2] < p[2]) or q[:2] in seen_from(*p[:2], height, width) for q in nodes] for p in nodes
    ])  # fmt: skip
    assert not np.triu(expected).any(), "the theory itself must be causal"
    assert (found == expected).all()


def test_differences_are_all_that_counts_of_the_colours_but_their_level():
    """Without the weights of the level, an image and one that is brighter throughout are equally likely inside."""
    model = build(architecture="local", shape=(3, 9, 12), levels=256)
    with torch.no_grad():
        model.network.level[:, :3] = 0
    x = torch.randint(100, 130, (1, 3, 9, 12), generator=torch.Generator().manual_seed(0))
    nats, brighter = model.log_prob_map(x), model.log_prob_map(x + 40)
    inside = (..., slice(5, None), slice(None))
    torch.testing.assert_close(nats[inside], brighter[inside], atol=1e-6, rtol=0)
    assert (nats != brighter).any()


def test_a_grid_tells_places_apart():
    model = build(architecture="local", shape=(1, 17, 17), levels=256, grid=8)
    parameters = model(torch.full((1, 1, 17, 17), 77, dtype=torch.uint8))[0, 0]
    inner = parameters[:, 4:12, 4:12].flatten(1)
    assert len(torch.unique(inner, dim=1).T) == 64
    assert torch.equal(parameters[:, 4, 4], parameters[:, 12, 12])


def test_a_copy_has_the_value_of_its_neighbour():
    """With all weight on the copies of W and N, nothing else has any probability."""
    model = build(architecture="local", shape=(1, 3, 4), levels=9, copies=2, mixtures=2)
    head = model.network.heads[0]
    with torch.no_grad():
        head.out.weight.zero_()
        head.out.bias.copy_(torch.tensor([-200.0] * 2 + [0.0] * 4 + [1.0, 1.0]))
    x = torch.tensor([[[[3, 3, 5, 5], [3, 3, 7, 5], [1, 1, 1, 1]]]])
    probabilities = model.log_prob_map(x).exp()[0, 0, 1:]
    torch.testing.assert_close(probabilities[0], torch.tensor([1.0, 1.0, 0.0, 0.5], dtype=torch.float64))
    assert probabilities[1].tolist() == pytest.approx([0, 0.5, 0.5, 0.5])


def test_borders():
    x = torch.tensor([[[[1.0, 2, 3], [4, 5, 6]]]])
    around = padded(x)[0, 0]
    assert around.shape == (6, 11)
    assert (around[:4] == -1).all()
    assert around[4].tolist() == [-1] * 4 + [1, 2, 3] + [3] * 4
    assert around[5].tolist() == [1] * 4 + [4, 5, 6] + [6] * 4


def test_it_learns_what_it_could_not_know_before():
    """Ramps: a mean that is linear in the differences leaves nothing to say but each image's slope and beginning."""
    slopes = torch.arange(-3, 4).repeat(8)[:, None, None, None]
    x = (128 + slopes * torch.arange(12)).expand(-1, 1, 6, 12)
    model = ImageModel(ModelConfig(architecture="local", shape=(1, 6, 12), layers=1, hidden=8, mixtures=2), seed=0)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    before = model.bits_per_dim(x).mean().item()
    for _ in range(250):
        optimiser.zero_grad()
        model.bits_per_dim(x).mean().backward()
        optimiser.step()
    inside = -model.log_prob_map(x)[..., 2:, 2:].mean().item()
    assert before > 3
    assert inside < 1  # nats; without the neighbours a pixel has ln 7 = 1.9 at least


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"copies": 9}, "copies is 9; 0 to 8 are allowed"),
        ({"grid": 4}, "grid is 4; one of 1, 2, 8 is allowed"),
        ({"architecture": "pixelcnn", "copies": 2}, "copies is 2, for architecture 'local' only; leave it 0"),
        ({"output": "softmax"}, "has output 'logistic-mixture'; output is 'softmax'"),
        ({"adaptive": True, "fits": 3}, "fits is 3; 1 or 2 is allowed"),
        ({"fits": 2}, "fits is 2, for an adaptive network only; set adaptive"),
        ({"architecture": "row-lstm", "adaptive": True}, "adaptive is True, for architecture 'local' only"),
        ({"levels": 0}, "architecture 'local' is for discrete data; levels is 0"),
        ({"context": (1, 2, 2)}, r"takes no context, and is no Multi-Scale model; context is \(1, 2, 2\), scales is 1"),
        ({"scales": 2}, "context is None, scales is 2"),
        ({"skip": False}, "leave residual and skip on"),
    ],
)
def test_what_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**{"architecture": "local", "shape": (1, 4, 4), **fields})

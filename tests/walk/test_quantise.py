"""What the walk tells an entropy coder: exact numbers, and those of the parallel face."""

import numpy as np
import pytest
import torch

from pixelrnn.walk import ask
from tests.conftest import ARCHITECTURES, build

OUTPUTS = [("bernoulli", 2), ("softmax", 5), ("softmax", 256), ("logistic-mixture", 256)]


def tables(model, x):
    """The shares of each sub-pixel of images, `(N, C, H, W, levels)`, and what was asked for."""
    program, distribution = model.raster((x.shape[2], x.shape[3]))
    values, found = x.numpy().astype(np.float32), []

    def answer(known, shares, _):
        found.append(shares.copy())
        return known

    ask(program, distribution, values, answer)
    n, channels, height, width = x.shape
    return np.stack(found, 1).reshape(n, height, width, channels, -1).transpose(0, 3, 1, 2, 4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("output", "levels"), OUTPUTS)
def test_shares_are_exact_and_those_of_the_model(architecture, output, levels):
    model = build(architecture=architecture, shape=(3, 4, 5), levels=levels, output=output).float()
    x = torch.randint(0, levels, (19, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shares = tables(model, x)
    assert (shares >= 0).all()
    assert (shares.sum(-1) == 1).all()
    assert (shares * 2**24 == np.rint(shares * 2**24)).all()
    known = np.take_along_axis(shares, x.numpy()[..., None].astype(np.int64), -1)[..., 0]
    assert np.abs(known - model.log_prob_map(x).exp().detach().numpy()).max() < 2e-5


def test_each_value_is_given_to_the_network():
    model = build(shape=(1, 3, 3), levels=4).float()
    program, distribution = model.raster((3, 3))
    x = torch.randint(0, 4, (5, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    values, left = np.zeros((5, 1, 3, 3), np.float32), iter(x.numpy().reshape(5, 9).T)
    found = []

    def answer(_, shares, __):
        found.append(shares.copy())
        return next(left)

    ask(program, distribution, values, answer)
    assert (values == x.numpy()).all()
    assert (np.stack(found, 1).reshape(5, 1, 3, 3, 4) == tables(model, x)).all()


def test_what_is_given_is_not_asked_for():
    model = build(shape=(2, 3, 3), levels=4).float()
    program, distribution = model.raster((3, 3))
    given = np.zeros((2, 3, 3), np.bool_)
    given[:, ::2, ::2] = True
    asked = []
    values = np.ones((1, 2, 3, 3), np.float32)
    ask(program, distribution, values, lambda known, *_: asked.append(1) or known * 0, is_given=given)
    assert len(asked) == 10
    assert (values[0][given] == 1).all()
    assert (values[0][~given] == 0).all()


@pytest.mark.parametrize("output", ["softmax", "logistic-mixture"])
def test_a_network_that_lost_its_numbers_still_leaves_shares(output):
    model = build(shape=(1, 2, 2), levels=6, output=output).float()
    with torch.no_grad():
        model.network.last.bias[0] = float("nan")
    shares = tables(model, torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
    assert (shares >= 0).all()
    assert (shares.sum(-1) == 1).all()

"""What the walk tells an entropy coder: exact numbers, and those of the parallel face."""

import numpy as np
import pytest
import torch

from tests.conftest import WITH_CONTEXT, build
from tests.faces import ask, face_of

OUTPUTS = [("bernoulli", 2), ("softmax", 5), ("softmax", 256), ("logistic-mixture", 256)]


def tables(model, x):
    """The pmf of each sub-pixel of images, `(N, C, H, W, levels)`, and what was asked for."""
    face = face_of(model, x.shape[2:])
    values, found = x.numpy().astype(np.float32), []

    def answer(known, pmf, _):
        found.append(pmf.copy())
        return known

    ask(face, values, answer)
    n, channels, height, width = x.shape
    return np.stack(found, 1).reshape(n, height, width, channels, -1).transpose(0, 3, 1, 2, 4)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize(("output", "levels"), OUTPUTS)
def test_a_pmf_is_exact_and_that_of_the_model(architecture, output, levels):
    model = build(architecture=architecture, shape=(3, 4, 5), levels=levels, output=output).float()
    x = torch.randint(0, levels, (19, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pmf = tables(model, x)
    assert (pmf >= 0).all()
    assert (pmf.sum(-1) == 1).all()
    assert (pmf * 2**24 == np.rint(pmf * 2**24)).all()
    known = np.take_along_axis(pmf, x.numpy()[..., None].astype(np.int64), -1)[..., 0]
    assert np.abs(known - model.log_prob_map(x).exp().detach().numpy()).max() < 2e-5


def test_each_value_is_given_to_the_network():
    model = build(shape=(1, 3, 3), levels=4).float()
    face = face_of(model, (3, 3))
    x = torch.randint(0, 4, (5, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    values, left = np.zeros((5, 1, 3, 3), np.float32), iter(x.numpy().reshape(5, 9).T)
    found = []

    def answer(_, pmf, __):
        found.append(pmf.copy())
        return next(left)

    ask(face, values, answer)
    assert (values == x.numpy()).all()
    assert (np.stack(found, 1).reshape(5, 1, 3, 3, 4) == tables(model, x)).all()


def test_what_is_given_is_not_asked_for():
    model = build(shape=(2, 3, 3), levels=4).float()
    face = face_of(model, (3, 3))
    given = np.zeros((1, 2, 3, 3), np.uint8)
    given[..., ::2, ::2] = 1
    asked = []
    values = np.ones((1, 2, 3, 3), np.float32)
    ask(face, values, lambda known, *_: asked.append(1) or known * 0, is_known=given)
    assert len(asked) == 10
    assert (values[given == 1] == 1).all()
    assert (values[given == 0] == 0).all()


@pytest.mark.parametrize("output", ["softmax", "logistic-mixture"])
def test_a_network_that_produces_nan_still_leaves_shares(output):
    model = build(shape=(1, 2, 2), levels=6, output=output).float()
    with torch.no_grad():  # weights that are finite, and give numbers that are not
        model.network.last.weight.fill_(3e38)
        model.network.last.bias.fill_(3e38)
    pmf = tables(model, torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
    assert (pmf >= 0).all()
    assert (pmf.sum(-1) == 1).all()

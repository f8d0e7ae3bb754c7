"""A level asked for in two steps: together the probability of the model, whatever the levels and the mixture."""

import numpy as np
import pytest
import torch

from pixelrnn.codec.coder import Coder
from pixelrnn.condition import Condition
from tests.conftest import build
from tests.faces import ask, face_of


def asked(model, x):
    """Shares of all levels, `(M, levels)`, in the order of the questions, and the numbers of the images."""
    levels, found, images, high = model.config.levels, [], [], None
    face = face_of(model, x.shape[2:])

    def answer(known, shares, numbers):
        nonlocal high
        assert (shares >= 0).all()
        assert (shares.sum(1) == 1).all()
        assert (shares * 2**24 == np.rint(shares * 2**24)).all()
        if levels > 16 and high is None:
            high = (known, shares)
            return known
        first = np.zeros(len(known)) if high is None else high[0]
        share = np.ones(len(known)) if high is None else high[1][np.arange(len(known)), first.astype(int)]
        found.append(share * shares[np.arange(len(known)), known.astype(int)])
        images.append(numbers.copy())
        high = None
        return known

    values = x.numpy().astype(np.float32)
    ask(face, values, answer)
    assert (values == x.numpy()).all()
    return np.concatenate(found), np.concatenate(images)


@pytest.mark.parametrize("levels", [2, 16, 17, 100, 256])
@pytest.mark.parametrize("copies", [0, 4])
def test_both_steps_together_are_the_model(levels, copies):
    model = build(architecture="local", shape=(3, 5, 6), levels=levels, copies=copies, hidden=6, layers=1).float()
    x = model.sample(11, seed=0)
    shares, images = asked(model, x)
    bits = np.bincount(images, -np.log2(shares))
    expected = -model.log_prob(x).double().detach().numpy() / np.log(2)
    np.testing.assert_allclose(bits, expected, rtol=1e-3)


@pytest.mark.parametrize("log_scale", [-9.0, -3.0, 2.0])
def test_no_level_costs_more_than_one_that_cannot_occur(log_scale):
    """Where nothing is left of the weights, a level still has one of 2^30."""
    model = build(architecture="local", shape=(1, 7, 6), levels=256, hidden=6, layers=1).float()
    with torch.no_grad():
        model.network.heads[0].out.bias[2 * model.config.mixtures :] = log_scale
    x = torch.randint(0, 256, (5, 1, 7, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    bits = Coder(model).encode(x.numpy().astype(np.int64), Condition(np.full(5, -1)), lambda _: None)[1]
    by_the_model = -model.log_prob(x).detach().numpy() / np.log(2)
    assert (bits <= 42 * 30).all()
    assert (bits < by_the_model + 42 * 0.6).all()


def test_a_level_beyond_the_last_is_the_last():
    """What a forged stream can say."""
    model = build(architecture="local", shape=(1, 3, 3), levels=18, hidden=6, layers=1).float()
    face = face_of(model, (3, 3))
    values = np.zeros((1, 1, 3, 3), np.float32)
    ask(face, values, lambda known, shares, _: np.full(len(known), shares.shape[1] - 1))
    assert (values == 17).all()

"""Our elementary functions against those of float64, over their whole range."""

import numpy as np
import pytest
import torch
from numba import njit

from pixelrnn.kernels import functions
from pixelrnn.kernels.scalars import log, quantile
from pixelrnn.kernels.vectors import LANES, load, pointer, store


def applied(function):
    """A vector function on an array of any length."""

    @njit
    def loop(x, y):
        for j in range(0, len(x), LANES):
            store(pointer(y, 0), j, function(load(pointer(x, 0), j)))

    def whole(x):
        padded = np.ones(-(-len(x) // LANES) * LANES, np.float32)
        padded[: len(x)] = x
        out = np.empty_like(padded)
        loop(padded, out)
        return out[: len(x)]

    return whole


def of_each(function):
    """A function of one number on an array of them."""

    @njit
    def loop(x):
        return np.array([function(value) for value in x])

    return loop


EVERYWHERE = np.concatenate([np.linspace(-20, 20, 300_001), np.geomspace(1e-30, 1e30, 10_001)]).astype(np.float32)
EXPONENTS = np.linspace(-86.9, 87.9, 500_001).astype(np.float32)
POSITIVE = np.concatenate([np.geomspace(1.2e-38, 3e38, 300_001), np.linspace(0.5, 2, 300_001)]).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "exact", "x", "error"),
    [
        (functions.tanh, np.tanh, EVERYWHERE, 4e-7),
        (functions.exp, np.exp, EXPONENTS, 2e-7),
        (functions.one_minus_exp, lambda x: -np.expm1(-x), np.abs(EVERYWHERE) + np.float32(1e-38), 3e-7),
    ],
    ids=["tanh", "exp", "one_minus_exp"],
)
def test_relative_errors(function, exact, x, error):
    expected = exact(x.astype(np.float64))
    found, is_zero = applied(function)(x), expected == 0
    assert (found[is_zero] == 0).all()
    assert np.max(np.abs(found - expected)[~is_zero] / np.abs(expected[~is_zero])) < error


def test_sigmoid():
    x = EVERYWHERE.astype(np.float64)
    assert np.abs(applied(functions.sigmoid)(EVERYWHERE) - 1 / (1 + np.exp(-np.minimum(x, 700)))).max() < 2e-7


def test_log():
    expected = np.log(POSITIVE.astype(np.float64))
    errors = np.abs(applied(functions.log)(POSITIVE) - expected) / np.maximum(1, np.abs(expected))
    assert errors.max() < 2e-7


def test_extremes():
    special = np.array([np.inf, -np.inf, 1e30, -1e30], np.float32)
    tanh, exp = applied(functions.tanh)(special), applied(functions.exp)(special)
    assert (np.abs(tanh) < 1).all()
    assert np.array_equal(np.sign(tanh), [1, -1, 1, -1])
    assert np.isfinite(exp).all()
    assert (exp[[0, 2]] > 1e38).all()
    assert (exp[[1, 3]] < 1e-37).all()
    for function in (functions.tanh, functions.sigmoid, functions.exp):
        assert np.isnan(applied(function)(np.array([np.nan], np.float32))).all()


def test_quantile_of_the_normal_distribution():
    p = np.concatenate([np.geomspace(1e-15, 0.5, 2_000), 1 - np.geomspace(1e-12, 0.5, 2_000)])
    found = of_each(quantile)(p)
    expected = torch.special.ndtri(torch.from_numpy(p)).numpy()
    # Of 1 - p only so many digits are left.
    low = p < 0.49
    assert (np.abs(found - expected)[low] / np.abs(expected[low])).max() < 1e-12
    assert np.abs(found - expected).max() < 1e-11


def test_logarithm_of_one_number():
    x = np.geomspace(1e-300, 1e300, 5_001)
    assert (np.abs(of_each(log)(x) - np.log(x)) / np.maximum(1, np.abs(np.log(x)))).max() < 1e-14

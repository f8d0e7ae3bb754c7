"""Sums over windows and their means at each pixel, against loops; the evidence of a model's maps."""

import numpy as np
import pytest
import torch

from pixelrnn.inspection.windows import (
    SIDES,
    Evidence,
    averaged,
    readings_of,
    sides_for,
    window_signals,
    window_sums,
)
from tests.conftest import build


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_sums_and_their_means_at_each_pixel(side):
    random = np.random.default_rng(0)
    values = random.normal(size=(7, 9))
    places = [(r, c) for r in range(8 - side) for c in range(10 - side)]
    sums = np.array([values[r : r + side, c : c + side].sum() for r, c in places]).reshape(8 - side, 10 - side)
    np.testing.assert_allclose(window_sums(values, side), sums, atol=1e-12)
    inside = [[[] for _ in range(9)] for _ in range(7)]
    for r, c in places:
        for row in range(r, r + side):
            for column in range(c, c + side):
                inside[row][column].append(sums[r, c])
    means = [[np.mean(each) for each in row] for row in inside]
    np.testing.assert_allclose(averaged(sums, side), means, atol=1e-12)
    more = 2 * max(len(each) for row in inside for each in row)
    with_ones = [[(sum(each) + more) / (len(each) + more) for each in row] for row in inside]
    np.testing.assert_allclose(averaged(sums, side, 2.0), with_ones, atol=1e-12)


def test_evidence_adds_the_channels_up():
    model = build(architecture="pixelcnn", shape=(3, 4, 5), levels=4)
    x = torch.randint(0, 4, (2, 3, 4, 5))
    with torch.no_grad():
        found = model.log_prob_map(x, moments=True)
        other = type(found)(*(2 * part for part in found))
    each = list(readings_of([found, other]))
    assert len(each) == 2
    for image, (evidence, twice) in enumerate(each):
        np.testing.assert_allclose(twice.rank, 2 * evidence.rank, rtol=1e-6)
        excess = -(found.log_prob + found.mean)[image].sum(0).numpy()
        np.testing.assert_allclose(evidence.excess, excess, rtol=1e-5, atol=1e-5)
        for name in ("variance", "rank", "outlying"):
            summed = getattr(found, name)[image].sum(0).numpy()
            np.testing.assert_allclose(getattr(evidence, name), summed, rtol=1e-5, atol=1e-6)


def test_windows_of_images_from_the_model_are_standard():
    """All are martingales: Z of all windows has mean 0 and variance 1, whatever is in them; R and O have mean 0."""
    model = build(architecture="pixelcnn", shape=(1, 12, 12), levels=5).float()
    x = model.sample(150, seed=0)
    with torch.no_grad():
        evidence = [only for (only,) in readings_of([model.log_prob_map(x, moments=True)])]
    for side in (1, 3, 8):
        signals = np.stack([found for each in evidence for _, found in window_signals(each, [side], 0.0)])
        assert (np.abs(signals.mean((0, 2, 3))) < 0.06).all()
        assert abs((signals[:, 0] ** 2).mean() - 1) < 0.08
        shifted = [each._replace(rank=each.rank + 0.2) for each in evidence]
        signals = np.stack([found for each in shifted for _, found in window_signals(each, [side], 0.0)])
        assert signals[:, 1].mean() > 0.15 * side
    plain = -np.stack([each.excess for each in evidence])
    assert plain.std() > 0.3


def test_signals_are_sums_over_windows_in_their_units():
    random, side, least = np.random.default_rng(1), 3, 0.2
    excess, rank, outlying = random.normal(size=(3, 6, 5)).astype(np.float32)
    variance = random.uniform(0.1, 2, (6, 5)).astype(np.float32)
    ((_, found),) = window_signals(Evidence(excess, variance, rank, outlying), [side], least)
    assert found.shape == (3, 4, 3)
    for r, c in np.ndindex(4, 3):
        inside = np.s_[r : r + side, c : c + side]
        z = excess[inside].sum() / np.sqrt(variance[inside].sum() + side**2 * least)
        wanted = [z, rank[inside].sum() / side, outlying[inside].sum() / side]
        np.testing.assert_allclose(found[:, r, c], wanted, rtol=1e-4, atol=1e-6)


def test_what_is_certain_counts_no_surprise_as_infinite():
    zero = np.zeros((2, 2), np.float32)
    certain = Evidence(np.array([[9.0, 0.0], [0.0, 0.0]], np.float32), zero, zero, zero)
    found = dict(window_signals(certain, [1, 2], 0.25))
    assert found[2][0, 0, 0] == pytest.approx(9.0)
    assert found[1][0, 0, 0] == pytest.approx(18.0)


def test_small_images_have_small_windows():
    assert sides_for((5, 40)) == (1, 2, 3, 4)
    assert sides_for((1, 1)) == (1,)
    assert sides_for((99, 32)) == SIDES

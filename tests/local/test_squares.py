"""Least squares in windows: the formula, exact sums, and nothing but what comes before."""

import itertools

import numpy as np
import pytest
import torch

from pixelrnn.local import squares
from pixelrnn.local.geometry import FITS, NEAR, NEIGHBOURS, RADIUS, RELATIVE
from pixelrnn.local.network import padded
from tests.conftest import build


def smooth(images, channels, height, width, levels, seed=0):
    """Images with slopes and some noise, as a photograph has."""
    random = np.random.default_rng(seed)
    walk = random.normal(0, 1, (images, channels, height, width)).cumsum(2).cumsum(3)
    scaled = (walk - walk.min()) / (walk.max() - walk.min())
    noisy = scaled + random.normal(0, 0.02, walk.shape)
    return np.rint(noisy.clip(0, 1) * (levels - 1)).astype(np.int64)


def bordered(x, levels):
    scaled = 2 * torch.from_numpy(x).float() / (levels - 1) - 1
    return ((padded(scaled) + 1) * (levels - 1) / 2).round().numpy()


def by_the_formula(fit, plain, channel, row, column, levels):
    """Prediction and logarithm of the deviation of one sub-pixel, in float64, from all of its windows at once."""
    places, width = fit.differences(channel), plain.shape[2] - 2 * RADIUS

    def unit(r, c):
        """In float32, like the differences: what is rounded to whole units must not be a matter of digits."""
        if not fit.scale:
            return np.float32(1)
        a, b = r + RADIUS, c + RADIUS
        changes = [abs(each[a - up, b + right] - each[a, b - 1]) for each in plain for up, right in NEIGHBOURS]
        share = np.float32(1.5 / len(NEIGHBOURS)) / np.float32(len(plain))
        return (np.float32(sum(changes)) * share + np.float32(1)) / np.float32(fit.scale)

    def differences(r, c):
        a, b = r + RADIUS, c + RADIUS
        z = [plain[e, a - up, b + right] - plain[e, a, b - 1] for e, up, right in places]
        y = float(plain[channel, a, b] - plain[channel, a, b - 1])
        every = (np.array([*z, y], np.float32) / unit(r, c)).clip(-fit.most, fit.most)
        every = np.rint(every) if fit.scale else every
        return every[:-1].astype(np.float64), float(every[-1])

    known, weights = [], []
    for radius, weight in fit.windows:
        rows, columns = (
            range(max(0, row - radius), row),
            range(max(0, column - radius), min(width, column + radius + 1)),
        )
        window = [*itertools.product(rows, columns), *((row, c) for c in range(max(0, column - radius), column))]
        known += [differences(*place) for place in window]
        weights += [weight] * len(window)
    z = np.array([each for each, _ in known]).reshape(-1, len(places))
    y, w = np.array([each for _, each in known]), np.array(weights)
    matrix, expected = (w * z.T) @ z + fit.ridge * np.eye(len(places)), np.array(fit.expectations(channel))
    right = z.T @ (w * y) + fit.ridge * expected
    beta = np.linalg.solve(matrix, right)
    residual = y @ (w * y) + fit.ridge * expected @ expected - beta @ right + 0.1 * w.sum() + 2 * fit.deviation**2
    half = (levels - 1) / 2
    prediction = np.clip(beta @ differences(row, column)[0] * unit(row, column), 1 - levels, levels - 1)
    return prediction / half, 0.5 * np.log(residual / (w.sum() + 2)) + np.log(unit(row, column) / half)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 21, 30), (3, 12, 25), (4, 11, 9), (2, 3, 1), (3, 1, 40)])
@pytest.mark.parametrize(
    ("fit", "levels"), [*itertools.product(FITS, [256, 30]), *itertools.product(RELATIVE, [65536, 4096, 300])]
)
def test_every_prediction_is_the_formula(fit, channels, height, width, levels):
    plain = bordered(smooth(2, channels, height, width, levels), levels)
    found = squares.fit_images(fit, plain, levels)
    places = itertools.product(range(2), range(0, height, 5), [*range(0, width, 4), width - 1], range(channels))
    for image, row, column, channel in places:
        expected = by_the_formula(fit, plain[image], channel, row, column, levels)
        np.testing.assert_allclose(found[image, row, column, channel], expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("fit", [*FITS, *RELATIVE])
def test_float32_holds_the_sums_exactly(fit):
    weight = sum(weight * (radius * (2 * radius + 1) + radius) for radius, weight in fit.windows)
    coming = sum(weight for _, weight in fit.windows)  # a pixel that is in all windows, before others go
    assert (weight + coming) * fit.most**2 < 2**24
    with pytest.raises(ValueError, match="levels is 257; at most 256 keep the sums exact"):
        squares.fit_images(NEAR, np.zeros((1, 1, 9, 20), np.float32), 257)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("fit", "levels"), [(FITS[0], 256), (FITS[1], 256), (RELATIVE[0], 65536), (RELATIVE[1], 1000)])
def test_predictions_know_what_comes_before_only(fit, levels, channels):
    height, width = 4, 13
    x = smooth(1, channels, height, width, levels)
    base = squares.fit_images(fit, bordered(x, levels), levels)
    order = base[0].reshape(-1, 2)  # (H W C, 2)
    for row, column, channel in itertools.product(range(height), range(width), range(channels)):
        changed = x.copy()
        changed[0, channel, row, column] = levels - 1 - changed[0, channel, row, column]
        moved = (squares.fit_images(fit, bordered(changed, levels), levels)[0].reshape(-1, 2) != order).any(1)
        place = (row * width + column) * channels + channel
        assert not moved[: place + 1].any()
        assert place + channels >= height * width * channels or moved[place + 1 :].any()


@pytest.mark.parametrize(
    ("fit", "levels"), [(FITS[0], 256), (FITS[1], 256), (RELATIVE[0], 65536), (RELATIVE[1], 65536)]
)
def test_what_is_linear_is_predicted(fit, levels):
    y, x = np.mgrid[:20, :30]
    step = levels // 256
    plain = bordered((step * (2 * x + 3 * y))[None, None].astype(np.int64), levels)
    found = squares.fit_images(fit, plain, levels)[0, 4:, 8:-8, 0]
    assert (np.abs(found[..., 0] * (levels - 1) / 2 - 2 * step) < 0.5 * step).all()


@pytest.mark.parametrize("fit", RELATIVE)
def test_a_relative_fit_is_the_same_at_any_contrast(fit):
    """Four times the contrast: four times the prediction, but for the level that is added to a spread."""
    x = 400 * smooth(1, 1, 20, 30, 41)
    one, other = (squares.fit_images(fit, bordered(k * x, 65536), 65536)[0, 8:] for k in (1, 4))
    np.testing.assert_allclose(other[..., 0], 4 * one[..., 0], atol=4 * 0.06 * np.abs(one[..., 0]).mean())
    np.testing.assert_allclose(other[..., 1], one[..., 1] + np.log(4), atol=0.05)


def test_an_adaptive_model_learns_each_images_own_rule():
    """Every image has its own texture: what the pixel two to the left says differs from one to the other."""
    random = np.random.default_rng(0)
    tile = random.integers(60, 200, (12, 1, 1, 7))
    x = torch.from_numpy(np.concatenate([tile] * 5, axis=3).repeat(12, axis=2) + random.integers(0, 3, (12, 1, 12, 35)))
    losses = {}
    for adaptive in (False, True):
        model = build(architecture="local", shape=(1, 12, 35), layers=1, hidden=6, adaptive=adaptive).float()
        optimiser = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(60):
            optimiser.zero_grad()
            model.bits_per_dim(x).mean().backward()
            optimiser.step()
        losses[adaptive] = model.bits_per_dim(x).mean().item()
    assert losses[True] < losses[False] - 0.1

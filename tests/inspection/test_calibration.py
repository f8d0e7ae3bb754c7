"""How often usual images are rejected, and what is found in others."""

import dataclasses
import math

import numpy as np
import pytest

from pixelrnn import DataError
from pixelrnn.inspection.calibration import Calibration
from pixelrnn.inspection.features import Expectation, covariates_of
from pixelrnn.inspection.gumbel import Gumbel, p_value_of, threshold_of
from pixelrnn.inspection.verdict import SHARE_OF_HIGHEST, either
from pixelrnn.inspection.windows import Evidence, window_signals


def noise(seed, size=(24, 24), *, count=60, pattern=None):
    """Evidence of images whose pixels are independent, with another mean at each place if there is a pattern."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        excess = random.normal(size=size) + (0 if pattern is None else pattern)
        found.append((evidence(random, excess, np.ones(size)),))
    return found


def evidence(random, excess, variance):
    rank = random.uniform(-1, 1, excess.shape)
    parts = (excess, variance, rank, (3 * rank**2 - 1) / 2)
    return Evidence(*(part.astype(np.float32) for part in parts))


def p_value(calibration, found):
    return p_value_of(calibration.judge(found))


def test_gumbel():
    values = np.random.default_rng(0).gumbel(3.0, 2.0, 20_000)
    found = Gumbel.of(values)
    assert found.location == pytest.approx(3, abs=0.06)
    assert found.scale == pytest.approx(2, abs=0.06)
    assert found.units(found.location + found.scale) == pytest.approx(1)


def test_p_values_and_thresholds():
    for alpha in (0.3, 0.01, 1e-9):
        assert p_value_of(threshold_of(alpha)) == pytest.approx(alpha, rel=1e-9)
    # Either of two independent ones is as high as often as that.
    m, t = np.random.default_rng(0).gumbel(size=(2, 100_000))
    drawn = np.array([either(*both) for both in zip(m, t, strict=True)])
    assert (drawn > threshold_of(0.05)).mean() == pytest.approx(0.05, abs=0.002)
    by_one = m + math.log(SHARE_OF_HIGHEST) > threshold_of(0.05)
    assert by_one.mean() == pytest.approx(SHARE_OF_HIGHEST * 0.05, abs=0.001)
    assert p_value_of(math.inf) == 0
    assert p_value_of(-math.inf) == 1


def test_usual_images_are_rejected_as_often_as_was_asked():
    calibration = Calibration.of(noise(0, count=200))
    p_values = np.array([p_value(calibration, each) for each in noise(1, count=600)])
    for alpha in (0.5, 0.2, 0.05):
        # Two chances, of which one counts mostly: never more often, and hardly less where it is rare.
        error = math.sqrt(alpha / 600 + alpha / 200)  # of what is counted, and of what it was fitted to
        assert 0.6 * alpha - 0.02 < (p_values <= alpha).mean() < alpha + 2 * error


def test_images_of_other_sizes_are_rejected_as_often():
    """A larger image has more windows, of which the highest is higher."""
    usual = [each for size in ((20, 20), (24, 30), (40, 20)) for each in noise(size[0], size, count=60)]
    calibration = Calibration.of(usual)
    # Of a large one the mean over all windows varies less: then hardly any is rejected but for a single window.
    for size, least in (((16, 16), 0.02), ((64, 64), 0.001)):
        p_values = np.array([p_value(calibration, each) for each in noise(5, size, count=300)])
        assert least < (rejected := (p_values <= 0.1).mean()) < 0.2, size
    assert max(calibration.usual) == 16  # none has larger windows in both directions
    of = calibration.expectation
    naive = dataclasses.replace(of, high=of.high + 9, unit=np.full(3, np.inf))  # as if their size did not matter
    naive = dataclasses.replace(calibration, expectation=naive)
    p_values = np.array([p_value(naive, each) for each in noise(5, (64, 64), count=300)])
    assert (p_values <= 0.1).mean() > max(0.03, 3 * rejected)


@pytest.mark.parametrize(("side", "height"), [(1, 9.0), (3, 2.5), (16, 0.7), (4, -2.0)])
def test_a_flaw_of_any_size_is_found_where_it_is(side, height):
    calibration = Calibration.of(noise(0, count=100))
    flawed = noise(2, count=1)[0]
    before = p_value(calibration, flawed)
    flawed[0].excess[4 : 4 + side, 5 : 5 + side] += height
    assert p_value(calibration, flawed) < 1e-3 < before
    found = calibration.exceedance(flawed)
    assert found.shape == (24, 24)
    assert found.max() > threshold_of(0.05)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 3 <= row <= 4 + side
    assert 4 <= column <= 5 + side


def test_places_are_compared_where_they_are_alike():
    """A pattern that all usual images have is none of what is unusual; where it is missing is."""
    pattern = np.zeros((24, 24))
    pattern[8:12, 8:12] = 3.0
    usual = noise(0, count=100, pattern=pattern)
    calibration = Calibration.of(usual)
    assert calibration.size == (24, 24)
    p_values = np.array([p_value(calibration, each) for each in noise(1, count=300, pattern=pattern)])
    assert (p_values <= 0.1).mean() < 0.2
    assert p_value(calibration, noise(3, count=1)[0]) < 1e-3
    assert Calibration.of(noise(0, count=100)).size is None
    with pytest.raises(
        DataError, match="an image is read as 24x25 pixels; the usual ones are 24x24 and alike at their places"
    ):
        calibration.judge(noise(0, (24, 25), count=1)[0])


def test_each_usual_image_is_compared_with_the_others():
    pattern = np.zeros((6, 6))
    pattern[2:4] = 4.0
    usual = noise(0, (6, 6), count=20, pattern=pattern)
    calibration = Calibration.of(usual)
    assert calibration.size == (6, 6)
    z = np.stack([signals for (each,) in usual for _, signals in window_signals(each, [1], calibration.least)])
    count = z[:, 0].size
    centred = (z - z.mean(0)).swapaxes(0, 1).reshape(3, -1)
    covariance = centred @ centred.T / count
    highest = []
    for own in range(20):
        others = np.delete(z, own, axis=0)
        deviation = np.sqrt((19 * others.var(0) + 10 * np.diag(covariance)[:, None, None]) / 29)
        standard = ((z[own] - others.mean(0)) / deviation).reshape(3, -1)
        correlations = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        distances = np.einsum("iw,ij,jw->w", standard, np.linalg.inv(correlations), standard)
        highest.append(distances.max() / 3)
    # All are alike in what they are expected to be by, so that what is expected is the mean of the others.
    left = np.array([own - np.delete(highest, n).mean() for n, own in enumerate(highest)])
    for got, wanted in zip(calibration.verdict.tails[0], Gumbel.of(left), strict=True):
        assert got == pytest.approx(wanted, abs=2e-3)


def test_rough_pictures_are_compared_with_rough_ones():
    """Where the highest windows of usual images are higher the rougher these are, none is unusual for that."""
    random = np.random.default_rng(3)

    def rough(count):
        found = []
        for _ in range(count):
            roughness = np.exp(random.uniform(-1, 1))
            excess = random.normal(size=(24, 24)) * roughness**0.65  # beyond what the model expects
            found.append((evidence(random, excess, np.full((24, 24), roughness)),))
        return found

    calibration = Calibration.of(rough(200))
    assert np.ptp(calibration.expectation.weights[1]) > 0.1
    new = rough(400)
    p_values = np.array([p_value(calibration, each) for each in new])
    roughness = np.array([each.variance.mean() for (each,) in new])
    assert 0.03 < (p_values <= 0.1).mean() < 0.17
    halves = [(p_values[part] <= 0.2).mean() for part in (roughness > 1, roughness <= 1)]
    assert max(halves) < 3 * min(halves)
    of = dataclasses.replace(calibration.expectation, unit=np.full(3, np.inf))  # as if all were alike
    naive = dataclasses.replace(calibration, expectation=of)
    p_values = np.array([p_value(naive, each) for each in new])
    assert (p_values[roughness > 1] <= 0.2).mean() > 4 * (p_values[roughness <= 1] <= 0.2).mean()


def test_what_is_expected_is_a_regression():
    random = np.random.default_rng(0)
    covariates = random.normal(size=(60, 3)) * [1, 2, 0]  # the last one is the same for all
    features = 3 + covariates @ np.array([[1.0, 0.5], [0.0, -2.0], [9.0, 9.0]]) + 0.01 * random.normal(size=(60, 2))
    found, left = Expectation.of(covariates, features)
    assert found(np.array([0.3, 1.0, 5.0])) == pytest.approx([3.3, 3 + 0.15 - 2], abs=0.02)
    assert found(np.array([99.0, 1.0, 0.0])) == pytest.approx(found(np.array([covariates[:, 0].max(), 1.0, 0.0])))
    without = Expectation.of(np.delete(covariates, 7, 0), np.delete(features, 7, 0))[0]
    np.testing.assert_allclose(left[7], features[7] - without(covariates[7]), atol=2e-4)
    few, left = Expectation.of(covariates[:15], features[:15])  # too few for weights
    assert few(np.array([5.0, 5.0, 5.0])) == pytest.approx(features[:15].mean(0))
    np.testing.assert_allclose(left[3], features[3] - np.delete(features[:15], 3, 0).mean(0))
    assert covariates_of(noise(0, (6, 24), count=1)[0]) == pytest.approx([0, math.log(144), -math.log(4)], abs=1e-6)


def test_orders_are_looked_at_one_by_one():
    """What two orders say with opposite signs is odd in both, though nothing of it is left in their mean."""

    def both(seed, count, shift):
        pairs = zip(noise(seed, count=count), noise(seed + 100, count=count), strict=True)
        for (first,), (second,) in pairs:
            first.rank[4:12, 4:12] += shift
            second.rank[4:12, 4:12] -= shift
            yield first, second

    calibration = Calibration.of(list(both(0, 100, 0.0)))
    p_values = np.array([p_value(calibration, each) for each in both(1, 200, 0.0)])
    assert 0.04 < (p_values <= 0.2).mean() < 0.3
    (flawed,) = both(2, 1, 0.6)
    assert p_value(calibration, flawed) < 1e-3
    found = calibration.exceedance(flawed)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 3 <= row <= 12
    assert 3 <= column <= 12
    mean = tuple(np.mean(parts, axis=0) for parts in zip(*flawed, strict=True))
    assert p_value(calibration, (Evidence(*mean),) * 2) > 0.01


@pytest.mark.parametrize("size", [(24, 24), (60, 60)])
def test_places_of_usual_images_are_as_unusual_as_they_say(size):
    calibration = Calibration.of(noise(0, count=100))
    highest = np.array([calibration.exceedance(each).max() for each in noise(1, size, count=150)])
    for alpha in (0.3, 0.05):
        assert np.mean([p_value_of(x) <= alpha for x in highest]) < 1.7 * alpha + 0.03


def test_places_of_few_aligned_images_are_as_unusual_as_they_say():
    pattern = np.kron(np.eye(4), np.ones((4, 4))) * 3
    calibration = Calibration.of(noise(0, (16, 16), count=30, pattern=pattern))
    assert calibration.size == (16, 16)
    highest = [calibration.exceedance(each).max() for each in noise(1, (16, 16), count=200, pattern=pattern)]
    assert np.mean([p_value_of(x) <= 0.05 for x in highest]) < 0.13


def test_false_alarms_of_few_images_are_those_of_new_ones():
    alpha, told, true = threshold_of(0.02), [], []
    for seed in range(60):
        calibration = Calibration.of(noise(seed, (8, 8), count=10))
        told.append((calibration.reached > alpha).mean())
        true.append(np.mean([calibration.judge(each) > alpha for each in noise(100 + seed, (8, 8), count=24)]))
    difference = np.array(told) - true
    assert abs(difference.mean()) < 2.5 * difference.std() / math.sqrt(60)


def test_identical_images_are_usual():
    same = noise(3, (8, 8), count=1) * 30
    calibration = Calibration.of(same)
    assert p_value(calibration, same[0]) > 0.1
    other = noise(4, (8, 8), count=1)[0]
    assert p_value(calibration, other) < 1e-3


def test_too_few_and_impossible_images_are_refused():
    with pytest.raises(DataError, match="9 usual images are given; at least 10 are needed"):
        Calibration.of(noise(0, count=9))
    usual = noise(0, count=10)
    usual[3][0].excess[0, 0] = np.inf
    with pytest.raises(DataError, match="a usual image has probability zero; then there is nothing to compare with"):
        Calibration.of(usual)


def test_what_cannot_occur_has_the_p_value_zero():
    calibration = Calibration.of(noise(0, count=20))
    impossible = noise(1, count=1)[0]
    impossible[0].excess[2, 3] = np.inf
    assert p_value(calibration, impossible) == 0
    found = calibration.exceedance(impossible)
    assert np.isinf(found[2, 3])
    assert np.isfinite(found).sum() == found.size - 1

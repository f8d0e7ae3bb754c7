r"""What the windows of an image come to: how odd the oddest are, and how odd all; and what that is of usual images.

The signals of the windows of a side (`windows.py`) are standardised and made uncorrelated by those of usual images, to
A, and Q is the mean of the squares of its three components, over all orders in which the model reads. Features are the
highest Q; and of ln Q the highest value, the quantiles at 0.99 and 0.9, and the mean: for flaws of some windows and for
those of many. They are higher in a picture that is rougher, or larger: so usual images say what is expected of a
feature, given the logarithms of the mean variance, of the area and of the aspect of an image,

.. math:: E f = w \cdot (1, \ln \bar V, \ln HW, \ln H / W)

by least squares, where there are enough of them; with fewer it is their mean.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pixelrnn.inspection.windows import SIGNALS, Readings, window_signals

__all__ = [
    "FEATURES",
    "LOWEST",
    "Expectation",
    "Usual",
    "WindowSums",
    "are_aligned",
    "covariates_of",
    "features_of",
    "oddness_of",
    "signals_of",
    "size_of",
    "sums_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

FEATURES = 5
"""Features of a size of windows: the highest Q; the highest of ln Q, two quantiles, the mean."""

LOWEST = 1e-3
"""Added to Q before its logarithm."""

QUANTILES = (0.99, 0.9)
LEAST_ALIGNED = 20  # images from which on places are looked at one by one
ALIGNED = 0.02  # share of the variance that the places must explain, of images that did not say what it is
SHRINKAGE = 10  # usual images as which the deviation of all places counts, in that of each
LEAST_FOR_EACH = 10  # usual images for each weight of an expectation
RIDGE = 1e-3  # of standardised covariates, in images
LEAST_VARIANCE = 1e-6  # of a signal: what varies less is rounding
LEAST_SHARE = 1e-3  # of the highest variance of the standardised signals, that each direction has at least


@dataclasses.dataclass(frozen=True)
class Usual:
    """What the signals of windows of a side are in usual images.

    Attributes:
        mean: `(3, 1, 1)`, or `(3, H, W)` of each place.
        deviation: The same.
        whitening: `(3, 3)`: makes the standardised signals uncorrelated, with the variance 1.
    """

    mean: Array
    deviation: Array
    whitening: Array

    def oddness(self, signals: Array) -> Array:
        """Q of all windows, `(H, W)`, by their signals `(3, H, W)`."""
        standardised = (signals - self.mean) / self.deviation
        q = np.zeros(signals.shape[1:], np.float32)
        for row in self.whitening.astype(np.float32):
            q += np.einsum("i,ihw->hw", row, standardised) ** 2
        return q / np.float32(SIGNALS)


class WindowSums:
    """Of the signals of windows of a side, over images: of each place, or of all."""

    def __init__(self, *, by_place: bool) -> None:
        self.by_place, self.count = by_place, 0
        self.sums, self.squares, self.products = np.zeros(()), np.zeros(()), np.zeros((SIGNALS, SIGNALS))

    def add(self, signals: Array) -> None:
        """Take the windows of an image in, as read in an order."""
        count, sums, squares = self._of(signals)
        self.count, self.sums, self.squares = self.count + count, self.sums + sums, self.squares + squares
        flat = signals.reshape(SIGNALS, -1).astype(np.float64)
        self.products += flat @ flat.T

    def usual(self, without: Sequence[Array] = ()) -> Usual:
        """What they say, without the windows of one of the images, as read in all orders."""
        count, sums, squares = self.count, self.sums, self.squares
        for own in map(self._of, without):
            count, sums, squares = count - own[0], sums - own[1], squares - own[2]
        mean, covariance = sums / count, self._covariance()
        variance = np.maximum(squares / count - mean**2, LEAST_VARIANCE)
        whole = np.diag(covariance)[:, None, None]
        if self.by_place:
            variance = (count * variance + SHRINKAGE * whole) / (count + SHRINKAGE)
        deviation = np.sqrt(variance)
        return Usual(mean.astype(np.float32), deviation.astype(np.float32), _whitening(covariance))

    def _of(self, signals: Array) -> tuple[int, Array, Array]:
        if self.by_place:
            return 1, signals.astype(np.float64), signals.astype(np.float64) ** 2
        sums, squares = (part.sum((1, 2), keepdims=True, dtype=np.float64) for part in (signals, signals**2))
        return signals[0].size, sums, squares

    def _covariance(self) -> Array:
        """Of the signals about the mean of their place."""
        means, places = (self.sums / self.count).reshape(SIGNALS, -1), max(1, self.sums[0].size)
        covariance: Array = self.products / (self.count * places) - means @ means.T / places
        np.fill_diagonal(covariance, np.maximum(np.diag(covariance), LEAST_VARIANCE))
        return covariance


def _whitening(covariance: Array) -> Array:
    deviations = np.sqrt(np.diag(covariance))
    variances, directions = np.linalg.eigh(covariance / np.outer(deviations, deviations))
    variances = np.maximum(variances, LEAST_SHARE * variances.max())
    whitening: Array = (directions / np.sqrt(variances)) @ directions.T
    return whitening


def features_of(oddness: Array) -> Array:
    """The features of the windows of an image by their Q, `(FEATURES,)`."""
    logs = np.log(oddness + LOWEST)
    return np.array([oddness.max(), logs.max(), *np.quantile(logs, QUANTILES), logs.mean()])


def oddness_of(usual: Usual, signals: Sequence[Array]) -> Array:
    """The mean of Q over the orders, `(H, W)`, by the signals of each."""
    found: Array = sum(usual.oddness(each) for each in signals) / len(signals)  # type: ignore[assignment]
    return found


def signals_of(readings: Readings, sides: Sequence[int], least: float) -> Iterator[tuple[int, list[Array]]]:
    """Each side with the signals of all windows, of each order."""
    of_orders = [window_signals(each, sides, least) for each in readings]
    for each in zip(*of_orders, strict=True):
        yield each[0][0], [signals for _, signals in each]


def sums_of(usual: Sequence[Readings], sides: Sequence[int], least: float, *, by_place: bool) -> dict[int, WindowSums]:
    """The signals of windows of each side, added up over images."""
    found = {side: WindowSums(by_place=by_place) for side in sides}
    for each in usual:
        for side, of_orders in signals_of(each, sides, least):
            for signals in of_orders:
                found[side].add(signals)
    return found


def are_aligned(usual: Sequence[Readings], least: float) -> bool:
    """Whether the places of images of one size explain some of what other images show there."""
    if len(usual) < LEAST_ALIGNED or len({size_of(each) for each in usual}) > 1:
        return False
    side = min(4, max(1, min(size_of(usual[0])) // 4))  # small beside what there is to see
    windows = np.stack([np.stack(signals) for each in usual for _, signals in signals_of(each, [side], least)])
    learnt, others = windows[::2], windows[1::2]
    of_places = ((others - learnt.mean((0, 1))) ** 2).mean((0, 1, 3, 4))
    of_all = ((others - learnt.mean((0, 1, 3, 4), keepdims=True)) ** 2).mean((0, 1, 3, 4))
    return bool((of_places < (1 - ALIGNED) * of_all).any())


def size_of(readings: Readings) -> tuple[int, int]:
    """Height and width of an image, as it is read."""
    height, width = readings[0].excess.shape
    return height, width


def covariates_of(readings: Readings) -> Array:
    """Logarithms of the mean variance, of the area and of the aspect of an image, `(3,)`."""
    height, width = size_of(readings)
    variance = np.mean([each.variance.mean() for each in readings])
    return np.array([math.log(variance + 1e-12), math.log(height * width), math.log(height / width)])


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What is expected of features, given the covariates of an image.

    Attributes:
        low: `(3,)` the lowest covariates of usual images; beyond, images count as these.
        high: `(3,)` the highest.
        centre: `(3,)`.
        unit: `(3,)`: by `centre` and `unit` covariates are standardised.
        weights: `(4, F)` of 1 and of the standardised covariates.
    """

    low: Array
    high: Array
    centre: Array
    unit: Array
    weights: Array

    @classmethod
    def of(cls, covariates: Array, features: Array) -> tuple["Expectation", Array]:
        """By usual images, `(n, 3)` and `(n, F)`; also what is left of each one's features, had it not been there."""
        varies = covariates.std(0) > 1e-3
        if len(covariates) < LEAST_FOR_EACH * (1 + varies.sum()):
            varies[:] = False
        centre = covariates.mean(0)
        unit = np.where(varies, covariates.std(0), np.inf)
        low, high = (np.where(varies, end, centre) for end in (covariates.min(0), covariates.max(0)))
        found = cls(low, high, centre, unit, np.zeros((4, features.shape[1])))
        x = np.stack([found._standardised(each) for each in covariates])
        inverse = np.linalg.inv(x.T @ x + np.diag([0.0, *np.where(varies, RIDGE, 1.0)]))
        weights = inverse @ x.T @ features
        own = np.einsum("ni,ij,nj->n", x, inverse, x)  # how much of an image's expectation is its own features
        left = (features - x @ weights) / (1 - np.minimum(own, 0.9))[:, None]
        return dataclasses.replace(found, weights=weights), left

    def __call__(self, covariates: Array) -> Array:
        """The features that are expected, `(F,)`."""
        expected: Array = self._standardised(covariates) @ self.weights
        return expected

    def area_within(self, size: Sequence[int]) -> float:
        """The area of an image of a size, or the nearest one that usual images have."""
        return float(np.exp(np.clip(math.log(math.prod(size)), self.low[1], self.high[1])))

    def _standardised(self, covariates: Array) -> Array:
        return np.array([1.0, *((np.clip(covariates, self.low, self.high) - self.centre) / self.unit)])

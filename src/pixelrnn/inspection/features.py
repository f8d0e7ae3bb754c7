r"""What the windows of an image come to: how high and how low they reach; and what that is of usual images like it.

Of each size of windows there are four features of Z (`windows.py`): the highest and the lowest, and the quantiles at
one in a hundred from either end, for flaws of some windows and for those of many. They are higher in a picture that is
rougher, or larger: so usual images say what is expected of a feature, given the logarithms of the mean variance, of the
area and of the aspect of an image,

.. math:: E f = w \cdot (1, \ln \bar V, \ln HW, \ln H / W)

by least squares, where there are enough of them; with fewer it is their mean.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pixelrnn.inspection.windows import Evidence, standardised_windows

__all__ = ["FEATURES", "Expectation", "Usual", "are_aligned", "covariates_of", "features_of", "usual_of"]

Array = np.ndarray[Any, np.dtype[Any]]

FEATURES = 4
"""Features of a size of windows: the highest, the lowest times -1, and the quantiles next to these."""

QUANTILE = 0.01
LEAST_ALIGNED = 20  # images from which on places are looked at one by one
ALIGNED = 0.02  # share of the variance that the places must explain, of images that did not say what it is
SHRINKAGE = 10  # usual images as which the deviation of all places counts, in that of each
LEAST_FOR_EACH = 10  # usual images for each weight of an expectation
RIDGE = 1e-3  # of standardised covariates, in images


@dataclasses.dataclass(frozen=True)
class Usual:
    """What the Z of windows of a side are in usual images: numbers, or `(H, W)` arrays of each place."""

    mean: Array
    deviation: Array


def features_of(standardised: Array) -> Array:
    """The features of the windows of an image, `(FEATURES,)`."""
    low, high = np.quantile(standardised, (QUANTILE, 1 - QUANTILE))
    return np.array([standardised.max(), -standardised.min(), high, -low])


def usual_of(usual: Sequence[Evidence], side: int, least: float, *, by_place: bool) -> tuple[Usual, Array]:
    """What Z of a side are, and the features of each image, `(n, FEATURES)`, standardised by the others."""
    count, sums, squares, windows = len(usual), np.zeros(()), np.zeros(()), 0
    for each in usual:
        z = standardised_windows(each, side, least)
        windows += z.size
        sums, squares = (sums + z, squares + z**2) if by_place else (sums + z.sum(), squares + (z**2).sum())
    whole = squares.sum() / windows - (sums.sum() / windows) ** 2  # variance of all places
    features = []
    for each in usual:
        z = standardised_windows(each, side, least)
        if by_place:
            of = _standard(sums - z, squares - z**2, count - 1, whole)
        else:
            of = _standard(sums - z.sum(), squares - (z**2).sum(), windows - z.size, 0.0)
        features.append(features_of((z - of.mean) / of.deviation))
    return _standard(sums, squares, count if by_place else windows, whole if by_place else 0.0), np.stack(features)


def _standard(sums: Array, squares: Array, count: int, prior: float) -> Usual:
    mean = sums / count
    variance = np.maximum(squares / count - mean**2, 0)
    if prior:
        variance = (count * variance + SHRINKAGE * prior) / (count + SHRINKAGE)
    return Usual(mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32))


def are_aligned(usual: Sequence[Evidence], least: float) -> bool:
    """Whether the places of images of one size explain some of what other images show there."""
    if len(usual) < LEAST_ALIGNED or len({each.excess.shape for each in usual}) > 1:
        return False
    side = min(4, *usual[0].excess.shape)
    windows = np.stack([standardised_windows(each, side, least) for each in usual])
    learnt, others = windows[::2], windows[1::2]
    of_places = ((others - learnt.mean(0)) ** 2).mean()
    return bool(1 - of_places / ((others - learnt.mean()) ** 2).mean() > ALIGNED)


def covariates_of(evidence: Evidence) -> Array:
    """Logarithms of the mean variance, of the area and of the aspect of an image, `(3,)`."""
    height, width = evidence.excess.shape
    return np.array([math.log(evidence.variance.mean() + 1e-12), math.log(height * width), math.log(height / width)])


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

r"""How unusual an image is as a whole, by what is left of the features of its windows beyond what is expected.

Judged twice: those of ln Q together, each in its standard deviations, by their mean T, where much is a little odd. And
the highest Q alone, by the Gumbel distributions of usual images: with location :math:`\mu` and scale :math:`\beta` of
the windows of each side,

.. math:: g = \frac{\max_w Q_w - E f - \mu}{\beta} - \ln r, \qquad M = \max_{\mathrm{sides}} g

An image that is larger than usual ones, so that it has r times as many windows, of those that overlap by half, is as r
images are. M and T have Gumbel distributions among usual images as well. With both in their units, x is the higher one
of :math:`M + \ln c` and :math:`T + \ln(1 - c)`, where c is the share of all false alarms that M may give, and

.. math:: P = 1 - e^{-e^{-x}}

is the p-value: no less than the probability that either is as high.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pixelrnn.inspection.features import FEATURES
from pixelrnn.inspection.gumbel import LEAST_SCALE, Gumbel

__all__ = ["SHARE_OF_HIGHEST", "Verdict", "either", "reached_by_each"]

Array = np.ndarray[Any, np.dtype[Any]]

SHARE_OF_HIGHEST = 0.05
"""c: of the false alarms, those by a single window."""

FOLDS = 50  # at most, in each of which some usual images are judged by the others


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How unusual images are, by what is left of their features, side after side.

    Attributes:
        deviations: `(F,)` of what is left in usual images.
        tails: Of what is left of the highest Q, by the number of the side.
        highest: Of M.
        mean: Of T.
    """

    deviations: Array
    tails: tuple[Gumbel, ...]
    highest: Gumbel
    mean: Gumbel

    @classmethod
    def of(cls, left: Array, log_ratios: Array) -> "Verdict":
        """By usual images: `(n, F)` what is left, and ln r of each side, `(n, S)`."""
        deviations = np.maximum(left.std(0), LEAST_SCALE)
        tails = [Gumbel.of_highest(*each) for each in zip(left[:, ::FEATURES].T, log_ratios.T, strict=True)]
        return cls(
            deviations,
            tuple(tails),
            Gumbel.of(_highest(tails, left, log_ratios)),
            Gumbel.of(_mean(deviations, left)),
        )

    def __call__(self, left: Array, log_ratios: Array) -> Array:
        """X of images, `(...)`, by `(..., F)` and `(..., S)`: all sides, or the first ones if there are no larger."""
        sides = log_ratios.shape[-1]
        highest = _highest(self.tails[:sides], left, log_ratios)
        mean = _mean(self.deviations[: FEATURES * sides], left)
        found: Array = either(self.highest.units(highest), self.mean.units(mean))
        return found


def either(highest: Any, mean: Any) -> Any:
    """X by M and T in their units."""
    return np.maximum(highest + math.log(SHARE_OF_HIGHEST), mean + math.log1p(-SHARE_OF_HIGHEST))


def reached_by_each(left: Array, log_ratios: Array) -> Array:
    """X of each usual image, `(n,)`, by a verdict that was fitted without it."""
    reached, folds = np.empty(len(left)), np.arange(len(left)) % FOLDS
    for fold in np.unique(folds):
        own = folds == fold
        reached[own] = Verdict.of(left[~own], log_ratios[~own])(left[own], log_ratios[own])
    return reached


def _highest(tails: Sequence[Gumbel], left: Array, log_ratios: Array) -> Array:
    """M, `(...)`."""
    locations, scales = np.array(tails).T
    highest: Array = ((left[..., ::FEATURES] - locations) / scales - log_ratios).max(-1)
    return highest


def _mean(deviations: Array, left: Array) -> Array:
    """T, `(...)`."""
    of_logs = np.arange(len(deviations)) % FEATURES > 0
    mean: Array = (left / deviations)[..., of_logs].mean(-1)
    return mean

r"""How odd the windows of usual images are, and so how often a usual image would be as odd as another one.

What is left of the features of an image beyond what is expected of them (`features.py`) is judged twice. Those of ln Q
together, each in its standard deviations, by their mean T: where much is a little odd. And the highest Q alone, by
Gumbel distributions, to which such values tend (Fisher and Tippett, 1928): with location :math:`\mu` and scale
:math:`\beta` of the windows of each size,

.. math:: g = \frac{\max_w Q_w - E f - \mu}{\beta} - \ln r, \qquad M = \max_{\mathrm{sizes}} g

An image that is larger than usual ones, so that it has r times as many windows, of those that overlap by half, is as r
images are. M and T have Gumbel distributions among usual images as well. With both in their units, x is the higher one
of :math:`M + \ln c` and :math:`T + \ln(1 - c)`, where c is the share of all false alarms that M may give, and

.. math:: P = 1 - e^{-e^{-x}}

is the p-value: no less than the probability that either is as high. *Where* an image is unusual, the means of Q say,
over all windows of a size that a pixel is in: a large window that has a flaw in it is high as well, and says less of
its pixels than a small one. The mean over the sizes of the logarithms of these means, each in units of the Gumbel
distribution of its highest value in a usual image, is high where a flaw of any size is.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import DataError
from pixelrnn.inspection.features import (
    FEATURES,
    LOWEST,
    Expectation,
    Usual,
    WindowSums,
    are_aligned,
    covariates_of,
    features_of,
    oddness_of,
    signals_of,
    size_of,
    usual_of,
)
from pixelrnn.inspection.windows import Readings, averaged, sides_for

__all__ = ["Calibration", "Gumbel", "p_value_of", "threshold_of"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_USUAL = 10
"""Usual images that a calibration needs."""

FLOOR = 0.3  # epsilon, in mean variances of a pixel of usual images
LEAST_SCALE = 1e-3  # of features: what varies less is rounding
AT_BORDERS = 0.3  # windows as usual, beside those that a pixel is in
EULER = 0.5772156649015329
SHARE_OF_HIGHEST = 0.05  # c: of the false alarms, those by a single window
GUMBELS, OF_SIDES = ("highest", "mean", "peaks"), ("tails", "nearby")


class Gumbel(NamedTuple):
    r"""A Gumbel distribution, :math:`P(X \le x) = e^{-e^{-(x - \mu) / \beta}}`."""

    location: float
    scale: float

    @classmethod
    def of(cls, values: Array) -> "Gumbel":
        """The one with the first two L-moments of some values (Hosking, 1990)."""
        ordered, count = np.sort(np.asarray(values, np.float64)), len(values)
        ranks = np.arange(count)
        second = 2 * (ranks * ordered).sum() / (count * max(1, count - 1)) - ordered.mean()
        scale = max(second / math.log(2), LEAST_SCALE)
        return cls(float(ordered.mean() - EULER * scale), float(scale))

    def units(self, x: Any) -> Any:
        """Values from the location, in scales."""
        return (x - self.location) / self.scale


def p_value_of(x: float) -> float:
    """P of x."""
    return -math.expm1(-math.exp(-max(x, -700.0)))


def threshold_of(alpha: float) -> float:
    """The x that has the p-value alpha."""
    return -math.log(-math.log1p(-alpha))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What usual images are like.

    Attributes:
        least: Epsilon of the windows.
        size: Height and width of the usual images if places are compared one by one; None if not.
        usual: By side, what the signals of windows are.
        expectation: Of the features, those of one side after those of another.
        deviations: `(F,)` of what is left of the features.
        tails: By side, of what is left of the highest ones.
        highest: Of M.
        mean: Of T.
        nearby: By side, of the logarithm of the highest mean of Q of the windows that a pixel is in.
        peaks: Of the highest mean over the sides of these logarithms, in their units.
        reached: x of each of the usual images, compared with the others by distributions fitted to all; ascending.
    """

    least: float
    size: tuple[int, int] | None
    usual: dict[int, Usual]
    expectation: Expectation
    deviations: Array
    tails: dict[int, Gumbel]
    highest: Gumbel
    mean: Gumbel
    nearby: dict[int, Gumbel]
    peaks: Gumbel
    reached: Array

    @classmethod
    def of(cls, usual: Sequence[Readings]) -> "Calibration":
        """By the evidence of usual images.

        Raises:
            DataError: If there are fewer than `LEAST_USUAL`, or one has probability zero.
        """
        if len(usual) < LEAST_USUAL:
            raise DataError(f"{len(usual)} usual images are given; at least {LEAST_USUAL} are needed")
        if not all(np.isfinite(each.excess).all() for readings in usual for each in readings):
            raise DataError("a usual image has probability zero; then there is nothing to compare with")
        least = FLOOR * float(np.mean([each.variance.mean() for readings in usual for each in readings])) + 1e-9
        size = size_of(usual[0]) if are_aligned(usual, least) else None
        smallest = min(min(size_of(each)) for each in usual)
        sides = sides_for((smallest, smallest))
        found, features = usual_of(usual, sides, least, by_place=size is not None)
        covariates = np.stack([covariates_of(each) for each in usual])
        expectation, left = Expectation.of(covariates, features)
        ratios = np.array([[_log_ratio(size_of(each), expectation, side) for side in sides] for each in usual])
        tails, heights = dict[int, Gumbel](), list[Array]()
        for number, side in enumerate(sides):
            values = left[:, FEATURES * number]
            tails[side] = tail = _tail(values, ratios[:, number])
            heights.append(tail.units(values) - ratios[:, number])  # of an image with as many windows as usual
        deviations = np.maximum(left.std(0), LEAST_SCALE)
        highest, means = np.max(heights, axis=0), (left / deviations)[:, _of_logs(len(sides))].mean(1)
        both = Gumbel.of(highest), Gumbel.of(means)
        reached = np.sort([_either(both[0].units(m), both[1].units(t)) for m, t in zip(highest, means, strict=True)])
        of_sides = {side: sums.usual() for side, sums in found.items()}
        made = cls(least, size, of_sides, expectation, deviations, tails, *both, {}, Gumbel(0.0, 1.0), reached)
        return made._with_places(usual, found)

    def _with_places(self, usual: Sequence[Readings], windows: Mapping[int, WindowSums]) -> "Calibration":
        """With what it needs to say where an image is unusual, by usual images, each compared with the others."""

        def nearby_means(readings: Readings) -> Iterator[tuple[int, Array]]:
            for side, of_orders in signals_of(readings, list(windows), self.least):
                yield side, _nearby_mean(oddness_of(windows[side].usual(without=of_orders), of_orders), side)

        ratios = np.array([[_log_ratio(size_of(each), self.expectation, side) for side in windows] for each in usual])
        highest = np.array([[means.max() for _, means in nearby_means(each)] for each in usual])
        tails = [_tail(values, ratio) for values, ratio in zip(highest.T, ratios.T, strict=True)]
        made = dataclasses.replace(self, nearby=dict(zip(windows, tails, strict=True)))
        peaks = Gumbel.of(np.array([made._oddness(size_of(each), nearby_means(each)).max() for each in usual]))
        return dataclasses.replace(made, peaks=peaks)

    def judge(self, readings: Readings) -> float:
        """How unusual an image is: x, whose p-value is `p_value_of(x)`.

        Raises:
            DataError: If places are compared and the image is of another size.
        """
        if any(np.isinf(each.excess).any() for each in readings):
            return math.inf
        left, highest = list[Array](), -math.inf
        for side, oddness, expected, deviations in self._each(readings):
            own = features_of(oddness) - expected
            ratio = _log_ratio(size_of(readings), self.expectation, side)
            highest = max(highest, self.tails[side].units(own[0]) - ratio)
            left.append(own[1:] / deviations[1:])
        return _either(self.highest.units(highest), self.mean.units(np.mean(left)))

    def exceedance(self, readings: Readings) -> Array:
        """`(H, W)` float32: where an image is unusual, in units of the Gumbel distribution of usual images.

        Raises:
            DataError: As by `judge`.
        """
        is_impossible = np.any([np.isinf(each.excess) for each in readings], axis=0)
        readings = tuple(each._replace(excess=np.where(is_impossible, 0, each.excess)) for each in readings)
        nearby_means = ((side, _nearby_mean(oddness, side)) for side, oddness, _, _ in self._each(readings))
        found = self.peaks.units(self._oddness(size_of(readings), nearby_means))
        return np.where(is_impossible, np.inf, found).astype(np.float32)

    def _oddness(self, size: tuple[int, int], nearby_means: Iterable[tuple[int, Array]]) -> Array:
        """`(H, W)`: the mean over the sides of the means nearby, each in units of the highest of usual images."""
        total, count = np.zeros(size), 0
        for side, means in nearby_means:
            total += self.nearby[side].units(means) - _log_ratio(size, self.expectation, side)
            count += 1
        return total / count

    def _each(self, readings: Readings) -> Iterator[tuple[int, Array, Array, Array]]:
        """Side, Q of the windows, features that are expected and their deviations, of each side there is."""
        size = size_of(readings)
        if self.size is not None and size != self.size:
            raise DataError(
                f"an image is read as {size[0]}x{size[1]} pixels; the usual ones are {self.size[0]}x{self.size[1]} and "
                "alike at their places, which are compared one by one"
            )
        expected = self.expectation(covariates_of(readings))
        sides = [side for side in self.usual if side <= min(size)]  # the first ones
        for number, (side, of_orders) in enumerate(signals_of(readings, sides, self.least)):
            own = slice(FEATURES * number, FEATURES * (number + 1))
            yield side, oddness_of(self.usual[side], of_orders), expected[own], self.deviations[own]

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Its arrays, and the rest of it as JSON has it."""
        arrays = {"reached": self.reached, "deviations": self.deviations}
        arrays |= {f"expectation.{name}": value for name, value in vars(self.expectation).items()}
        for side, usual in self.usual.items():
            arrays |= {f"{side}.{name}": value for name, value in vars(usual).items()}
        rest: dict[str, Any] = {"least": self.least, "size": self.size}
        rest |= {name: [[side, *of] for side, of in getattr(self, name).items()] for name in OF_SIDES}
        rest |= {name: getattr(self, name) for name in GUMBELS}
        return {name: torch.tensor(array) for name, array in arrays.items()}, rest

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> "Calibration":
        """What `to_tensors` gave; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        tails, nearby = (
            {int(side): Gumbel(float(at), float(scale)) for side, at, scale in rest[name]} for name in OF_SIDES
        )
        highest, mean, peaks = (Gumbel(*map(float, rest[name])) for name in GUMBELS)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        of, to = ([field.name for field in dataclasses.fields(kind)] for kind in (Usual, Expectation))
        return cls(
            least=float(rest["least"]),
            size=rest["size"] and (int(rest["size"][0]), int(rest["size"][1])),
            usual={side: Usual(*(arrays[f"{side}.{name}"] for name in of)) for side in tails},
            expectation=Expectation(*(arrays[f"expectation.{name}"] for name in to)),
            deviations=arrays["deviations"],
            tails=tails,
            highest=highest,
            mean=mean,
            nearby=nearby,
            peaks=peaks,
            reached=arrays["reached"],
        )


def _nearby_mean(oddness: Array, side: int) -> Array:
    """`(H, W)`: the logarithm of the mean of Q of the windows of a side that each pixel is in."""
    means: Array = np.log(averaged(oddness, side, AT_BORDERS) + LOWEST)
    return means


def _of_logs(sides: int) -> Array:
    """Which of the features of so many sides are of ln Q."""
    return np.arange(FEATURES * sides) % FEATURES > 0


def _either(highest: float, mean: float) -> float:
    """X by M and T in their units."""
    return float(max(highest + math.log(SHARE_OF_HIGHEST), mean + math.log1p(-SHARE_OF_HIGHEST)))


def _log_ratio(size: Sequence[int], expectation: Expectation, side: int) -> float:
    """Ln r: how many times as many windows an image has as it would have with an area that usual ones have."""
    scale = math.sqrt(expectation.area_within(size) / math.prod(size))
    return math.log(_count(size, side) / _count([scale * length for length in size], side))


def _count(size: Sequence[float], side: int) -> float:
    """How many windows that overlap by half or less an image has: the others say little more than these."""
    return math.prod(1 + 2 * max(0.0, length - side) / side for length in size)


def _tail(values: Array, ratios: Array) -> Gumbel:
    """The Gumbel distribution of highest values, had no image more windows than usual."""
    tail = Gumbel.of(values)
    for _ in range(5):  # the scale says how much a larger image reaches higher
        tail = Gumbel.of(values - tail.scale * ratios)
    return tail

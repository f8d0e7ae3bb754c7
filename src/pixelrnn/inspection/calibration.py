"""How odd the windows of usual images are, and so how often a usual image would be as odd as another one.

From usual images come, one after another: what the signals of windows are (`features.WindowSums`), what is expected of
their features (`features.Expectation`), and how far usual images are from that, each compared with the others: as a
whole (`verdict.py`), and at their places (`places.py`).
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import DataError
from pixelrnn.inspection.features import (
    Expectation,
    Usual,
    WindowSums,
    are_aligned,
    covariates_of,
    features_of,
    oddness_of,
    signals_of,
    size_of,
    sums_of,
)
from pixelrnn.inspection.gumbel import Gumbel
from pixelrnn.inspection.places import Places, nearby, oddness_of_places
from pixelrnn.inspection.verdict import Verdict, reached_by_each
from pixelrnn.inspection.windows import Readings, sides_for

__all__ = ["Calibration"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_USUAL = 10
"""Usual images that a calibration needs."""

FLOOR = 0.3  # epsilon, in mean variances of a pixel of usual images


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What usual images are like.

    Attributes:
        least: Epsilon of the windows.
        size: Height and width of the usual images if places are compared one by one; None if not.
        usual: By side, what the signals of windows are.
        expectation: Of the features, those of one side after those of another.
        verdict: Of an image as a whole.
        places: Of the places of an image.
        reached: `(n,)` x of each of the usual images, compared with the others; ascending.
    """

    least: float
    size: tuple[int, int] | None
    usual: dict[int, Usual]
    expectation: Expectation
    verdict: Verdict
    places: Places
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
        others = _Others(sums_of(usual, sides_for((smallest, smallest)), least, by_place=size is not None), least)
        features, highest = others.features(usual)
        expectation, left = Expectation.of(np.stack([covariates_of(each) for each in usual]), features)
        log_ratios = np.stack([_log_ratios(size_of(each), expectation, others.sides) for each in usual])
        tails = tuple(Gumbel.of_highest(*each) for each in zip(highest.T, log_ratios.T, strict=True))
        every = zip(map(others.nearby, usual), log_ratios, strict=True)
        peaks = Gumbel.of(np.array([oddness_of_places(tails, *each).max() for each in every]))
        return cls(
            least=least,
            size=size,
            usual={side: sums.usual() for side, sums in others.sums.items()},
            expectation=expectation,
            verdict=Verdict.of(left, log_ratios),
            places=Places(tails, peaks),
            reached=np.sort(reached_by_each(left, log_ratios)),
        )

    def judge(self, readings: Readings) -> float:
        """How unusual an image is: x, whose p-value is `p_value_of(x)`.

        Raises:
            DataError: If places are compared and the image is of another size.
        """
        if any(np.isinf(each.excess).any() for each in readings):
            return math.inf
        features = np.concatenate([features_of(oddness) for _, oddness in self._oddness(readings)])
        left = features - self.expectation(covariates_of(readings))[: len(features)]
        return float(self.verdict(left, self._ratios(readings)))

    def exceedance(self, readings: Readings) -> Array:
        """`(H, W)` float32: where an image is unusual, in units of the Gumbel distribution of usual images.

        Raises:
            DataError: As by `judge`.
        """
        is_impossible = np.any([np.isinf(each.excess) for each in readings], axis=0)
        readings = tuple(each._replace(excess=np.where(is_impossible, 0, each.excess)) for each in readings)
        maps = (nearby(oddness, side) for side, oddness in self._oddness(readings))
        found = self.places(maps, self._ratios(readings))
        return np.where(is_impossible, np.inf, found).astype(np.float32)

    def _oddness(self, readings: Readings) -> Iterator[tuple[int, Array]]:
        """Side, and Q of the windows, of each side there is."""
        size = size_of(readings)
        if self.size is not None and size != self.size:
            raise DataError(
                f"an image is read as {size[0]}x{size[1]} pixels; the usual ones are {self.size[0]}x{self.size[1]} and "
                "alike at their places, which are compared one by one"
            )
        for side, of_orders in signals_of(readings, self._sides(size), self.least):
            yield side, oddness_of(self.usual[side], of_orders)

    def _ratios(self, readings: Readings) -> Array:
        """Ln r of each side that an image has."""
        size = size_of(readings)
        return _log_ratios(size, self.expectation, self._sides(size))

    def _sides(self, size: tuple[int, int]) -> list[int]:
        return [side for side in self.usual if side <= min(size)]  # the first ones

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Its arrays, and the rest of it as JSON has it."""
        arrays = {"reached": self.reached, "deviations": self.verdict.deviations}
        arrays |= {f"expectation.{name}": value for name, value in vars(self.expectation).items()}
        for side, usual in self.usual.items():
            arrays |= {f"{side}.{name}": value for name, value in vars(usual).items()}
        rest: dict[str, Any] = {"least": self.least, "size": self.size, "sides": list(self.usual)}
        verdict, places = self.verdict, self.places
        rest |= {"tails": verdict.tails, "highest": verdict.highest, "mean": verdict.mean}
        rest |= {"nearby": places.tails, "peaks": places.peaks}
        return {name: torch.tensor(array) for name, array in arrays.items()}, rest

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> "Calibration":
        """What `to_tensors` gave; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        tails, of_places = (tuple(Gumbel(*map(float, each)) for each in rest[name]) for name in ("tails", "nearby"))
        highest, mean, peaks = (Gumbel(*map(float, rest[name])) for name in ("highest", "mean", "peaks"))
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        of, to = ([field.name for field in dataclasses.fields(kind)] for kind in (Usual, Expectation))
        sides = [int(side) for side in rest["sides"]]
        return cls(
            least=float(rest["least"]),
            size=rest["size"] and (int(rest["size"][0]), int(rest["size"][1])),
            usual={side: Usual(*(arrays[f"{side}.{name}"] for name in of)) for side in sides},
            expectation=Expectation(*(arrays[f"expectation.{name}"] for name in to)),
            verdict=Verdict(arrays["deviations"], tails, highest, mean),
            places=Places(of_places, peaks),
            reached=arrays["reached"],
        )


@dataclasses.dataclass(frozen=True)
class _Others:
    """Usual images, each of which is compared with the others.

    Attributes:
        sums: By side, of the windows of all.
        least: Epsilon of the windows.
    """

    sums: dict[int, WindowSums]
    least: float

    @property
    def sides(self) -> list[int]:
        """Of the windows."""
        return list(self.sums)

    def features(self, usual: Sequence[Readings]) -> tuple[Array, Array]:
        """The features of each, `(n, F)`, and the highest of `nearby` of each side, `(n, S)`."""
        features, highest = list[Array](), list[list[float]]()
        for each in usual:
            of_sides = list(self._oddness(each))
            features.append(np.concatenate([features_of(oddness) for _, oddness in of_sides]))
            highest.append([float(nearby(oddness, side).max()) for side, oddness in of_sides])
        return np.stack(features), np.array(highest)

    def nearby(self, readings: Readings) -> Iterator[Array]:
        """`places.nearby` of one of them, side by side."""
        return (nearby(oddness, side) for side, oddness in self._oddness(readings))

    def _oddness(self, readings: Readings) -> Iterator[tuple[int, Array]]:
        for side, of_orders in signals_of(readings, self.sides, self.least):
            yield side, oddness_of(self.sums[side].usual(without=of_orders), of_orders)


def _log_ratios(size: Sequence[int], expectation: Expectation, sides: Sequence[int]) -> Array:
    """Ln r of each side: how many times as many windows an image has as it would have with an area of usual ones."""
    scale = math.sqrt(expectation.area_within(size) / math.prod(size))
    usual = [scale * length for length in size]
    return np.log([_count(size, side) / _count(usual, side) for side in sides])


def _count(size: Sequence[float], side: int) -> float:
    """How many windows that overlap by half or less an image has: the others say little more than these."""
    return math.prod(1 + 2 * max(0.0, length - side) / side for length in size)

r"""How high the windows of usual images reach, and so how often a usual image would reach as high as another one.

The Z of windows (`windows.py`) are standardised by what those of usual images are: by mean and deviation of each size,
or where usual images show the same things at the same places by those of each place. Of the highest and of the lowest
of an image, of every size, usual images give the location and the scale of a Gumbel distribution, to which highest
values tend (Fisher and Tippett, 1928). An image that has r times as many windows, of those that overlap by half, is as
r images are:

.. math:: g = \frac{\max_w \pm A_w - \mu}{\beta} - \ln r, \qquad T = \max g, \qquad
          P = 1 - e^{-e^{-(T - \mu_T) / \beta_T}}

T is the highest g of all sizes and both signs, and again has a Gumbel distribution among usual images, of which P is
the p-value. What a window of one size reaches is so comparable with what one of another size does.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import DataError
from pixelrnn.inspection.windows import Evidence, sides_for, spread, standardised_windows

__all__ = ["Calibration", "Gumbel", "Usual"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_USUAL = 10
"""Usual images that a calibration needs."""

LEAST_ALIGNED = 20  # images from which on places are looked at one by one
ALIGNED = 0.02  # share of the variance that the places must explain, of images that did not say what it is
FLOOR = 0.1  # epsilon, in mean variances of a pixel of usual images
SHRINKAGE = 10  # usual images as which the deviation of all places counts, in that of each
EULER = 0.5772156649015329
SIGNS = (1, -1)


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
        scale = max(second / math.log(2), 1e-6)
        return cls(float(ordered.mean() - EULER * scale), float(scale))

    def above(self, x: float) -> float:
        """P(X > x)."""
        return -math.expm1(-math.exp(-max((x - self.location) / self.scale, -700.0)))

    def exceeded_with(self, alpha: float) -> float:
        """The x with P(X > x) = alpha."""
        return self.location - self.scale * math.log(-math.log1p(-alpha))


@dataclasses.dataclass(frozen=True)
class Usual:
    """What the Z of windows of a side are in usual images: numbers, or `(H, W)` arrays of each place."""

    mean: Array
    deviation: Array


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What usual images are like.

    Attributes:
        least: Epsilon of the windows.
        size: Height and width of the usual images if places are compared one by one; None if not.
        usual: By side, what Z are.
        tails: By side and sign, of the highest value of an image of `pixels` pixels.
        total: Of T.
        pixels: See `tails`.
        reached: T of each of the usual images, compared with the others where places are, in ascending order.
    """

    least: float
    size: tuple[int, int] | None
    usual: dict[int, Usual]
    tails: dict[tuple[int, int], Gumbel]
    total: Gumbel
    pixels: float
    reached: Array

    @classmethod
    def of(cls, usual: Sequence[Evidence]) -> "Calibration":
        """By the evidence of usual images.

        Raises:
            DataError: If there are fewer than `LEAST_USUAL`, or one has probability zero.
        """
        if len(usual) < LEAST_USUAL:
            raise DataError(f"{len(usual)} usual images are given; at least {LEAST_USUAL} are needed")
        if not all(np.isfinite(each.excess).all() for each in usual):
            raise DataError("a usual image has probability zero; then there is nothing to compare with")
        least = FLOOR * float(np.mean([each.variance.mean() for each in usual])) + 1e-9
        sizes = {each.excess.shape for each in usual}
        size = (*sizes.pop(),) if len(sizes) == 1 and _are_aligned(usual, least) else None
        pixels = float(np.exp(np.mean([math.log(each.excess.size) for each in usual])))
        found: dict[int, Usual] = {}
        tails: dict[tuple[int, int], Gumbel] = {}
        reached = np.full((len(usual), 0), 0.0)
        smallest = min(min(each.excess.shape) for each in usual)
        for side in sides_for((smallest, smallest)):
            found[side], highest = _usual_of(usual, side, least, by_place=size is not None)
            reference = _count((math.sqrt(pixels),) * 2, side)
            ratios = np.log([_count(each.excess.shape, side) / reference for each in usual])
            for sign, values in zip(SIGNS, highest.T, strict=True):
                tails[side, sign] = tail = _tail(values, ratios)
                reached = np.column_stack([reached, (values - tail.location) / tail.scale - ratios])
        highest = np.sort(reached.max(1))
        return cls(least, size, found, tails, Gumbel.of(highest), pixels, highest)

    def highest(self, evidence: Evidence) -> float:
        """T of an image; its p-value is `total.above(T)`.

        Raises:
            DataError: If places are compared and the image is of another size.
        """
        if np.isinf(evidence.excess).any():
            return math.inf
        return max(float(g.max()) for _, g in self._windows(evidence))

    def exceedance(self, evidence: Evidence) -> Array:
        """`(H, W)` float32: the highest g of the windows that each pixel is in, T being the highest of all.

        Raises:
            DataError: As by `highest`.
        """
        is_impossible = np.isinf(evidence.excess)
        evidence = evidence._replace(excess=np.where(is_impossible, 0, evidence.excess))
        found = np.where(is_impossible, np.inf, -np.inf).astype(np.float32)
        for side, g in self._windows(evidence):
            np.maximum(found, spread(g, side), out=found)
        return found

    def _windows(self, evidence: Evidence) -> Iterator[tuple[int, Array]]:
        """G of all windows of each side, of the sign that has the higher one."""
        size = evidence.excess.shape
        if self.size is not None and size != self.size:
            raise DataError(
                f"an image is {size[0]}x{size[1]}; the usual ones are {self.size[0]}x{self.size[1]} and alike at their "
                "places, which are compared one by one"
            )
        for side, usual in self.usual.items():
            if side <= min(size):
                windows = (standardised_windows(evidence, side, self.least) - usual.mean) / usual.deviation
                ratio = math.log(_count(size, side) / _count((math.sqrt(self.pixels),) * 2, side))
                both = ((sign * windows - tail.location) / tail.scale for sign, tail in self._tails(side))
                yield side, (np.maximum(*both) - ratio).astype(np.float32)

    def _tails(self, side: int) -> list[tuple[int, Gumbel]]:
        return [(sign, self.tails[side, sign]) for sign in SIGNS]

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Its arrays, and the rest of it as JSON has it."""
        tensors = {"reached": torch.from_numpy(self.reached)}
        for side, usual in self.usual.items():
            tensors |= {f"{side}.mean": torch.tensor(usual.mean), f"{side}.deviation": torch.tensor(usual.deviation)}
        tails = [[side, sign, *tail] for (side, sign), tail in self.tails.items()]
        rest = {"least": self.least, "size": self.size, "tails": tails, "total": self.total, "pixels": self.pixels}
        return tensors, rest

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> "Calibration":
        """What `to_tensors` gave; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        tails = {(int(side), int(sign)): Gumbel(float(at), float(scale)) for side, sign, at, scale in rest["tails"]}
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        usual = {side: Usual(arrays[f"{side}.mean"], arrays[f"{side}.deviation"]) for side, sign in tails if sign > 0}
        size = rest["size"] and (int(rest["size"][0]), int(rest["size"][1]))
        total = Gumbel(*map(float, rest["total"]))
        return cls(float(rest["least"]), size, usual, tails, total, float(rest["pixels"]), arrays["reached"])


def _count(size: Sequence[float], side: int) -> float:
    """How many windows that overlap by half or less an image has: the others say little more than these."""
    return math.prod(1 + 2 * max(0.0, length - side) / side for length in size)


def _tail(values: Array, ratios: Array) -> Gumbel:
    """The Gumbel distribution of highest values, had all images the reference's number of windows."""
    tail = Gumbel.of(values)
    for _ in range(5):  # the scale says how much a larger image reaches higher
        tail = Gumbel.of(values - tail.scale * ratios)
    return tail


def _are_aligned(usual: Sequence[Evidence], least: float) -> bool:
    """Whether the places of images of one size explain some of what other images show there."""
    if len(usual) < LEAST_ALIGNED:
        return False
    side = min(4, *usual[0].excess.shape)
    windows = np.stack([standardised_windows(each, side, least) for each in usual])
    learnt, others = windows[::2], windows[1::2]
    of_places = ((others - learnt.mean(0)) ** 2).mean()
    return bool(1 - of_places / ((others - learnt.mean()) ** 2).mean() > ALIGNED)


def _usual_of(usual: Sequence[Evidence], side: int, least: float, *, by_place: bool) -> tuple[Usual, Array]:
    """What Z of a side are, and the highest and lowest of each image, `(n, 2)`, standardised by the others."""
    count, sums, squares, windows = len(usual), np.zeros(()), np.zeros(()), 0
    for each in usual:
        z = standardised_windows(each, side, least)
        windows += z.size
        sums, squares = (sums + z, squares + z**2) if by_place else (sums + z.sum(), squares + (z**2).sum())
    whole = squares.sum() / windows - (sums.sum() / windows) ** 2  # variance of all places
    highest = []
    for each in usual:
        z = standardised_windows(each, side, least)
        if by_place:
            of = _standard(sums - z, squares - z**2, count - 1, whole)
        else:
            of = _standard(sums - z.sum(), squares - (z**2).sum(), windows - z.size, 0.0)
        standardised = (z - of.mean) / of.deviation
        highest.append((standardised.max(), -standardised.min()))
    return _standard(sums, squares, count if by_place else windows, whole if by_place else 0.0), np.array(highest)


def _standard(sums: Array, squares: Array, count: int, prior: float) -> Usual:
    mean = sums / count
    variance = np.maximum(squares / count - mean**2, 0)
    if prior:
        variance = (count * variance + SHRINKAGE * prior) / (count + SHRINKAGE)
    return Usual(mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32))

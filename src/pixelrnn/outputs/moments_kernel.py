r"""Mean and variance of the surprise of softmaxes and mixtures of logistics, compiled; see `moments.py`.

Importing it compiles the kernel, or loads what an earlier process has compiled. A lane is a sub-pixel. The probability
of a level of a logistic is that between its edges, at each of which there is an exponential; from one edge to the next
it falls by the same factor, so that only one in `EXACT` is computed. Farther than `REACH` scales from its mean a
logistic has less than a float32 can tell from 0 or 1, and no level is looked at.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.kernels import threads
from pixelrnn.kernels.functions import exp, log, one_minus_exp
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.record import Float32, Record, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    address,
    aligned,
    load,
    maximum,
    pointer,
    splat,
    store,
    view,
)
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.mixture import log_scale
from pixelrnn.outputs.softmax import Softmax
from pixelrnn.outputs.workspace import SMALLEST, highest_of

__all__ = ["surprise_moments"]

REACH = np.float32(17)  # e^-17 is 4e-8, less than the last digit of 1
EXACT = 8
STEEPEST = np.float32(2.5)  # scales from edge to edge: what falls faster is computed at each
BLOCKS = 8  # of lanes, of a task
_ZERO, _ONE = np.array([0, 1], np.float32)


class _Call(NamedTuple):
    """The record of a call: sizes, parameters and results.

    Attributes:
        planes: Number of channels of all images.
        subpixels: Number of sub-pixels of each.
        mixtures: Components; 0 of a softmax.
        copies: Point masses.
        levels: Levels.
        parameters: `(planes, P, subpixels)`.
        values: `(planes, subpixels)` levels.
        mean: `(planes, subpixels)`, to be filled.
        variance: The same.
        below: The same.
    """

    planes: int
    subpixels: int
    mixtures: int
    copies: int
    levels: int
    parameters: Float32
    values: Float32
    mean: Float32
    variance: Float32
    below: Float32


class _Memory(NamedTuple):
    """Addresses: parameters, values; weights, means and inverse scales; weights of copies; probabilities."""

    parameters: Address
    values: Address
    prepared: Address
    points: Address
    table: Address


def surprise_moments(output: LogisticMixture | Softmax, parameters: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance, and the probability of less than `x`, `(N, C, ...)`, float32 on the CPU.

    Args:
        output: The mixture, or softmax.
        parameters: `(N, C, P, ...)`.
        x: `(N, C, ...)`.
    """
    shape = (*parameters.shape[:2], *parameters.shape[3:])
    mean, variance, below = (torch.empty(shape) for _ in range(3))
    planes, subpixels = shape[0] * shape[1], parameters[0, 0, 0].numel()
    call = Record(
        _Call,
        planes=planes,
        subpixels=subpixels,
        mixtures=output.mixtures,
        copies=output.copies,
        levels=output.levels,
        parameters=parameters.detach().contiguous(),
        values=x.float().contiguous(),
        mean=mean,
        variance=variance,
        below=below,
    )
    threads.run(_block, planes * -(-subpixels // (BLOCKS * LANES)), call.integers)
    return mean, variance, below


_read_call = reader(_Call)


@inner
def _prepare(call: _Call, memory: _Memory) -> None:
    """Weights that sum to 1, means and inverse scales; weights of copies."""
    count, copies, parameters = call.mixtures * LANES, call.copies * LANES, memory.parameters
    points = pointer(parameters, 3 * count)
    highest, total = maximum(highest_of(parameters, call.mixtures), highest_of(points, call.copies)), splat(_ZERO)
    for k in range(0, count, LANES):
        total = total + exp(load(parameters, k) - highest)
    for m in range(0, copies, LANES):
        total = total + exp(load(points, m) - highest)
    for m in range(0, copies, LANES):
        store(memory.points, m, exp(load(points, m) - highest) / total)
    for k in range(0, count, LANES):
        store(memory.prepared, k, exp(load(parameters, k) - highest) / total)
        store(memory.prepared, count + k, load(parameters, count + k))
        store(memory.prepared, 2 * count + k, exp(splat(_ZERO) - log_scale(parameters, call.mixtures, k)))


@inner
def _level_at(call: _Call, value: float) -> int:
    """The level that a scaled value lies in."""
    return int(min(max((value + 1) * (call.levels - 1) / 2 + 0.5, 0.0), call.levels - 1.0))


@inner
def _range_of(call: _Call, memory: _Memory, k: int) -> tuple[int, int, bool]:
    """The first and the last level within reach of a component, in any lane; whether it falls slowly in all."""
    means = view(address(pointer(memory.prepared, call.mixtures * LANES + k)), np.float32)
    inverses = view(address(pointer(memory.prepared, 2 * call.mixtures * LANES + k)), np.float32)
    low, high, highest = np.float32(3e38), np.float32(-3e38), np.float32(0)
    for lane in range(LANES):
        reach = REACH / inverses[lane]
        low, high = min(low, means[lane] - reach), max(high, means[lane] + reach)
        highest = max(highest, inverses[lane])
    is_slow = bool(2 * highest <= STEEPEST * (call.levels - 1))
    return _level_at(call, low), _level_at(call, high), is_slow


@inner
def _add_logistics(call: _Call, memory: _Memory) -> tuple[int, int]:
    """Add the logistics to the probabilities; returns the first and the last level that they reach."""
    top, count, lowest, highest = np.float32(call.levels - 1), call.mixtures * LANES, call.levels, 0
    for k in range(0, count, LANES):
        mean, inverse = load(memory.prepared, count + k), load(memory.prepared, 2 * count + k)
        share, above = load(memory.prepared, k), splat(_ONE)
        width = one_minus_exp(splat(np.float32(2) / top) * inverse)
        factor, falling = splat(_ONE) - width, splat(_ONE)
        first, last, is_slow = _range_of(call, memory, k)
        lowest, highest = min(lowest, first), max(highest, last)
        for level in range(first, last + 1):
            # sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - e^(a-b)), of which nothing cancels.
            falling = falling * factor
            if not is_slow or (level - first) % EXACT == 0:
                falling = exp((mean - splat(np.float32(2 * level + 1) / top - _ONE)) * inverse)
            reached, part = splat(_ONE) / (splat(_ONE) + falling), above
            if level < call.levels - 1:
                part = reached
                if level > 0:
                    part = reached * above * width
            store(memory.table, level * LANES, load(memory.table, level * LANES) + share * part)
            above = falling * reached
    return lowest, highest


@inner
def _add_copies(call: _Call, memory: _Memory) -> None:
    places = view(address(pointer(memory.parameters, (3 * call.mixtures + call.copies) * LANES)), np.float32)
    table, points = view(address(memory.table), np.float32), view(address(memory.points), np.float32)
    for m in range(call.copies):
        for lane in range(LANES):
            table[int(places[m * LANES + lane]) * LANES + lane] += points[m * LANES + lane]


@inner
def _sum_up(call: _Call, memory: _Memory, first: int, last: int) -> tuple[Vector, Vector, Vector]:
    """Mean and variance by the probabilities of all levels, and F(x - 1)."""
    mean, square, below = splat(_ZERO), splat(_ZERO), splat(_ZERO)
    for level in range(first, last + 1):
        probability = load(memory.table, level * LANES)
        nats = log(maximum(probability, splat(SMALLEST)))
        mean, square = mean - probability * nats, square + probability * nats * nats
        below = below + probability * _is_lower(memory, level)
    return mean, maximum(square - mean * mean, splat(_ZERO)), below


@inner
def _is_lower(memory: _Memory, level: int) -> Vector:
    """1 where a level is lower than the value, else 0."""
    higher = load(memory.values, 0) - splat(np.float32(level))
    return maximum(higher, splat(_ZERO)) - maximum(higher - splat(_ONE), splat(_ZERO))


@inner
def _of_logits(call: _Call, memory: _Memory) -> tuple[Vector, Vector, Vector]:
    """The same of a softmax: -log p is the logarithm of the sum of all, less the logit, whose moments these are."""
    highest, total = highest_of(memory.parameters, call.levels), splat(_ZERO)
    first, second, below = splat(_ZERO), splat(_ZERO), splat(_ZERO)
    for level in range(call.levels):
        logit = load(memory.parameters, level * LANES) - highest
        weight = exp(logit)
        total, below = total + weight, below + weight * _is_lower(memory, level)
        first, second = first + weight * logit, second + weight * logit * logit
    first, second = first / total, second / total
    return log(total) - first, maximum(second - first * first, splat(_ZERO)), below / total


@inner
def _moments(call: _Call, memory: _Memory) -> tuple[Vector, Vector, Vector]:
    """What is asked, of a lane each."""
    if call.mixtures == 0:
        return _of_logits(call, memory)  # type: ignore[no-any-return]
    _prepare(call, memory)
    for level in range(call.levels):
        store(memory.table, level * LANES, splat(_ZERO))
    first, last = _add_logistics(call, memory)
    if call.copies:
        _add_copies(call, memory)
        first, last = 0, call.levels - 1
    return _sum_up(call, memory, first, last)  # type: ignore[no-any-return]


@callback(TASK)
def _block(task: int, n: Any) -> None:
    """Some sub-pixels of a plane."""
    call = _read_call(n)
    size, each = 3 * call.mixtures + 2 * call.copies, BLOCKS * LANES
    if call.mixtures == 0:
        size = call.levels
    of_plane = (call.subpixels + each - 1) // each
    plane, start = task // of_plane, task % of_plane * each
    source, levels, results = (
        view(call.parameters, np.float32), view(call.values, np.float32), np.empty((3, LANES), np.float32)
    )  # fmt: skip
    floats = np.empty((size + 3 * call.mixtures + call.copies + call.levels + 2) * LANES, np.float32)
    parameters = aligned(floats)
    values = pointer(parameters, size * LANES)
    prepared = pointer(values, LANES)
    points = pointer(prepared, 3 * call.mixtures * LANES)
    memory = _Memory(parameters, values, prepared, points, pointer(points, call.copies * LANES))
    means, variances, below = (
        view(call.mean, np.float32), view(call.variance, np.float32), view(call.below, np.float32)
    )  # fmt: skip
    for first in range(start, min(start + each, call.subpixels), LANES):
        count = min(LANES, call.subpixels - first)
        own, own_values = view(address(parameters), np.float32), view(address(values), np.float32)
        for lane in range(LANES):
            at = first + min(lane, count - 1)
            own_values[lane] = levels[plane * call.subpixels + at]
            for p in range(size):
                own[p * LANES + lane] = source[(plane * size + p) * call.subpixels + at]
        mean, variance, less = _moments(call, memory)
        store(pointer(results, 0), 0, mean)
        store(pointer(results, LANES), 0, variance)
        store(pointer(results, 2 * LANES), 0, less)
        for lane in range(count):
            at = plane * call.subpixels + first + lane
            means[at], variances[at], below[at] = results[0, lane], results[1, lane], results[2, lane]
    # Numba frees an array after the last line that names it.
    floats[0], results[0, 0] = 0, 0

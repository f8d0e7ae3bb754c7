"""A mixture of logistics within a support, compiled: sums over the allowed levels, and their gradient.

Importing it compiles the kernel, or loads what an earlier process has compiled. Its rows of parameters are those of
`LogisticMixture`, one sub-pixel after another; the formula is that of `pixelrnn.colours.support`.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import cfunc, njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelrnn.colours.support import FLOOR, OUTSIDE, Forest
from pixelrnn.kernels import threads
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import view
from pixelrnn.outputs.logistic import MAX_LOG_SCALE, LogisticMixture

__all__ = ["log_prob_within"]

BLOCK = 256  # sub-pixels of a task


class _Call(NamedTuple):
    """Sizes, and addresses of float32 parameters, int64 levels and rows, a forest, and float32 results."""

    subpixels: int
    mixtures: int
    copies: int
    levels: int
    longest: int  # of the rows
    parameters: int
    x: int
    rows: int
    starts: int
    values: int
    nats: int
    gradient: int  # of the nats with respect to the parameters; 0 if it is not wanted


class _Room(NamedTuple):
    """Memory for one sub-pixel: shares of components and copies, inverse scales, edges and weights of entries."""

    shares: Any
    inverse: Any
    below: Any  # (entries, mixtures): the cumulative distribution at the lower edge of a level
    reached: Any  # at the upper edge
    weights: Any
    pull: Any  # derivative with respect to each share


def log_prob_within(output: LogisticMixture, parameters: Tensor, x: Tensor, rows: Tensor, forest: Forest) -> Tensor:
    """Nats `(...)` of levels within their rows, given parameters `(..., P)`; zeros where there is no row."""
    nats: Tensor = _Within.apply(parameters, x, rows, output, forest)  # type: ignore[no-untyped-call]
    return nats


class _Within(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, parameters: Tensor, x: Tensor, rows: Tensor, output: LogisticMixture, forest: Forest
    ) -> Tensor:
        source, levels, rows = parameters.detach().contiguous(), x.cpu().long().contiguous(), rows.contiguous()
        assert source.dtype == torch.float32
        assert source.shape == (*x.shape, output.parameters)
        nats = torch.empty(x.shape, dtype=torch.float32)
        gradient = torch.empty_like(source) if parameters.requires_grad else None
        longest = int(np.diff(forest.starts).max(initial=0))
        call = _Call(
            subpixels=x.numel(),
            mixtures=output.mixtures,
            copies=output.copies,
            levels=output.levels,
            longest=longest,
            parameters=source.data_ptr(),
            x=levels.data_ptr(),
            rows=rows.data_ptr(),
            starts=forest.starts.ctypes.data,
            values=forest.values.ctypes.data,
            nats=nats.data_ptr(),
            gradient=0 if gradient is None else gradient.data_ptr(),
        )
        threads.run(_block, -(-x.numel() // BLOCK), np.array(call, np.int64))
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        # Where the nats are infinite no parameter changes them.
        return gradient * above.unsqueeze(-1), None, None, None, None


@njit
def _unpack(n: Any) -> _Call:
    return _Call(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11])


@njit
def _at_edge(call: _Call, p: Any, k: int, double: Any, inverse: Any) -> Any:
    """The cumulative distribution of a component at an edge between levels, which lies at half of `double`."""
    edge = double / (call.levels - 1) - 1.0
    return 1.0 / (1.0 + math.exp(-min(max((edge - p[call.mixtures + k]) * inverse, -700.0), 700.0)))


@njit
def _prepare(call: _Call, p: Any, room: _Room) -> None:
    """Shares of components and copies, and inverse scales."""
    count, copies = call.mixtures, call.copies
    highest = -math.inf
    for k in range(count + copies):
        room.shares[k] = p[k] if k < count else p[2 * count + k]
        highest = max(highest, room.shares[k])
    total = 0.0
    for k in range(count + copies):
        room.shares[k] = math.exp(room.shares[k] - highest)
        total += room.shares[k]
    for k in range(count + copies):
        room.shares[k] /= total
    for k in range(count):
        room.inverse[k] = math.exp(-min(max(p[2 * count + k], -MAX_LOG_SCALE), MAX_LOG_SCALE))


@njit
def _weigh(call: _Call, p: Any, first: int, count: int, values: Any, room: _Room) -> float:
    """Fill in edges and weights of the entries; returns the sum of the weights."""
    total = 0.0
    for e in range(count):
        level, weight = values[first + e], FLOOR
        for k in range(call.mixtures):
            if level == 0:
                room.below[e, k] = 0.0
            elif e and values[first + e - 1] == level - 1:
                room.below[e, k] = room.reached[e - 1, k]
            else:
                room.below[e, k] = _at_edge(call, p, k, 2.0 * level - 1.0, room.inverse[k])
            is_highest = level == call.levels - 1
            room.reached[e, k] = 1.0 if is_highest else _at_edge(call, p, k, 2.0 * level + 1.0, room.inverse[k])
            weight += room.shares[k] * (room.reached[e, k] - room.below[e, k])
        for m in range(call.copies):
            if level == p[3 * call.mixtures + call.copies + m]:
                weight += room.shares[call.mixtures + m]
        room.weights[e] = weight
        total += weight
    return total


@njit
def _differentiate(
    call: _Call, p: Any, first: int, count: int, values: Any, place: int, total: float, room: _Room, gradient: Any
) -> None:
    """Write the gradient of the nats of the entry at a place."""
    mixtures, copies = call.mixtures, call.copies
    room.pull[:], gradient[:] = 0, 0
    for e in range(count):
        level = values[first + e]
        by_weight = -1.0 / total + (1.0 / room.weights[e] if e == place else 0.0)
        for k in range(mixtures):
            below, reached, inverse = room.below[e, k], room.reached[e, k], room.inverse[k]
            room.pull[k] += by_weight * (reached - below)
            change = by_weight * room.shares[k] * inverse
            low, high = below * (1 - below), reached * (1 - reached)
            gradient[mixtures + k] -= change * (high - low)
            lower = (2.0 * level - 1.0) / (call.levels - 1) - 1.0 - p[mixtures + k]
            upper = (2.0 * level + 1.0) / (call.levels - 1) - 1.0 - p[mixtures + k]
            gradient[2 * mixtures + k] -= change * (high * upper - low * lower)
        for m in range(copies):
            if level == p[3 * mixtures + copies + m]:
                room.pull[mixtures + m] += by_weight
    mean = 0.0
    for k in range(mixtures + copies):
        mean += room.shares[k] * room.pull[k]
    for k in range(mixtures + copies):
        gradient[k if k < mixtures else 2 * mixtures + k] = room.shares[k] * (room.pull[k] - mean)
    for k in range(mixtures):
        if abs(p[2 * mixtures + k]) >= MAX_LOG_SCALE:
            gradient[2 * mixtures + k] = 0


@cfunc(TASK, cache=True)
def _block(task: int, n: Any) -> None:
    """The sub-pixels of a block."""
    call = _unpack(n)
    size = 3 * call.mixtures + 2 * call.copies
    parameters, found = view(call.parameters, np.float32), view(call.gradient, np.float32)
    x, rows = view(call.x, np.int64), view(call.rows, np.int64)
    starts, values, nats = view(call.starts, np.int64), view(call.values, np.int64), view(call.nats, np.float32)
    p, gradient, weights = np.empty(size), np.empty(size), np.empty(call.longest)
    both, edges = call.mixtures + call.copies, (call.longest, call.mixtures)
    room = _Room(
        np.empty(both), np.empty(call.mixtures), np.empty(edges), np.empty(edges), weights, np.empty(both)
    )  # fmt: skip
    for at in range(task * BLOCK, min((task + 1) * BLOCK, call.subpixels)):
        row = rows[at]
        count = 0 if row < 0 else starts[row + 1] - starts[row]
        nats[at] = -math.inf if row == OUTSIDE else 0.0
        gradient[:] = 0
        if count > 1:
            for j in range(size):
                p[j] = parameters[at * size + j]
            first, place = starts[row], 0
            while values[first + place] != x[at]:
                place += 1
            _prepare(call, p, room)
            total = _weigh(call, p, first, count, values, room)
            nats[at] = math.log(room.weights[place] / total)
            if call.gradient:
                _differentiate(call, p, first, count, values, place, total, room, gradient)
        if call.gradient:
            for j in range(size):
                found[at * size + j] = gradient[j]

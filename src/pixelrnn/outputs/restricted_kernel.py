"""A mixture of logistics within a support, compiled: sums over the allowed levels, and their gradient.

Importing it compiles the kernel, or loads what an earlier process has compiled. Its rows of parameters are those of
`LogisticMixture`, one sub-pixel after another; the formula is that of `pixelrnn.colours.support`.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelrnn.colours.support import FLOOR, OUTSIDE, Trie
from pixelrnn.kernels import threads
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.record import Float32, Int64, Record, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import view
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.mixture import MAX_LOG_SCALE

__all__ = ["log_prob_restricted"]

BLOCK = 256  # sub-pixels of a task


class _Call(NamedTuple):
    """The record of a call: sizes, parameters, levels and rows, a trie, and results.

    Attributes:
        subpixels: Number of sub-pixels.
        mixtures: Number of mixture components of the output.
        copies: Number of copies of the output.
        levels: Number of levels of the output.
        longest: Entries of the longest row.
        parameters: `(subpixels, P)`.
        x: Level of each sub-pixel.
        rows: Row of each sub-pixel.
        starts: Starts of the trie.
        values: Values of the trie.
        nats: Nats, to be filled.
        gradient: Gradient of the nats with respect to the parameters, to be filled; 0 if it is not wanted.
    """

    subpixels: int
    mixtures: int
    copies: int
    levels: int
    longest: int
    parameters: Float32
    x: Int64
    rows: Int64
    starts: Int64
    values: Int64
    nats: Float32
    gradient: Float32


class _Workspace(NamedTuple):
    """Memory for one sub-pixel: shares of components and copies, inverse scales, edges and weights of entries."""

    shares: Any
    inverse: Any
    below: Any  # (entries, mixtures): the cumulative distribution at the lower edge of a level
    reached: Any  # at the upper edge
    weights: Any
    pull: Any  # derivative with respect to each share


class _Row(NamedTuple):
    """The entries of a row: the first, how many, and the levels of all."""

    first: int
    length: int
    values: Any


def log_prob_restricted(output: LogisticMixture, parameters: Tensor, x: Tensor, rows: Tensor, trie: Trie) -> Tensor:
    """Nats `(...)` of levels within their rows, given parameters `(..., P)`; zeros where there is no row."""
    nats: Tensor = _Restricted.apply(parameters, x, rows, output, trie)  # type: ignore[no-untyped-call]
    return nats


class _Restricted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameters: Tensor, x: Tensor, rows: Tensor, output: LogisticMixture, trie: Trie) -> Tensor:
        source, levels, rows = parameters.detach().contiguous(), x.cpu().long().contiguous(), rows.contiguous()
        if source.shape != (*x.shape, output.parameters):
            raise ValueError(f"parameters have shape {tuple(source.shape)}; {output.parameters} a sub-pixel are needed")
        nats = torch.empty(x.shape, dtype=torch.float32)
        gradient = torch.empty_like(source) if parameters.requires_grad else None
        longest = int(np.diff(trie.starts).max(initial=0))
        call = Record(
            _Call,
            subpixels=x.numel(),
            mixtures=output.mixtures,
            copies=output.copies,
            levels=output.levels,
            longest=longest,
            parameters=source,
            x=levels,
            rows=rows,
            starts=trie.starts,
            values=trie.values,
            nats=nats,
            gradient=gradient,
        )
        threads.run(_block, -(-x.numel() // BLOCK), call.integers)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        # Where the nats are infinite no parameter changes them.
        return gradient * above.unsqueeze(-1), None, None, None, None


_read_call = reader(_Call)


@inner
def _at_edge(call: _Call, p: Any, k: int, double: Any, inverse: Any) -> Any:
    """The cumulative distribution of a component at an edge between levels, which lies at half of `double`."""
    edge = double / (call.levels - 1) - 1.0
    return 1.0 / (1.0 + math.exp(-min(max((edge - p[call.mixtures + k]) * inverse, -700.0), 700.0)))


@inner
def _prepare(call: _Call, p: Any, workspace: _Workspace) -> None:
    """Shares of components and copies, and inverse scales."""
    count, copies = call.mixtures, call.copies
    highest = -math.inf
    for k in range(count + copies):
        workspace.shares[k] = p[k] if k < count else p[2 * count + k]
        highest = max(highest, workspace.shares[k])
    total = 0.0
    for k in range(count + copies):
        workspace.shares[k] = math.exp(workspace.shares[k] - highest)
        total += workspace.shares[k]
    for k in range(count + copies):
        workspace.shares[k] /= total
    for k in range(count):
        workspace.inverse[k] = math.exp(-min(max(p[2 * count + k], -MAX_LOG_SCALE), MAX_LOG_SCALE))


@inner
def _weigh(call: _Call, p: Any, row: _Row, workspace: _Workspace) -> float:
    """Fill in edges and weights of the entries; returns the sum of the weights."""
    first, count, values = row
    total = 0.0
    for e in range(count):
        level, weight = values[first + e], FLOOR
        for k in range(call.mixtures):
            if level == 0:
                workspace.below[e, k] = 0.0
            elif e and values[first + e - 1] == level - 1:
                workspace.below[e, k] = workspace.reached[e - 1, k]
            else:
                workspace.below[e, k] = _at_edge(call, p, k, 2.0 * level - 1.0, workspace.inverse[k])
            is_highest = level == call.levels - 1
            workspace.reached[e, k] = (
                1.0 if is_highest else _at_edge(call, p, k, 2.0 * level + 1.0, workspace.inverse[k])
            )
            weight += workspace.shares[k] * (workspace.reached[e, k] - workspace.below[e, k])
        for m in range(call.copies):
            if level == p[3 * call.mixtures + call.copies + m]:
                weight += workspace.shares[call.mixtures + m]
        workspace.weights[e] = weight
        total += weight
    return total


@inner
def _differentiate(
    call: _Call, p: Any, row: _Row, place: int, total: float, workspace: _Workspace, gradient: Any
) -> None:
    """Write the gradient of the nats of the entry at a place."""
    first, count, values = row
    mixtures, copies = call.mixtures, call.copies
    workspace.pull[:], gradient[:] = 0, 0
    for e in range(count):
        level = values[first + e]
        by_weight = -1.0 / total + (1.0 / workspace.weights[e] if e == place else 0.0)
        for k in range(mixtures):
            below, reached, inverse = workspace.below[e, k], workspace.reached[e, k], workspace.inverse[k]
            workspace.pull[k] += by_weight * (reached - below)
            change = by_weight * workspace.shares[k] * inverse
            low, high = below * (1 - below), reached * (1 - reached)
            gradient[mixtures + k] -= change * (high - low)
            lower = (2.0 * level - 1.0) / (call.levels - 1) - 1.0 - p[mixtures + k]
            upper = (2.0 * level + 1.0) / (call.levels - 1) - 1.0 - p[mixtures + k]
            gradient[2 * mixtures + k] -= change * (high * upper - low * lower)
        for m in range(copies):
            if level == p[3 * mixtures + copies + m]:
                workspace.pull[mixtures + m] += by_weight
    mean = 0.0
    for k in range(mixtures + copies):
        mean += workspace.shares[k] * workspace.pull[k]
    for k in range(mixtures + copies):
        gradient[k if k < mixtures else 2 * mixtures + k] = workspace.shares[k] * (workspace.pull[k] - mean)
    for k in range(mixtures):
        if abs(p[2 * mixtures + k]) >= MAX_LOG_SCALE:
            gradient[2 * mixtures + k] = 0


@callback(TASK)
def _block(task: int, n: Any) -> None:
    """The sub-pixels of a block."""
    call = _read_call(n)
    size = 3 * call.mixtures + 2 * call.copies
    parameters, found = view(call.parameters, np.float32), view(call.gradient, np.float32)
    x, rows = view(call.x, np.int64), view(call.rows, np.int64)
    starts, values, nats = view(call.starts, np.int64), view(call.values, np.int64), view(call.nats, np.float32)
    p, gradient, weights = np.empty(size), np.empty(size), np.empty(call.longest)
    both, edges = call.mixtures + call.copies, (call.longest, call.mixtures)
    workspace = _Workspace(
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
            entries = _Row(first, count, values)
            _prepare(call, p, workspace)
            total = _weigh(call, p, entries, workspace)
            nats[at] = math.log(workspace.weights[place] / total)
            if call.gradient:
                _differentiate(call, p, entries, place, total, workspace, gradient)
        if call.gradient:
            for j in range(size):
                found[at * size + j] = gradient[j]

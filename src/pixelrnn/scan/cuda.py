"""The recurrent layers on CUDA: Triton kernels for the recurrence, torch for what goes into it and comes out.

Differentiable once. The recurrence itself is computed in float32, whatever the maps around it are; its products are
TF32's where torch may use these (under autocast, or as `torch.set_float32_matmul_precision` says), else float32's.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelrnn.scan import cuda_kernels, reference, tiles
from pixelrnn.scan.weights import Weights

__all__ = ["diagonal_bilstm", "row_lstm"]

NUMBERS_OF_A_WARP = 256  # of a tile: measured on an H200


class _Kernels(NamedTuple):
    """The kernels of a layer.

    Attributes:
        forward: Kernel.
        backward: Kernel.
        tile: Units, and cells at once.
        offsets: Rows and columns from a cell to each of the cells whose states it reads, for each direction.
    """

    forward: Any
    backward: Any
    tile: tiles.Tile
    offsets: list[list[tuple[int, int]]]


class _Constants(NamedTuple):
    """What a kernel is compiled for, in the order in which it takes them apart."""

    rows: int
    columns: int
    hidden: int
    units: int
    lines: int
    taps: int
    precision: str
    saves: bool


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.row_lstm`, by kernels."""
    taps = weights.state.shape[2]
    offsets = [[(-1, tap - taps // 2) for tap in range(taps)]]
    tile = tiles.of_rows(x, weights.up.shape[1])
    kernels = _Kernels(cuda_kernels.row_forward, cuda_kernels.row_backward, tile, offsets)
    gates = reference.row_gates(x, _unit_by_unit(weights, 0), context)
    state = _by_unit(weights.state, 0).permute(2, 1, 0)[None]  # (1, K, h, 4h)
    (states,) = _scan(gates[:, None], state, kernels)
    return reference.project(x, skips, states.to(weights.up.dtype), weights, is_residual)


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.diagonal_bilstm`, by kernels."""
    offsets = [[(0, -1), (-1, 0)], [(0, 1), (-1, 0)]]
    tile = tiles.of_diagonals(x, weights.up.shape[1])
    kernels = _Kernels(cuda_kernels.diagonal_forward, cuda_kernels.diagonal_backward, tile, offsets)
    gates = reference.diagonal_gates(x, _unit_by_unit(weights, 1), context)
    state = _by_unit(weights.state, 1).mT  # (2, 2h, 4h)
    state = state.reshape(2, 2, -1, state.shape[2])
    states = reference.add_directions(*_scan(gates, state, kernels)).to(weights.up.dtype)
    return reference.project(x, skips, states, weights, is_residual)


def _unit_by_unit(weights: Weights, axis: int) -> Weights:
    """Weights of what does not depend on states, whose gates are those of the first unit, of the second, and so on."""
    context = None if weights.context is None else _by_unit(weights.context, axis)
    bias = _by_unit(weights.bias, weights.bias.ndim - 1)
    return weights._replace(input=_by_unit(weights.input, axis), bias=bias, context=context)


def _by_unit(weight: Tensor, axis: int) -> Tensor:
    before, gates, after = weight.shape[:axis], weight.shape[axis], weight.shape[axis + 1 :]
    return weight.reshape(*before, 4, gates // 4, *after).transpose(axis, axis + 1).reshape(weight.shape)


def _scan(gates: Tensor, weight: Tensor, kernels: _Kernels) -> Tensor:
    """Hidden states `(D, N, h, H, W)` from the input-to-state terms `(N, D, 4h, H, W)`."""
    gates = gates.permute(0, 3, 4, 1, 2).float().contiguous()
    states: Tensor = _Scan.apply(gates, weight.float().contiguous(), kernels)  # type: ignore[no-untyped-call]
    return states.permute(3, 0, 4, 1, 2)


class _Scan(torch.autograd.Function):
    """States `(N, H, W, D, h)` from gates `(N, H, W, D, 4h)` and weights `(D, K, h, 4h)`."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, kernels: _Kernels) -> Tensor:
        images, rows, columns, directions, _ = gates.shape
        states = gates.new_empty(images, rows, columns, directions, weight.shape[2])
        saves, is_reduced = any(ctx.needs_input_grad), torch.is_autocast_enabled("cuda")
        is_reduced = is_reduced or torch.get_float32_matmul_precision() != "highest"
        precision = "tf32" if is_reduced else "tf32x3"
        hidden, taps = weight.shape[2], weight.shape[1]
        constants = _Constants(rows, columns, hidden, *kernels.tile, taps, precision, saves)
        saved, memory = (torch.empty_like(gates), torch.empty_like(states)) if saves else (gates, states)
        # Triton launches on the current device. (For the backward pass torch makes it that of the tensors.)
        with torch.cuda.device_of(gates):  # type: ignore[no-untyped-call]
            kernels.forward[images, directions](
                gates, saved, weight, memory, states, tuple(constants), num_warps=_warps(kernels.tile)
            )
        ctx.kernels, ctx.constants = kernels, constants
        ctx.save_for_backward(saved, weight, memory, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor, Tensor, None]:
        saved, weight, memory, states = ctx.saved_tensors
        images, directions = len(saved), saved.shape[3]
        d_gates = torch.empty_like(saved)
        d_states = d_states.clone(memory_format=torch.contiguous_format)
        ctx.kernels.backward[images, directions](
            saved, weight, memory, d_states, d_gates, tuple(ctx.constants), num_warps=_warps(ctx.kernels.tile)
        )
        with torch.autocast("cuda", enabled=False):  # which is on while a CUDA graph is recorded
            return d_gates, _weight_gradient(states, d_gates, ctx.kernels.offsets), None


def _warps(tile: tiles.Tile) -> int:
    return max(1, math.prod(tile) // NUMBERS_OF_A_WARP)


def _weight_gradient(states: Tensor, d_gates: Tensor, offsets: list[list[tuple[int, int]]]) -> Tensor:
    """Gradient of the weights: for each offset the product of the states there and the gradients of the gates."""
    _, rows, columns, _, hidden = states.shape
    directions = []
    for direction, pairs in enumerate(offsets):
        products = []
        for row, column in pairs:
            width, height = max(0, columns - abs(column)), rows + row
            source, target = max(0, column), max(0, -column)
            read = states[:, :height, source : source + width, direction].reshape(-1, hidden)
            written = d_gates[:, -row:, target : target + width, direction].reshape(-1, 4 * hidden)
            products.append(read.mT @ written)
        directions.append(torch.stack(products))
    return torch.stack(directions)

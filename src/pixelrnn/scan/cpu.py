"""The recurrent layers on the CPU in float32: compiled kernels behind one `torch.autograd.Function`.

Packs weights and maps as the kernels want them, and gradients back. Importing it compiles the kernels, or loads what an
earlier process has compiled.
"""

import math
from threading import RLock
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelrnn.kernels import threads
from pixelrnn.kernels.vectors import padded
from pixelrnn.scan import diagonal_kernel, row_kernel
from pixelrnn.scan.weights import Weights

__all__ = ["diagonal_bilstm", "row_lstm"]

BLOCK = 8  # images that share the weights in a register tile
KEPT_FLOATS = 2**28  # of free buffers, 1 GiB


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.diagonal_bilstm`, compiled."""
    return _apply(diagonal_kernel, x, skips, weights, context, is_residual)


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.row_lstm`, compiled."""
    return _apply(row_kernel, x, skips, weights, context, is_residual)


def _apply(
    kernel: ModuleType, x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    if context is None or weights.context is None:
        context, weights = None, weights._replace(context=None)
    _check(kernel, x, skips, weights, context)
    if skips is None or weights.skip is None:
        out, _ = _call(kernel, is_residual, x, None, context, weights._replace(skip=None))
        return out, skips
    return _call(kernel, is_residual, x, skips, context, weights)


def _check(kernel: ModuleType, x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None) -> None:
    """The kernels trust their addresses: what does not fit must not get there."""
    features, hidden = weights.up.shape
    directions = (4 * hidden,) if kernel is row_kernel else (2, 4 * hidden)
    assert weights.bias.shape in (directions, (len(x), *directions))
    if context is not None and weights.context is not None:
        assert context.shape == (len(x), weights.context.shape[-1], *x.shape[2:])
        assert weights.context.shape[:-1] == directions
    assert x.shape[1] == features == len(weights.up_bias)
    assert skips is None or skips.shape == x.shape
    assert weights.skip is None or weights.skip.shape == weights.up.shape
    if kernel is row_kernel:
        assert weights.input.shape[:2] == (4 * hidden, features)
        assert weights.state.shape[:2] == (4 * hidden, hidden)
        assert weights.state.shape[2] % 2 == 1
    else:
        assert weights.input.shape == (2, 4 * hidden, features)
        assert weights.state.shape == (2, 4 * hidden, 2 * hidden)


def _call(
    kernel: ModuleType, is_residual: bool, x: Tensor, skips: Tensor | None, context: Tensor | None, weights: Weights
) -> tuple[Tensor, Tensor | None]:
    inputs = [tensor for tensor in (x, skips, context, *weights) if tensor is not None]
    is_saved = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    out: tuple[Tensor, Tensor | None]
    out = _Recurrence.apply(kernel, is_residual, is_saved, x, skips, context, *weights)  # type: ignore[no-untyped-call]
    return out


class _Buffer:
    """Memory that goes back to a common store when it is no longer used.

    A training step needs the same large buffers again and again, and memory that is new to the process costs more time
    than what is computed in it.
    """

    free: ClassVar[list[Tensor]] = []
    lock: ClassVar[Any] = RLock()  # a collection of garbage inside may come back here

    def __init__(self, floats: int) -> None:
        with self.lock:
            places = [place for place, tensor in enumerate(self.free) if tensor.numel() == floats]
            kept = self.free.pop(places[-1]) if places else None
        self.tensor = torch.empty(floats, dtype=torch.float32, device="cpu") if kept is None else kept

    def __del__(self) -> None:
        with self.lock:
            self.free.append(self.tensor)
            # The oldest go first; one that is larger than all of the store may be does not stay.
            while sum(tensor.numel() for tensor in self.free) > KEPT_FLOATS:
                self.free.pop(0)


def _pad(x: Tensor, *amounts: int) -> Tensor:
    """`F.pad`, or x itself if there is nothing to add."""
    return F.pad(x, amounts) if any(amounts) else x


def _to_maps(x: Tensor) -> Tensor:
    """From `(N, F, H, W)` to `(N, H, W, F)`, padded; no copy if it is channels-last and needs no padding."""
    x = x.permute(0, 2, 3, 1)
    return _pad(x, 0, padded(x.shape[3]) - x.shape[3]).contiguous()


def _from_maps(x: Tensor, features: int) -> Tensor:
    return x[..., :features].permute(0, 3, 1, 2)


def _sources(kernel: ModuleType, weights: Weights) -> list[Tensor]:
    """What a cell reads, in the order of the kernels: weights `(directions, 4h, taps, inputs)`."""
    if kernel is row_kernel:
        sources = [weights.input.transpose(1, 2)[None], weights.state.transpose(1, 2)[None]]
    else:
        sources = [part.unsqueeze(2) for part in (weights.input, *weights.state.chunk(2, dim=2))]
    if weights.context is not None:
        sources.append(weights.context.reshape(*sources[0].shape[:2], 1, -1))
    return sources


def _pack(kernel: ModuleType, weights: Weights, units: int) -> Tensor:
    """The weights to the gates, `(directions, inputs, 4P)`, all padded."""
    hidden = weights.up.shape[1]
    parts = []
    for part in _sources(kernel, weights):
        gates = part.reshape(len(part), 4, hidden, *part.shape[2:])
        whole = _pad(gates, 0, padded(part.shape[3]) - part.shape[3], 0, 0, 0, units - hidden)
        parts.append(whole.flatten(1, 2).flatten(2))  # (directions, 4P, taps inputs)
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()


def _unpack(kernel: ModuleType, gradient: Tensor, weights: Weights, units: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The gradients of `weights.input`, `weights.state` and `weights.context` from `(directions, inputs, 4P)`."""
    hidden = weights.up.shape[1]
    gradient = gradient.view(*gradient.shape[:2], 4, units)[..., :hidden].flatten(2).transpose(1, 2)  # (., 4h, inputs)
    sources = _sources(kernel, weights)
    widths = [part.shape[2] * padded(part.shape[3]) for part in sources]
    parts = [
        whole.reshape(*part.shape[:3], -1)[..., : part.shape[3]]
        for whole, part in zip(torch.split(gradient, widths, dim=2), sources, strict=True)
    ]
    context = None if weights.context is None else parts.pop().reshape(weights.context.shape)
    if kernel is row_kernel:
        return parts[0][0].transpose(1, 2), parts[1][0].transpose(1, 2), context
    return parts[0].squeeze(2), torch.cat(parts[1:], dim=3).squeeze(2), context


def _integers(*values: int | Tensor | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Sizes and addresses for a kernel; 0 for what is not there."""
    return np.array([v.data_ptr() if isinstance(v, Tensor) else v or 0 for v in values], np.int64)


class _Recurrence(torch.autograd.Function):
    """A recurrent layer with its projections; the kernel is a module with tasks `forward` and `backward`."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: ModuleType,
        is_residual: bool,
        is_saved: bool,
        x: Tensor,
        skips: Tensor | None,
        context: Tensor | None,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        weights = Weights(*tensors)
        maps = _to_maps(x)
        images, rows, columns, features = maps.shape
        hidden = weights.up.shape[1]
        units = padded(hidden)
        amounts = (0, features - x.shape[1], 0, units - hidden)
        weight = _pack(kernel, weights, units)
        bias = _pad(weights.bias.reshape(-1, hidden), 0, units - hidden).contiguous()
        up, up_bias = _pad(weights.up.t(), *amounts).contiguous(), _pad(weights.up_bias, *amounts[:2]).contiguous()
        skip = None if weights.skip is None else _pad(weights.skip.t(), *amounts).contiguous()
        sum_before, context_maps = (None if tensor is None else _to_maps(tensor) for tensor in (skips, context))
        context_features = 0 if context_maps is None else context_maps.shape[3]
        bias_distance = 0 if len(bias) == 4 * len(weight) else 4 * len(weight) * units
        states, out = maps.new_empty(images, rows, columns, units), torch.empty_like(maps)
        sum_after = None if skips is None else torch.empty_like(maps)
        kept = 5 if kernel is row_kernel else 4 * len(weight)  # gates, and memories where they are not computed again
        buffer = _Buffer(kept * states.numel()) if is_saved else None
        saved = buffer.tensor if buffer else None
        block = max(1, min(BLOCK, images // (2 * torch.get_num_threads())))
        taps, width = (weights.input.shape[2], weights.state.shape[2]) if kernel is row_kernel else (0, 0)
        sizes = (
            *(images, block, rows, columns, features, units, taps, width),
            *(int(is_residual), context_features, bias_distance),
        )
        places = (maps, weight, bias, up, up_bias, skip, sum_before, states, out, sum_after, saved, context_maps)
        threads.run(kernel.forward, math.ceil(images / block), _integers(*sizes, *places))
        ctx.kernel, ctx.sizes, ctx.buffer, ctx.unpadded = kernel, sizes, buffer, x.shape[1]
        # The Row LSTM computes its hidden states again.
        ctx.save_for_backward(maps, weight, up, skip, None if kernel is row_kernel else states, context_maps, *tensors)
        ctx.set_materialize_grads(False)
        return _from_maps(out, x.shape[1]), None if sum_after is None else _from_maps(sum_after, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_sum: Tensor | None) -> tuple[Tensor | None, ...]:
        maps, weight, up, skip, states, context_maps, *tensors = ctx.saved_tensors
        weights, unpadded = Weights(*tensors), ctx.unpadded
        images, block, _, _, _, units = ctx.sizes[:6]
        hidden = weights.up.shape[1]
        tasks = math.ceil(images / block)
        d_features = torch.zeros_like(maps) if d_out is None else _to_maps(d_out)
        d_skips = None if d_sum is None else _to_maps(d_sum)
        d_maps = torch.empty_like(maps)
        d_weight = weight.new_zeros(tasks, *weight.shape)
        d_bias = weight.new_zeros(images, len(weight), 4, units)
        d_context = None if context_maps is None else torch.zeros_like(context_maps)
        d_up, d_skip = up.new_zeros(2, tasks, *up.shape)
        d_up_bias = up.new_zeros(tasks, up.shape[1])
        transposed, up = weight.transpose(1, 2).contiguous(), up.t().contiguous()
        skip = None if skip is None else skip.t().contiguous()
        places = (maps, transposed, None, up, None, skip, None, states, None, None, ctx.buffer.tensor, context_maps)
        gradients = (d_features, d_skips, d_maps, d_weight, d_bias, d_up, d_up_bias, d_skip, d_context)
        threads.run(ctx.kernel.backward, tasks, _integers(*ctx.sizes, *places, *gradients))
        d_input, d_state, d_context_weight = _unpack(ctx.kernel, d_weight.sum(0), weights, units)
        d_bias = d_bias[..., :hidden]
        d_gates = (d_bias if weights.bias.numel() == d_bias.numel() else d_bias.sum(0)).reshape(weights.bias.shape)
        d_up, d_skip = (gradient.sum(0)[:hidden, :unpadded].t() for gradient in (d_up, d_skip))
        d_projections = (d_up, d_up_bias.sum(0)[:unpadded], None if skip is None else d_skip)
        if d_context is not None and weights.context is not None:
            d_context = _from_maps(d_context, weights.context.shape[-1])
        d_inputs = (_from_maps(d_maps, unpadded), d_sum, d_context)
        return None, None, None, *d_inputs, d_input, d_gates, d_state, *d_projections, d_context_weight

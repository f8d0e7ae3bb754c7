"""The recurrent layers on the CPU in float32: compiled kernels behind one `torch.autograd.Function`.

Packs weights and maps as the kernels want them, and gradients back. Importing it compiles the kernels, or loads what an
earlier process has compiled.
"""

import math
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelrnn.kernels import threads
from pixelrnn.kernels.record import Record
from pixelrnn.kernels.vectors import padded
from pixelrnn.scan import diagonal_kernel, row_kernel
from pixelrnn.scan.layer import Gradients, Layer, Work
from pixelrnn.scan.pool import buffer
from pixelrnn.scan.weights import Weights

__all__ = ["diagonal_bilstm", "row_lstm"]

BLOCK = 8  # images that share the weights in a register tile


class _Maps(NamedTuple):
    """What goes into a layer beside its weights."""

    x: Tensor
    skips: Tensor | None
    context: Tensor | None


class _How(NamedTuple):
    """Which layer it is, and what is wanted of it; the kernel is a module with tasks `forward` and `backward`."""

    kernel: ModuleType
    is_residual: bool
    is_saved: bool = False


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.diagonal_bilstm`, compiled."""
    return _apply(_How(diagonal_kernel, is_residual), _Maps(x, skips, context), weights)


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """`pixelrnn.scan.reference.row_lstm`, compiled."""
    return _apply(_How(row_kernel, is_residual), _Maps(x, skips, context), weights)


def _apply(how: _How, maps: _Maps, weights: Weights) -> tuple[Tensor, Tensor | None]:
    if maps.context is None or weights.context is None:
        maps, weights = maps._replace(context=None), weights._replace(context=None)
    _check(how.kernel, maps, weights)
    if maps.skips is None or weights.skip is None:
        out, _ = _call(how, maps._replace(skips=None), weights._replace(skip=None))
        return out, maps.skips
    return _call(how, maps, weights)


def _check(kernel: ModuleType, maps: _Maps, weights: Weights) -> None:
    """Refuse what does not fit: the kernels trust their addresses."""
    (x, skips, context), (features, hidden) = maps, weights.up.shape
    directions = (4 * hidden,) if kernel is row_kernel else (2, 4 * hidden)
    if kernel is row_kernel:
        taps, width = weights.input.shape[2:], weights.state.shape[2:]
        inputs, states = (4 * hidden, features, *taps), (4 * hidden, hidden, *width)
        _require("an odd width of `state`", len(width) == 1 and width[0] % 2 == 1, weights.state)
    else:
        inputs, states = (2, 4 * hidden, features), (2, 4 * hidden, 2 * hidden)
    _require(f"`input` {inputs}", weights.input.shape == inputs, weights.input)
    _require(f"`state` {states}", weights.state.shape == states, weights.state)
    _require(f"`bias` {directions}", weights.bias.shape in (directions, (len(x), *directions)), weights.bias)
    _require(f"`up_bias` of {features}", weights.up_bias.shape == (features,), weights.up_bias)
    _require(f"`x` of {features} features", x.ndim == 4 and x.shape[1] == features, x)
    if skips is not None:
        _require("`skips` like `x`", skips.shape == x.shape, skips)
    if weights.skip is not None:
        _require("`skip` like `up`", weights.skip.shape == weights.up.shape, weights.skip)
    if context is not None and weights.context is not None:
        read = (*directions, context.shape[1])
        _require(f"`context` {read} in the weights", weights.context.shape == read, weights.context)
        _require("a context like `x`", (len(context), *context.shape[2:]) == (len(x), *x.shape[2:]), context)


def _require(what: str, is_right: bool, tensor: Tensor) -> None:
    if not is_right:
        raise ValueError(f"a recurrent layer needs {what}; this one is {tuple(tensor.shape)}")


def _call(how: _How, maps: _Maps, weights: Weights) -> tuple[Tensor, Tensor | None]:
    inputs = [tensor for tensor in (*maps, *weights) if tensor is not None]
    is_saved = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    out: tuple[Tensor, Tensor | None]
    out = _Recurrence.apply(how._replace(is_saved=is_saved), *maps, *weights)  # type: ignore[no-untyped-call]
    return out


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


class _Recurrence(torch.autograd.Function):
    """A recurrent layer with its projections."""

    @staticmethod
    def forward(
        ctx: Any, how: _How, x: Tensor, skips: Tensor | None, context: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        kernel, weights = how.kernel, Weights(*tensors)
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
        saved = buffer(kept * states.numel()) if how.is_saved else None
        block = max(1, min(BLOCK, images // (2 * torch.get_num_threads())))
        taps, width = (weights.input.shape[2], weights.state.shape[2]) if kernel is row_kernel else (0, 0)
        sizes = dict(images=images, block=block, rows=rows, columns=columns, features=features, units=units)
        sizes |= dict(taps=taps, width=width, is_residual=int(how.is_residual))
        sizes |= dict(context_features=context_features, bias_distance=bias_distance)
        layer = Record(
            Layer,
            **sizes,
            **dict(x=maps, weight=weight, bias=bias, up=up, up_bias=up_bias, skip=skip),
            **dict(skips=sum_before, hidden=states, out=out, skips_out=sum_after, saved=saved, context=context_maps),
        )
        threads.run(kernel.forward, math.ceil(images / block), Record(Work, layer=layer).integers)
        ctx.kernel, ctx.sizes, ctx.unpadded = kernel, sizes, x.shape[1]
        # The Row LSTM computes its hidden states again.
        hidden_states = None if kernel is row_kernel else states
        ctx.save_for_backward(maps, weight, up, skip, hidden_states, saved, context_maps, *tensors)
        ctx.set_materialize_grads(False)
        return _from_maps(out, x.shape[1]), None if sum_after is None else _from_maps(sum_after, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_sum: Tensor | None) -> tuple[Tensor | None, ...]:
        maps, weight, up, skip, states, saved, context_maps, *tensors = ctx.saved_tensors
        weights, unpadded = Weights(*tensors), ctx.unpadded
        images, units = len(maps), weight.shape[2] // 4
        hidden = weights.up.shape[1]
        tasks = math.ceil(images / ctx.sizes["block"])
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
        layer = Record(
            Layer,
            **ctx.sizes,
            **dict(x=maps, weight=transposed, up=up, skip=skip, hidden=states, saved=saved, context=context_maps),
        )
        gradients = Record(
            Gradients,
            **dict(d_out=d_features, d_skips=d_skips, d_x=d_maps, d_weight=d_weight, d_bias=d_bias),
            **dict(d_up=d_up, d_up_bias=d_up_bias, d_skip=d_skip, d_context=d_context),
        )
        threads.run(ctx.kernel.backward, tasks, Record(Work, layer=layer, gradients=gradients).integers)
        d_input, d_state, d_context_weight = _unpack(ctx.kernel, d_weight.sum(0), weights, units)
        d_bias = d_bias[..., :hidden]
        d_gates = (d_bias if weights.bias.numel() == d_bias.numel() else d_bias.sum(0)).reshape(weights.bias.shape)
        d_up, d_skip = (gradient.sum(0)[:hidden, :unpadded].t() for gradient in (d_up, d_skip))
        d_projections = (d_up, d_up_bias.sum(0)[:unpadded], None if skip is None else d_skip)
        if d_context is not None and weights.context is not None:
            d_context = _from_maps(d_context, weights.context.shape[-1])
        d_inputs = (_from_maps(d_maps, unpadded), d_sum, d_context)
        return None, *d_inputs, d_input, d_gates, d_state, *d_projections, d_context_weight

r"""From layers to instructions of the walk: what the lowerings of all layers share.

Each layer has a method `lower` beside its `forward`: the same layer, as instructions for one sub-pixel after the other
(`pixelrnn.walk.program`). Adding a layer is writing both; a new instruction is needed only for a new nonlinearity.

Gates of an LSTM or of a gated activation are reordered so that those of one group of channels lie together, as
[group][gate][unit]: then a group is one range of features everywhere. Every layer has maps of its own, since the
features of a group must still be there when the next group of the same pixel is computed.
"""

import torch
from torch import Tensor

from pixelrnn.masks import groups
from pixelrnn.nn.condition import GateCondition
from pixelrnn.nn.conv import MaskedConv2d
from pixelrnn.walk.program import GROUP, START, Map, Writer

__all__ = [
    "add_context", "add_skip", "begin_skips", "by_group", "conv", "end_skips", "labelled", "target_of",
]  # fmt: skip


def labelled(writer: Writer, condition: GateCondition, of: Tensor, order: Tensor) -> Map | None:
    """The map of the biases of gates of these groups that label and order give, if there are any."""
    table = condition.biases
    return None if table is None else writer.labelled(of[order], table[:, order])


def add_context(writer: Writer, condition: GateCondition, context: Map | None, gates: Map, order: Tensor) -> None:
    """Add what the context gives to gates, which stand in an order."""
    if condition.context is not None and context is not None:
        writer.linear(gates, context, condition.context[order].unsqueeze(1), phase=START)


def target_of(writer: Writer, layer: MaskedConv2d) -> Map:
    """A map of the current pixel for the outputs of a layer."""
    return writer.map(groups(len(layer.bias), writer.channels))


def by_group(of: Tensor, gates: int) -> Tensor:
    """Order of stacked gates of units of these groups that brings those of a group together."""
    return torch.argsort(of.repeat(gates), stable=True)


def conv(
    writer: Writer,
    layer: MaskedConv2d,
    source: Map,
    target: Map,
    *,
    order: Tensor | None = None,
    plus: Map | None = None,
) -> None:
    """A masked convolution: what comes from earlier pixels at the start of a pixel, the pixel itself by groups.

    Args:
        writer: Where to write.
        layer: The convolution.
        source: Its input.
        target: Its output.
        order: Order of its outputs in the target, if it is another.
        plus: What is added to it.
    """
    order = torch.arange(len(layer.bias)) if order is None else order
    weight = layer.masked[order].permute(0, 2, 3, 1)  # (O, Kh, Kw, I)
    above, left = weight.shape[1] // 2, weight.shape[2] // 2
    writer.bias(target, layer.bias[order], phase=START if above + left else GROUP, plus=plus)
    for row in range(above):
        writer.linear(target, source, weight[:, row], phase=START, up=above - row, right=-left)
    if left:
        writer.linear(target, source, weight[:, above, :left], phase=START, right=-left)
    writer.linear(target, source, weight[:, above, left : left + 1], phase=GROUP)


def begin_skips(writer: Writer, skips: list[MaskedConv2d], outer: Tensor) -> Map | None:
    """The sum of all skip connections, so far of their biases."""
    if not skips:
        return None
    total = writer.map(outer)
    # Added one after the other: torch's sum has an order of its own on each kind of processor.
    bias = skips[0].bias.float()
    for skip in skips[1:]:
        bias = bias + skip.bias.float()
    writer.bias(total, bias, phase=GROUP)
    return total


def add_skip(writer: Writer, skip: MaskedConv2d | None, hidden: Map, total: Map | None) -> None:
    """Add the skip connection of a layer to their sum, if there are any."""
    if skip is not None and total is not None:
        writer.linear(total, hidden, skip.masked[:, :, 0].transpose(1, 2), phase=GROUP)


def end_skips(writer: Writer, features: Map, total: Map | None) -> Map:
    """The features with the sum of the skip connections, if there are any."""
    if total is None:
        return features
    both = writer.map(features.groups)
    writer.sum(both, features, total)
    return both

r"""The layers of the networks as instructions: for each kind of layer of `pixelrnn.nn`, what the engine does.

Adding a kind of layer is adding a function here; a new instruction is needed only for a new nonlinearity.

Gates of an LSTM or of a gated activation are reordered so that those of one group of channels lie together, as
[group][gate][unit]: then a group is one range of features everywhere. Every layer has maps of its own, since the
features of a group must still be there when the next group of the same pixel is computed.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pixelrnn.local.network import LocalNetwork
from pixelrnn.local.program import LocalProgram, compile_local
from pixelrnn.masks import groups
from pixelrnn.nn.condition import ContextNetwork, GateCondition
from pixelrnn.nn.conv import MaskedConv2d
from pixelrnn.nn.diagonal_bilstm import DiagonalBiLSTM
from pixelrnn.nn.gated import GatedLayer, GatedStack
from pixelrnn.nn.network import Network
from pixelrnn.nn.residual import PixelCNNLayer, ResidualBlock, ResidualStack
from pixelrnn.nn.row_lstm import RowLSTM
from pixelrnn.walk.program import GROUP, START, Map, Program, Writer

__all__ = ["compile_network"]


@torch.no_grad()
def compile_network(network: Network | LocalNetwork, rows: int, columns: int) -> Program | LocalProgram:
    """The program of a network for images of a height and a width."""
    if isinstance(network, LocalNetwork):
        return compile_local(network)
    writer = Writer(network.channels, rows, columns)
    context = None if network.context is None else _context(writer, network.context)
    image = writer.map(groups(network.channels, network.channels), rows=4, left=3, right=3)
    if isinstance(network.stack, GatedStack):
        first, features = _gated_stack(writer, network.stack, image, context)
    else:
        first, features = _residual_stack(writer, network.stack, image, context)
    positive, head = writer.map(features.groups), _target(writer, network.head)
    parameters = _target(writer, network.last)
    writer.relu(positive, features)
    _conv(writer, network.head, positive, head)
    writer.relu(head, head)
    _conv(writer, network.last, head, parameters)
    return writer.finish(first, image, parameters)


def _context(writer: Writer, network: ContextNetwork) -> Map:
    """The network of the context image; returns the map of its features, one pixel for each of the image."""
    size = writer.rows, writer.columns
    for layer in network.convolutions:
        size = size[0] // layer.stride[0], size[1] // layer.stride[1]
    features = writer.context(network.convolutions[0].in_channels, *size)
    for layer in network.convolutions:
        factor = (layer.stride[0], layer.stride[1])
        # A transposed convolution: output r i + p takes the kernel's k = p + r (1 - d) from input i + d, d = -1, 0, 1.
        weight = layer.weight.view(*layer.weight.shape[:2], 3, factor[0], 3, factor[1])  # (I, O, 3, r, 3, s)
        weight = weight.flip(2, 4).permute(3, 5, 2, 1, 4, 0)
        assert layer.bias is not None
        features = writer.upsample(features, size, factor, weight, layer.bias)
        size = size[0] * factor[0], size[1] * factor[1]
    return features


def _labelled(writer: Writer, condition: GateCondition, of: Tensor, order: Tensor) -> Map | None:
    """The map of the biases of gates of these groups that a label gives, if there are labels."""
    return None if condition.label is None else writer.labelled(of[order], condition.label[:, order])


def _add_context(writer: Writer, condition: GateCondition, context: Map | None, gates: Map, order: Tensor) -> None:
    if condition.context is not None and context is not None:
        writer.linear(gates, context, condition.context[order].unsqueeze(1), phase=START)


def _target(writer: Writer, layer: MaskedConv2d) -> Map:
    """A map of the current pixel for the outputs of a layer."""
    return writer.map(groups(len(layer.bias), writer.channels))


def _by_group(of: Tensor, gates: int) -> Tensor:
    """Order of stacked gates of units of these groups that brings those of a group together."""
    return torch.argsort(of.repeat(gates), stable=True)


def _conv(
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


def _residual_stack(writer: Writer, stack: ResidualStack, image: Map, context: Map | None) -> tuple[int, Map]:
    """The stack of PixelCNN, Row LSTM or Diagonal BiLSTM; returns the first instruction of a pixel and the features."""
    outer = groups(len(stack.first.bias), writer.channels)
    features = [_features(writer, outer, block.layer) for block in stack.blocks]
    features.append(writer.map(outer))
    compute = [_layer(writer, block, x, context) for block, x in zip(stack.blocks, features[:-1], strict=True)]

    first = writer.begin()
    _conv(writer, stack.first, image, features[0])
    skips = _begin_skips(writer, stack.skips, outer)
    for block, write, x, y in zip(stack.blocks, compute, features[:-1], features[1:], strict=True):
        hidden = write()
        _conv(writer, block.up, hidden, y, plus=x if block.is_residual else None)
        _add_skip(writer, block.skip, hidden, skips)
    return first, _end_skips(writer, features[-1], skips)


def _features(writer: Writer, outer: Tensor, layer: nn.Module) -> Map:
    """What a layer reads: for the Row LSTM the pixel and its left neighbour, for the Diagonal BiLSTM a whole row."""
    if isinstance(layer, PixelCNNLayer):
        return writer.map(outer)
    return writer.map(outer, rows=1, left=1 if isinstance(layer, RowLSTM) else 0)


def _layer(writer: Writer, block: ResidualBlock, x: Map, context: Map | None) -> Callable[[], Map]:
    """Prepare the maps and passes of a layer; what is returned writes its instructions and returns its output."""
    inner = groups(block.up.mask.shape[1], writer.channels)
    match block.layer:
        case RowLSTM():
            return _row_lstm(writer, block.layer, x, inner, context)
        case DiagonalBiLSTM():
            return _diagonal_bilstm(writer, block.layer, x, inner, context)
        case _:
            return _pixelcnn_layer(writer, block.layer, x, inner, context)


def _begin_skips(writer: Writer, skips: list[MaskedConv2d], outer: Tensor) -> Map | None:
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


def _add_skip(writer: Writer, skip: MaskedConv2d | None, hidden: Map, total: Map | None) -> None:
    if skip is not None and total is not None:
        writer.linear(total, hidden, skip.masked[:, :, 0].transpose(1, 2), phase=GROUP)


def _end_skips(writer: Writer, features: Map, total: Map | None) -> Map:
    if total is None:
        return features
    both = writer.map(features.groups)
    writer.sum(both, features, total)
    return both


def _pixelcnn_layer(
    writer: Writer, layer: PixelCNNLayer, x: Map, inner: Tensor, context: Map | None
) -> Callable[[], Map]:
    """ReLU - 1x1 - ReLU - 3x3 - ReLU."""
    positive, down = writer.map(x.groups), writer.map(inner, rows=2, left=1, right=1)
    hidden, order = writer.map(inner), torch.arange(len(inner))
    labelled = _labelled(writer, layer.condition, inner, order)

    def write() -> Map:
        writer.relu(positive, x)
        _conv(writer, layer.down, positive, down)
        writer.relu(down, down)
        _conv(writer, layer.conv, down, hidden, plus=labelled)
        _add_context(writer, layer.condition, context, hidden, order)
        writer.relu(hidden, hidden)
        return hidden

    return write


def _row_lstm(writer: Writer, layer: RowLSTM, x: Map, inner: Tensor, context: Map | None) -> Callable[[], Map]:
    """All three of the row above are complete when a pixel starts; the memory of a column is replaced in place."""
    order = _by_group(inner, 4)
    state = layer.state_to_state[order].transpose(1, 2)  # (4h, K, h)
    reach = state.shape[1] // 2
    gates = writer.map(inner.repeat(4)[order])
    hidden, memory = writer.map(inner, rows=2, left=reach, right=reach), writer.map(inner, rows=1)
    labelled = _labelled(writer, layer.condition, inner.repeat(4), order)

    def write() -> Map:
        _conv(writer, layer.input_to_state, x, gates, order=order, plus=labelled)
        _add_context(writer, layer.condition, context, gates, order)
        writer.linear(gates, hidden, state, phase=START, up=1, right=-reach)
        writer.lstm(hidden, gates, memory)
        return hidden

    return write


def _diagonal_bilstm(
    writer: Writer, layer: DiagonalBiLSTM, x: Map, inner: Tensor, context: Map | None
) -> Callable[[], Map]:
    """The second direction passes over the row above as soon as that is complete.

    States and memories are kept for one row and replaced in place: when a pixel starts, those of its own column are
    still of the row above, and those of its neighbour are new.
    """
    order, units = _by_group(inner, 4), len(inner)
    # (2, 4h, inputs): from the pixel, from the neighbour, from above.
    pixel = layer.input_to_state.masked.view(2, 4 * units, -1)[:, order]
    bias = layer.input_to_state.bias.view(2, -1)[:, order]
    side, above = layer.state_to_state[:, order].chunk(2, dim=2)
    gates, back_gates = (writer.map(inner.repeat(4)[order]) for _ in range(2))
    states, memory = (writer.map(inner, rows=1, left=1) for _ in range(2))
    back_states, back_memory = (writer.map(inner, rows=1, right=1) for _ in range(2))
    hidden = writer.map(inner)
    orders = order, order + 4 * units  # of the gates of each direction
    labelled = [_labelled(writer, layer.condition, inner.repeat(8), each) for each in orders]

    def update(gates: Map, states: Map, memory: Map, direction: int) -> None:
        right = 2 * direction - 1
        writer.bias(gates, bias[direction], phase=START, plus=labelled[direction])
        _add_context(writer, layer.condition, context, gates, orders[direction])
        writer.linear(gates, states, side[direction].unsqueeze(1), phase=START, right=right)
        writer.linear(gates, states, above[direction].unsqueeze(1), phase=START)
        writer.linear(gates, x, pixel[direction].unsqueeze(1), phase=GROUP)
        writer.lstm(states, gates, memory, right=right)

    first = writer.begin()
    update(back_gates, back_states, back_memory, 1)
    writer.row_pass(first, up=1, is_reversed=True)

    def write() -> Map:
        update(gates, states, memory, 0)
        writer.sum(hidden, states, back_states)
        return hidden

    return write


def _gated_stack(writer: Writer, stack: GatedStack, image: Map, context: Map | None) -> tuple[int, Map]:
    """The vertical stack passes over a row before its first pixel, a layer a pass; the horizontal one walks."""
    outer = groups(len(stack.blocks[0].out.bias), writer.channels)
    order = _by_group(outer, 2)
    vertical, from_above = image, []
    for layer in stack.blocks:
        vertical, added = _vertical(writer, layer, vertical, outer, order, context)
        from_above.append(added)

    first = writer.begin()
    horizontal, skips = image, _begin_skips(writer, stack.skips, outer)
    for layer, added in zip(stack.blocks, from_above, strict=True):
        gates, gated = writer.map(outer.repeat(2)[order]), writer.map(outer)
        _conv(writer, layer.horizontal, horizontal, gates, order=order, plus=added)
        writer.gate(gated, gates)
        out = writer.map(outer, rows=1, left=1)
        _conv(writer, layer.out, gated, out, plus=horizontal if layer.is_residual else None)
        _add_skip(writer, layer.skip, gated, skips)
        horizontal = out
    return first, _end_skips(writer, horizontal, skips)


def _vertical(
    writer: Writer, layer: GatedLayer, source: Map, outer: Tensor, order: Tensor, context: Map | None
) -> tuple[Map, Map]:
    """The pass of one vertical layer over a row; returns its features and what they add to the horizontal gates.

    The condition of the horizontal gates is added there too.
    """
    whole = torch.zeros(len(outer), dtype=torch.int64)  # the vertical stack knows no groups
    above, features = writer.map(whole.repeat(2)), writer.map(whole, rows=2, left=1, right=1)
    added = writer.map(outer.repeat(2)[order], rows=1)
    weight = layer.vertical.masked.permute(0, 2, 3, 1)  # (O, Kh, Kw, I)
    rows, left = weight.shape[1] // 2, weight.shape[2] // 2
    in_place = torch.arange(2 * len(outer))
    labelled_above = _labelled(writer, layer.condition_above, whole.repeat(2), in_place)
    labelled = _labelled(writer, layer.condition, outer.repeat(2), order)
    first = writer.begin()
    writer.bias(above, layer.vertical.bias, phase=START, plus=labelled_above)
    _add_context(writer, layer.condition_above, context, above, in_place)
    for row in range(rows + 1):
        writer.linear(above, source, weight[:, row], phase=START, up=rows - row, right=-left)
    writer.gate(features, above)
    bias = layer.between.bias
    assert bias is not None
    writer.bias(added, bias[order], phase=START, plus=labelled)
    _add_context(writer, layer.condition, context, added, order)
    writer.linear(added, above, layer.between.weight[order, :, 0].transpose(1, 2), phase=START)
    writer.row_pass(first)
    return features, added

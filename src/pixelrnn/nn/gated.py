r"""The Gated PixelCNN: convolutions without a blind spot.

Paper: van den Oord et al., *Conditional Image Generation with PixelCNN Decoders*, NeurIPS 2016 (arXiv 1606.05328),
sections 2.1 and 2.2, figure 2. A vertical stack sees all rows above; a horizontal stack sees the pixel's own row to the
left and, through an unmasked 1x1 layer, the vertical stack.
"""

import torch
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import causal_mask, groups, rows_above_mask
from pixelrnn.nn.condition import GateCondition
from pixelrnn.nn.conv import MaskedConv2d, pointwise
from pixelrnn.nn.lowering import add_context, add_skip, begin_skips, by_group, conv, end_skips, labelled
from pixelrnn.walk.program import START, Map, Writer

__all__ = ["GatedLayer", "GatedStack"]


def _gate(x: Tensor) -> Tensor:
    r"""Gated activation :math:`\tanh(a) \odot \sigma(b)` of the two halves of the features."""
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedLayer(nn.Module):
    """One layer of both stacks; the first one has mask A, a 7 wide kernel and nothing to add to."""

    skip: MaskedConv2d | None

    def __init__(self, config: ModelConfig, *, is_first: bool) -> None:
        super().__init__()
        channels, features = config.shape[0], 2 * config.hidden
        outer = groups(features, channels)
        inputs = groups(channels, channels) if is_first else outer
        kind, side = ("A", 7) if is_first else ("B", 3)
        self.vertical = MaskedConv2d(rows_above_mask(kind, len(inputs), 2 * features, side, side))  # type: ignore[arg-type]
        self.between = nn.Conv2d(2 * features, 2 * features, 1)
        self.horizontal = MaskedConv2d(causal_mask(kind, inputs, outer.repeat(2), 1, side))  # type: ignore[arg-type]
        self.out = pointwise(outer, outer)
        self.skip = pointwise(outer, outer) if config.skip else None
        self.is_residual = config.residual and not is_first
        self.condition_above, self.condition = (GateCondition(config, 2 * features) for _ in range(2))

    def forward(
        self, vertical: Tensor, horizontal: Tensor, condition: Condition, dropout: nn.Dropout
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Map the features of both stacks to new ones `(N, 2h, H, W)`, and to the layer's skip connection."""
        above = self.condition_above.add(self.vertical(vertical), condition)
        gated = _gate(self.condition.add(self.horizontal(horizontal) + self.between(above), condition))
        out = dropout(self.out(gated))
        skip = dropout(self.skip(gated)) if self.skip is not None else None
        return _gate(above), (horizontal + out if self.is_residual else out), skip

    def lower_vertical(self, writer: Writer, source: Map, outer: Tensor, context: Map | None) -> tuple[Map, Map]:
        """The pass of one vertical layer over a row; returns its features and what they add to the horizontal gates.

        The condition of the horizontal gates is added there too.
        """
        order, whole = (
            by_group(outer, 2),
            torch.zeros(len(outer), dtype=torch.int64),
        )  # the vertical stack knows no groups
        above, features = writer.map(whole.repeat(2)), writer.map(whole, rows=2, left=1, right=1)
        added = writer.map(outer.repeat(2)[order], rows=1)
        weight = self.vertical.masked.permute(0, 2, 3, 1)  # (O, Kh, Kw, I)
        rows, left = weight.shape[1] // 2, weight.shape[2] // 2
        in_place = torch.arange(2 * len(outer))
        bias_above = labelled(writer, self.condition_above, whole.repeat(2), in_place)
        bias_here = labelled(writer, self.condition, outer.repeat(2), order)
        first = writer.begin()
        writer.bias(above, self.vertical.bias, phase=START, plus=bias_above)
        add_context(writer, self.condition_above, context, above, in_place)
        for row in range(rows + 1):
            writer.linear(above, source, weight[:, row], phase=START, up=rows - row, right=-left)
        writer.gate(features, above)
        bias = self.between.bias
        assert bias is not None
        writer.bias(added, bias[order], phase=START, plus=bias_here)
        add_context(writer, self.condition, context, added, order)
        writer.linear(added, above, self.between.weight[order, :, 0].transpose(1, 2), phase=START)
        writer.row_pass(first)
        return features, added


class GatedStack(nn.Module):
    r"""Computes the vertical and the horizontal stack.

    For each layer l, with v the vertical and y the horizontal features,

    .. math::
        a = K^v_l * v_{l-1}, \quad v_l = \tanh(a_1) \odot \sigma(a_2), \quad
        b = K^h_l * y_{l-1} + K^{1x1}_l a, \quad
        y_l = y_{l-1} + K^{out}_l (\tanh(b_1) \odot \sigma(b_2))

    The first layer is 7x7 (vertical) and 1x7 (horizontal), mask A; later ones are 3x3 and 1x3, mask B. Colours are
    grouped in the horizontal stack only: the vertical one holds complete rows. A condition is added to a and to b.

    Differs from the paper: skip connections come from the gated features of every layer (the paper takes them from
    the same place, without an equation), and what the layers add to the horizontal stack can be dropped.

    Args:
        config: Sizes; every feature map of the stacks has 2h features.

    Example:
        >>> config = ModelConfig(architecture="gated-pixelcnn", shape=(3, 5, 5), layers=2, hidden=6)
        >>> GatedStack(config)(torch.zeros(2, 3, 5, 5), Condition()).shape
        torch.Size([2, 12, 5, 5])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GatedLayer(config, is_first=index == 0) for index in range(config.layers + 1))
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Map scaled images `(N, C, H, W)` to features `(N, 2h, H, W)`."""
        vertical = horizontal = x
        skips: list[Tensor] = []
        for layer in self.blocks:
            vertical, horizontal, skip = layer(vertical, horizontal, condition, self.dropout)
            if skip is not None:
                skips.append(skip)
        return horizontal + sum(skips) if skips else horizontal

    def lower(self, writer: Writer, image: Map, context: Map | None) -> tuple[int, Map]:
        """The same in the walk; returns the first instruction of a pixel and the features.

        The vertical stack passes over a row before its first pixel, a layer a pass; the horizontal one walks.
        """
        outer = groups(len(self.blocks[0].out.bias), writer.channels)
        order = by_group(outer, 2)
        vertical, from_above = image, []
        for layer in self.blocks:
            vertical, added = layer.lower_vertical(writer, vertical, outer, context)
            from_above.append(added)

        first = writer.begin()
        horizontal, skips = image, begin_skips(writer, self.skips, outer)
        for layer, added in zip(self.blocks, from_above, strict=True):
            gates, gated = writer.map(outer.repeat(2)[order]), writer.map(outer)
            conv(writer, layer.horizontal, horizontal, gates, order=order, plus=added)
            writer.gate(gated, gates)
            out = writer.map(outer, rows=1, left=1)
            conv(writer, layer.out, gated, out, plus=horizontal if layer.is_residual else None)
            add_skip(writer, layer.skip, gated, skips)
            horizontal = out
        return first, end_skips(writer, horizontal, skips)

    def rows_above(self) -> int:
        """How many rows above it a pixel sees."""
        return sum(layer.vertical.padding[0] for layer in self.blocks)

    @property
    def depths(self) -> list[nn.Module]:
        """All layers, the first one among them."""
        return [*self.blocks]

    @property
    def blocks(self) -> list[GatedLayer]:
        """The layers in order."""
        return [block for block in self.layers if isinstance(block, GatedLayer)]

    @property
    def skips(self) -> list[MaskedConv2d]:
        """The skip connections of all layers; none if there are none."""
        return [block.skip for block in self.blocks if block.skip is not None]

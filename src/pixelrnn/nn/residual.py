r"""The residual stack shared by PixelCNN, Row LSTM and Diagonal BiLSTM.

Paper: van den Oord et al. 2016, sections 3.3, 3.5 and table 1: a 7x7 convolution with mask A to 2h features, then
layers that compute h features, project them up to 2h by a 1x1 layer with mask B and add their input; optional skip
connections carry every layer's features to the output as well. Not in the paper: dropout of what the layers add.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.conv import MaskedConv2d, pointwise
from pixelrnn.nn.lowering import add_skip, begin_skips, conv, end_skips
from pixelrnn.nn.projection import Features, Projection
from pixelrnn.walk.program import Map, Writer

__all__ = ["ResidualBlock", "ResidualStack"]


class ResidualBlock(nn.Module):
    """A layer with its up-projection and, if wanted, its skip connection."""

    layer: Any
    skip: MaskedConv2d | None

    def __init__(self, layer: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        inner, outer = groups(config.hidden, config.shape[0]), groups(2 * config.hidden, config.shape[0])
        self.layer = layer
        self.up = pointwise(inner, outer)
        self.skip = pointwise(inner, outer) if config.skip else None
        self.is_residual = config.residual

    def forward(self, features: Features, condition: Condition) -> Features:
        """Map features and the sum of the skip connections, if there are any, to new ones."""
        skip = None if self.skip is None else self.skip.masked[:, :, 0, 0]
        out: Features = self.layer(features, Projection(self.up, skip, self.is_residual), condition)
        return out


class ResidualStack(nn.Module):
    """Maps images to the features that the output head reads.

    Args:
        config: Sizes.
        layer: Makes a layer of a configuration: `RowLSTM`, say.

    Example:
        >>> from pixelrnn.nn.row_lstm import RowLSTM
        >>> config = ModelConfig(shape=(1, 5, 5), layers=2, hidden=4)
        >>> ResidualStack(config, RowLSTM)(torch.zeros(2, 1, 5, 5), Condition()).shape
        torch.Size([2, 8, 5, 5])
    """

    def __init__(self, config: ModelConfig, layer: Callable[[ModelConfig], nn.Module]) -> None:
        super().__init__()
        channels = config.shape[0]
        outer = groups(2 * config.hidden, channels)
        self.first = MaskedConv2d(causal_mask("A", groups(channels, channels), outer, 7, 7))
        self.layers = nn.ModuleList(ResidualBlock(layer(config), config) for _ in range(config.layers))
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Map scaled images `(N, C, H, W)` to features `(N, 2h, H, W)`."""
        x = self.first(x)
        skips = None
        if connections := self.skips:
            # The biases of all skip connections at once. Of a stack the gradients would be views of one piece of
            # memory, in which clipping and accumulation would meet.
            bias = sum((skip.bias for skip in connections[1:]), connections[0].bias)
            skips = bias[:, None, None].expand_as(x)
        for block in self.blocks:
            y, sums = block(Features(x, skips), condition)
            x = self._dropped(y, x if block.is_residual else None)
            skips = sums if sums is None else self._dropped(sums, skips)
        return x if skips is None else x + skips

    def _dropped(self, after: Tensor, before: Tensor | None) -> Tensor:
        """Features after a layer, without some of what it added to those before."""
        if not self.training or self.dropout.p == 0:
            return after
        dropped: Tensor = self.dropout(after if before is None else after - before)
        return dropped if before is None else before + dropped

    def rows_above(self) -> int | None:
        """How many rows above it a pixel sees; None if all."""
        rows = [block.layer.rows_above for block in self.blocks]
        return None if None in rows else sum(rows, self.first.padding[0])

    @property
    def depths(self) -> list[nn.Module]:
        """The first convolution and all layers."""
        return [self.first, *self.blocks]

    @property
    def blocks(self) -> list[ResidualBlock]:
        """The layers in order."""
        return [block for block in self.layers if isinstance(block, ResidualBlock)]

    @property
    def skips(self) -> list[MaskedConv2d]:
        """The skip connections of all layers; none if there are none."""
        return [block.skip for block in self.blocks if block.skip is not None]

    def lower(self, writer: Writer, image: Map, context: Map | None) -> tuple[int, Map]:
        """The same in the walk; returns the first instruction of a pixel and the features."""
        outer = groups(len(self.first.bias), writer.channels)
        inner = groups(self.blocks[0].up.mask.shape[1], writer.channels)
        features = [
            writer.map(outer, rows=rows, left=left) for rows, left in (block.layer.reach for block in self.blocks)
        ]
        features.append(writer.map(outer))
        compute = [
            block.layer.lower(writer, x, inner, context) for block, x in zip(self.blocks, features[:-1], strict=True)
        ]

        first = writer.begin()
        conv(writer, self.first, image, features[0])
        skips = begin_skips(writer, self.skips, outer)
        for block, write, x, y in zip(self.blocks, compute, features[:-1], features[1:], strict=True):
            hidden = write()
            conv(writer, block.up, hidden, y, plus=x if block.is_residual else None)
            add_skip(writer, block.skip, hidden, skips)
        return first, end_skips(writer, features[-1], skips)

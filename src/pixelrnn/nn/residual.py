r"""The residual stack shared by PixelCNN, Row LSTM and Diagonal BiLSTM.

Paper: van den Oord et al. 2016, sections 3.3, 3.5 and table 1: a 7x7 convolution with mask A to 2h features, then
layers that compute h features, project them up to 2h by a 1x1 layer with mask B and add their input; optional skip
connections carry every layer's features to the output as well. Not in the paper: dropout of what the layers add.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from pixelrnn.config import ModelConfig
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.condition import Condition, GateCondition
from pixelrnn.nn.conv import MaskedConv2d, pointwise
from pixelrnn.nn.diagonal_bilstm import DiagonalBiLSTM
from pixelrnn.nn.row_lstm import RowLSTM

__all__ = ["PixelCNNLayer", "ResidualBlock", "ResidualStack"]


class PixelCNNLayer(nn.Module):
    r"""Computes ReLU - 1x1 (2h -> h) - ReLU - 3x3 (h -> h) - ReLU, all under mask B.

    With the up-projection that follows it is the paper's residual block of the PixelCNN (figure 5, left). Stacked
    masked convolutions have a blind spot: a cone to the right above the pixel is never seen. A condition is added
    before the last ReLU.

    Args:
        config: Sizes: 2h features are read, h computed.

    Example:
        >>> layer = PixelCNNLayer(ModelConfig(hidden=4))
        >>> up = pointwise(groups(4, 1), groups(8, 1))
        >>> layer(torch.zeros(2, 8, 5, 6), None, up, None, Condition(), is_residual=True)[0].shape
        torch.Size([2, 8, 5, 6])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        inner = groups(hidden, channels)
        self.down = pointwise(groups(2 * hidden, channels), inner)
        self.conv = MaskedConv2d(causal_mask("B", inner, inner, 3, 3))
        self.condition = GateCondition(config, hidden)

    def forward(
        self,
        x: Tensor,
        skips: Tensor | None,
        up: MaskedConv2d,
        skip: Tensor | None,
        condition: Condition,
        *,
        is_residual: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Map features `(N, 2h, H, W)` and the sum of the skip connections to new ones; see `RowLSTM.forward`."""
        hidden = self.condition.add(self.conv(self.down(x.relu()).relu()), condition).relu()
        if skips is not None and skip is not None:
            skips = skips + F.conv2d(hidden, skip[:, :, None, None])
        return (x + up(hidden) if is_residual else up(hidden)), skips


class ResidualBlock(nn.Module):
    """A layer with its up-projection and, if wanted, its skip connection."""

    layer: PixelCNNLayer | RowLSTM | DiagonalBiLSTM
    skip: MaskedConv2d | None

    def __init__(self, layer: PixelCNNLayer | RowLSTM | DiagonalBiLSTM, config: ModelConfig) -> None:
        super().__init__()
        inner, outer = groups(config.hidden, config.shape[0]), groups(2 * config.hidden, config.shape[0])
        self.layer = layer
        self.up = pointwise(inner, outer)
        self.skip = pointwise(inner, outer) if config.skip else None
        self.is_residual = config.residual

    def forward(self, x: Tensor, skips: Tensor | None, condition: Condition) -> tuple[Tensor, Tensor | None]:
        """Map features `(N, 2h, H, W)` and the sum of the skip connections, if there are any, to new ones."""
        skip = None if self.skip is None else self.skip.masked[:, :, 0, 0]
        out: tuple[Tensor, Tensor | None] = self.layer(x, skips, self.up, skip, condition, is_residual=self.is_residual)
        return out


class ResidualStack(nn.Module):
    """Maps images to the features that the output head reads.

    Args:
        config: Architecture `pixelcnn`, `row-lstm` or `diagonal-bilstm`, with its sizes.

    Example:
        >>> config = ModelConfig(architecture="pixelcnn", shape=(1, 5, 5), layers=2, hidden=4)
        >>> ResidualStack(config)(torch.zeros(2, 1, 5, 5), Condition()).shape
        torch.Size([2, 8, 5, 5])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.shape[0]
        kinds: dict[str, type[PixelCNNLayer | RowLSTM | DiagonalBiLSTM]]
        kinds = {"pixelcnn": PixelCNNLayer, "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM}
        layer = kinds[config.architecture]
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
            y, sums = block(x, skips, condition)
            x = self._dropped(y, x if block.is_residual else None)
            skips = sums if sums is None else self._dropped(sums, skips)
        return x if skips is None else x + skips

    def _dropped(self, after: Tensor, before: Tensor | None) -> Tensor:
        """Features after a layer, without some of what it added to those before."""
        if not self.training or self.dropout.p == 0:
            return after
        dropped: Tensor = self.dropout(after if before is None else after - before)
        return dropped if before is None else before + dropped

    @property
    def blocks(self) -> list[ResidualBlock]:
        """The layers in order."""
        return [block for block in self.layers if isinstance(block, ResidualBlock)]

    @property
    def skips(self) -> list[MaskedConv2d]:
        """The skip connections of all layers; none if there are none."""
        return [block.skip for block in self.blocks if block.skip is not None]

r"""The PixelCNN layer.

Paper: van den Oord et al. 2016, section 3.3 and figure 5 (left).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.condition import GateCondition
from pixelrnn.nn.conv import MaskedConv2d, pointwise
from pixelrnn.nn.lowering import add_context, conv, labelled
from pixelrnn.nn.projection import Features, Projection
from pixelrnn.walk.program import Map, Writer

__all__ = ["PixelCNNLayer"]


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
        >>> layer(Features(torch.zeros(2, 8, 5, 6)), Projection(up), Condition()).x.shape
        torch.Size([2, 8, 5, 6])
    """

    reach = (0, 0)
    """Rows and columns to the left of its features that the walk keeps: the pixel alone."""

    rows_above = 1
    """Rows above a pixel that it sees the features of."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        inner = groups(hidden, channels)
        self.down = pointwise(groups(2 * hidden, channels), inner)
        self.conv = MaskedConv2d(causal_mask("B", inner, inner, 3, 3))
        self.condition = GateCondition(config, hidden)

    def forward(self, features: Features, projection: Projection, condition: Condition) -> Features:
        """Map features and the sum of the skip connections to new ones; see `RowLSTM.forward`."""
        (x, skips), (up, skip, is_residual) = features, projection
        hidden = self.condition.add(self.conv(self.down(x.relu()).relu()), condition).relu()
        if skips is not None and skip is not None:
            skips = skips + F.conv2d(hidden, skip[:, :, None, None])
        return Features(x + up(hidden) if is_residual else up(hidden), skips)

    def lower(self, writer: Writer, x: Map, inner: Tensor, context: Map | None) -> Callable[[], Map]:
        """Prepare the maps of the layer in the walk; what is returned writes its instructions and gives its output."""
        positive, down = writer.map(x.groups), writer.map(inner, rows=2, left=1, right=1)
        hidden, order = writer.map(inner), torch.arange(len(inner))
        bias = labelled(writer, self.condition, inner, order)

        def write() -> Map:
            writer.relu(positive, x)
            conv(writer, self.down, positive, down)
            writer.relu(down, down)
            conv(writer, self.conv, down, hidden, plus=bias)
            add_context(writer, self.condition, context, hidden, order)
            writer.relu(hidden, hidden)
            return hidden

        return write

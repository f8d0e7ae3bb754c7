r"""The Row LSTM layer.

Paper: van den Oord et al. 2016, section 3.1. Its receptive field is a triangle above the pixel: each row up widens it
by one column to either side (state-to-state), and the masked input-to-state convolution adds what is to the left.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pixelrnn import scan
from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.condition import GateCondition
from pixelrnn.nn.conv import MaskedConv2d, free_weight
from pixelrnn.nn.lowering import add_context, by_group, conv, labelled
from pixelrnn.nn.projection import Features, Projection
from pixelrnn.scan import Weights
from pixelrnn.walk.program import START, Map, Writer

__all__ = ["RowLSTM"]


class RowLSTM(nn.Module):
    r"""Scans the rows from the top, all columns of a row at once.

    .. math::
        (i, f, o, g) = K^{is} * x_r + K^{ss} * h_{r-1}, \quad
        c_r = \sigma(f) \odot c_{r-1} + \sigma(i) \odot \tanh(g), \quad
        h_r = \sigma(o) \odot \tanh(c_r)

    with :math:`K^{is}` of width 3 along the row under mask B (2h -> 4h) and :math:`K^{ss}` of width 3, unmasked
    (h -> 4h).

    As in the paper, but for the bias of the forget gate, which starts at 1 so that memory lasts from the first step.

    Args:
        config: Sizes: 2h features are read, by h LSTM units.

    Example:
        >>> up = MaskedConv2d(causal_mask("B", groups(4, 1), groups(8, 1), 1, 1))
        >>> layer = RowLSTM(ModelConfig(hidden=4))
        >>> layer(Features(torch.zeros(2, 8, 5, 6)), Projection(up), Condition()).x.shape
        torch.Size([2, 8, 5, 6])
    """

    reach = (1, 1)
    """Rows and columns to the left of its features that the walk keeps: the pixel and its left neighbour."""

    rows_above = None
    """A recurrence sees all rows above."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        gates = groups(hidden, channels).repeat(4)
        self.input_to_state = MaskedConv2d(causal_mask("B", groups(2 * hidden, channels), gates, 1, 3))
        self.state_to_state = free_weight(4 * hidden, hidden, 3, inputs=3 * hidden)
        with torch.no_grad():
            self.input_to_state.bias[hidden : 2 * hidden] += 1
        self.condition = GateCondition(config, 4 * hidden)

    def forward(self, features: Features, projection: Projection, condition: Condition) -> Features:
        """Map features and the sum of the skip connections to new ones; the kernel fuses the projection.

        Args:
            features: Features of the layer before.
            projection: Projection of what the layer computes.
            condition: What is added to the gates.
        """
        layer = self.input_to_state
        # Mask B lets nothing through from the pixel on the right: the kernel ends at the pixel itself.
        weights = Weights(
            input=layer.masked[:, :, 0, : layer.mask.shape[3] // 2 + 1],
            bias=self.condition.bias(layer.bias, condition),
            state=self.state_to_state,
            up=projection.up.masked[:, :, 0, 0],
            up_bias=projection.up.bias,
            skip=projection.skip,
            context=self.condition.context,
        )
        x, skips = scan.row_lstm(
            features.x, features.skips, weights, condition.context, is_residual=projection.is_residual
        )
        return Features(x, skips)

    def lower(self, writer: Writer, x: Map, inner: Tensor, context: Map | None) -> Callable[[], Map]:
        """All three of the row above are complete when a pixel starts; the memory of a column is replaced in place."""
        order = by_group(inner, 4)
        state = self.state_to_state[order].transpose(1, 2)  # (4h, K, h)
        reach = state.shape[1] // 2
        gates = writer.map(inner.repeat(4)[order])
        hidden, memory = writer.map(inner, rows=2, left=reach, right=reach), writer.map(inner, rows=1)
        bias = labelled(writer, self.condition, inner.repeat(4), order)

        def write() -> Map:
            conv(writer, self.input_to_state, x, gates, order=order, plus=bias)
            add_context(writer, self.condition, context, gates, order)
            writer.linear(gates, hidden, state, phase=START, up=1, right=-reach)
            writer.lstm(hidden, gates, memory)
            return hidden

        return write

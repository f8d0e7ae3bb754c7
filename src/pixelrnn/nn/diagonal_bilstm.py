r"""The Diagonal BiLSTM layer.

Paper: van den Oord et al. 2016, section 3.2. The left-to-right direction knows what is above and to the left, the
right-to-left one what is above and to the right: together the whole past.

One exception, in the paper's network as in ours: a feature at a pixel does not see that pixel's last channel (mask A
of the first layer), so the right-to-left state of the *last pixel of the row above* does not hold that pixel's last
channel, and only pixels within reach of the 7x7 layer (the last four columns) get to see it. On images up to 4 columns
wide the past is complete.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pixelrnn import scan
from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import groups
from pixelrnn.nn.condition import GateCondition
from pixelrnn.nn.conv import free_weight, pointwise
from pixelrnn.nn.lowering import add_context, by_group, labelled
from pixelrnn.nn.projection import Features, Projection
from pixelrnn.scan import Weights
from pixelrnn.walk.program import GROUP, START, Map, Writer

__all__ = ["DiagonalBiLSTM"]


class DiagonalBiLSTM(nn.Module):
    r"""Scans the pixels (r, c) in diagonal order, in each of two directions.

    .. math::
        (i, f, o, g) = K^{is} x_{r,c} + K^{left} h_{r,c \mp 1} + K^{up} h_{r-1,c}, \quad
        c_{r,c} = \sigma(f) \odot c_{r,c \mp 1} + \sigma(i) \odot \tanh(g), \quad
        h_{r,c} = \sigma(o) \odot \tanh(c_{r,c})

    with :math:`K^{is}` 1x1 under mask B (2h -> 4h) and :math:`(K^{left}, K^{up})` the paper's 2x1 column convolution
    on the skewed map, unmasked (h -> 4h each). The right-to-left map is shifted down by one row and added to the
    left-to-right map, so that nothing of the pixel's own row to its right leaks in.

    As in the paper, but for the bias of the forget gate, which starts at 1.

    Args:
        config: Sizes: 2h features are read, by h LSTM units in each direction.

    Example:
        >>> up = pointwise(groups(4, 1), groups(8, 1))
        >>> layer = DiagonalBiLSTM(ModelConfig(hidden=4))
        >>> layer(Features(torch.zeros(2, 8, 5, 6)), Projection(up), Condition()).x.shape
        torch.Size([2, 8, 5, 6])
    """

    reach = (1, 0)
    """Rows and columns to the left of its features that the walk keeps: a whole row, for the second direction."""

    rows_above = None
    """A recurrence sees all rows above."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        self.hidden = hidden
        self.input_to_state = pointwise(groups(2 * hidden, channels), groups(hidden, channels).repeat(8))
        self.state_to_state = free_weight(2, 4 * hidden, 2 * hidden, inputs=2 * hidden)
        with torch.no_grad():
            self.input_to_state.bias.view(2, 4, hidden)[:, 1] += 1
        self.condition = GateCondition(config, 8 * hidden)

    def forward(self, features: Features, projection: Projection, condition: Condition) -> Features:
        """Map features and the sum of the skip connections to new ones; the kernel fuses the projection.

        Args:
            features: Features of the layer before.
            projection: Projection of what the layer computes.
            condition: What is added to the gates.
        """
        bias, context = self.condition.bias(self.input_to_state.bias, condition), self.condition.context
        weights = Weights(
            input=self.input_to_state.masked.view(2, 4 * self.hidden, -1),
            bias=bias.reshape(*bias.shape[:-1], 2, -1),
            state=self.state_to_state,
            up=projection.up.masked[:, :, 0, 0],
            up_bias=projection.up.bias,
            skip=projection.skip,
            context=None if context is None else context.view(2, 4 * self.hidden, -1),
        )
        x, skips = scan.diagonal_bilstm(
            features.x, features.skips, weights, condition.context, is_residual=projection.is_residual
        )
        return Features(x, skips)

    def lower(self, writer: Writer, x: Map, inner: Tensor, context: Map | None) -> Callable[[], Map]:
        """The second direction passes over the row above as soon as that is complete.

        States and memories are kept for one row and replaced in place: when a pixel starts, those of its own column are
        still of the row above, and those of its neighbour are new.
        """
        order, units = by_group(inner, 4), len(inner)
        # (2, 4h, inputs): from the pixel, from the neighbour, from above.
        pixel = self.input_to_state.masked.view(2, 4 * units, -1)[:, order]
        bias = self.input_to_state.bias.view(2, -1)[:, order]
        side, above = self.state_to_state[:, order].chunk(2, dim=2)
        gates, back_gates = (writer.map(inner.repeat(4)[order]) for _ in range(2))
        states, memory = (writer.map(inner, rows=1, left=1) for _ in range(2))
        back_states, back_memory = (writer.map(inner, rows=1, right=1) for _ in range(2))
        hidden = writer.map(inner)
        orders = order, order + 4 * units  # of the gates of each direction
        biases = [labelled(writer, self.condition, inner.repeat(8), each) for each in orders]

        def update(gates: Map, states: Map, memory: Map, direction: int) -> None:
            right = 2 * direction - 1
            writer.bias(gates, bias[direction], phase=START, plus=biases[direction])
            add_context(writer, self.condition, context, gates, orders[direction])
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

r"""The Diagonal BiLSTM layer.

Paper: van den Oord et al. 2016, section 3.2. The left-to-right direction knows what is above and to the left, the
right-to-left one what is above and to the right: together the whole past.

One exception, in the paper's network as in ours: a feature at a pixel does not see that pixel's last channel (mask A
of the first layer), so the right-to-left state of the *last pixel of the row above* does not hold that pixel's last
channel, and only pixels within reach of the 7x7 layer (the last four columns) get to see it. On images up to 4 columns
wide the past is complete.
"""

import torch
from torch import Tensor, nn

from pixelrnn import scan
from pixelrnn.config import ModelConfig
from pixelrnn.masks import groups
from pixelrnn.nn.condition import Condition, GateCondition
from pixelrnn.nn.conv import MaskedConv2d, free_weight, pointwise
from pixelrnn.scan import Weights

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
        >>> layer(torch.zeros(2, 8, 5, 6), None, up, None, Condition(), is_residual=True)[0].shape
        torch.Size([2, 8, 5, 6])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        self.hidden = hidden
        self.input_to_state = pointwise(groups(2 * hidden, channels), groups(hidden, channels).repeat(8))
        self.state_to_state = free_weight(2, 4 * hidden, 2 * hidden, inputs=2 * hidden)
        with torch.no_grad():
            self.input_to_state.bias.view(2, 4, hidden)[:, 1] += 1
        self.condition = GateCondition(config, 8 * hidden)

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
        """Map features `(N, 2h, H, W)` and the sum of the skip connections to new ones.

        Args:
            x: Features.
            skips: Sum of the skip connections so far, of the same shape, if there are any.
            up: 1x1 layer from hidden states to features.
            skip: `(2h, h)` weight from hidden states to the skip connections.
            condition: What is added to the gates.
            is_residual: Whether x is added to the new features.
        """
        bias, context = self.condition.bias(self.input_to_state.bias, condition), self.condition.context
        weights = Weights(
            input=self.input_to_state.masked.view(2, 4 * self.hidden, -1),
            bias=bias.reshape(*bias.shape[:-1], 2, -1),
            state=self.state_to_state,
            up=up.masked[:, :, 0, 0],
            up_bias=up.bias,
            skip=skip,
            context=None if context is None else context.view(2, 4 * self.hidden, -1),
        )
        return scan.diagonal_bilstm(x, skips, weights, condition.context, is_residual=is_residual)

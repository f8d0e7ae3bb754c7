r"""The Row LSTM layer.

Paper: van den Oord et al. 2016, section 3.1. Its receptive field is a triangle above the pixel: each row up widens it
by one column to either side (state-to-state), and the masked input-to-state convolution adds what is to the left.
"""

import torch
from torch import Tensor, nn

from pixelrnn import scan
from pixelrnn.config import ModelConfig
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.condition import Condition, GateCondition
from pixelrnn.nn.conv import MaskedConv2d, free_weight
from pixelrnn.scan import Weights

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
        >>> layer(torch.zeros(2, 8, 5, 6), None, up, None, Condition(), is_residual=True)[0].shape
        torch.Size([2, 8, 5, 6])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden = config.shape[0], config.hidden
        gates = groups(hidden, channels).repeat(4)
        self.input_to_state = MaskedConv2d(causal_mask("B", groups(2 * hidden, channels), gates, 1, 3))
        self.state_to_state = free_weight(4 * hidden, hidden, 3, inputs=3 * hidden)
        with torch.no_grad():
            self.input_to_state.bias[hidden : 2 * hidden] += 1
        self.condition = GateCondition(config, 4 * hidden)

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
        layer = self.input_to_state
        # Mask B lets nothing through from the pixel on the right: the kernel ends at the pixel itself.
        weights = Weights(
            input=layer.masked[:, :, 0, : layer.mask.shape[3] // 2 + 1],
            bias=self.condition.bias(layer.bias, condition),
            state=self.state_to_state,
            up=up.masked[:, :, 0, 0],
            up_bias=up.bias,
            skip=skip,
            context=self.condition.context,
        )
        return scan.row_lstm(x, skips, weights, condition.context, is_residual=is_residual)

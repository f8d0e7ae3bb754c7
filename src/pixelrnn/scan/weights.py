"""The weights of a recurrent layer."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Weights"]


class Weights(NamedTuple):
    """Weights of a layer of h hidden units on F features; gates are stacked in the order i, f, o, g.

    Attributes:
        input: Input-to-state: `(4h, F, T)` for the Row LSTM, from the pixel (the last of the T) and those to its left;
            `(2, 4h, F)` for the two directions of the Diagonal BiLSTM, from the pixel.
        bias: Bias of the gates, `(4h)` or `(2, 4h)`; or one for each image, `(N, 4h)` or `(N, 2, 4h)`.
        state: State-to-state: `(4h, h, K)`, K odd, a convolution along the row above; `(2, 4h, 2h)` from the neighbour
            in the row (left, for the second direction right), then from the state above.
        up: Projection of the hidden states to the features, `(F, h)`.
        up_bias: `(F)`.
        skip: Projection of the hidden states to the skip connection, `(F, h)`, or None.
        context: Weights from the c features of a context map at the pixel to the gates, `(4h, c)` or `(2, 4h, c)`, or
            None.
    """

    input: Tensor
    bias: Tensor
    state: Tensor
    up: Tensor
    up_bias: Tensor
    skip: Tensor | None = None
    context: Tensor | None = None

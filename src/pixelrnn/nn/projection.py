"""What surrounds a layer of the residual stack: the features that flow through it, and its projections."""

from typing import NamedTuple

from torch import Tensor

from pixelrnn.nn.conv import MaskedConv2d

__all__ = ["Features", "Projection"]


class Features(NamedTuple):
    """What the layers of a residual stack hand on.

    Attributes:
        x: `(N, 2h, H, W)` features.
        skips: Sum of the skip connections so far, of the same shape, if there are any.
    """

    x: Tensor
    skips: Tensor | None = None


class Projection(NamedTuple):
    """What becomes of the h features that a layer computes; a layer may fuse it with what it computes.

    Attributes:
        up: 1x1 layer from them to what is added to the features, h -> 2h.
        skip: `(2h, h)` weight from them to the skip connections, if there are any.
        is_residual: Whether the features are added to.
    """

    up: MaskedConv2d
    skip: Tensor | None = None
    is_residual: bool = True

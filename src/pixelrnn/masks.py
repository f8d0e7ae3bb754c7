r"""Who may see whom: the only file that decides causality.

Sub-pixels are ordered pixel by pixel in raster order and colour by colour within a pixel. The feature maps of
every layer are split into one group per channel; the features of group c at a pixel may use

- type A (first layer):  all channels of earlier pixels, channels < c of the pixel itself;
- type B (later layers): all groups of earlier pixels, groups <= c of the pixel itself.

Then the output of group c depends on x_<i only. Paper: van den Oord et al. 2016 (arXiv 1601.06759), section 3.4
and figure 4. State-to-state weights of the recurrences are unmasked: they reach earlier pixels only.
"""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["COPIED", "causal_mask", "groups", "rows_above_mask"]

COPIED = (..., slice(None, None, 2), slice(None, None, 2))
"""Index of the pixels of an image that a scale of the Multi-Scale model is given: of every second row, every second."""


def groups(features: int, channels: int) -> Tensor:
    """Group (channel) of each feature: contiguous blocks, as equal as `features` allows.

    Args:
        features: Number of feature maps, at least `channels`.
        channels: Number of image channels.

    Returns:
        `(features,)` int64, non-decreasing, from 0 to `channels - 1`.

    Example:
        >>> groups(5, 3)
        tensor([0, 0, 1, 1, 2])
    """
    return torch.arange(features) * channels // features


def causal_mask(kind: Literal["A", "B"], inputs: Tensor, outputs: Tensor, height: int, width: int) -> Tensor:
    """Mask of a convolution whose kernel is centred on the pixel that it computes.

    Args:
        kind: Type A excludes a feature's own channel at the centre, type B includes it.
        inputs: `(I,)` group of each input feature.
        outputs: `(O,)` group of each output feature.
        height: Rows of the kernel, odd.
        width: Columns of the kernel, odd.

    Returns:
        `(O, I, height, width)` bool: True where a weight may be used.

    Example:
        >>> causal_mask("A", groups(1, 1), groups(1, 1), 3, 3).int()[0, 0].tolist()
        [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    """
    assert height % 2 == 1
    assert width % 2 == 1
    row = torch.arange(height)[:, None] - height // 2
    column = torch.arange(width)[None, :] - width // 2
    earlier = (row < 0) | ((row == 0) & (column < 0))
    centre = (row == 0) & (column == 0)
    own = inputs[None, :] < outputs[:, None] if kind == "A" else inputs[None, :] <= outputs[:, None]
    return earlier[None, None] | (centre[None, None] & own[:, :, None, None])


def rows_above_mask(kind: Literal["A", "B"], inputs: int, outputs: int, height: int, width: int) -> Tensor:
    """Mask of the vertical stack of the Gated PixelCNN, whose features know whole rows and no colour order.

    The first layer (A) sees the rows above the pixel's own; later layers (B) also their own row, as the features
    there know only what is above.

    Args:
        kind: Whether the kernel's own row is excluded (A) or included (B).
        inputs: Number of input features.
        outputs: Number of output features.
        height: Rows of the kernel, odd.
        width: Columns of the kernel, odd.

    Returns:
        `(outputs, inputs, height, width)` bool: True where a weight may be used.

    Example:
        >>> rows_above_mask("A", 1, 1, 3, 3).int()[0, 0].tolist()
        [[1, 1, 1], [0, 0, 0], [0, 0, 0]]
    """
    assert height % 2 == 1
    assert width % 2 == 1
    rows = torch.arange(height)
    seen = rows < height // 2 if kind == "A" else rows <= height // 2
    return seen[None, None, :, None].expand(outputs, inputs, height, width).clone()

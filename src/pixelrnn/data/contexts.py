"""Contexts that an image itself gives: the image without colour, or smaller."""

import torch
from torch import Tensor

from pixelrnn.config import ContextKind
from pixelrnn.data.quantise import shrunk
from pixelrnn.errors import DataError
from pixelrnn.masks import COPIED

__all__ = ["context_shape", "derive"]


def context_shape(kind: ContextKind, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of the context of images of a shape.

    Raises:
        DataError: If images of that shape have no such context.
    """
    channels, height, width = shape
    if kind == "grey":
        if channels < 3:
            raise DataError(f"context 'grey' needs colour images; these have {channels} channels")
        return 1, height, width
    if height % 2 or width % 2:
        raise DataError(f"context {kind!r} needs images of even height and width; these are {height}x{width}")
    return channels, height // 2, width // 2


def derive(kind: ContextKind, images: Tensor) -> Tensor:
    """The contexts of images `(N, C, H, W)`, in the same values.

    Args:
        kind: `grey`: luma of ITU-R BT.601, (299 R + 587 G + 114 B) / 1000, rounded down; `shrunk`: means of 2x2 pixels,
            halves rounded up; `subsample`: every second pixel of every second row.
        images: Integer levels, or floats, which are not rounded.

    Example:
        >>> derive("shrunk", torch.tensor([[[[0, 1], [1, 0]]]]))
        tensor([[[[1]]]])
    """
    if kind == "subsample":
        return images[COPIED]
    if kind == "shrunk":
        return torch.from_numpy(shrunk(images.numpy(), 2))
    wide = images if images.is_floating_point() else images.to(torch.int64)
    luma = 299 * wide[:, :1] + 587 * wide[:, 1:2] + 114 * wide[:, 2:3]
    return luma / 1000 if images.is_floating_point() else (luma // 1000).to(images.dtype)

"""Images as people have them, as a model takes them: the one place where they are converted."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixelrnn.config import ModelConfig
from pixelrnn.data.picture import CHANNELS, UnreadableError, picture_of, with_channels
from pixelrnn.data.quantise import Quantiser, shrunk
from pixelrnn.errors import DataError

__all__ = ["Pictures", "as_tensor"]

Pictures: TypeAlias = Tensor | NDArray[np.generic] | Image.Image | Sequence[Image.Image]
"""Tensors and arrays of levels, or PIL images."""

BYTES = 256  # values of a PIL image


def as_tensor(config: ModelConfig, pictures: Pictures, shrink: int = 1) -> Tensor:
    r"""Images as a tensor `(N, C, H, W)`, whose values are not checked.

    A tensor is taken as it is. An array holds what a tensor would, levels 0 .. L-1 or floats; its channels may also
    come last, `(N, H, W, C)`, or be left out if there is one, `(N, H, W)`. A PIL image, or a sequence of those of one
    size, is turned upright, transparency is laid over white unless the model has four channels, colours become the
    channels of the model (1: grey, 3: RGB), and its values v of 0 .. 255 become :math:`\lfloor v L / 256 \rfloor`; for
    a continuous model :math:`(2 v + 1) / 256 - 1`.

    Args:
        config: Says what the model takes.
        pictures: The images.
        shrink: Side of the squares of pixels whose means are taken: of values 0 .. 255 where there are, else of levels.

    Raises:
        DataError: If it is none of these, or PIL images differ in size or have no such channels.

    Example:
        >>> config = ModelConfig(shape=(1, 2, 2), levels=4, layers=1, hidden=2)
        >>> as_tensor(config, Image.new("RGB", (3, 2), (255, 255, 255))).tolist()
        [[[[3, 3, 3], [3, 3, 3]]]]
        >>> as_tensor(config, np.zeros((5, 2, 2), np.uint8)).shape
        torch.Size([5, 1, 2, 2])
    """
    if isinstance(pictures, np.ndarray):
        pictures = _of_array(config, pictures)
    if isinstance(pictures, Tensor):
        if shrink == 1 or pictures.ndim != 4 or not pictures.numel():  # what is no image is refused with its values
            return pictures
        return torch.stack([_shrunk(image, shrink) for image in pictures])
    if isinstance(pictures, Image.Image):
        pictures = [pictures]
    if not isinstance(pictures, Sequence) or not pictures or not all(isinstance(one, Image.Image) for one in pictures):
        raise DataError(f"images are a {type(pictures).__name__}; a tensor, an array or PIL images are needed")
    if len({one.size for one in pictures}) > 1:
        sizes = sorted(f"{one.width}x{one.height}" for one in pictures)
        raise DataError(f"images differ in size ({sizes[0]} and {sizes[-1]} pixels); those given together have one")
    return torch.stack([_of_picture(config, one, shrink) for one in pictures])


def _shrunk(image: Tensor, side: int) -> Tensor:
    return torch.from_numpy(shrunk(image.detach().cpu().numpy(), side))


def _of_array(config: ModelConfig, array: NDArray[np.generic]) -> Tensor:
    channels = config.shape[0]
    if array.ndim == 3 and channels == 1:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] != channels and array.shape[3] == channels:
        array = np.moveaxis(array, 3, 1)
    if array.dtype.kind not in "iufb":
        raise DataError(f"images are {array.dtype}; integers or floats are needed")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(
        np.array(array)
    )  # a copy: torch warns of arrays that are read-only, and wants no odd strides


def _of_picture(config: ModelConfig, picture: Image.Image, shrink: int) -> Tensor:
    channels = config.shape[0]
    if channels not in CHANNELS:
        raise DataError(f"PIL images have 1, 3 or 4 channels; {channels} are needed")
    try:
        plain = with_channels(picture_of(picture), CHANNELS[channels])
    except UnreadableError as error:
        raise DataError(f"a PIL image cannot be used: {error}") from error
    if config.levels > BYTES:
        raise DataError(f"PIL images have {BYTES} levels; {config.levels} are needed")
    values = np.asarray(plain).reshape(plain.height, plain.width, channels).transpose(2, 0, 1)
    return torch.from_numpy(Quantiser(BYTES, config.levels, "none", 0).plainly(shrunk(values, shrink)).copy())

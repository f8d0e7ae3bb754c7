"""One image file as a model takes it, and what is known of it: for completing, upscaling and contexts."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelrnn.config import DataConfig
from pixelrnn.data.decode import decode
from pixelrnn.data.picture import CHANNELS, Channels, Content, UnreadableError, picture_of, read
from pixelrnn.data.quantise import Quantiser, shrunk
from pixelrnn.errors import DataError

__all__ = ["image_of", "read_image", "read_mask", "read_opacity", "size_of", "whole_image"]

SOURCE_LEVELS = 256
WHITE = 240  # and above; less than 255, for masks that were JPEG files


def whole_image(config: DataConfig, size: tuple[int, int] | None) -> DataConfig:
    """The options of a configuration for a file that is one whole image of a size, or of its own."""
    return dataclasses.replace(config, size=size, crop="centre", patches=1, align=1, shrink=1, subsample=1)


def read_image(path: Path, config: DataConfig, *, channels: int, levels: int) -> Tensor:
    """The values `(C, H, W)` of an image file, read with the options of a configuration, but nothing at random.

    Args:
        path: The file.
        config: Size; that of random patches counts for nothing.
        channels: Wanted channels: 1, 3 or 4.
        levels: Wanted levels, at most 256; 0 for floats.

    Raises:
        DataError: If it is no image, or cannot have so many channels or levels.
    """
    with _naming(path):
        content = read(path)
    return image_of(content, config, channels=channels, levels=levels, name=str(path))


def image_of(content: Content, config: DataConfig, *, channels: int, levels: int, name: str) -> Tensor:
    """The same of a file's content, which errors call by a name."""
    if channels not in CHANNELS:
        raise DataError(f"{name}: image files have 1, 3 or 4 channels; {channels} are needed")
    if levels > SOURCE_LEVELS:
        raise DataError(f"{name}: image files have {SOURCE_LEVELS} levels; {levels} are needed")
    with _naming(name):
        values = shrunk(decode(content, CHANNELS[channels], _whole(config)), config.shrink)
    image = Quantiser(SOURCE_LEVELS, levels, "none", 0).plainly(values)
    return torch.from_numpy(image[:, :: config.subsample, :: config.subsample].copy())


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image file, turned upright as its EXIF data says.

    Raises:
        DataError: If it is no image.
    """
    with _naming(path):
        picture = picture_of(read(path))
    return picture.height, picture.width


def read_mask(path: Path, image: Path, config: DataConfig) -> Tensor:
    """Where a mask is white, `(H, W)` bool, sized and cut as the image that it is of.

    Raises:
        DataError: If it is no image, or not of the size of its image.
    """
    (height, width), wanted = size_of(path), size_of(image)
    if (height, width) != wanted:
        raise DataError(
            f"{path} is {width}x{height} pixels, the image {image} is {wanted[1]}x{wanted[0]}; "
            "a mask has the size of its image"
        )
    return _bits(_decode(path, "grey", config)[0], config)


def read_opacity(path: Path, config: DataConfig) -> Tensor | None:
    """Where an image is not transparent, `(H, W)` bool, sized and cut as the image; None if it has no transparency."""
    with _naming(path):
        picture = picture_of(read(path))
        if picture.mode not in ("LA", "RGBA"):
            return None
        return _bits(decode(picture, "rgba", _whole(config))[3], config)


def _bits(values: NDArray[np.uint8], config: DataConfig) -> Tensor:
    # Where resizing has mixed what is there with what is missing, it is missing.
    are_all_white = shrunk((values[None] >= WHITE).astype(np.float64), config.shrink)[0] == 1
    return torch.from_numpy(are_all_white[:: config.subsample, :: config.subsample].copy())


def _decode(path: Path, channels: Channels, config: DataConfig) -> NDArray[np.uint8]:
    with _naming(path):
        return decode(read(path), channels, _whole(config))


def _whole(config: DataConfig) -> DataConfig:
    # The size of random patches is no size to bring an image to.
    return whole_image(config, config.height_width if config.crop == "centre" else None)


@contextlib.contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    try:
        yield
    except UnreadableError as error:
        raise DataError(f"{path} cannot be used: {error}") from error

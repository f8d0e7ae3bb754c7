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
from pixelrnn.data.picture import CHANNELS, Content, UnreadableError, picture_of, read
from pixelrnn.data.quantise import Quantiser, shrunk
from pixelrnn.errors import DataError

__all__ = ["image_of", "known_of", "read_image", "read_mask", "read_opacity", "size_of", "whole_image"]

SOURCE_LEVELS, BITS = 256, 8
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
    with _naming(path):
        mask = read(path)
    with _naming(image):
        picture = read(image)
    return _mask(mask, picture, config, (str(path), str(image)))


def _mask(mask: Content, image: Content, config: DataConfig, names: tuple[str, str]) -> Tensor:
    with _naming(names[0]):
        own = picture_of(mask)
    with _naming(names[1]):
        whole = picture_of(image)
    if own.size != whole.size:
        sizes = [f"{picture.width}x{picture.height}" for picture in (own, whole)]
        raise DataError(f"{names[0]} is {sizes[0]} pixels, {names[1]} is {sizes[1]}; a mask has the size of its image")
    with _naming(names[0]):
        return _bits(decode(own, "grey", _whole(config))[0], config)


def read_opacity(path: Path, config: DataConfig) -> Tensor | None:
    """Where an image is not transparent, `(H, W)` bool, sized and cut as the image; None if it has no transparency."""
    with _naming(path):
        return _opacity(read(path), config)


def known_of(image: Content, mask: Content | None, config: DataConfig) -> Tensor | None:
    """What is known of an image by the content of files: what is white in its mask, and not transparent.

    Returns:
        `(H, W)` bool; None if neither says anything.

    Raises:
        DataError: As by `read_mask`.
    """
    said = None if mask is None else _mask(mask, image, config, ("the mask", "the picture"))
    with _naming("the picture"):
        opacity = _opacity(image, config)
    return said if opacity is None else opacity if said is None else said & opacity


def _opacity(content: Content, config: DataConfig) -> Tensor | None:
    picture = picture_of(content)
    if picture.mode not in ("LA", "RGBA"):
        return None
    return _bits(decode(picture, "rgba", _whole(config))[3], config)


def _bits(values: NDArray[np.uint8], config: DataConfig) -> Tensor:
    # Where resizing has mixed what is there with what is missing, it is missing.
    are_all_white = shrunk((values[None] >= WHITE).astype(np.float64), config.shrink)[0] == 1
    return torch.from_numpy(are_all_white[:: config.subsample, :: config.subsample].copy())


def _whole(config: DataConfig) -> DataConfig:
    # The size of random patches is no size to bring an image to.
    whole = whole_image(config, config.height_width if config.crop == "centre" else None)
    return dataclasses.replace(whole, bits=BITS)


@contextlib.contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    try:
        yield
    except UnreadableError as error:
        raise DataError(f"{path} cannot be used: {error}") from error

"""One image file as a model takes it, and what is known of it: for completing, upscaling and contexts."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelrnn.config import DataConfig
from pixelrnn.data.decode import Channels, UnreadableError, decode
from pixelrnn.data.files import Opener
from pixelrnn.data.quantise import Quantiser
from pixelrnn.errors import DataError

__all__ = ["read_image", "read_mask", "read_opacity"]

CHANNELS: dict[int, Channels] = {1: "grey", 3: "rgb", 4: "rgba"}


def read_image(path: Path, config: DataConfig, *, channels: int, levels: int) -> Tensor:
    """The values `(C, H, W)` of an image file, read with the options of a configuration.

    Args:
        path: The file.
        config: Size and binarisation.
        channels: Wanted channels: 1, 3 or 4.
        levels: Wanted levels; 0 for floats.

    Raises:
        DataError: If it is no image, or cannot have so many channels.
    """
    if channels not in CHANNELS:
        raise DataError(f"{path}: image files have 1, 3 or 4 channels; {channels} are needed")
    values = _decode(path, lambda: Image.open(path), CHANNELS[channels], config)
    quantiser = Quantiser(256, levels, config.binarize, config.binarize_seed)
    image = quantiser(values, 0, 0, 0)
    return torch.from_numpy(image[:, :: config.subsample, :: config.subsample].copy())


def read_mask(path: Path, image: Path, config: DataConfig) -> Tensor:
    """Where a mask is white, `(H, W)` bool, sized and cut as the image that it is of.

    Raises:
        DataError: If it is no image, or not of the size of its image.
    """
    sizes = [_size(each) for each in (path, image)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{path} is {sizes[0]} pixels, the image {image} is {sizes[1]}; a mask has the size of its image"
        )
    return _bits(path, lambda: Image.open(path), config)


def read_opacity(path: Path, config: DataConfig) -> Tensor | None:
    """Where an image is not transparent, `(H, W)` bool, sized and cut as the image; None if it has no transparency."""
    with _open(path) as image:
        if not image.has_transparency_data:
            return None
    return _bits(path, lambda: Image.open(path).convert("RGBA").getchannel("A"), config)


def _bits(path: Path, opener: Opener, config: DataConfig) -> Tensor:
    values = _decode(path, opener, "grey", config)[0]
    return torch.from_numpy((values >= 128)[:: config.subsample, :: config.subsample].copy())


def _decode(
    path: Path, opener: Opener, channels: Channels, config: DataConfig
) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    try:
        return decode(opener, channels, dataclasses.replace(config, crop="centre", patches=1))
    except UnreadableError as error:
        raise DataError(f"{path} cannot be used: {error}") from error


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except Exception as error:  # decoders raise errors of many kinds for damaged data
        raise DataError(f"{path} is not readable as an image ({' '.join(str(error).split())})") from error


def _size(path: Path) -> str:
    with _open(path) as image:
        return f"{image.width}x{image.height}"

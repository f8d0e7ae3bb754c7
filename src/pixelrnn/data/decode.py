"""One image file to an array of the wanted channels and size, and the count of what a collection holds."""

import collections
import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelrnn.config import DataConfig
from pixelrnn.data.picture import COUNT, FIRST, Channels, Content, UnreadableError, picture_of, wanted, with_channels
from pixelrnn.data.stack import Stack, depth_of

__all__ = ["TAKE", "Census", "decode", "decode_stack"]

MOST_KINDS = 3  # that are named
TAKE = "`bits` 8 takes the upper 8, of the first page"
NAMES: dict[str, str] = {"grey": "grey", "rgb": "RGB", "rgba": "RGBA"}


@dataclasses.dataclass
class Census:
    """How many files of each kind a collection holds, and which could not be read.

    Attributes:
        kinds: Number of files of each kind.
        skipped: Those that could not be read, and why.
        images: Number of images, if the files are stacks of them.
    """

    kinds: "collections.Counter[str]" = dataclasses.field(default_factory=collections.Counter)
    skipped: list[str] = dataclasses.field(default_factory=list)
    images: int = 0

    def channels(self) -> Channels:
        """Grey if all images are, else colour."""
        return "grey" if all("grey" in kind for kind in self.kinds) else "rgb"

    def stacks(self) -> str:
        """One line of stacks: "90 images of 3 files, 2 16-bit ZYX 17x88x89, 1 16-bit ZCYX 28x2x130x133"."""
        total = sum(self.kinds.values())
        files = f"{self.images:,} images of {total:,} {'file' if total == 1 else 'files'}"
        parts = [files, *(f"{count:,} {kind}" for kind, count in self.kinds.most_common(MOST_KINDS))]
        if len(self.kinds) > MOST_KINDS:
            parts.append(f"{len(self.kinds) - MOST_KINDS:,} other sizes")
        if self.skipped:
            parts.append(f"{len(self.skipped):,} unreadable (listed)")
        return ", ".join(parts)

    def summary(self, channels: Channels) -> str:
        """One line: "1,204 images, 1,190 RGB, 14 grey -> RGB, 3 unreadable (listed)"."""
        target = NAMES[channels]
        total = sum(self.kinds.values())
        parts = [f"{total:,} {'image' if total == 1 else 'images'}"]
        for kind, count in self.kinds.most_common():
            mode = kind.removesuffix(FIRST)
            over = " (transparency over white)" if mode.endswith("alpha") or mode == "RGBA" else ""
            parts.append(
                f"{count:,} {kind}" + ("" if mode == target else f" -> {target}{over if channels != 'rgba' else ''}")
            )
        if self.skipped:
            parts.append(f"{len(self.skipped):,} unreadable (listed)")
        return ", ".join(parts)


def decode(content: Content, channels: Channels, config: DataConfig) -> NDArray[np.uint8]:
    """An image as `(C, H, W)` uint8, upright, resized and cut if the options say so.

    Raises:
        UnreadableError: If it is none, or cannot be cut so, or has more than 8 bits, of which it is not said to take 8.
    """
    if config.bits is None and depth_of(content) == "deep":
        raise UnreadableError(f"it has more than 8 bits a value, and the other images have not; {TAKE}")
    pixels = np.asarray(_sized(with_channels(picture_of(content), channels), config))
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))


def decode_stack(stack: Stack, config: DataConfig) -> list[NDArray[np.generic]]:
    """The pages of a file as images `(C, H, W)`, resized and cut if the options say so.

    Raises:
        UnreadableError: If they cannot be cut so.
    """
    if (channels := wanted(config.channels)) and COUNT[channels] != stack.values.shape[1]:
        raise UnreadableError(
            f"it has {stack.values.shape[1]} channels, and {channels} is made of 8 bits a value; {TAKE}, or leave out "
            "`channels`"
        )
    return [_fitted(page, config) for page in stack.values]


def _size_to_fit(height: int, width: int, config: DataConfig) -> tuple[int, int] | None:
    """The size that an image is to be brought to, whose middle is cut; None if it stays as it is.

    Random patches are cut later, from images large enough.
    """
    size = config.height_width
    if size is None or size == (height, width):
        return None
    if config.crop != "random":
        return size
    if height < size[0] or width < size[1]:
        raise UnreadableError(f"its {width}x{height} pixels are less than a patch of {size[1]}x{size[0]}")
    return None


def _fitted(page: NDArray[np.generic], config: DataConfig) -> NDArray[np.generic]:
    size = _size_to_fit(page.shape[1], page.shape[2], config)
    if size is None:
        return page
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in page]
    fitted = [np.asarray(ImageOps.fit(plane, size[::-1], Image.Resampling.LANCZOS)) for plane in planes]
    limits = np.iinfo(page.dtype.name)
    found: NDArray[np.generic] = np.rint(np.stack(fitted)).clip(limits.min, limits.max).astype(page.dtype)
    return found


def _sized(image: Image.Image, config: DataConfig) -> Image.Image:
    size = _size_to_fit(image.height, image.width, config)
    return image if size is None else ImageOps.fit(image, size[::-1], Image.Resampling.LANCZOS)

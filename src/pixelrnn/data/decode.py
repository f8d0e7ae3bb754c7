"""One image file to an array of the wanted channels and size, and the count of what a collection holds."""

import collections
import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelrnn.config import DataConfig
from pixelrnn.data.picture import FIRST, Channels, Content, UnreadableError, picture_of, with_channels

__all__ = ["Census", "decode"]

NAMES: dict[str, str] = {"grey": "grey", "rgb": "RGB", "rgba": "RGBA"}


@dataclasses.dataclass
class Census:
    """How many files of each kind a collection holds, and which could not be read."""

    kinds: "collections.Counter[str]" = dataclasses.field(default_factory=collections.Counter)
    skipped: list[str] = dataclasses.field(default_factory=list)

    def channels(self) -> Channels:
        """Grey if all images are, else colour."""
        return "grey" if all("grey" in kind for kind in self.kinds) else "rgb"

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
        UnreadableError: If it is none, or cannot be cut so.
    """
    pixels = np.asarray(_sized(with_channels(picture_of(content), channels), config))
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))


def _sized(image: Image.Image, config: DataConfig) -> Image.Image:
    """Cover the wanted size and cut the middle; random patches are cut later, from images large enough."""
    size = config.height_width
    if size is None:
        return image
    height, width = size
    if config.crop == "random":
        if image.height < height or image.width < width:
            raise UnreadableError(f"its {image.width}x{image.height} pixels are less than a patch of {width}x{height}")
        return image
    if (image.height, image.width) == (height, width):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)

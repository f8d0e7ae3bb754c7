"""One image file to an array of the wanted channels and size, and the count of what a collection holds."""

import collections
import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pixelrnn.config import DataConfig
from pixelrnn.data.files import Opener

__all__ = ["CHANNELS", "COUNT", "Census", "UnreadableError", "decode", "kind_of"]

Channels = Literal["grey", "rgb", "rgba"]
COUNT: dict[Channels, int] = {"grey": 1, "rgb": 3, "rgba": 4}
CHANNELS: dict[int, Channels] = {count: name for name, count in COUNT.items()}
NAMES: dict[str, str] = {"grey": "grey", "rgb": "RGB", "rgba": "RGBA"}
FIRST = " (first of several pages)"
KINDS = {"1": "grey", "L": "grey", "LA": "grey+alpha", "La": "grey+alpha", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}


class UnreadableError(Exception):
    """A file is not an image that can be used; the message says why."""


def kind_of(opener: Opener) -> str:
    """What a file holds, from its header: grey, grey+alpha, RGB, RGBA, palette, 16-bit grey or another mode's name.

    Of a file of several pages or frames the first is taken, and the kind says so.
    """
    with _open(opener) as image:
        if image.mode in ("I", "F"):
            raise UnreadableError(f"its mode {image.mode!r} (32-bit grey) has no 8-bit form")
        kind = KINDS.get(image.mode, image.mode)
        if image.mode == "P":
            kind = "palette+alpha" if "transparency" in image.info else "palette"
        if image.mode.startswith("I;16"):
            kind = "16-bit grey"
        try:
            return kind + (FIRST if getattr(image, "is_animated", False) else "")
        except Exception as error:  # decoders raise errors of many kinds for damaged data
            raise UnreadableError(_reason(error)) from error


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


def decode(opener: Opener, channels: Channels, config: DataConfig) -> NDArray[np.uint8]:
    """An image as `(C, H, W)` uint8, turned upright as its EXIF data says, resized and cut if the options say so."""
    with _open(opener) as image:
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            pixels = np.asarray(_sized(_convert(upright, channels), config))
        except Exception as error:  # decoders raise errors of many kinds for damaged data
            raise UnreadableError(_reason(error)) from error
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))


def _open(opener: Opener) -> Image.Image:
    try:
        return opener()
    except Exception as error:  # as above
        raise UnreadableError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = "not an image that is known" if isinstance(error, UnidentifiedImageError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return " ".join(text.split()) or type(error).__name__


def _convert(image: Image.Image, channels: Channels) -> Image.Image:
    """To grey, RGB or RGBA; 16-bit grey keeps its high byte; transparency is laid over white unless it is kept."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if channels == "rgba":
        return image.convert("RGBA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode == "P":
        image = image.convert("RGB")
    return image.convert("L" if channels == "grey" else "RGB")


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

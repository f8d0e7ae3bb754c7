"""The picture of a file: upright, with 8 bits a value and its transparency as a channel, however it was opened.

What a file says of its pixels is in units of its own: their depth, whether they have a sign, which end is white, which
of them are transparent. Pillow gives the pixels in other units and leaves these words as they are. Here both are put
together, for all that reads pictures; what has no 8-bit form is refused.
"""

import io
import stat
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError, features

__all__ = [
    "CHANNELS", "COUNT", "FIRST", "Channels", "Content", "MissingError", "UnreadableError", "decoder_version",
    "kind_of", "layout_of", "lower_halves", "opened", "picture_of", "read", "reason_of", "wanted", "with_channels",
]  # fmt: skip

Content: TypeAlias = bytes | Image.Image
"""A file, or a picture that has 8 bits a value already."""

Channels = Literal["grey", "rgb", "rgba"]
COUNT: dict[Channels, int] = {"grey": 1, "rgb": 3, "rgba": 4}
CHANNELS: dict[int, Channels] = {count: name for name, count in COUNT.items()}


def wanted(channels: str) -> Channels | None:
    """The channels that a configuration names, if it does not leave them to the images."""
    return next((name for name in COUNT if name == channels), None)


BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
MIN_IS_WHITE, SIGNED = 0, 2
FIRST = " (first of several pages)"
KINDS = {"1": "grey", "L": "grey", "LA": "grey+alpha", "La": "grey+alpha", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}
PLAIN = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA", "PA": "RGBA"}

# How a PNG is stored: highest value of its transparent colour, and by how much Pillow's values are larger.
KEYS = {"L;2": (3, 85), "L;4": (15, 17), "I;16B": (65535, 1), "RGB;16B": (65535, 1)}


class UnreadableError(Exception):
    """A file is not an image that can be used; the message says why."""


class MissingError(UnreadableError):
    """There is nothing where a link leads; a source without it is whole."""


def decoder_version() -> str:
    """What decodes: the pixels of a JPEG file depend on it."""
    return f"Pillow {PIL.__version__}, JPEG {features.version('libjpeg_turbo')}, WebP {features.version('webp')}"


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UnreadableError: If it is none, or cannot be read: a pipe or a device could go on for ever.
        MissingError: If it is a link to nothing.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError("a folder" if path.is_dir() else "neither a file nor a folder")
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.is_symlink():
            raise MissingError("a link to nothing") from error
        raise UnreadableError(reason_of(error)) from error


def opened(content: Content) -> Image.Image:
    """The picture of a file, whose pixels are not read yet.

    Raises:
        UnreadableError: If it is none, or its values have no 8-bit form.
    """
    try:
        # From memory, always: of a file by its path Pillow maps the bytes, under the size that the upright picture has.
        image = content if isinstance(content, Image.Image) else Image.open(io.BytesIO(content))
        formats = _tag(image, SAMPLE_FORMAT)
    except Exception as error:  # decoders raise errors of many kinds for damaged data
        raise UnreadableError(reason_of(error)) from error
    if SIGNED in formats:
        raise UnreadableError("its values have a sign, and no 8-bit form")
    if image.mode in ("I", "F"):
        raise UnreadableError(f"its mode {image.mode!r} (32-bit grey) has no 8-bit form")
    return image


def kind_of(content: Content) -> str:
    """What a file holds, from its header: grey, grey+alpha, RGB, RGBA, palette, 16-bit grey or another mode's name.

    Of a file of several pages or frames the first is taken, and the kind says so.

    Raises:
        UnreadableError: As by `opened`.
    """
    image = opened(content)
    kind = KINDS.get(image.mode, image.mode)
    if image.mode == "P":
        kind = "palette+alpha" if "transparency" in image.info else "palette"
    if image.mode.startswith("I;16"):
        kind = "16-bit grey"
    if layout_of(image) == "LA;16B":  # which Pillow gives as RGBA
        kind = "grey+alpha"
    try:
        return kind + (FIRST if getattr(image, "is_animated", False) else "")
    except Exception as error:  # as above
        raise UnreadableError(reason_of(error)) from error


def picture_of(content: Content) -> Image.Image:
    """The picture of a file: mode L, LA, RGB or RGBA, turned upright as its EXIF data says.

    Of 16 bits the upper 8 are kept, of 12 as well; a TIFF in which 0 is white is inverted; a grey or a colour that a
    PNG declares transparent, in all of its bits, becomes transparency.

    Raises:
        UnreadableError: As by `opened`, or if its pixels are damaged.

    Example:
        >>> picture_of(Image.new("1", (2, 3))).mode
        'L'
    """
    image = opened(content)
    layout, key = layout_of(image), image.info.get("transparency")
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if image.mode == "P" or key is None or isinstance(key, bytes):
            return _plain(image, upright)
        values, (highest, unit) = np.asarray(upright).astype(np.int64), KEYS.get(layout, (255, 1))
        values = 255 * values if image.mode == "1" else values
        if layout == "RGB;16B":
            values = 256 * values + np.asarray(ImageOps.exif_transpose(lower_halves(content))).astype(np.int64)
        is_key = values == (np.asarray(key) & highest) * unit
        del upright.info["transparency"]
        found = _plain(image, upright)
        found.putalpha(Image.fromarray(np.where(is_key.reshape(*is_key.shape[:2], -1).all(2), 0, 255).astype(np.uint8)))
    except UnreadableError:
        raise
    except Exception as error:  # as above
        raise UnreadableError(reason_of(error)) from error
    return found


def with_channels(picture: Image.Image, channels: Channels) -> Image.Image:
    """A picture in grey, RGB or RGBA; transparency is laid over white unless it is kept."""
    if channels == "rgba":
        return picture.convert("RGBA")
    if picture.mode in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if channels == "grey" else "RGB")


def _plain(image: Image.Image, upright: Image.Image) -> Image.Image:
    """The upright form of an image, with 8 bits a value."""
    if image.mode.startswith("I;16"):
        bits = max(_tag(image, BITS_PER_SAMPLE), default=16)
        values = np.asarray(upright) >> (bits - 8)
        if MIN_IS_WHITE in _tag(image, PHOTOMETRIC):
            values = 255 - values
        return Image.fromarray(values.astype(np.uint8))
    if upright.mode == "P":
        return upright.convert("RGBA" if "transparency" in upright.info else "RGB")
    return upright.convert(PLAIN.get(upright.mode, "RGB"))


def lower_halves(content: Content) -> Image.Image:
    """The lower halves of the values of a PNG in RGB of 16 bits, of which Pillow gives the upper."""
    image: Any = opened(content)
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]  # as if they were the upper
    return image  # type: ignore[no-any-return]


def layout_of(image: Image.Image) -> str:
    """How the pixels of a file that is not loaded yet are stored, in Pillow's words."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0].args if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def _tag(image: Image.Image, number: int) -> tuple[int, ...]:
    """Values of a tag of a TIFF; empty if there are none."""
    found = getattr(image, "tag_v2", {}).get(number, ())
    return found if isinstance(found, tuple) else (found,)


def reason_of(error: Exception) -> str:
    """What an error of a decoder, or of reading, says, in one line."""
    text = "not an image that is known" if isinstance(error, UnidentifiedImageError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return " ".join(text.split()) or type(error).__name__

"""What ordinary lossless formats make of a picture: one set of options, so that a number is the same everywhere.

WebP takes its slowest method but not its most exhaustive search: that would take some 20 times as long, and
save 0.1 to 0.7%.
"""

from typing import Any, NamedTuple

from PIL import Image

from pixelrnn.archive.examine import opened
from pixelrnn.archive.pictures import checksum, kept, saved

__all__ = ["FORMATS", "Ordinary", "file_of", "fits"]


class _Format(NamedTuple):
    """How a format is written: Pillow's name and options, the modes that it has, and the longest side."""

    name: str
    options: dict[str, Any]
    modes: tuple[str, ...]
    longest: int = 2**31


FORMATS = {
    "PNG": _Format("PNG", {"optimize": True}, ("1", "L", "LA", "P", "RGB", "RGBA")),
    "WebP": _Format("WEBP", {"lossless": True, "exact": True, "quality": 90, "method": 6}, ("RGB", "RGBA"), 16383),
    "JPEG XL": _Format("JXL", {"lossless": True, "effort": 9}, ("L", "LA", "RGB", "RGBA")),
}
NEAREST = {"1": "L", "L": "RGB", "LA": "RGBA", "P": "RGBA"}  # the mode that has all pixels of another


def fits(picture: Image.Image, name: str) -> bool:
    """Whether one of `FORMATS` has pictures of such a size."""
    return max(picture.size) <= FORMATS[name].longest


def file_of(picture: Image.Image, name: str) -> bytes:
    """A lossless file of a picture that `fits`, its profile and EXIF data included.

    Args:
        picture: Picture in mode 1, L, LA, P, RGB or RGBA; it is converted if the format does not have its mode.
        name: One of `FORMATS`; JPEG XL needs the extra `jpeg-xl`.
    """
    form, extras = FORMATS[name], kept(picture)
    if name != "PNG" and picture.mode == "RGB" and picture.info.get("transparency") is not None:
        picture = picture.convert("RGBA")
    while picture.mode not in form.modes:
        picture = picture.convert(NEAREST[picture.mode])
    return saved(picture, form.name, **form.options, **extras)


class Ordinary:
    """The ordinary files of a picture, each made once, when it is asked for first.

    Args:
        content: The file that the picture is of.
        picture: Picture, as `examine` gives it.
    """

    def __init__(self, content: bytes, picture: Image.Image) -> None:
        self._content, self._picture = content, picture
        self._files: dict[str, bytes] = {}

    def size(self, name: str) -> int:
        """Bytes of the picture in a format; those of the file itself where the format has no such pictures."""
        return len(self._file(name) if fits(self._picture, name) else self._content)

    def smallest(self) -> bytes:
        """The smallest of the file itself and of the PNG and WebP files that keep all that the checksum is of."""
        picture, files = self._picture, [self._content]
        if picture.format != "PNG":
            files.append(self._file("PNG"))
        has_key = picture.info.get("transparency") is not None
        if picture.mode in FORMATS["WebP"].modes and not has_key and fits(picture, "WebP"):
            files.append(self._file("WebP"))
        right = checksum(picture)
        for file in sorted(files, key=len):
            if file is self._content:
                break
            again = opened(file, ("PNG", "WEBP"))
            if isinstance(again, Image.Image) and checksum(again) == right:
                return file
        return self._content

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            self._files[name] = file_of(self._picture, name)
        return self._files[name]

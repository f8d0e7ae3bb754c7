"""What the pictures of a folder take in the usual lossless formats, to compare with."""

import dataclasses
from collections.abc import Sequence

from PIL import Image

from pixelrnn.archive.examine import MOST_WEBP, examine
from pixelrnn.archive.files import Found, contents
from pixelrnn.archive.pictures import saved
from pixelrnn.progress import Callback, Reporter

__all__ = ["FORMATS", "Sizes", "measure"]

FORMATS = ("original files", "PNG", "WebP", "JPEG XL")
MODES = {"1": "L", "L": "L", "LA": "RGBA", "P": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}  # as the others have them


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of all files in several formats.

    Attributes:
        files: Their number.
        bytes: Of each format; files that are no pictures count as they are. JPEG XL is missing without
            the extra `jpeg-xl`.
    """

    files: int
    bytes: dict[str, int]


def measure(files: Sequence[Found], *, skip_bad: bool = False, callback: Callback | None = None) -> Sizes:
    """Write every picture in every format, into memory: PNG optimised, WebP lossless, JPEG XL at effort 9.

    Args:
        files: What there is.
        skip_bad: Leave out files that cannot be read.
        callback: Told the number of files that are measured, and of all.
    """
    has_jpeg_xl, report = _has_jpeg_xl(), Reporter(callback)
    total = dict.fromkeys(FORMATS if has_jpeg_xl else FORMATS[:-1], 0)
    for number, content in contents(files, skip_bad=skip_bad):
        picture = examine(content)
        total["original files"] += len(content)
        if isinstance(picture, Image.Image):
            total["PNG"] += len(saved(picture, "PNG", optimize=True))
            picture = picture.convert(MODES[picture.mode])
            if max(picture.size) <= MOST_WEBP:
                total["WebP"] += len(saved(picture, "WEBP", lossless=True, exact=True, quality=100, method=6))
            else:
                total["WebP"] += len(content)
            if has_jpeg_xl:
                total["JPEG XL"] += len(saved(picture, "JXL", lossless=True, effort=9))
        else:
            for name in FORMATS[1:]:
                if name in total:
                    total[name] += len(content)
        report.amount(number + 1, len(files), "files")
    return Sizes(len(files), total)


def _has_jpeg_xl() -> bool:
    """Whether the plugin is installed that teaches Pillow JPEG XL; importing it does."""
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        return False
    return True

"""What the pictures of a folder take in the usual lossless formats, to compare with."""

import dataclasses
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from pixelrnn.codec.files import Found, examine

__all__ = ["FORMATS", "Sizes", "measure"]

FORMATS = ("original files", "PNG", "WebP", "JPEG XL")
CJXL = "cjxl"
MODES = {"1": "L", "L": "L", "LA": "RGBA", "P": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}  # as WebP has them


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of all files in several formats.

    Attributes:
        files: Their number.
        bytes: Of each format; files that are no pictures count as they are. A format whose program is not there is
            missing.
    """

    files: int
    bytes: dict[str, int]


def measure(files: Sequence[Found], callback: Callable[[int, int], None] | None = None) -> Sizes:
    """Write every picture in every format, into memory: PNG optimised, WebP lossless, JPEG XL by `cjxl -d 0 -e 9`.

    Args:
        files: What there is.
        callback: Called with the number of files that are measured, and of all.
    """
    jpeg_xl = shutil.which(CJXL)
    total = dict.fromkeys(FORMATS if jpeg_xl else FORMATS[:-1], 0)
    for number, file in enumerate(files):
        content = file.path.read_bytes()
        picture = examine(content)
        total["original files"] += len(content)
        is_picture = isinstance(picture, Image.Image) and picture.mode in MODES
        if isinstance(picture, Image.Image) and is_picture:
            png = _saved(picture, "PNG", optimize=True)
            total["PNG"] += len(png)
            as_webp = picture.convert(MODES[picture.mode])
            total["WebP"] += len(_saved(as_webp, "WEBP", lossless=True, exact=True, quality=100, method=6))
            if jpeg_xl:
                total["JPEG XL"] += _jpeg_xl(jpeg_xl, png)
        else:
            for name in FORMATS[1:]:
                if name in total:
                    total[name] += len(content)
        if callback is not None:
            callback(number + 1, len(files))
    return Sizes(len(files), total)


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _jpeg_xl(program: str, png: bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "picture.png"), Path(folder, "picture.jxl")
        before.write_bytes(png)
        subprocess.run([program, "-d", "0", "-e", "9", "--quiet", before, after], check=True)
        return after.stat().st_size

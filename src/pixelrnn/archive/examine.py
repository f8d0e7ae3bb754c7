"""What a file holds, before it is compressed: a picture that is all of the file, or something that is kept as it is.

A decoder gives back one picture of a file. Where that is not all of it (more bits than 8, more frames, other sizes,
data behind the image, metadata that would be lost) the file itself has to stay.
"""

import io
import re
import warnings
from collections.abc import Callable

from PIL import Image, UnidentifiedImageError

from pixelrnn.archive.metadata import end_of_jpeg, end_of_png, reason_to_keep
from pixelrnn.archive.pictures import FORMS, as_png
from pixelrnn.codec.container import MOST_PIXELS

__all__ = ["examine", "opened"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
# Tags of a TIFF that say how the pixels are stored; all others say something of the picture.
PLAIN_TAGS = {*range(254, 260), 262, 263, 266, 273, 274, *range(277, 280), *range(282, 285), 292, 293, 296, 317, 320}
PLAIN_TAGS |= {*range(322, 326), 338, 339, 347, 530, 531, 532, 34675}
BITS_PER_SAMPLE, ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 274, 338, 339
UNSIGNED = (1,)
STRAIGHT_OPACITY = (2,)  # the one kind of extra sample that a picture has


def opened(content: bytes, formats: tuple[str, ...]) -> Image.Image | str:
    """The picture that a file of one of some formats holds, loaded; or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=formats)
            if picture.width * picture.height > MOST_PIXELS:
                return "too many pixels"
            if getattr(picture, "n_frames", 1) > 1:
                return "several frames"
            layout = str(picture.tile)
            if ";12" in layout or ";16" in layout:
                return "more than 8 bits a value"
            is_scaled = "'L;2'" in layout or "'L;4'" in layout
            picture.load()
            if is_scaled and picture.info.get("transparency") is not None:  # which is not scaled with the pixels
                return "a transparent grey of less than 8 bits"
    except UnidentifiedImageError:
        return "not an image"
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return "too many pixels"
    except Exception:  # decoders raise errors of many kinds for damaged data
        return "a damaged image"
    return picture


def examine(content: bytes) -> Image.Image | str:
    """The picture that is all of a file, loaded; or why the file is kept."""
    picture = opened(content, FORMATS)
    if isinstance(picture, str):
        return picture
    if picture.mode not in FORMS:
        return f"mode {picture.mode}"
    if (size := ENDS[picture.format or "TIFF"](content)) is not None and size != len(content):
        return "data behind the image"
    reason = _tiff(picture) if picture.format == "TIFF" else reason_to_keep(content, picture.format or "")
    if reason:
        return reason
    try:
        has_other_exif = picture.format != "TIFF" and not picture.info.get("exif") and len(picture.getexif()) > 0
        as_png(picture, compress_level=1)  # whether it can be
    except Exception:  # Pillow's readers and writers raise errors of many kinds for odd metadata
        return "something that PNG does not keep"
    return "EXIF data in another place" if has_other_exif else picture


def _tiff(picture: Image.Image) -> str:
    """What of a TIFF a picture has not; empty if nothing."""
    tags = getattr(picture, "tag_v2", {})
    if max(tags.get(BITS_PER_SAMPLE, (1,))) > 8:
        return "more than 8 bits a value"
    if not set(tags.get(SAMPLE_FORMAT, UNSIGNED)) <= {*UNSIGNED}:
        return "values with a sign"
    if tags.get(EXTRA_SAMPLES, STRAIGHT_OPACITY) != STRAIGHT_OPACITY:  # others are left out, or changed, on opening
        return "more channels"
    is_plain = set(tags) <= PLAIN_TAGS and tags.get(ORIENTATION, 1) == 1
    return "" if is_plain else "tags of a TIFF that PNG does not keep"


def _end_of_ppm(content: bytes) -> int:
    head = re.match(rb"P[56]\s(\d{1,9})\s(\d{1,9})\s255\s", content)
    if head is None:
        return -1
    return head.end() + int(head[1]) * int(head[2]) * (3 if content[1:2] == b"6" else 1)


# How long a file says that it is; None where nothing says it, -1 where it is not what is expected.
ENDS: dict[str, Callable[[bytes], int | None]] = {
    "PNG": end_of_png,
    "JPEG": end_of_jpeg,
    "BMP": lambda content: int.from_bytes(content[2:6], "little"),
    "GIF": lambda content: len(content) if content.endswith(b";") else -1,
    "WEBP": lambda content: 8 + int.from_bytes(content[4:8], "little"),
    "TIFF": lambda content: None,
    "PPM": _end_of_ppm,
}

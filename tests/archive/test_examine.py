"""What may become a picture, and what has to stay a file; and that nothing of a picture is lost on the way."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.examine import examine
from pixelrnn.archive.ordinary import FORMATS, Ordinary, file_of
from pixelrnn.archive.pictures import as_png, checksum
from pixelrnn.archive.restore import decompress
from pixelrnn.errors import ArchiveError
from tests.conftest import build
from tests.pictures import noise

GREY = Image.fromarray(noise(9, 7))
COLOUR = Image.fromarray(noise(9, 7, 3))
OPAQUE = Image.fromarray(np.dstack([np.asarray(COLOUR), np.full((9, 7), 255, np.uint8)]))
HIDDEN = Image.fromarray(np.dstack([np.asarray(COLOUR), np.zeros((9, 7), np.uint8)]))


def saved(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def png(bits, colour_type, channels, key=b""):
    """A PNG of 8x4 pixels with so many bits a value, which Pillow shows with 8."""
    import zlib

    rows = noise(4, 1 + bits * channels)
    rows[:, 0] = 0

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 8, 4, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + (chunk(b"tRNS", key) if key else b"")
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")


def tiff_of_extra_samples(kind):
    """A TIFF of four channels, the last of an unspecified kind (0), an opacity multiplied in (1), or a straight one."""
    content = saved(OPAQUE, "TIFF")
    entry = struct.pack("<HHI", 338, 3, 1) + struct.pack("<HH", 2, 0)
    assert content.count(entry) == 1
    return content.replace(entry, struct.pack("<HHI", 338, 3, 1) + struct.pack("<HH", kind, 0))


EXIF = Image.Exif()
EXIF[274] = 6
TIFF_TAGS = Image.Exif()
TIFF_TAGS[271] = "a camera"
KEPT_AS_FILES = {
    "16 bits, RGB": (png(16, 2, 3), "more than 8 bits a value"),
    "16 bits, RGBA": (png(16, 6, 4), "more than 8 bits a value"),
    "16 bits, grey and opacity": (png(16, 4, 2), "more than 8 bits a value"),
    "4 bits, grey, one of them transparent": (png(4, 0, 1, b"\0\x0f"), "a transparent grey of less than 8 bits"),
    "2 bits, grey, one of them transparent": (png(2, 0, 1, b"\0\x03"), "a transparent grey of less than 8 bits"),
    "a fourth channel": (tiff_of_extra_samples(0), "more channels"),
    "an opacity that is multiplied in": (tiff_of_extra_samples(1), "more channels"),
    "16 bits, TIFF": (saved(Image.fromarray(np.zeros((4, 4), np.uint16)), "TIFF"), "more than 8 bits a value"),
    "12 bits, PPM": (b"P6 1 1 4095\n" + bytes(6), "more than 8 bits a value|data behind the image"),
    "several frames": (saved(GREY, "PNG", save_all=True, append_images=[COLOUR.convert("L")]), "several frames"),
    "several pages": (saved(GREY, "TIFF", save_all=True, append_images=[COLOUR]), "several frames"),
    "film behind a JPEG": (saved(COLOUR, "JPEG") + b"ftypmp42" * 9, "data behind the image"),
    "JPEG behind a JPEG": (saved(COLOUR, "JPEG") * 2, "data behind the image"),
    "archive behind a PNG": (saved(COLOUR, "PNG") + b"PK\3\4", "data behind the image"),
    "something behind a BMP": (saved(COLOUR, "BMP") + b"x", "data behind the image"),
    "something behind a WebP": (saved(COLOUR, "WEBP", lossless=True) + b"xx", "data behind the image"),
    "something behind a GIF": (saved(GREY, "GIF") + b"x", "data behind the image"),
    "something behind a PPM": (saved(COLOUR, "PPM") + b"x", "data behind the image"),
    "icons": (saved(COLOUR, "ICO"), "not an image"),
    "TIFF of a camera": (saved(COLOUR, "TIFF", tiffinfo=TIFF_TAGS), "tags of a TIFF"),
    "CMYK": (saved(Image.new("CMYK", (3, 3)), "JPEG"), "mode CMYK"),
    "text": (b"hello", "not an image"),
    "cut": (saved(COLOUR, "PNG")[:-30], "a damaged image"),
}


@pytest.mark.parametrize("name", KEPT_AS_FILES)
def test_what_is_more_than_a_picture_stays_a_file(name):
    content, reason = KEPT_AS_FILES[name]
    found = examine(content)
    assert isinstance(found, str), f"{name}: taken for a picture"
    assert found in reason or reason in found or found in reason.split("|")


@pytest.mark.parametrize(
    "content",
    [
        saved(GREY, "PNG"),
        saved(COLOUR, "PNG", pnginfo=PngImagePlugin.PngInfo()),
        saved(COLOUR, "JPEG", exif=EXIF),
        saved(COLOUR, "JPEG", progressive=True, quality=95),
        saved(COLOUR, "BMP"),
        saved(GREY, "GIF"),
        saved(COLOUR, "WEBP", lossless=True),
        saved(HIDDEN, "WEBP", lossless=True, exact=True),
        saved(COLOUR, "TIFF"),
        saved(COLOUR, "TIFF", compression="tiff_lzw"),
        saved(OPAQUE, "TIFF"),
        png(4, 0, 1),
        png(8, 0, 1, b"\0\x0f"),
        saved(COLOUR, "PPM"),
        saved(GREY, "PPM"),
    ],
)
def test_pictures(content):
    assert isinstance(examine(content), Image.Image)


@pytest.mark.parametrize("picture", [GREY, COLOUR, OPAQUE, HIDDEN, COLOUR.quantize(9), GREY.convert("1")])
@pytest.mark.parametrize("info", [{}, {"icc_profile": b"profile" * 9}, {"exif": EXIF.tobytes()}])
def test_ordinary_forms_keep_everything(picture, info):
    big = picture.resize((90, 70))
    big.info = dict(info)
    content = saved(big, "TIFF")
    for form in (content, content + bytes(10**5)):  # the original is the smallest, or it is not
        best = Ordinary(form, big).smallest()
        if best is not form:
            with Image.open(io.BytesIO(best)) as again:
                again.load()
                assert checksum(again) == checksum(big)
    assert best is not form


def test_a_palette_that_is_too_short_for_its_pixels():
    content = bytearray(saved(Image.fromarray(np.array([[0, 1, 1, 0]], np.uint8)).quantize(2), "BMP"))
    picture = examine(bytes(content))
    if isinstance(picture, Image.Image):
        assert checksum(examine(Ordinary(bytes(content), picture).smallest())) == checksum(picture)
    short = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    short.putpalette([1, 2, 3, 4, 5, 6], "RGB")
    assert Ordinary(b"x" * 1000, short).smallest() == b"x" * 1000
    with pytest.raises(ArchiveError, match="a PNG file does not keep this picture"):
        as_png(short)


@pytest.mark.parametrize("is_coded", [True, False])
def test_profile_exif_and_hidden_colours_are_on_disk_again(is_coded, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    size = (9, 7) if is_coded else (90, 70)  # flat and large: smaller as an ordinary file
    for name, picture in {"colour": COLOUR, "hidden": HIDDEN, "opaque": OPAQUE}.items():
        flat = picture if is_coded else Image.new(picture.mode, size, picture.getpixel((0, 0)))
        flat.save(source / f"{name}.png", icc_profile=b"profile" * 9, exif=EXIF)
        flat.save(source / f"{name}.webp", lossless=True, exact=True, icc_profile=b"profile" * 9, exif=EXIF)
    model = build(architecture="pixelcnn", shape=(4, 6, 6), levels=256, layers=1, output="logistic-mixture").float()
    done = compress(model, source, tmp_path / "a.pxr")
    assert (done.coded > 0) == is_coded
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, model, tmp_path / "out")
    for path in source.iterdir():
        after = tmp_path / "out" / path.name
        after = after if after.exists() else tmp_path / "out" / f"{path.name}.png"
        with Image.open(path) as a, Image.open(after) as b:
            assert checksum(a.copy() if a.load() else a) == checksum(b.copy() if b.load() else b), path.name
            assert b.info["icc_profile"] == b"profile" * 9
            assert b.getexif()[274] == 6


def test_a_picture_too_wide_for_webp_has_other_forms():
    wide = Image.new("RGB", (16384, 1), (1, 2, 3))
    content = saved(wide, "BMP")
    assert examine(content).size == (16384, 1)
    assert Ordinary(content, wide).smallest().startswith(b"\x89PNG")


def test_what_the_model_leaves_to_the_extras_counts_against_it(tmp_path):
    """The opacity of a picture for a model without: noise, so that the file is smaller only if it counts."""
    source = tmp_path / "source"
    source.mkdir()
    pixels = np.dstack([np.full((24, 24), 90, np.uint8), noise(24, 24)])
    Image.fromarray(pixels).save(source / "a.png", optimize=True)
    model = build(architecture="row-lstm", shape=(1, 24, 24), levels=256, layers=1, output="logistic-mixture").float()
    done = compress(model, source, tmp_path / "a.pxr")
    assert done.kept == {"larger with the model": ("a.png",)}


@pytest.mark.parametrize("name", ["PNG", "WebP"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_format_has_every_picture(name, mode):
    picture = HIDDEN.convert(mode)
    with Image.open(io.BytesIO(file_of(picture, name))) as again:
        assert again.mode in FORMATS[name].modes
        assert np.array_equal(np.asarray(again.convert("RGBA")), np.asarray(picture.convert("RGBA")))


def test_transparent_colours_count_in_webp_too():
    keyed = COLOUR.copy()
    keyed.info["transparency"] = keyed.getpixel((0, 0))
    with Image.open(io.BytesIO(file_of(keyed, "WebP"))) as again:
        assert again.getpixel((0, 0))[3] == 0

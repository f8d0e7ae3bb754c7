"""What a file says beside its pixels: what changes its look keeps the file, all else is reported, by the file's structure."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pixelrnn import load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.examine import examine
from pixelrnn.archive.metadata import parts, reason_to_keep
from pixelrnn.archive.restore import decompress
from pixelrnn.config.writing import Writing
from tests.pictures import picture, saved

PNG = saved(picture("RGB", size=(8, 8)))


def with_chunk(name, content=b"", png=PNG):
    """A PNG with a chunk before its pixels."""
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    at = png.index(b"IDAT") - 4
    return png[:at] + chunk + png[at:]


def with_segment(kind, content, jpeg):
    """A JPEG with a segment behind its first marker."""
    return jpeg[:2] + bytes([0xFF, kind]) + struct.pack(">H", 2 + len(content)) + content + jpeg[2:]


JPEG = saved(picture("RGB", size=(8, 8)), "JPEG")
WEBP = saved(picture("RGB", size=(8, 8)), "WEBP", lossless=True)
GIF = saved(picture("L", size=(8, 8)), "GIF")
PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_chunk(b"cICP", bytes([9, 16, 0, 1])), "a colour space that PNG does not keep"),
        (with_chunk(b"mDCV", bytes(24)), "a colour space that PNG does not keep"),
        (with_chunk(b"cLLI", bytes(8)), "a colour space that PNG does not keep"),
        (with_chunk(b"gAMA", struct.pack(">I", 100_000)), "a gamma or primaries that PNG does not keep"),
        (with_chunk(b"cHRM", struct.pack(">8I", *range(8))), "a gamma or primaries that PNG does not keep"),
        (with_chunk(b"gAMA", struct.pack(">I", 45_455)), ""),
        (with_chunk(b"cHRM", PRIMARIES), ""),
        (with_chunk(b"sRGB", b"\0", with_chunk(b"gAMA", struct.pack(">I", 100_000))), ""),
        (PNG, ""),
    ],
    ids=["cICP", "mDCV", "cLLI", "linear", "other primaries", "usual gamma", "sRGB's primaries", "sRGB", "plain"],
)
def test_a_colour_space_of_its_own_keeps_the_file(content, reason):
    found = examine(content)
    assert found == reason if reason else isinstance(found, Image.Image)


def bmp(space):
    """A BMP of version 4, in a colour space."""
    pixels = bytes(8 * 24)
    header = struct.pack("<IiiHHIIiiII", 108, 8, 8, 1, 24, 0, len(pixels), 0, 0, 0, 0) + bytes(16) + space + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 14 + 108) + header + pixels


def test_colour_spaces_of_bitmaps():
    assert isinstance(examine(bmp(b"BGRs")), Image.Image)
    assert examine(bmp(bytes(4))) == "a colour space that PNG does not keep"
    assert reason_to_keep(saved(picture("RGB"), "BMP"), "BMP") == ""


def test_text_over_a_gif_keeps_it():
    text = b"\x21\x01" + bytes([12]) + bytes(12) + b"\x02hi\x00"
    at = GIF.index(b",\0\0\0\0")  # where the picture begins
    assert examine(GIF[:at] + text + GIF[at:]) == "text that is drawn over the picture"


@pytest.mark.parametrize(
    ("content", "form", "names"),
    [
        (with_chunk(b"sBIT", bytes([5, 6, 5])), "PNG", ("sBIT",)),
        (with_chunk(b"bKGD", bytes(6)), "PNG", ("bKGD",)),
        (with_chunk(b"tIME", bytes(7)), "PNG", ("tIME",)),
        (with_chunk(b"prVt", b"private", with_chunk(b"vpAg", b"x")), "PNG", ("prVt", "vpAg")),
        (PNG, "PNG", ()),
        (with_segment(0xE4, b"something", JPEG), "JPEG", ("APP4",)),
        (with_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0x", JPEG), "JPEG", ("APP1",)),
        (with_segment(0xE0, b"JFXX\0thumbnail", JPEG), "JPEG", ("APP0",)),
        (saved(picture("RGB"), "JPEG", comment=b"hello", dpi=(72, 72)), "JPEG", ()),
        (WEBP + b"abcd" + struct.pack("<I", 3) + b"xyz\0", "WEBP", ("abcd",)),
        (WEBP, "WEBP", ()),
        (saved(picture("L"), "GIF", comment=b"hello"), "GIF", ()),
        (GIF, "GIF", ()),
        (b"", "PNG", ()),
        (PNG[:30], "PNG", ()),
        (GIF[:20], "GIF", ()),
    ],
)
def test_parts_that_pillow_does_not_tell_of(content, form, names):
    assert parts(content, form) == names


def test_what_is_lost_is_reported_and_keep_metadata_loses_nothing(tmp_path):
    """The same picture with a private chunk, and one with all that PNG itself keeps."""
    bits = load_model("mnist-row-lstm").sample(2, seed=0)[:, 0].numpy() * np.uint8(255)
    (tmp_path / "in").mkdir()
    contents = [saved(Image.fromarray(each)) for each in bits]
    contents[0] = with_chunk(b"prVt", b"private", contents[0])
    for number, content in enumerate(contents):
        (tmp_path / "in" / f"{number}.png").write_bytes(content)
    model = load_model("mnist-row-lstm")
    done = compress(model, tmp_path / "in", tmp_path / "a.pxr")
    assert done.coded == 2
    assert done.lost == {"prVt": ("0.png",)}
    done = compress(model, tmp_path / "in", tmp_path / "b.pxr", writing=Writing(keep_metadata=True))
    assert done.coded == 1
    assert done.lost == {}
    assert done.kept == {"metadata that would be lost": ("0.png",)}
    with Archive(tmp_path / "b.pxr") as archive:
        decompress(archive, model, tmp_path / "out")
    assert (tmp_path / "out" / "0.png").read_bytes() == contents[0]
    with Image.open(io.BytesIO(contents[1])) as before, Image.open(tmp_path / "out" / "1.png") as after:
        assert before.tobytes() == after.tobytes()

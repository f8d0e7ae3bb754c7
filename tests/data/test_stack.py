"""Files of 16 bits, or of several pages: every value as it is, and one line for what cannot be read."""

import io
import random
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelrnn import DataError, load_data
from pixelrnn.data.picture import UnreadableError
from pixelrnn.data.stack import depth_of, read_stack
from tests.cli.test_cli import run
from tests.pictures import saved


def noise(*shape, seed=0, dtype=np.uint16):
    return np.random.default_rng(seed).integers(0, 2**16, shape).astype(dtype)


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "minisblack", **options})
    return file.getvalue()


STACKS = {
    "plain": (tiff(noise(7, 9)), "YX 7x9", noise(7, 9)[None, None]),
    "pages": (tiff(noise(3, 7, 9), metadata={"axes": "TYX"}), "TYX 3x7x9", noise(3, 7, 9)[:, None]),
    "big-endian": (tiff(noise(7, 9), byteorder=">"), "YX 7x9", noise(7, 9)[None, None]),
    "tiled": (tiff(noise(40, 50), tile=(16, 32)), "YX 40x50", noise(40, 50)[None, None]),
    "packed": (tiff(noise(7, 9), compression="zlib", predictor=True), "YX 7x9", noise(7, 9)[None, None]),
    "RGB": (tiff(noise(7, 9, 3), photometric="rgb"), "YXS 7x9x3", noise(7, 9, 3).transpose(2, 0, 1)[None]),
    "ImageJ": (
        tiff(noise(4, 2, 7, 9), imagej=True, metadata={"axes": "ZCYX"}),
        "ZCYX 4x2x7x9",
        noise(4, 2, 7, 9),
    ),
    "OME": (
        tiff(noise(2, 3, 4, 7, 9), ome=True, metadata={"axes": "TCZYX"}),
        "TCZYX 2x3x4x7x9",
        noise(2, 3, 4, 7, 9).transpose(0, 2, 1, 3, 4).reshape(8, 3, 7, 9),
    ),
    "BigTIFF": (tiff(noise(7, 9), bigtiff=True), "YX 7x9", noise(7, 9)[None, None]),
    "signed": (tiff(noise(7, 9, dtype=np.int16)), "YX 7x9", noise(7, 9, dtype=np.int16)[None, None]),
    "bytes": (tiff(noise(3, 7, 9, dtype=np.uint8)), "QYX 3x7x9", noise(3, 7, 9, dtype=np.uint8)[:, None]),
    "PNG": (saved(Image.fromarray(noise(7, 9)), "PNG"), "YX 7x9", noise(7, 9)[None, None]),
}


@pytest.mark.parametrize("kind", STACKS)
def test_every_value_is_as_it_is(kind):
    content, axes, values = STACKS[kind]
    assert depth_of(content) == ("pages" if kind == "bytes" else "deep")
    found = read_stack(content)
    assert found.axes == axes
    assert found.bits == (8 if kind == "bytes" else 16)
    np.testing.assert_array_equal(found.values, values)
    assert found.values.dtype.isnative
    alone = read_stack(content, are_images=True)
    np.testing.assert_array_equal(alone.values[:, 0], values.reshape(-1, *values.shape[2:]))


def png_of_colours(values):
    """A PNG in RGB of 16 bits, which Pillow does not write."""
    import zlib

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_a_png_have_both_bytes():
    values = noise(6, 5, 3)
    found = read_stack(png_of_colours(values))
    np.testing.assert_array_equal(found.values[0], values.transpose(2, 0, 1))
    assert found.kind == "16-bit YXS 6x5x3"


def changed(content, tag, value):
    """The same TIFF with another value of a tag of its first page."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        place = file.pages.first.tags[tag].valueoffset
    return content[:place] + struct.pack("<H", value) + content[place + 2 :]


REFUSED = {
    "floats": (tiff(np.zeros((4, 5), np.float32)), "its values are float32; integers of up to 16 bits are read"),
    "complex": (tiff(np.zeros((4, 5), np.complex64)), "its values are complex64"),
    "32 bits": (tiff(np.zeros((4, 5), np.uint32)), "its values are uint32"),
    "cut off": (tiff(noise(40, 50))[:-500], "it is cut off: its values are not all there"),
    "channels": (tiff(noise(6, 7, 9), metadata={"axes": "CYX"}), r"it has 6 channels; up to 4 are read as such"),
    "sizes": (
        b"",
        r"its pages differ in size \(7x9 and 5x5\)",
    ),
    "wide": (b"", r"its values are [\d,]+ bytes; up to 2,147,483,648 are read"),
    "alpha": (b"", "its transparency of 16 bits is not read"),
    "nothing": (changed(STACKS["plain"][0], 256, 0), "it holds no values"),
}


def refused(kind):
    if kind == "sizes":
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(noise(7, 9), photometric="minisblack")
            writer.write(noise(5, 5), photometric="minisblack")
        return file.getvalue()
    if kind == "wide":
        content = tiff(noise(7, 9))
        for tag in (256, 257):
            content = changed(content, tag, 60_000)
        return content
    if kind == "alpha":
        content = png_of_colours(noise(6, 4, 3))
        head = struct.pack(">IIBBBBB", 3, 6, 16, 6, 0, 0, 0)
        import zlib

        return content[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + content[33:]
    return REFUSED[kind][0]


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_a_line(kind):
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=REFUSED[kind][1]) as error:
        read_stack(refused(kind))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "\n" not in str(error.value)


def test_too_many_pages(monkeypatch):
    monkeypatch.setattr("pixelrnn.data.stack.MOST_PAGES", 2)
    with pytest.raises(UnreadableError, match="it has 3 pages; up to 2 are read"):
        read_stack(STACKS["pages"][0])


@pytest.mark.parametrize("kind", ["pages", "tiled", "packed", "ImageJ", "OME", "BigTIFF", "PNG"])
def test_damaged_files_are_read_or_refused(kind):
    """300 of each: bytes changed anywhere, or in the head, which holds the numbers that could mislead."""
    content, chance = STACKS[kind][0], random.Random(kind)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 5])):
            damaged[chance.randrange(len(content) if chance.random() < 0.3 else 200)] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        try:
            if depth_of(bytes(damaged)) != "plain":
                assert read_stack(bytes(damaged)).values.ndim == 4
        except UnreadableError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_page_that_leads_to_itself():
    content = STACKS["plain"][0]
    (first,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[first : first + 2])
    place = first + 2 + 12 * count
    looped = content[:place] + struct.pack("<I", first) + content[place + 4 :]
    try:
        assert read_stack(looped).values.shape[2:] == (7, 9)
    except UnreadableError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_stacks_are_images_in_order(tmp_path):
    (tmp_path / "a.tif").write_bytes(STACKS["ImageJ"][0])
    (tmp_path / "b.tif").write_bytes(tiff(noise(2, 7, 9, seed=1), metadata={"axes": "CYX"}))
    data = load_data(tmp_path)
    assert data.names == ("a.tif:1", "a.tif:2", "a.tif:3", "a.tif:4", "b.tif")
    assert data.shape == (2, 7, 9)
    assert data.summary.startswith("5 images of 2 files, 1 16-bit ZCYX 4x2x7x9, 1 16-bit CYX 2x7x9, values ")
    found = data.whole.batch(range(5)).numpy() * data.config.step + data.config.offset
    np.testing.assert_array_equal(found[:4], STACKS["ImageJ"][2])
    np.testing.assert_array_equal(found[4], noise(2, 7, 9, seed=1))
    alone = load_data(tmp_path, channels="images")
    assert (len(alone.whole), alone.shape) == (10, (1, 7, 9))
    cut = load_data(tmp_path, size=4)
    assert cut.shape == (2, 4, 4)
    (tmp_path / "c.tif").write_bytes(STACKS["plain"][0])
    with pytest.raises(
        DataError, match=r"c\.tif cannot be used: it has 1 channels of uint16, those before 2 of uint16"
    ):
        load_data(tmp_path)
    with pytest.raises(DataError, match=r"channels, and rgb is made of 8 bits a value; `bits` 8 takes the upper 8"):
        load_data(tmp_path, channels="rgb")
    with pytest.raises(
        DataError, match=r"more than 8 bits a value; leave out `levels`, which are counted then, or `bits`"
    ):
        load_data(tmp_path, levels=256)
    assert load_data(tmp_path, bits=8).summary.startswith("3 images, 2 16-bit grey (first of several pages)")


def test_stacks_of_bytes_are_bytes(tmp_path):
    (tmp_path / "a.tif").write_bytes(STACKS["bytes"][0])
    data = load_data(tmp_path)
    assert (data.levels, data.names) == (256, ("a.tif:1", "a.tif:2", "a.tif:3"))
    np.testing.assert_array_equal(data.whole.batch(range(3)), STACKS["bytes"][2])
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(tmp_path / "b.png")
    mixed = load_data(tmp_path)
    assert mixed.names == ("a.tif", "b.png")  # the first page, which is said
    assert "1 grey (first of several pages)" in mixed.summary


def test_a_model_of_files_reads_others_in_its_range(tmp_path, capsys):
    for name, seed in (("of", 0), ("new", 1)):
        (tmp_path / name).mkdir()
        for number in range(12):
            values = 1_000 + noise(9, 8, seed=12 * seed + number) // 64
            (tmp_path / name / f"{number}.tif").write_bytes(tiff(values))
    words = ["--architecture", "local", "--adaptive", "--layers", 1, "--hidden", 4, "--steps", 2]
    assert run("train", tmp_path / "of", *words, "--out", tmp_path / "run") == 0
    assert ", values 1,0" in capsys.readouterr().err
    assert run("score", tmp_path / "run", tmp_path / "new", "--clip-range", "--csv", tmp_path / "s.csv") == 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 13
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(tmp_path / "plain.png")
    assert run("score", tmp_path / "run", tmp_path / "plain.png") == 2
    assert "plain.png holds pictures of 8 bits; levels from 10" in capsys.readouterr().err
    (tmp_path / "of" / "signed.tif").write_bytes(STACKS["signed"][0])
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "signed.tif").write_bytes(STACKS["signed"][0])
    with pytest.raises(DataError, match=r"holds values -.*; `offset` -\d+ makes levels of them"):
        load_data(tmp_path / "only")

"""One file is one picture, however it is opened, and its pixels are what the file says of them."""

import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import DataConfig, DataError, ModelConfig, build_model, load_data
from pixelrnn.app.conditions import read_contexts
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.examine import examine
from pixelrnn.archive.restore import decompress
from pixelrnn.data.picture import UnreadableError, kind_of, picture_of
from pixelrnn.data.single import read_image, read_mask, read_opacity, size_of
from pixelrnn.runs.run import Run
from tests.cli.test_cli import run
from tests.pictures import noise, saved

TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
VALUES = {"L": noise(8, 12), "RGBA": noise(8, 12, 4), "I;16": noise(8, 12).astype(np.uint16) * 256 + 77}


def in_archives(path, content):
    """The same file in a folder, a zip and a tar archive: sources."""
    (path / "folder").mkdir()
    (path / "folder" / "0.tif").write_bytes(content)
    with zipfile.ZipFile(path / "a.zip", "w") as archive:
        archive.writestr("0.tif", content)
    with tarfile.open(path / "a.tar", "w") as archive:
        archive.add(path / "folder" / "0.tif", "0.tif")
    return path / "folder", path / "a.zip", path / "a.tar"


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("mode", VALUES)
def test_turned_tiffs_are_the_same_from_everywhere(mode, orientation, tmp_path):
    content = saved(Image.fromarray(VALUES[mode]), "TIFF", tiffinfo={274: orientation})
    right = TURNS[orientation](VALUES[mode] >> 8 if mode == "I;16" else VALUES[mode])
    right = np.moveaxis(right, 2, 0) if right.ndim == 3 else right[None]
    channels = "rgba" if mode == "RGBA" else "grey"
    for source in in_archives(tmp_path, content):
        assert np.array_equal(load_data(source, channels=channels, bits=8).whole.batch([0])[0], right)
        if mode == "I;16":
            deep = load_data(source)
            values = deep.whole.batch([0])[0].numpy().astype(int) * deep.config.step + deep.config.offset
            assert np.array_equal(values[0], TURNS[orientation](VALUES[mode]))
    path = tmp_path / "folder" / "0.tif"
    assert np.array_equal(read_image(path, DataConfig(), channels=len(right), levels=256), right)
    assert size_of(path) == right.shape[1:]
    if mode == "L":
        assert np.array_equal(read_mask(path, path, DataConfig()), right[0] >= 240)
    if mode == "RGBA":
        assert np.array_equal(read_opacity(path, DataConfig()), right[3] >= 240)


def test_contexts_and_completions_are_turned_too(tmp_path):
    values = noise(6, 4, levels=4)
    turned = saved(Image.fromarray(values * 85), "TIFF", tiffinfo={274: 6})
    (tmp_path / "x.tif").write_bytes(turned)
    config = ModelConfig(shape=(1, 4, 6), levels=4, layers=1, hidden=2, context=(1, 4, 6))
    build_model(config, seed=0).save_pretrained(tmp_path / "given")
    context = read_contexts(Run.open(tmp_path / "given"), [tmp_path / "x.tif"])
    assert np.array_equal(context[0, 0], np.rot90(values, -1))
    build_model(ModelConfig(shape=(1, 4, 6), levels=4, layers=1, hidden=2), seed=0).save_pretrained(tmp_path / "model")
    options = ["--keep", "top:2", "-n", "1", "--out", tmp_path / "out"]
    assert run("complete", tmp_path / "model", tmp_path / "x.tif", *options) == 0
    found = np.asarray(Image.open(next((tmp_path / "out").glob("*0.png"))))
    assert found.shape == (4, 6)
    assert np.array_equal(found[:2], np.rot90(values, -1)[:2] * 85)


def png(depth, kind, rows, key=None):
    """A PNG of rows of bytes, with a transparent grey or colour of 16 bits a value."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = rows.shape[:2]
    bits = rows.reshape(height, -1)
    if depth == 16:
        lines = bits.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        wide = np.unpackbits(bits.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
        lines = np.packbits(wide.reshape(height, -1), axis=1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if key is not None:
        parts.append(chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
    parts.append(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))))
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")])


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_in_units_of_the_file(depth):
    values = np.arange(24).reshape(4, 6) * 37 % 2**depth if depth < 16 else np.arange(24).reshape(4, 6) * 101 + 40_000
    key = int(values[1, 2])
    found = picture_of(png(depth, 0, values, (key,)))
    grey, opacity = np.asarray(found)[..., 0], np.asarray(found)[..., 1]
    assert found.mode == "LA"
    assert np.array_equal(opacity == 0, values == key)
    assert np.array_equal(grey, values >> 8 if depth == 16 else values * (255 // (2**depth - 1)))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_in_units_of_the_file(depth):
    """Of 16 bits, colours that differ in their lower halves alone are others."""
    values = np.random.default_rng(0).integers(0, 2**depth, (5, 7, 3))
    values[2:4] = values[1, 1]
    values[3, :, 2] ^= 1
    found = np.asarray(picture_of(png(depth, 2, values, tuple(map(int, values[1, 1])))))
    assert np.array_equal(found[..., 3] == 0, (values == values[1, 1]).all(2))
    assert (found[..., 3] == 0).sum() == 8
    assert np.array_equal(found[..., :3], values >> (depth - 8))


def test_transparency_that_was_declared_is_laid_over_white(tmp_path):
    values = np.full((4, 6), 5)
    values[0] = 9
    (tmp_path / "0.png").write_bytes(png(4, 0, values, (5,)))
    assert load_data(tmp_path).whole.batch([0])[0, 0, :, 0].tolist() == [9 * 17, 255, 255, 255]
    assert read_opacity(tmp_path / "0.png", DataConfig())[:, 0].tolist() == [True, False, False, False]


def test_transparency_and_orientation_belong_together():
    values = np.arange(24).reshape(4, 6)
    exif = Image.Exif()
    exif[274] = 6
    content = saved(Image.fromarray(values.astype(np.uint8)), transparency=3, exif=exif)
    found = np.asarray(picture_of(content))
    assert np.array_equal(found[..., 0], np.rot90(values, -1))
    assert np.array_equal(found[..., 1] == 0, np.rot90(values == 3, -1))


def tiff(values, *, bits, photometric=1, sample_format=1):
    """An uncompressed TIFF, one strip, little endian."""
    height, width = values.shape
    if bits == 12:
        wide = np.unpackbits(values.astype(">u2")[..., None].view(np.uint8), axis=2)[..., 4:]
        pixels = np.packbits(wide.reshape(height, -1), axis=1).tobytes()
    else:
        pixels = values.astype(f"<u{bits // 8}" if sample_format == 1 else f"<i{bits // 8}").tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
    tags |= {279: len(pixels), 339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


RAMP = np.arange(96).reshape(8, 12)


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (tiff(RAMP * 600, bits=16), RAMP * 600 >> 8),
        (tiff(RAMP * 600, bits=16, photometric=0), 255 - (RAMP * 600 >> 8)),
        (tiff(RAMP * 40, bits=12), RAMP * 40 >> 4),
        (tiff(RAMP * 2, bits=8), RAMP * 2),
        (tiff(RAMP * 2, bits=8, photometric=0), 255 - RAMP * 2),
    ],
    ids=["16 bits", "16 bits, 0 is white", "12 bits", "8 bits", "8 bits, 0 is white"],
)
def test_pixels_are_what_the_tags_say(content, right):
    assert np.array_equal(np.asarray(picture_of(content)), right)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tiff(RAMP - 40, bits=8, sample_format=2), "its values have a sign, and no 8-bit form"),
        (tiff(RAMP - 40, bits=16, sample_format=2), "its values have a sign, and no 8-bit form"),
        (tiff(RAMP, bits=32), r"its mode 'I' \(32-bit grey\) has no 8-bit form"),
        (saved(Image.new("F", (3, 3)), "TIFF"), r"its mode 'F' \(32-bit grey\) has no 8-bit form"),
    ],
    ids=["signed, 8", "signed, 16", "32 bits", "floats"],
)
def test_what_has_no_8_bit_form_is_refused_by_every_entry(content, message, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.tif"
    path.write_bytes(content)
    for function in (kind_of, picture_of):
        with pytest.raises(UnreadableError, match=message):
            function(content)
    with pytest.raises(DataError, match=f"x.tif cannot be used: {message}"):
        load_data(tmp_path / "in", bits=8)
    model = tmp_path / "model"
    shape = {"shape": (1, 8, 12), "levels": 4, "layers": 1, "hidden": 2}
    build_model(ModelConfig(**shape, context=(1, 4, 6)), seed=0).save_pretrained(model)
    Image.new("L", (12, 8)).save(tmp_path / "good.png")
    for command in (
        ["complete", model, path, "--keep", "top"],
        ["complete", model, tmp_path / "good.png", "--mask", path],
        ["complete", model, tmp_path / "good.png", "--keep", "top", "--context", path],
        ["sample", model, "--context", path],
        ["upscale", model, path],
        ["score", model, tmp_path / "in", "--usual", tmp_path / "in", "--bits", "8"],
        ["evaluate", model, tmp_path / "in", "--bits", "8"],
        ["data", "show", tmp_path / "in", "--bits", "8"],
        ["train", tmp_path / "in", "--steps", "1", "--bits", "8", "--out", tmp_path / "run"],
    ):
        assert run(*command) == 2, command
        assert "x.tif" in capsys.readouterr().err


def test_an_archive_keeps_the_file_whose_values_have_a_sign(tmp_path):
    (tmp_path / "in").mkdir()
    content = tiff(RAMP - 40, bits=8, sample_format=2)
    (tmp_path / "in" / "x.tif").write_bytes(content)
    assert examine(content) == "values with a sign"
    assert not isinstance(examine(tiff(RAMP, bits=8)), str)
    model = build_model(ModelConfig(shape=(1, 8, 12), levels=256, layers=1, hidden=2), seed=0)
    compress(model, tmp_path / "in", tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, model, tmp_path / "out")
    assert (tmp_path / "out" / "x.tif").read_bytes() == content


def test_16_bit_grey_with_transparency_is_grey():
    content = png(16, 4, np.arange(48).reshape(4, 6, 2) * 1000)
    assert kind_of(content) == "grey+alpha"
    assert torch.tensor(np.asarray(picture_of(content).convert("LA"))).shape == (4, 6, 2)


def test_content_is_read_and_not_mapped(tmp_path):
    """What is read stays as it was though the file changes."""
    path = tmp_path / "x.tif"
    path.write_bytes(saved(Image.fromarray(VALUES["L"]), "TIFF"))
    before = read_image(path, DataConfig(), channels=1, levels=256)
    path.write_bytes(b"")
    assert np.array_equal(before[0], VALUES["L"])

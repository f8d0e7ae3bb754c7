"""Pictures as levels, and exactly back."""

import io

import numpy as np
import pytest
from PIL import Image

from pixelrnn.archive import pictures
from pixelrnn.archive.pictures import FORMS, Planes, checksum, from_picture, grid, spread, to_picture
from pixelrnn.errors import ArchiveError
from tests.pictures import noise

PIXELS = noise(9, 7, 4)
COLOUR = Image.fromarray(PIXELS[..., :3].copy())


def with_info(picture, **info):
    picture = picture.copy()
    picture.info.update(info)
    return picture


def palette(numbers, colours, **info):
    picture = Image.fromarray(np.array(numbers, np.uint8))
    picture.putpalette(np.array(colours, np.uint8).tobytes(), "RGB")
    return with_info(picture, **info)


PICTURES = {
    "1": Image.fromarray(PIXELS[..., 0]).convert("1"),
    "L": Image.fromarray(PIXELS[..., 0]),
    "L with a transparent grey": with_info(Image.fromarray(PIXELS[..., 0]), transparency=7),
    "LA": Image.fromarray(PIXELS[..., :2].copy()),
    "RGB": COLOUR,
    "RGB with a transparent colour": with_info(COLOUR, transparency=(1, 2, 3)),
    "RGBA": Image.fromarray(PIXELS),
    "P": COLOUR.quantize(16),
    "P of greys": palette([[0, 1], [1, 2]], [[9, 9, 9], [0, 0, 0], [255, 255, 255]]),
    "P with opacities": with_info(COLOUR.quantize(16), transparency=bytes([0, 128, 255, 7])),
    "P with opacities like digits": with_info(COLOUR.quantize(16), transparency=b"53"),
    "P with a transparent entry": with_info(COLOUR.quantize(16), transparency=3),
    "P with equal entries that do not occur": palette([[0, 1]], [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]]),
    "profile and EXIF": with_info(COLOUR, icc_profile=b"icc" * 100, exif=b"Exif\0\0abc"),
    "1x1": Image.new("RGB", (1, 1), (1, 2, 3)),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_back_to_the_same(name, channels):
    picture = PICTURES[name]
    planes = from_picture(picture, channels, 256)
    is_grey = picture.mode in ("1", "L", "LA") or "greys" in name
    assert isinstance(planes, Planes) == (is_grey or channels > 1)
    if isinstance(planes, Planes):
        assert planes.values.shape == (channels, picture.height, picture.width)
        again = to_picture(planes, 256)
        assert (again.mode, again.size, again.tobytes()) == (picture.mode, picture.size, picture.tobytes())
        assert again.getpalette() == picture.getpalette()
        for key in ("transparency", "icc_profile", "exif"):
            assert again.info.get(key) == picture.info.get(key)
        assert checksum(again) == checksum(picture)


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 200])
def test_levels_are_a_grid(levels):
    values = noise(5, 6, levels=levels)
    planes = from_picture(Image.fromarray(grid(levels)[values]), 1, levels)
    assert (planes.values[0] == values).all()
    assert np.asarray(to_picture(planes, levels)).tolist() == grid(levels)[values].tolist()
    off = grid(levels)[values]
    off[2, 3] = min(set(range(256)) - set(grid(levels).tolist()))
    assert from_picture(Image.fromarray(off), 1, levels) == f"values that are none of the {levels} levels"


@pytest.mark.parametrize(
    "picture",
    [
        palette([[0, 2]], [[1, 2, 3], [4, 5, 6], [1, 2, 3]]),
        palette([[2, 2]], [[1, 2, 3], [4, 5, 6], [1, 2, 3]]),
        palette([[0, 9]], [[0, 0, 0], [4, 5, 6]]),
        palette([[0, 1]], [[1, 2, 3], [1, 2, 3]], transparency=b"\0"),
    ],
    ids=["both occur", "the second occurs", "beyond the palette", "but for opacity"],
)
def test_a_palette_that_does_not_tell_its_entries_apart(picture):
    assert from_picture(picture, 3, 256) == "a palette that does not tell its entries apart"
    is_told_apart = "transparency" in picture.info
    assert isinstance(from_picture(picture, 4, 256), Planes) == is_told_apart
    assert (spread(picture) is not None) == is_told_apart


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "I", "F", "I;16", "HSV", "LAB", "RGBa", "La", "PA"])
def test_other_modes_do_not_fit(mode):
    assert from_picture(Image.new(mode, (3, 3)), 3, 256) == f"mode {mode}"
    assert spread(Image.new(mode, (3, 3))) is None


@pytest.mark.parametrize("change", ["mode", "pixels", "palette", "opacity", "profile", "size"])
def test_the_checksum_is_of_everything(change):
    before = with_info(COLOUR.quantize(16), transparency=b"\0\1", icc_profile=b"icc")
    after = before.copy()
    match change:
        case "mode":
            after = Image.fromarray(np.asarray(before).copy())
        case "pixels":
            after.putpixel((3, 3), before.getpixel((3, 3)) ^ 1)
        case "palette":
            after.putpalette([value ^ 1 for value in before.getpalette()])
        case "opacity":
            after.info["transparency"] = b"\0\2"
        case "profile":
            after.info["icc_profile"] = b"icd"
        case "size":
            after = after.resize((9, 7))
    assert checksum(after) != checksum(before)


def test_a_palette_of_just_the_colours_there_are_takes_an_order_only():
    """Of 40 entries in no order at all: one byte for each, instead of four."""
    generator = np.random.default_rng(0)
    entries, opacities = generator.integers(0, 256, (40, 3), np.uint8), generator.integers(0, 256, 12, np.uint8)
    opacities[-1] = 9
    numbers = np.concatenate([np.arange(40), generator.integers(0, 40, 1160)]).astype(np.uint8).reshape(30, 40)
    picture = Image.fromarray(numbers)
    picture.putpalette(entries.tobytes(), "RGB")
    picture.info["transparency"] = opacities.tobytes()
    planes = from_picture(picture, 4, 256)
    assert (planes.extras, len(planes.order)) == (b"", 40)
    assert checksum(to_picture(planes, 256)) == checksum(picture)
    # With one more entry that no pixel has, all of them are kept.
    picture.putpalette(entries.tobytes() + b"abc", "RGB")
    planes = from_picture(picture, 4, 256)
    assert planes.order == b""
    assert sorted(pictures._unpack(planes.extras)) == ["opacities", "palette"]
    assert checksum(to_picture(planes, 256)) == checksum(picture)


@pytest.mark.parametrize("order", [bytes(1), bytes(40), bytes([40] * 40), bytes(41)])
def test_a_damaged_order_is_an_error(order):
    values = np.arange(1600, dtype=np.uint8).reshape(4, 20, 20)
    planes = Planes(FORMS.index("P"), values, b"", order)
    with pytest.raises(ArchiveError, match="a palette in it is damaged"):
        to_picture(planes, 256)


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("extras", [b"", b"x", b"\x78\x9c", "palette", "alpha"])
def test_damaged_extras_are_an_error_or_a_picture(form, extras):
    if extras == "palette":
        extras = from_picture(PICTURES["P"], 3, 256).extras
    elif extras == "alpha":
        extras = from_picture(Image.new("LA", (20, 20)), 3, 256).extras
    planes = Planes(FORMS.index(form), PIXELS[..., :3].transpose(2, 0, 1).copy(), extras)
    try:
        assert to_picture(planes, 256).size == (7, 9)
    except ArchiveError:
        assert form in ("P", "LA", "RGBA") or extras in (b"x", b"\x78\x9c")


@pytest.mark.parametrize(
    "key", [b"[1]", b'"x"', b"{}", b"1.5", b"[1, 2, 99999999]", b"[" * 100000, b"true", b"-1", b""]
)
@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_transparent_colour_is_one_or_an_error(key, mode):
    extras = {"transparency": key} | ({"palette": bytes(range(30))} if mode == "P" else {})
    values = np.zeros((3, 2, 2), np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None]
    with pytest.raises(ArchiveError):
        to_picture(Planes(FORMS.index(mode), values, pictures._pack(extras)), 256)


def test_a_png_file_keeps_it_all():
    for name, picture in PICTURES.items():
        file = io.BytesIO()
        picture.save(file, "PNG", **{key: picture.info[key] for key in ("icc_profile", "exif") if key in picture.info})
        with Image.open(file) as read:
            read.load()
            assert isinstance(from_picture(read, 4, 256), Planes), name
            assert checksum(to_picture(from_picture(read, 4, 256), 256)) == checksum(read), name

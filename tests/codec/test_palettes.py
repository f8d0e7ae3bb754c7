"""The colours of pictures as bytes, and archives whose pictures are coded within their colours."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelrnn import ArchiveError, Codec, ModelConfig, Support, build_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.restore import decompress
from pixelrnn.codec.container import Index, Kind, Member, Piece
from pixelrnn.codec.decoder import palette_orders_of
from pixelrnn.codec.decoder import supports_of as supports_of_file
from pixelrnn.codec.palettes import least_bytes, pack_palettes, unpack_palettes
from pixelrnn.codec.supports import support_for
from pixelrnn.colours.support import few


def supports_of(count, channels, seed=0):
    random = np.random.default_rng(seed)
    return [
        Support(random.integers(0, random.integers(1, 257), (random.integers(1, 60), channels))) for _ in range(count)
    ]


@settings(deadline=None)
@given(channels=st.integers(1, 4), count=st.integers(1, 12), seed=st.integers(0, 1000))
def test_colours_come_back(channels, count, seed):
    supports = supports_of(count, channels, seed)
    content = pack_palettes([support.colours for support in supports])
    counts = [len(support) for support in supports]
    found = unpack_palettes(content, counts, channels)
    assert all((each == support.colours).all() for each, support in zip(found, supports, strict=True))
    assert len(content) >= least_bytes(counts)


def test_the_first_come_back_alone():
    """However many they are: tables grow with all that was packed, not with what is wanted."""
    palettes = [support.colours for support in supports_of(300, 3)]
    counts = [len(palette) for palette in palettes]
    assert sum(counts) > 2**13
    content = pack_palettes(palettes)
    for first in (1, 150, 300):
        found = unpack_palettes(content, counts, 3, first)
        assert all((one == other).all() for one, other in zip(found, palettes[:first], strict=True))


def test_what_is_common_to_pictures_costs_little():
    colours = np.random.default_rng(0).integers(0, 256, (60, 4))
    one, many = len(pack_palettes([colours])), len(pack_palettes([colours] * 50))
    assert one > 60 * 2.5
    assert many < 3 * one


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda content: content[:-1], None),
        (lambda content: b"", None),
        (lambda content: content, [0, 3]),
        (lambda content: content, [10**6, 10**6]),
    ],
)
def test_bytes_that_cannot_be_palettes(change, counts):
    palettes = [support.colours for support in supports_of(2, 3)]
    with pytest.raises(ArchiveError, match="bytes cannot hold the colours of 2 pictures"):
        unpack_palettes(change(pack_palettes(palettes)), counts or [len(palette) for palette in palettes], 3)


@pytest.mark.parametrize("change", [lambda content: content[:-4], lambda content: b"\xff" * len(content)])
def test_other_bytes_give_other_colours_or_an_error(change):
    palettes = [support.colours for support in supports_of(2, 3)]
    content, counts = change(pack_palettes(palettes)), [len(palette) for palette in palettes]
    with contextlib.suppress(ArchiveError):
        found = unpack_palettes(content, counts, 3)
        assert [len(palette) for palette in found] == counts
        assert not all(np.array_equal(*pair) for pair in zip(found, palettes, strict=True))


def drawing(seed, colours=12, side=24, mode="RGBA"):
    """A picture of a few discs in a few colours."""
    random = np.random.default_rng(seed)
    values = np.zeros((side, side, 4), np.uint8)
    y, x = np.mgrid[:side, :side]
    for _ in range(colours):
        centre, radius = random.integers(0, side, 2), random.integers(2, side // 2)
        values[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = random.integers(0, 256, 4)
    picture = Image.fromarray(values)
    return picture if mode == "RGBA" else picture.convert("RGB").quantize(colours)


def small_model(channels=4, **fields):
    config = {"architecture": "local", "layers": 1, "hidden": 8, "mixtures": 2, "copies": 4} | fields
    return build_model(ModelConfig(shape=(channels, 16, 16), **config), seed=0)


def test_pictures_of_few_and_of_many_colours_are_restored(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        drawing(number).save(folder / f"rgba{number}.png")
        drawing(number, mode="P").save(folder / f"palette{number}.png")
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 4)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    Image.new("RGBA", (24, 24), (1, 2, 3, 4)).save(folder / "plain.png")
    done = compress(small_model(), folder, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        colours = {member.name: member.colours for member in archive.members}
        decompress(archive, small_model(), tmp_path / "out")
    assert done.coded >= 8
    assert colours["noise.png"] == 0
    assert 2 <= colours["rgba0.png"] <= 13
    for path in folder.iterdir():
        with Image.open(path) as before, Image.open(tmp_path / "out" / path.name) as after:
            assert before.mode == after.mode
            assert before.tobytes() == after.tobytes()


def slope():
    """A picture of nearly as many colours as pixels, `(24, 24, 4)`."""
    y, x = np.mgrid[:24, :24]
    noise = np.random.default_rng(0).integers(0, 24, (24, 24, 4))
    return (np.stack([4 * x + y, x + 5 * y, 3 * x + 3 * y, 200 - 2 * x], axis=2) + noise).astype(np.uint8)


@pytest.fixture(scope="module")
def trained():
    """A model to which slopes are no surprise, so that they are smaller by it than as PNG."""
    model, x = small_model(), torch.from_numpy(slope()).permute(2, 0, 1)[None]
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(80):
        optimiser.zero_grad()
        model.bits_per_dim(x).mean().backward()
        optimiser.step()
    return model


def write_mixed(folder, mode):
    """Pictures of few colours, and slopes, which have none to send; all but one can share a group."""
    folder.mkdir()
    for number in range(3):
        drawing(number, mode=mode).save(folder / f"{number}.png")
    Image.fromarray(slope()).save(folder / "slope.png")
    Image.fromarray(slope()[:20]).save(folder / "other.png")


def test_a_picture_without_colours_beside_others_with_is_restored_alone(trained, tmp_path):
    write_mixed(tmp_path / "in", "RGBA")
    compress(trained, tmp_path / "in", tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        number = [member.name for member in archive.members].index("slope.png")
        assert (archive.members[number].kind, archive.members[number].colours) == (Kind.CODED, 0)
        assert any(archive.members[other].colours for other in archive.beside(number))
        ((_, picture),) = archive.extract(trained, [number])
    with Image.open(tmp_path / "in" / "slope.png") as before:
        assert picture.tobytes() == before.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_damaged_colours_or_orders_spare_the_other_pictures(mode, trained, tmp_path):
    """Colours are lost with all that share a group with them; orders with their own pictures only."""
    write_mixed(tmp_path / "in", mode)
    compress(trained, tmp_path / "in", tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        names, index = [member.name for member in archive.members], archive.index
        beside = {
            number: {index.members[other].colours > 0 for other in archive.beside(number)} for number in index.coded
        }
        start = archive._offsets[0 if mode == "RGBA" else 1]
    expected = {number for number in index.coded if True in beside[number]} if mode == "RGBA" else set(index.with_order)
    assert {"slope.png", "other.png"} <= {names[number] for number in index.coded}
    assert ("slope.png" in {names[number] for number in expected}) == (mode == "RGBA")
    assert len(expected) >= 2
    content = bytearray((tmp_path / "a.pxr").read_bytes())
    content[start + 3] ^= 1
    (tmp_path / "a.pxr").write_bytes(content)
    lost = []
    with Archive(tmp_path / "a.pxr") as archive:
        found = dict(archive.extract(trained, damaged=lambda number, error: lost.append(number)))
    assert set(lost) == expected
    assert set(found) == set(range(len(names))) - expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"levels": 16}, "the colours of its pictures are damaged"),
        ({"architecture": "pixelcnn", "copies": 0}, "it holds colours of pictures, which its model does not know of"),
    ],
)
def test_colours_that_are_none_of_the_model_are_refused(fields, message):
    """As a forged file may have them."""
    colours = pack_palettes([np.array([[3, 200, 1, 7]])])
    member = Member(name="a", kind=Kind.CODED, form=6, height=4, width=4, colours=1)
    index = Index(b"01234567", (8, 8), False, (member,), (1,), (Piece.of(colours), Piece.of(bytes(4))))
    with pytest.raises(ArchiveError, match=message):
        supports_of_file(index, small_model(**fields).config, lambda number: colours, {0})


@pytest.mark.parametrize("needed", [{0}, {3, 70}, {199}])
def test_parts_of_an_archive_of_many_colours_come_back(needed):
    """Of many members that share a piece those up to the last that is needed, colours as well as orders."""
    random = np.random.default_rng(0)
    supports = [Support(random.integers(0, 256, (60, 4))) for _ in range(200)]
    orders = [random.permutation(200)[:, None] for _ in range(200)]
    pieces = pack_palettes([support.colours for support in supports]), pack_palettes(orders)
    members = tuple(
        Member(name=f"{number:03d}", kind=Kind.CODED, form=6, height=4, width=4, colours=len(support), order=200)
        for number, support in enumerate(supports)
    )
    index = Index(b"01234567", (8, 8), False, members, (1,), tuple(map(Piece.of, pieces)))
    found = supports_of_file(index, small_model().config, pieces.__getitem__, needed)
    assert set(found) == set(range(max(needed) + 1))
    assert all((found[number].colours == supports[number].colours).all() for number in found)
    palettes = palette_orders_of(index, pieces.__getitem__, needed)
    assert all(palettes[number] == orders[number].astype(np.uint8).tobytes() for number in needed)


def test_tensors_are_coded_within_their_colours():
    x = torch.from_numpy(np.stack([np.asarray(drawing(seed)).transpose(2, 0, 1) for seed in range(5)]))
    model = small_model()
    data = Codec(model).encode(x)
    assert (Codec(model).decode(data) == x).all()
    supports = [few(image, 256) for image in x.numpy()]
    bits = -model.log_prob(x, support=supports).sum().item() / np.log(2)
    colours = len(pack_palettes([support.colours for support in supports]))
    assert bits / 8 < len(data) - colours < 1.01 * bits / 8 + 120
    assert -model.log_prob(x).sum().item() / np.log(2) > 1.5 * bits


def test_colours_are_sent_where_they_pay_only():
    """Noise in few levels pays; a slope of as many colours as its pixels allow is cheap without them."""
    random = np.random.default_rng(0)
    model = small_model(1, copies=0)
    slope = np.add.outer(np.arange(20), np.arange(20)).astype(np.uint8)[None]
    x = torch.from_numpy(slope[None].repeat(4, 0))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        model.bits_per_dim(x).mean().backward()
        optimiser.step()
    levels = random.integers(0, 256, 90)
    assert len(few(slope, 256)) == 39
    assert support_for(model, slope) is None
    assert support_for(model, levels[random.integers(0, 9, (1, 20, 20))].astype(np.uint8)) is not None

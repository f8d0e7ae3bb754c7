"""The bytes of a file: written and read again, and never trusted."""

import struct
import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelrnn import Codec
from pixelrnn.codec import container
from pixelrnn.codec.container import Index, Kind, Member, Piece, head_size, pack_index, piece_of, unpack_index
from pixelrnn.codec.decoder import groups_of
from pixelrnn.codec.names import read_names, write_names
from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.errors import ArchiveError
from tests.conftest import build

# Any bytes but these can name a file; those that are no text are escaped.
NAMES = (
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
    | st.binary(min_size=1, max_size=8).map(lambda name: name.decode("utf-8", "surrogateescape"))
).filter(lambda name: name not in (".", "..") and not set(name) & {"/", "\0"})


@st.composite
def indices(draw):
    names = draw(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), unique=True, max_size=6))
    members, size, version = [], st.integers(1, 500), draw(st.sampled_from([1, 2]))
    for number, name in enumerate(names):
        first = [n for n, member in enumerate(members) if member.kind != Kind.SAME]
        kind = draw(st.sampled_from([Kind.CODED, Kind.IMAGE, Kind.FILE, *([Kind.SAME] if first else [])]))
        if kind == Kind.CODED:
            member = Member(
                name=name,
                kind=kind,
                form=draw(st.integers(0, 6)),
                height=draw(size),
                width=draw(size),
                label=draw(st.integers(-1, 300)),
                has_extras=draw(st.booleans()),
                checksum=draw(st.integers(0, 2**32 - 1)) if version == 1 else 0,
                reading=draw(st.integers(0, 7)),
            )
        else:
            member = Member(name=name, kind=kind, same_as=draw(st.sampled_from(first)) if kind == Kind.SAME else -1)
        members.append(member)
        assert member.same_as < number
    pieces = [Piece(draw(st.integers(0, 2**40)), draw(st.integers(0, 2**32 - 1))) for _ in range(len(members) + 2)]
    shared = tuple(draw(st.lists(st.integers(0, 64), max_size=3)))
    tile = (draw(size), draw(size))
    model = draw(
        st.text(max_size=9)
        .filter(lambda name: "\ufffd" not in name)
        .map(lambda name: name.encode("utf-8", "replace").decode())
    )
    fingerprint, has_model = draw(st.binary(min_size=8, max_size=8)), draw(st.booleans())
    return Index(fingerprint, tile, has_model, tuple(members), shared, tuple(pieces), model, version)


@given(indices())
def test_an_index_is_read_as_it_was_written(index):
    head = pack_index(index)
    assert head_size(head) == head_size(head[: container.LEAST_HEAD]) == len(head)
    assert unpack_index(head, len(head) + sum(piece.length for piece in index.pieces)) == index


NUMBERED = st.tuples(
    st.sampled_from(["", "a", "b/"]), st.integers(0, 120) | st.integers(10**14, 10**16), st.integers(0, 4),
    st.sampled_from(["", ".png", "_x"]),
).map(lambda parts: f"{parts[0]}{str(parts[1]).zfill(parts[2])}{parts[3]}")  # fmt: skip


@given(st.lists(NUMBERED | NAMES, unique=True), st.booleans(), st.sampled_from([1, 2]))
def test_names_with_numbers_come_back(names, is_sorted, version):
    names, writer = sorted(names) if is_sorted else names, Writer()
    write_names(writer, names, version)
    reader = Reader(bytes(writer.bytes))
    assert read_names(reader, len(names), version) == names
    assert reader.at == len(writer.bytes)


def test_names_that_count_take_a_byte_each():
    writer = Writer()
    write_names(writer, [f"{number:05d}.png" for number in range(10_000)], 2)
    assert len(writer.bytes) == 10_000 + 10
    members = tuple(coded(28, 28, name=f"{number:05d}.png") for number in range(10_000))
    index = Index(bytes(8), (28, 28), False, members, (4096, 4096, 1808), ())
    assert len(pack_index(index)) < 200


@pytest.mark.parametrize(
    ("codes", "message"),
    [([0, 1, 97, 1], "a name in it has no number"), ([0, 1, 97, 4, 0], "begins as no name before it")],
)
def test_names_of_nothing_are_refused(codes, message):
    with pytest.raises(ArchiveError, match=message):
        read_names(Reader(bytes([*codes, 0, 0])), 2, 2)


@given(st.lists(st.integers(0, 2**62)), st.binary(max_size=9))
def test_varints(values, rest):
    writer = Writer()
    writer.varints(values)
    reader = Reader(bytes(writer.bytes) + rest)
    assert reader.varints(len(values)) == values
    assert reader.take(len(rest)) == rest
    with pytest.raises(ArchiveError):
        reader.take(1)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff" * 12])
def test_varints_that_do_not_end(content):
    with pytest.raises(ArchiveError):
        Reader(content).varint()


def forged(**changes):
    """A file of one blank index, with right lengths and checksums but other content."""
    members = changes.pop("members", (Member(name="a", kind=Kind.FILE),))
    fields = {"fingerprint": bytes(8), "tile": (1, 1), "has_model": False, "shared": (), "pieces": (Piece.of(b"x"),)}
    index = Index(members=members, **fields | changes)
    return pack_index(index), len(pack_index(index)) + sum(piece.length for piece in index.pieces)


def coded(height, width, name="a"):
    return Member(name=name, kind=Kind.CODED, height=height, width=width)


@pytest.mark.parametrize(
    ("name", "is_allowed"),
    [
        ("a/b.png", True),
        ("..a/b..", True),
        ("a b/ü", True),
        ("../a", False),
        ("a/../b", False),
        ("/a", False),
        ("a//b", False),
        ("a/", False),
        (".", False),
        ("1:30pm.png", True),
        ("a\0b", False),
        ("a/./b", False),
    ],
)
def test_names_stay_in_their_folder(name, is_allowed):
    head, size = forged(members=(Member(name=name, kind=Kind.FILE),))
    if is_allowed:
        assert unpack_index(head, size).members[0].name == name
    else:
        with pytest.raises(ArchiveError, match="leads out"):
            unpack_index(head, size)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": (Member(name="a", kind=Kind.FILE),) * 2, "pieces": (Piece.of(b"x"),) * 2}, "there twice"),
        ({"members": (coded(0, 5),)}, "no pixels"),
        ({"members": (coded(2**14, 2**14),)}, "no pixels, or more than"),
        ({"tile": (0, 1)}, "no pixels"),
        ({"pieces": ()}, "fewer pieces"),
        ({"members": (Member(name="a" * 4097, kind=Kind.FILE),)}, "4097; at most 4096"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    head, size = forged(**changes)
    with pytest.raises(ArchiveError, match=message):
        unpack_index(head, size)


@pytest.mark.parametrize("same_as", [0, 1])
def test_a_member_equals_an_earlier_one_that_is_there(same_as):
    members = (Member(name="a", kind=Kind.FILE), Member(name="b", kind=Kind.SAME, same_as=0))
    head, size = forged(members=(*members, Member(name="c", kind=Kind.SAME, same_as=same_as)))
    if same_as == 0:
        assert unpack_index(head, size).members[2].same_as == 0
    else:
        with pytest.raises(ArchiveError, match="equals none"):
            unpack_index(head, size)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # A hundred million tiles of one pixel, in a file of a hundred bytes
        ({"members": (coded(2**13, 2**13),), "tile": (1, 1)}, "too few streams"),
        ({"members": (coded(2**13, 2**13),), "tile": (2**13, 2**13), "shared": (1,)}, "too short"),
        ({"members": (coded(4, 4),), "tile": (4, 4), "shared": (2,)}, "groups do not fit"),
        ({"members": (coded(4, 4),), "tile": (4, 4), "shared": (0,)}, "groups do not fit"),
        ({"members": (coded(4, 4),), "tile": (4, 4), "shared": (1, 1)}, "groups do not fit"),
        (
            {"members": (coded(4, 4),), "tile": (4, 4), "shared": (1,), "pieces": (Piece(4, 0),) * 2},
            "streams do not fit",
        ),
    ],
)
def test_pictures_need_streams_that_can_hold_them(changes, message):
    head, size = forged(**{"pieces": (Piece(4, 0),), **changes})
    index = unpack_index(head, size)
    with pytest.raises(ArchiveError, match=message):
        groups_of(index, 1)


def test_an_index_does_not_swell():
    """Neither one that says that it is huge, nor one that is, nor names that share their beginnings."""
    deflate = zlib.compressobj(9, wbits=-15)
    bomb = deflate.compress(bytes(2**27)) + deflate.flush()
    for unpacked in (2**20, 2**26, 2**40):
        writer = Writer()
        writer.bytes += b"\x89PXR\x01"
        writer.varints((len(bomb), unpacked))
        head = bytes(writer.bytes) + bomb
        with pytest.raises(ArchiveError):
            unpack_index(head + struct.pack("<I", zlib.crc32(head)), len(head) + 4)
    writer = Writer()
    writer.bytes += bytes(8)
    writer.varints((1, 1, 0, 2**20))
    writer.varints((0, 4000))
    writer.bytes += b"a" * 4000
    for number in range(2**20 - 1):
        writer.varints((2 * 3990, 6))
        writer.bytes += b"%06x" % number
    with pytest.raises(ArchiveError, match="or all have more than"):
        container._read_index(Reader(bytes(writer.bytes)), 2)


def test_what_deflates_too_well_is_refused_at_once():
    """A million members that are all alike, in some thousand bytes."""
    writer = Writer()
    writer.bytes += bytes(8)
    writer.varints((1, 1, 0, 10**6))
    plain = bytes(writer.bytes) + bytes(2 * 10**6) + b"\2" * 10**6
    assert len(plain) > container.MOST_SMALL
    deflate = zlib.compressobj(9, wbits=-15)
    packed = deflate.compress(plain) + deflate.flush()
    writer = Writer()
    writer.bytes += b"\x89PXR\x01"
    writer.varints((len(packed), len(plain)))
    writer.bytes += packed
    writer.words([zlib.crc32(writer.bytes)])
    with pytest.raises(ArchiveError, match="its index swells to more than any index does"):
        unpack_index(bytes(writer.bytes), len(writer.bytes))


def test_an_honest_index_never_swells_too_much():
    members = tuple(coded(4, 4) for _ in range(5000))
    members = tuple(Member(**{**vars(member), "name": ""}) for member in members)
    pieces = tuple(Piece(4, 0) for _ in range(79))
    index = Index(bytes(8), (4, 4), False, members, (64,) * 78 + (8,), pieces)
    head = pack_index(index)
    assert unpack_index(head, len(head) + 4 * 79) == index


@pytest.fixture(scope="module")
def small():
    codec = Codec(build(shape=(1, 4, 4), levels=2, layers=1).float())
    images = torch.randint(0, 2, (3, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return codec, images, codec.encode(images)


def test_every_byte_counts(small):
    codec, _, data = small
    for place in range(len(data)):
        for change in (1, 0x80, 0xFF):
            damaged = data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :]
            with pytest.raises(ArchiveError):
                codec.decode(damaged)


def test_every_length_counts(small):
    codec, images, data = small
    for length in range(len(data)):
        with pytest.raises(ArchiveError):
            codec.decode(data[:length])
    with pytest.raises(ArchiveError, match="another length"):
        codec.decode(data + b"\0")
    assert (codec.decode(data) == images).all()


def test_a_newer_version_says_so(small):
    codec, _, data = small
    with pytest.raises(ArchiveError, match="version 3; this program reads up to version 2: a newer one may"):
        codec.decode(data[:4] + b"\3" + data[5:])
    with pytest.raises(ArchiveError, match=r"no \.pxr file"):
        codec.decode(b"PK" + data)


def test_pieces_have_an_order():
    members = (
        Member(name="a", kind=Kind.FILE),
        coded(4, 4),
        Member(name="c", kind=Kind.CODED, height=4, width=4, has_extras=True),
        Member(name="d", kind=Kind.SAME, same_as=0),
        Member(name="e", kind=Kind.IMAGE),
    )
    index = Index(bytes(8), (4, 4), True, members, (2,), tuple(Piece(4, 0) for _ in range(6)))
    assert piece_of(index) == ({0: 1, 2: 2, 4: 3}, 4)


def test_an_index_holds_nothing_else():
    head, size = forged()
    reader = Reader(head[5:-4])
    stored, unpacked = reader.varint(), reader.varint()
    plain = zlib.decompress(reader.take(stored), wbits=-15)
    assert len(plain) == unpacked
    deflate = zlib.compressobj(9, wbits=-15)
    content = deflate.compress(plain + b"x") + deflate.flush()
    writer = Writer()
    writer.bytes += head[:5]
    writer.varints((len(content), unpacked + 1))
    writer.bytes += content
    writer.words([zlib.crc32(writer.bytes)])
    with pytest.raises(ArchiveError, match="its index holds more than it should"):
        unpack_index(bytes(writer.bytes), size)

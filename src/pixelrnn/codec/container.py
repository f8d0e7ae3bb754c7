r"""The bytes of a `.pxr` file, version 2. It knows no model, no image library and no disk.

A file is a head, an index and pieces:

    magic       89 50 58 52            4 bytes
    version     2                      1 byte; 1: streams are as `first_version.py` reads them, so are its names,
                                       all else is the same
    length      of the index, stored   varint
    length      of the index, unpacked varint; 0: it is stored as it is, else it is packed (raw deflate)
    index
    CRC-32      of all before          4 bytes, little-endian as all numbers
    pieces      one after the other, to the end of the file

A varint is a number as `varints.py` writes it. The index holds

    fingerprint of the model           8 bytes; zeros if no member is coded by one
    tile        height, width          2 varints
    flags       the sum of 1: the first piece is the model, which comes from elsewhere else; 2: a piece holds the
                colours of some pictures; 4: a piece holds the orders of some palettes; 8: the model has a name
                under which others can get it; 16: some pictures are read in another order     1 byte
    name        its number of bytes, UTF-8    varint and bytes; only with flag 8
    members     their number N         varint; then for each of the following N values
    names       as `names.py` writes them
    kinds       0 coded by the model, 1 an image file, 2 another file, 3 equal to an earlier member     1 byte each
    of coded    form, height, width, label + 1, extras    for each coded member, field by field; varints;
                                       extras: 1 if it has a piece of its own, else 0
    of coded    colours of the support it was coded with, 0 for none    varint each; only with flag 2
    of coded    entries of its palette, if that is kept as an order, else 0    varint each; only with flag 4
    of coded    order in which it is read: see `pixelrnn.model.orders`    varint each; only with flag 16
    of coded    CRC-32 of the picture  4 bytes each; only in version 1: a stream holds that of its values since
    of equal    how many members ago   varint each
    shared      number of the groups that pictures of one tile share, and how many pictures each has    varints
    pieces      their number P, then their lengths (varints), then their CRC-32 (4 bytes each)

Pieces come in this order: the model; the colours of all supports, and the orders of palettes, as `palettes.py` writes
them; for each member that has one, its file or its extras; the streams of the coded members. These are cut into tiles
and grouped as `tiles.plan` says. Nothing else is in a file: lengths must add up.

Whatever is read is bounded before memory is taken for it, and wrong bytes are an `ArchiveError`, never anything else.
"""

import dataclasses
import enum
import struct
import zlib

from pixelrnn.codec.names import MOST_NAME, read_names, write_names
from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.colours.support import MOST_COLOURS
from pixelrnn.errors import ArchiveError

__all__ = [
    "LEAST_HEAD",
    "LEVELS",
    "MAGIC",
    "NO_MODEL",
    "VERSION",
    "Index",
    "Kind",
    "Member",
    "Piece",
    "head_size",
    "is_archive",
    "pack_index",
    "piece_of",
    "unpack_index",
]

MAGIC = b"\x89PXR"
VERSION, READ = 2, (1, 2)
FINGERPRINT = 8
NO_MODEL = bytes(FINGERPRINT)  # in an archive whose pictures no model codes

MOST_INDEX = 2**26  # bytes, unpacked
MOST_PACKED = 256  # times as many bytes as are stored,
MOST_SMALL = 2**20  # and these: thousands of pictures without names differ in nothing
MOST_PIXELS = 2**27  # of a picture
MOST_ENTRIES = 256  # of a palette
MOST_READING = 7  # number of an order
TRANSPOSED = 4  # bit of an order
LEVELS = 0  # form of an image that is no picture but levels, as `Codec.encode` takes them
LEAST_HEAD = 64  # bytes after which `head_size` always has an answer


class Kind(enum.IntEnum):
    """What a member is."""

    CODED = 0
    IMAGE = 1
    FILE = 2
    SAME = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One of the files or images of an archive.

    Attributes:
        name: Name, with slashes; empty for images that have none.
        kind: What it is.
        form: Way in which a coded picture becomes one again: see `pixelrnn.archive.pictures`; `LEVELS` for what is
            none.
        height: Height of a coded picture.
        width: Width of a coded picture.
        label: Label that it was coded with; -1 for none.
        has_extras: Whether a coded picture has a piece of its own, with what the model does not code.
        colours: Number of colours in the support of a coded picture; 0 if it was coded without.
        order: Number of entries of the palette of a coded picture, if that is kept as an order; else 0.
        reading: Order in which a coded picture is read.
        checksum: CRC-32 of a coded picture, in version 1.
        same_as: Number of the member that it equals.
    """

    name: str
    kind: Kind
    form: int = 0
    height: int = 0
    width: int = 0
    label: int = -1
    has_extras: bool = False
    colours: int = 0
    order: int = 0
    reading: int = 0
    checksum: int = 0
    same_as: int = -1

    @property
    def size_as_read(self) -> tuple[int, int]:
        """Height and width of a coded picture as it is read: transposed, in some orders."""
        return (self.width, self.height) if self.reading & TRANSPOSED else (self.height, self.width)

    @property
    def has_piece(self) -> bool:
        """Whether a piece belongs to it alone."""
        return self.has_extras or self.kind in (Kind.IMAGE, Kind.FILE)


@dataclasses.dataclass(frozen=True)
class Piece:
    """Length and CRC-32 of some bytes of a file."""

    length: int
    checksum: int

    @classmethod
    def of(cls, content: bytes) -> "Piece":
        """The piece that some bytes make."""
        return cls(len(content), zlib.crc32(content))


@dataclasses.dataclass(frozen=True)
class Index:
    """All that a file says of its content.

    Attributes:
        fingerprint: Fingerprint of the model, 8 bytes.
        tile: Height and width of the tiles that pictures are cut into.
        has_model: Whether the first piece is the model.
        members: Members, in order.
        shared: Number of pictures of each group that pictures of one tile share.
        pieces: Pieces, in order.
        model: Name by which the model can be had: of a shipped one, or `hf:owner/name@revision`; empty if it has none.
        version: Version of the format, which says how streams are coded.
    """

    fingerprint: bytes
    tile: tuple[int, int]
    has_model: bool
    members: tuple[Member, ...]
    shared: tuple[int, ...]
    pieces: tuple[Piece, ...]
    model: str = ""
    version: int = VERSION

    @property
    def with_colours(self) -> list[int]:
        """Numbers of the members that were coded with a support."""
        return [number for number, member in enumerate(self.members) if member.colours]

    @property
    def with_order(self) -> list[int]:
        """Numbers of the members whose palette is kept as an order."""
        return [number for number, member in enumerate(self.members) if member.order]

    @property
    def is_turned(self) -> bool:
        """Whether some members are read in another order than the first."""
        return any(member.reading for member in self.members)

    @property
    def coded(self) -> list[int]:
        """Numbers of the members that the model codes."""
        return [number for number, member in enumerate(self.members) if member.kind == Kind.CODED]


def piece_of(index: Index) -> tuple[dict[int, int], int]:
    """The number of the piece of each member that has one, and of the first stream."""
    first = int(index.has_model) + bool(index.with_colours) + bool(index.with_order)
    owners = [number for number, member in enumerate(index.members) if member.has_piece]
    return {number: first + place for place, number in enumerate(owners)}, first + len(owners)


def pack_index(index: Index) -> bytes:
    """Head and index as bytes; the pieces follow."""
    writer = Writer()
    members, coded = index.members, [index.members[number] for number in index.coded]
    writer.bytes += index.fingerprint
    has_colours, has_orders = bool(index.with_colours), bool(index.with_order)
    flags = index.has_model + 2 * has_colours + 4 * has_orders + 8 * bool(index.model) + 16 * index.is_turned
    writer.varints((*index.tile, flags))
    if index.model:
        model = index.model.encode()
        writer.varints([len(model)])
        writer.bytes += model
    writer.varints([len(members)])
    write_names(writer, [member.name for member in members], index.version)
    writer.varints(member.kind for member in members)
    for column in (
        [member.form for member in coded],
        [member.height for member in coded],
        [member.width for member in coded],
        [member.label + 1 for member in coded],
        [member.has_extras for member in coded],
        [member.colours for member in coded] if has_colours else [],
        [member.order for member in coded] if has_orders else [],
        [member.reading for member in coded] if index.is_turned else [],
    ):
        writer.varints(column)
    if index.version == 1:
        writer.words([member.checksum for member in coded])
    writer.varints(number - member.same_as for number, member in enumerate(members) if member.kind == Kind.SAME)
    writer.varints((len(index.shared), *index.shared))
    writer.varints((len(index.pieces), *(piece.length for piece in index.pieces)))
    writer.words([piece.checksum for piece in index.pieces])

    deflate = zlib.compressobj(9, wbits=-15)
    plain = bytes(writer.bytes)
    packed = deflate.compress(plain) + deflate.flush()
    is_packed = len(packed) < len(plain) <= _most_unpacked(len(packed))
    head = Writer()
    head.bytes += MAGIC + bytes((index.version,))
    head.varints((len(packed), len(plain)) if is_packed else (len(plain), 0))
    head.bytes += packed if is_packed else plain
    head.words([zlib.crc32(head.bytes)])
    return bytes(head.bytes)


def _most_unpacked(stored: int) -> int:
    """Bytes that a packed index of a size may have unpacked: bounds the time and memory of opening a file."""
    return MOST_PACKED * stored + MOST_SMALL


def is_archive(start: bytes) -> bool:
    """Whether a file that begins so is a `.pxr` file."""
    return start[: len(MAGIC)] == MAGIC


def head_size(start: bytes) -> int:
    """The size of head and index together, from the first `LEAST_HEAD` bytes of a file (or all, if it has fewer)."""
    reader = Reader(start)
    if not is_archive(start):
        raise ArchiveError("it is no .pxr file")
    reader.take(len(MAGIC))
    if (version := reader.take(1)[0]) not in READ:
        raise ArchiveError(
            f"its format has version {version}; this program reads up to version {VERSION}: a newer one may"
        )
    stored = reader.varint(MOST_INDEX)
    reader.varint(MOST_INDEX)
    return reader.at + stored + 4


def unpack_index(head: bytes, size: int) -> Index:
    """Read head and index.

    Args:
        head: First bytes of the file, as many as `head_size` says.
        size: Size of the whole file.

    Raises:
        ArchiveError: If anything is not as it must be.
    """
    if len(head) != head_size(head) or zlib.crc32(head[:-4]) != struct.unpack("<I", head[-4:])[0]:
        raise ArchiveError("it is damaged or cut off (the index is not whole)")
    reader = Reader(head[:-4])
    reader.take(len(MAGIC) + 1)
    stored, unpacked = reader.varint(), reader.varint()
    content = reader.take(stored)
    if unpacked > _most_unpacked(stored):
        raise ArchiveError("its index swells to more than any index does")
    if unpacked:
        inflate = zlib.decompressobj(wbits=-15)
        try:
            content = inflate.decompress(content, unpacked)
        except zlib.error as error:
            raise ArchiveError(f"its index is damaged ({error})") from error
        if len(content) != unpacked or not inflate.eof:
            raise ArchiveError("its index has another length than it says")
    reader = Reader(content)
    index = _read_index(reader, head[len(MAGIC)])
    if reader.at != len(content):
        raise ArchiveError("its index holds more than it should")
    if sum(piece.length for piece in index.pieces) != size - len(head):
        raise ArchiveError("it is damaged or cut off (it has another length than its index says)")
    return index


def _read_index(reader: Reader, version: int) -> Index:
    fingerprint = reader.take(FINGERPRINT)
    tile = (reader.varint(MOST_PIXELS), reader.varint(MOST_PIXELS))
    flags = reader.varint(31)
    model = _read_model(reader) if flags & 8 else ""
    count = reader.varint(MOST_INDEX)
    if min(tile) < 1:
        raise ArchiveError("its tiles have no pixels")
    names = read_names(reader, count, version)
    kinds = [Kind(kind) for kind in reader.varints(count, max(Kind))]
    coded = kinds.count(Kind.CODED)
    forms, heights, widths = (reader.varints(coded, MOST_PIXELS) for _ in range(3))
    labels, extras = reader.varints(coded, 2**31), reader.varints(coded, 1)
    colours = reader.varints(coded, MOST_COLOURS) if flags & 2 else [0] * coded
    orders = reader.varints(coded, MOST_ENTRIES) if flags & 4 else [0] * coded
    readings = reader.varints(coded, MOST_READING) if flags & 16 else [0] * coded
    checksums = reader.words(coded) if version == 1 else (0,) * coded
    if any(height * width > MOST_PIXELS or not height * width for height, width in zip(heights, widths, strict=True)):
        raise ArchiveError(f"a picture in it has no pixels, or more than {MOST_PIXELS:,}")
    if any(bool(flags & bit) != any(column) for bit, column in ((2, colours), (4, orders), (16, readings))):
        raise ArchiveError("it says that it holds colours or orders, and has none")
    columns = zip(forms, heights, widths, labels, extras, colours, orders, readings, checksums, strict=True)
    members: list[Member] = []
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        if kind == Kind.CODED:
            form, height, width, label, has_extras, of_support, of_order, reading, checksum = next(columns)
            members.append(
                Member(
                    name=name,
                    kind=kind,
                    form=form,
                    height=height,
                    width=width,
                    label=label - 1,
                    has_extras=bool(has_extras),
                    colours=of_support,
                    order=of_order,
                    reading=reading,
                    checksum=checksum,
                )
            )
        else:
            members.append(Member(name=name, kind=kind, same_as=number if kind == Kind.SAME else -1))
    for number, member in enumerate(members):
        if member.kind == Kind.SAME:
            same_as = number - reader.varint(number)
            if same_as == number or members[same_as].kind == Kind.SAME:
                raise ArchiveError("a member of it equals none that is there")
            members[number] = dataclasses.replace(member, same_as=same_as)
    shared = reader.varints(reader.varint(MOST_INDEX))
    lengths = reader.varints(reader.varint(MOST_INDEX))
    pieces = tuple(map(Piece, lengths, reader.words(len(lengths))))
    index = Index(fingerprint, tile, bool(flags & 1), tuple(members), tuple(shared), pieces, model, version)
    if piece_of(index)[1] > len(pieces):
        raise ArchiveError("it has fewer pieces than its members need")
    return index


def _read_model(reader: Reader) -> str:
    name = reader.take(reader.varint(MOST_NAME)).decode("utf-8", "replace")
    if not name:
        raise ArchiveError("it says that its model has a name, and gives none")
    return name

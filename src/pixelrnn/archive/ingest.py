"""Files as they are read: what each of them is, and how it could be kept.

Every file is kept, one way or another: a picture by the model where that is smaller than the smallest ordinary file for
it, all other files as they are, equal files once. Their bytes are staged in a file without a name.
"""

import dataclasses
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from PIL import Image

from pixelrnn.archive.examine import FORMATS, examine, opened
from pixelrnn.archive.files import Found, Listing
from pixelrnn.archive.metadata import parts
from pixelrnn.archive.ordinary import Ordinary
from pixelrnn.archive.pictures import not_kept
from pixelrnn.codec.container import Kind, Piece
from pixelrnn.codec.palettes import BITS_OF_A_VALUE
from pixelrnn.colours.support import Support
from pixelrnn.config.writing import Writing
from pixelrnn.errors import ArchiveError

__all__ = ["Coded", "Entry", "Ingest", "Staged"]

DEFAULT = Writing()
METADATA = "metadata that would be lost"


class Staged(NamedTuple):
    """Bytes in the staging file.

    Attributes:
        place: Where they begin.
        piece: Their number and checksum.
    """

    place: int
    piece: Piece


@dataclasses.dataclass(frozen=True)
class Coded:
    """What is known of a picture that the model codes: its support, its extras, and the order that it is read in."""

    form: int
    height: int
    width: int
    extras: Staged | None
    support: Support | None
    order: bytes
    reading: int


@dataclasses.dataclass
class Entry:
    """What is known of a member.

    Attributes:
        file: The file on disk.
        kind: What the member is if the model does not code it.
        own: Bytes of the file, or of the smallest ordinary file for its picture.
        is_picture: Whether a picture is all of the file.
        same_as: Number of the entry that it equals; -1 for none.
        reason: Why the model does not code it.
        lost: Names of metadata that is not kept.
        compared: Bytes in each ordinary format that is compared.
        coded: What the model codes it as, if it does.
    """

    file: Found
    kind: Kind
    own: Staged | None = None
    is_picture: bool = False
    same_as: int = -1
    reason: str = ""
    lost: tuple[str, ...] = ()
    compared: dict[str, int] = dataclasses.field(default_factory=dict)
    coded: Coded | None = None

    @property
    def piece(self) -> Staged | None:
        """The piece of the member, if it has one."""
        return self.own if self.coded is None else self.coded.extras

    @property
    def limit(self) -> int:
        """Bytes that the model may take for it: those of the ordinary picture, less extras and, about, colours."""
        left = self.own.piece.length if self.own else 0
        if self.coded is None:
            return left
        if self.coded.extras is not None:
            left -= self.coded.extras.piece.length
        if self.coded.support is not None:
            left -= self.coded.support.colours.size * BITS_OF_A_VALUE // 8
        return left - len(self.coded.order) * BITS_OF_A_VALUE // 8


class Ingest:
    """The files of a listing, each read and examined once, and their bytes, kept in a staging file.

    Args:
        listing: What there is.
        staging: A file for the bytes.
        writing: Whether files that cannot be read are left out, and metadata kept at any price.
        held: Sub-pixels of decoded pictures that stay in memory for later passes; others are decoded again.
        compared: Names of `ordinary.FORMATS` whose sizes are taken of every picture.
    """

    def __init__(
        self,
        listing: Listing,
        staging: IO[bytes],
        *,
        writing: Writing = DEFAULT,
        held: int = 0,
        compared: Sequence[str] = (),
    ) -> None:
        self.listing, self.compared = listing, compared
        self.entries: list[Entry] = []
        self.skipped: list[str] = []
        self.size = sum(file.size for file in listing.files)  # bytes of all files
        self.done = 0  # of them, those of the files that the pass under way has come to
        self._staging, self._writing, self._room = staging, writing, held
        self._known: dict[bytes, int] = {}
        self._held: dict[int, Image.Image] = {}
        self._is_read = False

    def pictures(self) -> Iterator[tuple[int, Image.Image | None]]:
        """One pass over the files: the number of each, and its picture if it is one that no other file equals."""
        # What could not be read is left out of all passes after the first.
        self.done = self.size - sum(entry.file.size for entry in self.entries) if self._is_read else 0
        for number, picture in self._again() if self._is_read else self._read():
            self.done += self.entries[number].file.size
            yield number, picture
        self._is_read = True

    def leave_out(self, numbers: Iterable[int], reason: str) -> None:
        """Keep pictures as ordinary files instead."""
        for number in numbers:
            self.entries[number].coded = None
            self.entries[number].reason = reason

    def stage(self, content: bytes) -> Staged:
        """Keep bytes in the staging file."""
        place = self._staging.seek(0, io.SEEK_END)
        self._staging.write(content)
        return Staged(place, Piece.of(content))

    def staged(self, where: Staged) -> "_Part":
        """What was staged, to be read."""
        self._staging.seek(where.place)
        return _Part(self._staging, where.piece.length)

    def _read(self) -> Iterator[tuple[int, Image.Image | None]]:
        for file in self.listing.files:
            try:
                content = file.read()
            except ArchiveError as error:
                if not self._writing.skip_bad:
                    raise
                self.skipped.append(str(error))
                self.done += file.size
                continue
            picture = self._take(file, content)
            number = len(self.entries) - 1
            if picture is not None and (room := self._room - picture.width * picture.height * len(picture.mode)) >= 0:
                self._held[number], self._room = picture, room
            yield number, picture
        if not self.entries:
            raise ArchiveError(f"none of the files can be read: {self.skipped[0]}")

    def _take(self, file: Found, content: bytes) -> Image.Image | None:
        """Make an entry of a file; returns its picture, if it has one."""
        number = len(self.entries)
        same = self._known.setdefault(hashlib.sha256(content).digest(), number)
        if same != number:
            first = self.entries[same]
            self.entries.append(Entry(file, Kind.SAME, same_as=same, lost=first.lost, compared=first.compared))
            return None
        picture, lost = examine(content), tuple[str, ...]()
        if not isinstance(picture, str):
            lost = (*not_kept(picture), *parts(content, picture.format or ""))
            picture = METADATA if lost and self._writing.keep_metadata else picture
        if isinstance(picture, str):
            sizes = dict.fromkeys(self.compared, len(content))
            self.entries.append(Entry(file, Kind.FILE, self.stage(content), reason=picture, compared=sizes))
            return None
        ordinary = Ordinary(content, picture)
        best, sizes = ordinary.smallest(), {name: ordinary.size(name) for name in self.compared}
        kind = Kind.FILE if best is content else Kind.IMAGE
        staged = self.stage(best)
        self.entries.append(Entry(file, kind, staged, is_picture=True, lost=lost, compared=sizes))
        return picture

    def _again(self) -> Iterator[tuple[int, Image.Image | None]]:
        for number, entry in enumerate(self.entries):
            yield number, self._held.get(number) or self._decoded(entry)

    def _decoded(self, entry: Entry) -> Image.Image | None:
        """The picture of an entry, from its staged file."""
        if entry.own is None or not entry.is_picture:
            return None
        picture = opened(self.staged(entry.own).read(), FORMATS)
        if isinstance(picture, str):
            raise ArchiveError(f"{entry.file.path} is not read again as it was ({picture}; please report this)")
        return picture


class _Part:
    """The next bytes of a file, up to some length, as a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(min(count, self._left) if count >= 0 else self._left)
        self._left -= len(content)
        return content

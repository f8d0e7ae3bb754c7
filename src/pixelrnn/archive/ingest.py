"""Files as they are read: what each of them is, and how it could be kept.

Every file is kept, one way or another: a picture by the model where that is smaller than the smallest ordinary file for
it, all other files as they are, equal files once. Their bytes are staged in a file without a name.
"""

import contextlib
import dataclasses
import hashlib
import io
from collections.abc import Iterable
from typing import IO

from PIL import Image

from pixelrnn.archive.examine import best_ordinary, examine
from pixelrnn.archive.files import Found, Listing
from pixelrnn.archive.pictures import checksum, from_picture, not_kept, to_picture
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import Kind, Piece
from pixelrnn.codec.encoder import Encoded, Encoder, Job
from pixelrnn.codec.palettes import BITS_OF_A_VALUE
from pixelrnn.codec.supports import support_for
from pixelrnn.colours.support import Support
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError
from pixelrnn.progress import Reporter

__all__ = ["NOTHING", "WITHOUT", "Coded", "Entry", "Ingest"]

NOTHING = Encoded((), {}, frozenset())
WITHOUT = "smaller without a model"


@dataclasses.dataclass(frozen=True)
class Coded:
    """What is known of a picture that the model codes; its support, and where its extras are, if it has them."""

    form: int
    height: int
    width: int
    checksum: int
    extras: tuple[int, Piece] | None
    support: Support | None
    order: bytes


@dataclasses.dataclass
class Entry:
    """What is known of a member.

    Attributes:
        file: That it is.
        kind: If the model does not code it.
        own: Where its bytes are, or those of the ordinary picture that it would be without the model.
        same_as: Number of the entry that it equals.
        reason: Not to code it.
        lost: Metadata that is not kept.
        coded: If the model codes it.
    """

    file: Found
    kind: Kind
    own: tuple[int, Piece] | None = None
    same_as: int = -1
    reason: str = ""
    lost: tuple[str, ...] = ()
    coded: Coded | None = None

    @property
    def piece(self) -> tuple[int, Piece] | None:
        """Where the piece of the member is, if it has one."""
        return self.own if self.coded is None else self.coded.extras

    @property
    def limit(self) -> int:
        """Bytes that the model may take for it: those of the ordinary picture, less extras and, about, colours."""
        left = self.own[1].length if self.own else 0
        if self.coded is None:
            return left
        if self.coded.extras is not None:
            left -= self.coded.extras[1].length
        if self.coded.support is not None:
            left -= self.coded.support.colours.size * BITS_OF_A_VALUE // 8
        return left - len(self.coded.order) * BITS_OF_A_VALUE // 8


class Ingest:
    """Files as they are read: what each is, and its bytes, kept in a staging file."""

    def __init__(self, codec: Codec | None, staging: IO[bytes]) -> None:
        self.codec = codec
        self.entries: list[Entry] = []
        self.skipped: list[str] = []
        self._staging = staging
        self._known: dict[bytes, int] = {}

    def read(self, listing: Listing, skip_bad: bool, verify: bool, report: Reporter) -> Encoded:
        """Take all files, and have their pictures coded."""
        progress = _Amount(sum(file.size for file in listing.files), report)
        with contextlib.ExitStack() as stack:
            encoder = None
            if self.codec is not None:
                encoder = Encoder(self.codec.coder, self.codec.tile, is_verified=verify, tell=progress.tell)
                stack.enter_context(encoder)
            for number, file in enumerate(listing.files):
                job = self._take(file, skip_bad)
                if job is not None and encoder is not None:
                    progress.subpixels += job.values.size
                    encoder.add(job)
                progress.bytes += file.size
                if encoder is None:
                    progress.tell(0)
                elif number % 64 == 0:
                    encoder.report()
            encoded = NOTHING if encoder is None else encoder.finish()
        if not self.entries:
            raise ArchiveError(f"none of the files can be read: {self.skipped[0]}")
        self.leave_out(encoded.left_out, "larger with the model")
        return encoded

    def leave_out(self, numbers: Iterable[int], reason: str) -> None:
        """Keep pictures as ordinary files instead."""
        for number in numbers:
            self.entries[number].coded = None
            self.entries[number].reason = reason

    def piece(self, place: int, length: int) -> "_Part":
        """What was staged, to be read."""
        self._staging.seek(place)
        return _Part(self._staging, length)

    def _take(self, file: Found, skip_bad: bool) -> Job | None:
        """Take a file; returns its picture, if the model can have it."""
        try:
            content = file.read()
        except ArchiveError as error:
            if not skip_bad:
                raise
            self.skipped.append(str(error))
            return None
        number = len(self.entries)
        same = self._known.setdefault(hashlib.sha256(content).digest(), number)
        if same != number:
            self.entries.append(Entry(file, Kind.SAME, same_as=same, lost=self.entries[same].lost))
            return None
        picture = examine(content)
        best = content if isinstance(picture, str) else best_ordinary(content, picture)
        entry = Entry(file, Kind.FILE if best is content else Kind.IMAGE, self._stage(best))
        self.entries.append(entry)
        if isinstance(picture, str):
            entry.reason = picture
            return None
        entry.lost = not_kept(picture)
        return self._job(number, entry, picture)

    def _job(self, number: int, entry: Entry, picture: Image.Image) -> Job | None:
        """A picture for the model; its ordinary file stays where it is, until the model has won."""
        if self.codec is None:
            entry.reason = WITHOUT
            return None
        config, multiple = self.codec.coder.model.config, self.codec.coder.multiple
        planes = from_picture(picture, config.shape[0], config.levels, config.colours)
        if picture.height % multiple or picture.width % multiple:
            planes = f"sides that are no multiples of {multiple}"
        if isinstance(planes, str):
            entry.reason = planes
            return None
        check = checksum(picture)
        if checksum(to_picture(planes, config.levels, config.colours)) != check:
            raise ArchiveError(
                f"{entry.file.path} would not be restored as it is; nothing is written (please report this)"
            )
        _, height, width = planes.values.shape
        extras = self._stage(planes.extras) if planes.extras else None
        support = support_for(self.codec.coder.model, planes.values)
        entry.coded = Coded(planes.form, height, width, check, extras, support, planes.order)
        return Job(number, planes.values, Condition(label=-1, support=support), limit=8 * entry.limit)

    def _stage(self, content: bytes) -> tuple[int, Piece]:
        place = self._staging.seek(0, io.SEEK_END)
        self._staging.write(content)
        return place, Piece.of(content)


class _Amount:
    """Of the bytes that were read, the share of their sub-pixels that is coded counts; it never goes back."""

    def __init__(self, total: int, report: Reporter) -> None:
        self.bytes = self.subpixels = 0
        self._total, self._report, self._shown = total, report, 0

    def tell(self, finished: int) -> None:
        """Report, after so many sub-pixels were coded."""
        done = self.bytes if not self.subpixels else round(self.bytes * finished / self.subpixels)
        self._shown = max(self._shown, done)
        self._report.amount(self._shown, self._total, "bytes")


class _Part:
    """The next bytes of a file, up to some length, as a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(min(count, self._left) if count >= 0 else self._left)
        self._left -= len(content)
        return content

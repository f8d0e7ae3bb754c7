"""A folder or a file into an archive.

Every file is kept, one way or another: pictures by the model where that is smallest, else as the smallest ordinary file
that holds them, all other files as they are, equal files once. The archive appears whole or not at all.
"""

import collections
import dataclasses
import hashlib
import io
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from PIL import Image

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.codec.archive import Archive
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import Index, Kind, Member, Piece, pack_index
from pixelrnn.codec.encoder import Encoded, Encoder, Plate
from pixelrnn.codec.examine import best_ordinary, examine
from pixelrnn.codec.files import Listing, find
from pixelrnn.codec.pictures import checksum, from_picture, to_picture
from pixelrnn.errors import ArchiveError
from pixelrnn.storage import atomic_write

__all__ = ["Compressed", "compress"]

PNG = ".png"
MOST_PART = 255  # bytes of a part of a name, on the usual systems


@dataclasses.dataclass(frozen=True)
class Compressed:
    """What became of a folder.

    Attributes:
        files: How many there are.
        coded: How many of them the model codes.
        same: How many are equal to another one.
        kept: For each reason not to have a file coded, how many there are.
        links: How many are symbolic links, whose content was taken.
        skipped: What was not taken, each with the reason.
        original: Bytes of all files.
        pixels: Bytes of all pixels of the coded pictures: one for each sub-pixel.
        coded_original: Bytes of the files of the coded pictures.
        coded_bits: Bits of the coded pictures by the model.
        size: Bytes of the archive.
        renamed: How many files will be restored under a name that ends in .png.
    """

    files: int
    coded: int
    same: int
    kept: dict[str, int]
    links: int
    skipped: tuple[str, ...]
    original: int
    pixels: int
    coded_original: int
    coded_bits: float
    size: int
    renamed: int


@dataclasses.dataclass(frozen=True)
class _Coded:
    """What is known of a picture that the model codes; where its extras are, if it has some."""

    form: int
    height: int
    width: int
    checksum: int
    extras: tuple[int, Piece] | None


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is known of each member by its number, while the files are read; places are those in the spool."""

    kinds: dict[int, Kind] = dataclasses.field(default_factory=dict)  # if the model does not code it
    reasons: dict[int, str] = dataclasses.field(default_factory=dict)
    same: dict[int, int] = dataclasses.field(default_factory=dict)
    files: dict[int, tuple[int, Piece]] = dataclasses.field(default_factory=dict)
    coded: dict[int, _Coded] = dataclasses.field(default_factory=dict)

    def own(self, number: int) -> tuple[int, Piece]:
        """Where the piece of a member is."""
        extras = self.coded[number].extras if number in self.coded else self.files[number]
        assert extras is not None
        return extras


def compress(
    model: AbstractImageModel,
    source: str | Path,
    out: str | Path,
    *,
    tile: tuple[int, int] | None = None,
    packed_model: bytes = b"",
    verify: bool = True,
    skip_bad: bool = False,
    overwrite: bool = False,
    callback: Callable[[int, int], None] | None = None,
) -> Compressed:
    """Compress all files of a folder, or one file.

    Args:
        model: With 1, 3 or 4 channels and up to 256 levels.
        source: A folder, with all that is below it, or a file.
        out: The archive to write.
        tile: Height and width of the tiles of larger pictures; chosen by the model's shape if not given.
        packed_model: The model itself, to be kept in the archive.
        verify: Decode everything, and see that it is the same.
        skip_bad: Leave out what cannot be read, instead of refusing it.
        overwrite: Whether `out` may exist.
        callback: Called now and then with the bytes read of all files whose pictures are finished, and of all files.

    Returns:
        What became of the files.

    Raises:
        ArchiveError: If there is nothing to compress, something cannot be read, `out` exists, or the model is none for
            pictures.
        ConfigError: If the tile is not allowed.
    """
    source, out, codec = Path(source), Path(out), Codec(model, tile=tile)
    require_pictures(model)
    if out.exists() and not overwrite:
        raise ArchiveError(f"{out} exists; choose another name, or give overwrite (--overwrite)")
    if not source.exists():
        raise ArchiveError(f"{source}: no such file or folder")
    listing = find(source, without=out, skip_bad=skip_bad)
    work = _Work()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent) as spool:
        encoded = _read_all(codec, listing, work, spool, verify, callback)
        for number in encoded.left_out:
            del work.coded[number]
            work.reasons[number] = "larger with the model"
        index = _index(codec, work, _names(listing, work), encoded, packed_model)
        atomic_write(out, lambda path: _write(path, index, packed_model, work, spool, encoded))
    return _report(listing, work, encoded, index, model.config.shape[0], out.stat().st_size)


def require_pictures(model: AbstractImageModel) -> None:
    """Refuse a model that files cannot be coded with."""
    config = model.config
    if config.shape[0] == 2 or not 2 <= config.levels <= 256:
        raise ArchiveError(
            f"the model has {config.shape[0]} channels and {config.levels} levels; files need 1, 3 or 4, and 2 to 256"
        )
    if config.context is not None or (config.classes and not config.label_dropout):
        raise ArchiveError("the model needs a context or a label, which a file has not; pixelrnn.Codec takes them")


def _read_all(
    codec: Codec,
    listing: Listing,
    work: _Work,
    spool: IO[bytes],
    verify: bool,
    callback: Callable[[int, int], None] | None,
) -> Encoded:
    """Read all files and have their pictures coded."""
    total = sum(file.size for file in listing.files)
    reached = [0, 0]  # bytes read, sub-pixels read
    known: dict[bytes, int] = {}

    def report(finished: int) -> None:
        """Of the bytes that were read, the share of their sub-pixels that is coded counts."""
        if callback is not None:
            callback(round(reached[0] * finished / max(1, reached[1])) if reached[1] else reached[0], total)

    with Encoder(codec.coder, codec.tile, is_verified=verify, callback=report) as encoder:
        for number, file in enumerate(listing.files):
            content = file.read()
            same = known.setdefault(hashlib.sha256(content).digest(), number)
            if same != number:
                work.kinds[number], work.same[number] = Kind.SAME, same
            elif (plate := _plate(codec, work, spool, number, content)) is not None:
                reached[1] += plate.values.size
                encoder.add(plate)
            reached[0] += file.size
            if number % 64 == 0:
                encoder.report()
        return encoder.finish()


def _plate(codec: Codec, work: _Work, spool: IO[bytes], number: int, content: bytes) -> Plate | None:
    """A file's picture for the model, if it can have it; the file is kept in any case, until the model has won."""
    config, multiple = codec.coder.model.config, codec.coder.multiple
    picture = examine(content)
    planes = picture if isinstance(picture, str) else from_picture(picture, config.shape[0], config.levels)
    if isinstance(picture, Image.Image) and (picture.height % multiple or picture.width % multiple):
        planes = f"sides that are no multiples of {multiple}"
    best = content if isinstance(picture, str) else best_ordinary(content, picture)
    work.files[number] = _spooled(spool, best)
    work.kinds[number] = Kind.FILE if best is content else Kind.IMAGE
    if isinstance(planes, str):
        work.reasons[number] = planes
        return None
    assert isinstance(picture, Image.Image)
    check = checksum(picture)
    if checksum(to_picture(planes, config.levels)) != check:
        raise ArchiveError(f"member {number} would not be restored as it is; nothing is written (please report this)")
    _, height, width = planes.values.shape
    extras = _spooled(spool, planes.extras) if planes.extras else None
    work.coded[number] = _Coded(planes.form, height, width, check, extras)
    return Plate(number, planes.values, limit=8 * (len(best) - len(planes.extras)))


def _spooled(spool: IO[bytes], content: bytes) -> tuple[int, Piece]:
    """Put bytes by; returns where they are."""
    place = spool.seek(0, io.SEEK_END)
    spool.write(content)
    return place, Piece.of(content)


def _index(codec: Codec, work: _Work, names: list[str], encoded: Encoded, packed_model: bytes) -> Index:
    members = []
    for number, name in enumerate(names):
        coded = work.coded.get(number)
        if coded is None:
            members.append(Member(name=name, kind=work.kinds[number], same_as=work.same.get(number, -1)))
            continue
        members.append(
            Member(
                name=name,
                kind=Kind.CODED,
                form=coded.form,
                height=coded.height,
                width=coded.width,
                has_extras=coded.extras is not None,
                checksum=coded.checksum,
            )
        )
    pieces = [Piece.of(packed_model)] if packed_model else []
    pieces += [work.own(number)[1] for number, member in enumerate(members) if member.has_piece]
    pieces += [Piece.of(stream.content) for stream in encoded.streams]
    known = codec.fingerprint if work.coded else bytes(8)
    return Index(known, codec.tile, bool(packed_model), tuple(members), tuple(encoded.shared), tuple(pieces))


def _names(listing: Listing, work: _Work) -> list[str]:
    """Under what names the files will be restored: pictures as .png, without taking the name of another file."""
    taken = {part for file in listing.files for part in _with_parents(file.name)}
    names = []
    for number, file in enumerate(listing.files):
        first = work.same.get(number, number)
        name = file.name
        if (first in work.coded or work.kinds[first] == Kind.IMAGE) and Path(name).suffix.lower() != PNG:
            name = next(name for name in _candidates(file.name) if name.casefold() not in taken)
            taken.add(name.casefold())
        names.append(name)
    return names


def _with_parents(name: str) -> Iterator[str]:
    """A name and those of the folders above it, without the difference of capital letters: some systems make none."""
    parts = name.casefold().split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _candidates(name: str) -> Iterator[str]:
    """Names for a picture that becomes a PNG file, the nearest first; none is longer than systems allow."""
    path = Path(name)
    for count in itertools.count():
        ending = PNG if count == 0 else f"{path.suffix}{PNG}" if count == 1 else f"-{count}{PNG}"
        stem = path.stem
        while len(os.fsencode(stem + ending)) > MOST_PART:
            stem = stem[:-1]
        yield path.with_name(stem + ending).as_posix()


def _write(path: Path, index: Index, packed_model: bytes, work: _Work, spool: IO[bytes], encoded: Encoded) -> None:
    """Write everything, and read it back."""
    with path.open("wb") as file:
        file.write(pack_index(index))
        file.write(packed_model)
        for number, member in enumerate(index.members):
            if member.has_piece:
                place, piece = work.own(number)
                spool.seek(place)
                shutil.copyfileobj(_Part(spool, piece.length), file)
        for stream in encoded.streams:
            file.write(stream.content)
    with Archive(path) as archive:
        if archive.index != index:
            raise ArchiveError(f"{path}: the index is not read as it was written (please report this)")
        for number in range(len(index.pieces)):
            archive.piece(number)


class _Part:
    """The next bytes of a file, up to some length, as a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(min(count, self._left) if count >= 0 else self._left)
        self._left -= len(content)
        return content


def _report(listing: Listing, work: _Work, encoded: Encoded, index: Index, channels: int, size: int) -> Compressed:
    coded = index.coded
    return Compressed(
        files=len(listing.files),
        coded=len(coded),
        same=len(work.same),
        kept=dict(collections.Counter(work.reasons.values())),
        links=listing.links,
        skipped=listing.skipped,
        original=sum(file.size for file in listing.files),
        pixels=channels * sum(work.coded[number].height * work.coded[number].width for number in coded),
        coded_original=sum(listing.files[number].size for number in coded),
        coded_bits=sum(encoded.bits[number] for number in coded),
        size=size,
        renamed=sum(a.name != b.name for a, b in zip(listing.files, index.members, strict=True)),
    )

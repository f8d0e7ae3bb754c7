"""A folder or a file into an archive.

Every file is kept, one way or another: pictures by the model where that is smallest, else as the smallest ordinary file
that holds them, all other files as they are, equal files once. The archive appears whole or not at all.
"""

import collections
import dataclasses
import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from PIL import Image

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.codec.archive import Archive
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import Index, Kind, Member, Piece, pack_index
from pixelrnn.codec.encoder import Encoded, Encoder, Plate
from pixelrnn.codec.files import Found, Listing, best_ordinary, examine, find
from pixelrnn.codec.pictures import Planes, checksum, from_picture, to_picture
from pixelrnn.errors import ArchiveError
from pixelrnn.storage import atomic_write

__all__ = ["Compressed", "compress"]

PNG = ".png"


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


@dataclasses.dataclass
class _Work:
    """What is known of each member by its number, while the files are read."""

    kinds: dict[int, Kind] = dataclasses.field(default_factory=dict)
    reasons: dict[int, str] = dataclasses.field(default_factory=dict)
    digests: dict[int, bytes] = dataclasses.field(default_factory=dict)
    same: dict[int, int] = dataclasses.field(default_factory=dict)
    planes: dict[int, Planes] = dataclasses.field(default_factory=dict)  # without values
    sizes: dict[int, tuple[int, int, int]] = dataclasses.field(default_factory=dict)
    checksums: dict[int, int] = dataclasses.field(default_factory=dict)
    spooled: dict[int, tuple[int, Piece]] = dataclasses.field(default_factory=dict)  # place in the spool


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
        ArchiveError: If there is nothing to compress, something cannot be read, or `out` exists.
        ConfigError: If the model is none for pictures, or the tile is not allowed.
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
            content = _read(listing.files[number])
            if hashlib.sha256(content).digest() != work.digests[number]:
                raise ArchiveError(f"{listing.files[number].path} changed while it was compressed; try again")
            _keep(work, spool, number, content, "larger with the model")
        index = _index(codec, listing, work, encoded, packed_model)
        atomic_write(out, lambda path: _write(path, index, packed_model, work, spool, encoded))
    return _report(listing, work, encoded, index, out.stat().st_size)


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
            content = _read(file)
            work.digests[number] = hashlib.sha256(content).digest()
            same = known.setdefault(work.digests[number], number)
            if same != number:
                work.kinds[number], work.same[number] = Kind.SAME, same
            elif (plate := _plate(codec, work, spool, number, content)) is not None:
                reached[1] += plate.values.size
                encoder.add(plate)
            reached[0] += file.size
            if number % 64 == 0:
                encoder.report()
        return encoder.finish()


def _read(file: Found) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{file.path} cannot be read ({error.strerror})") from error


def _plate(codec: Codec, work: _Work, spool: IO[bytes], number: int, content: bytes) -> Plate | None:
    """A file's picture for the model, if it can have it; else the file is kept."""
    config = codec.coder.model.config
    picture = examine(content)
    if isinstance(picture, str):
        _keep(work, spool, number, content, picture)
        return None
    planes = from_picture(picture, config.shape[0], config.levels)
    multiple = codec.coder.multiple
    if not isinstance(planes, str) and (picture.height % multiple or picture.width % multiple):
        planes = f"sides that are no multiples of {multiple}"
    if isinstance(planes, str):
        _keep(work, spool, number, content, planes)
        return None
    check = checksum(picture)
    if checksum(to_picture(planes, config.levels)) != check:
        raise ArchiveError(f"member {number} would not be restored as it is; nothing is written (please report this)")
    work.kinds[number], work.checksums[number] = Kind.CODED, check
    work.planes[number], work.sizes[number] = dataclasses.replace(planes, values=None), planes.values.shape  # type: ignore[arg-type]
    if planes.extras:
        _spool(work, spool, number, planes.extras)
    limit = 8 * (len(best_ordinary(content, picture)) - len(planes.extras))
    return Plate(number, planes.values, limit=limit)


def _keep(work: _Work, spool: IO[bytes], number: int, content: bytes, reason: str) -> None:
    """Keep a file: its bytes, or its picture as the smallest ordinary file."""
    picture = examine(content)
    best = content
    if isinstance(picture, Image.Image) and picture.mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        best = best_ordinary(content, picture)
    work.kinds[number] = Kind.FILE if best is content else Kind.IMAGE
    work.reasons[number] = reason
    _spool(work, spool, number, best)


def _spool(work: _Work, spool: IO[bytes], number: int, content: bytes) -> None:
    work.spooled[number] = (spool.seek(0, io.SEEK_END), Piece.of(content))
    spool.write(content)


def _index(codec: Codec, listing: Listing, work: _Work, encoded: Encoded, packed_model: bytes) -> Index:
    members = []
    names = _names(listing, work)
    for number, name in enumerate(names):
        kind = work.kinds[number]
        if kind == Kind.CODED:
            planes, (_, height, width) = work.planes[number], work.sizes[number]
            check, has_extras = work.checksums[number], bool(planes.extras)
            members.append(
                Member(
                    name=name,
                    kind=kind,
                    form=planes.form,
                    height=height,
                    width=width,
                    has_extras=has_extras,
                    checksum=check,
                )
            )
        else:
            members.append(Member(name=name, kind=kind, same_as=work.same.get(number, -1)))
    pieces = [Piece.of(packed_model)] if packed_model else []
    pieces += [work.spooled[number][1] for number, member in enumerate(members) if member.has_piece]
    pieces += [Piece.of(stream.content) for stream in encoded.streams]
    shared, has_model = tuple(encoded.shared), bool(packed_model)
    known = codec.fingerprint if Kind.CODED in work.kinds.values() else bytes(8)
    return Index(known, codec.tile, has_model, tuple(members), shared, tuple(pieces))


def _names(listing: Listing, work: _Work) -> list[str]:
    """Under what names the files will be restored: pictures as .png, without taking the name of another file."""
    taken = {file.name for file in listing.files}
    names = []
    for number, file in enumerate(listing.files):
        kind = work.kinds[work.same.get(number, number)]
        name = file.name
        if kind != Kind.FILE and Path(name).suffix.lower() != PNG:
            candidates = [Path(name).with_suffix(PNG).as_posix(), *(f"{name}{'-' * n}{PNG}" for n in range(len(taken)))]
            name = next(name for name in candidates if name not in taken)
            taken.add(name)
        names.append(name)
    return names


def _write(path: Path, index: Index, packed_model: bytes, work: _Work, spool: IO[bytes], encoded: Encoded) -> None:
    """Write everything, and read it back."""
    with path.open("wb") as file:
        file.write(pack_index(index))
        file.write(packed_model)
        for number, member in enumerate(index.members):
            if member.has_piece:
                place, piece = work.spooled[number]
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


def _report(listing: Listing, work: _Work, encoded: Encoded, index: Index, size: int) -> Compressed:
    coded = index.coded
    return Compressed(
        files=len(listing.files),
        coded=len(coded),
        same=len(work.same),
        kept=dict(collections.Counter(work.reasons.values())),
        links=listing.links,
        skipped=listing.skipped,
        original=sum(file.size for file in listing.files),
        pixels=sum(work.sizes[number][0] * work.sizes[number][1] * work.sizes[number][2] for number in coded),
        coded_original=sum(listing.files[number].size for number in coded),
        coded_bits=sum(encoded.bits[number] for number in coded),
        size=size,
        renamed=sum(a.name != b.name for a, b in zip(listing.files, index.members, strict=True)),
    )

"""A folder or a file into an archive.

The files are taken in, those pictures coded that are smaller so, and everything written down in one file, which is read
back and appears whole or not at all.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pixelrnn.archive.coding import NOTHING, WITHOUT, code
from pixelrnn.archive.files import Listing, find
from pixelrnn.archive.ingest import Entry, Ingest
from pixelrnn.archive.names import restored_names
from pixelrnn.archive.outcome import Compressed, outcome_of, restored_pictures
from pixelrnn.archive.pictures import require_pictures
from pixelrnn.archive.pieces import Pieces
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import LEAST_HEAD, NO_MODEL, Index, Kind, Member, Piece, is_archive, pack_index
from pixelrnn.codec.encoder import Encoded
from pixelrnn.codec.palettes import pack_palettes
from pixelrnn.config import Writing
from pixelrnn.errors import ArchiveError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.files import atomic_write

__all__ = [
    "WRITING", "PackedModel", "codec_of", "compress", "compress_files", "require_place", "staging_for", "write_archive",
]  # fmt: skip


class PackedModel(NamedTuple):
    """A model that is kept in the archive.

    Attributes:
        content: The model, as `pixelrnn.codec.weights.pack_model` packs it.
        must_pay: Leave it out, and code no picture, if the archive is smaller so (up to a few bytes).
    """

    content: bytes
    must_pay: bool = False


NO_PACKED_MODEL = PackedModel(b"")
WRITING = Writing()


def compress(
    model: AbstractImageModel | None,
    source: str | Path,
    out: str | Path,
    *,
    tile: tuple[int, int] | None = None,
    packed: PackedModel = NO_PACKED_MODEL,
    writing: Writing = WRITING,
    callback: Callback | None = None,
) -> Compressed:
    """Compress all files of a folder, or one file.

    Args:
        model: Model with 1, 3 or 4 channels and up to 256 levels; None keeps every picture as an ordinary file.
        source: A folder, with all that is below it, or a file.
        out: The archive to write.
        tile: Height and width of the tiles of larger pictures; chosen by the model's shape if not given.
        packed: The model itself, to be kept in the archive.
        writing: Whether to verify, to leave out what cannot be read, and to replace what is there.
        callback: Callback that is told, now and then, the bytes read of all files whose pictures are finished, and of
            all files.

    Returns:
        What became of the files.

    Raises:
        ArchiveError: If there is nothing to compress, something cannot be read, `out` exists, or the model is none for
            pictures.
        RunError: If the archive cannot be written, or a file of that name has come there meanwhile.
        ConfigError: If the tile is not allowed.
    """
    out = Path(out)
    codec = None if model is None else codec_of(model, tile)
    listing = find(Path(source), without=out, skip_bad=writing.skip_bad)
    require_place(out, overwrite=writing.overwrite)
    with staging_for(out) as staging:
        ingest = Ingest(listing, staging, writing=writing)
        return write_archive(ingest, codec, out, packed=packed, writing=writing, report=Reporter(callback))


def codec_of(model: AbstractImageModel, tile: tuple[int, int] | None = None) -> Codec:
    """The codec of pictures by a model; raises `ArchiveError` if it is none for pictures."""
    require_pictures(model.config)
    return Codec(model, tile=tile)


def compress_files(
    codec: Codec, listing: Listing, out: Path, *, writing: Writing = WRITING, callback: Callback | None = None
) -> Compressed:
    """Compress the files of a listing; arguments, errors and what is returned as for `compress`."""
    require_place(out, overwrite=writing.overwrite)
    with staging_for(out) as staging:
        ingest, report = Ingest(listing, staging, writing=writing), Reporter(callback)
        return write_archive(ingest, codec, out, packed=NO_PACKED_MODEL, writing=writing, report=report)


def staging_for(out: Path) -> IO[bytes]:
    """A file without a name for what goes into an archive, on the same disk."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=out.parent)


def write_archive(
    ingest: Ingest, codec: Codec | None, out: Path, *, packed: PackedModel, writing: Writing, report: Reporter
) -> Compressed:
    """Code the pictures of an ingest and write the archive; arguments and errors as for `compress`."""
    content = packed.content
    by = None if codec is None else (codec.coder, codec.tile)
    encoded = code(ingest, by, report, is_verified=writing.verify)
    if packed.must_pay and not _pays(ingest, encoded, len(content)):
        ingest.leave_out(encoded.bits.keys() - encoded.left_out, WITHOUT)
        encoded, content = NOTHING, b""
    common = [piece for piece in (content, *_palettes(ingest)) if piece]
    used = codec if any(entry.coded for entry in ingest.entries) else None
    index = _index(ingest, encoded, common, used, has_model=bool(content))
    atomic_write(out, lambda path: _write(path, index, common, ingest, encoded), is_new=not writing.overwrite)
    channels = 0 if codec is None else codec.coder.model.config.shape[0]
    return outcome_of(ingest, encoded, index, channels, out.stat().st_size)


def require_place(out: Path, *, overwrite: bool) -> None:
    """Refuse a place where the archive could not be written in the end."""
    try:
        if out.exists() and not out.is_file():
            raise ArchiveError(f"{out} is no regular file, and is not replaced")
        if out.exists() and not overwrite:
            raise ArchiveError(f"{out} exists; choose another name, or give `overwrite`")
        if out.exists() and (start := _start(out)) and not is_archive(start):
            raise ArchiveError(f"{out} is no .pxr file, and is not replaced")
        folder = next(parent for parent in out.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ArchiveError(f"{out} cannot be written ({error.strerror})") from error


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LEAST_HEAD)


def _pays(ingest: Ingest, encoded: Encoded, weights: int) -> bool:
    """Whether the model saves more bytes than it takes."""
    saved = sum(entry.limit for entry in ingest.entries if entry.coded is not None)
    return saved > weights + sum(len(stream.content) for stream in encoded.streams)


def _palettes(ingest: Ingest) -> tuple[bytes, bytes]:
    """The colours of all supports, and the orders of palettes; nothing where there are none."""
    coded = [entry.coded for entry in ingest.entries if entry.coded is not None]
    supports = [each.support.colours for each in coded if each.support is not None]
    orders = [np.frombuffer(each.order, np.uint8)[:, None] for each in coded if each.order]
    return pack_palettes(supports), pack_palettes(orders)


def _index(ingest: Ingest, encoded: Encoded, common: Sequence[bytes], codec: Codec | None, *, has_model: bool) -> Index:
    entries = ingest.entries
    names = restored_names([entry.file.name for entry in entries], restored_pictures(entries))
    members = tuple(_member(name, entry) for name, entry in zip(names, entries, strict=True))
    pieces = [Piece.of(content) for content in common]
    pieces += [entry.piece.piece for entry in entries if entry.piece is not None]
    pieces += [Piece.of(stream.content) for stream in encoded.streams]
    fingerprint, tile = (NO_MODEL, (1, 1)) if codec is None else (codec.fingerprint, codec.tile)
    name = "" if codec is None or has_model else codec.coder.model.origin
    return Index(fingerprint, tile, has_model, members, tuple(encoded.shared), tuple(pieces), name)


def _member(name: str, entry: Entry) -> Member:
    coded = entry.coded
    if coded is None:
        return Member(name=name, kind=entry.kind, same_as=entry.same_as)
    return Member(
        name=name,
        kind=Kind.CODED,
        form=coded.form,
        height=coded.height,
        width=coded.width,
        has_extras=coded.extras is not None,
        colours=0 if coded.support is None else len(coded.support),
        order=len(coded.order),
        reading=coded.reading,
    )


def _write(path: Path, index: Index, common: Sequence[bytes], ingest: Ingest, encoded: Encoded) -> None:
    """Write everything, of which the model, colours and orders are common to all pictures, and read it back."""
    with path.open("wb") as file:
        file.write(pack_index(index))
        file.writelines(common)
        for entry in ingest.entries:
            if entry.piece is not None:
                shutil.copyfileobj(ingest.staged(entry.piece), file)
        for stream in encoded.streams:
            file.write(stream.content)
    with Pieces(path) as archive:
        if archive.index != index:
            raise ArchiveError("the index is not read as it was written; nothing is written (please report this)")
        for number in range(len(index.pieces)):
            archive.piece(number)
    with path.open("rb") as file:
        os.fsync(file.fileno())  # who has the archive may delete the originals

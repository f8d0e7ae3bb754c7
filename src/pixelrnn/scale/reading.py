"""What is read where many processes, or machines, share it out: pieces of a source, each of which any of them can read.

A piece is a list of files, a tar archive, a group of rows of a Parquet file, or rows that are here already. It gives
batches of rows: a `name`, a column of pictures, and a `label` where there is one. What cannot be read is a row with a
reason, so that a source that changes while it is read ends nothing.
"""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

import numpy as np

from pixelrnn.data.files import Folder, Tar, is_image_name
from pixelrnn.data.images import Data, ImageSet
from pixelrnn.data.picture import UnreadableError
from pixelrnn.data.split import split_folders
from pixelrnn.errors import DataError
from pixelrnn.scale.batch import PICTURES, Batch, Picture
from pixelrnn.scale.parts import chunks_of
from pixelrnn.scale.places import FAILURES, Place, reason_of, size_of

__all__ = ["Piece", "Reading", "files_below", "files_in", "reading_of", "rows_in", "rows_of_images"]

ROWS, BYTES = 256, 2**26  # of a piece, at most, where that can be chosen
LEAST_PIECES = 32  # of a folder, that all may have some of
BATCH = 64  # rows
AT_ONCE = 16  # files that are read from an object store
NAMES = ("name", "path", "file_name", "id", "key", "__key__")  # columns of Parquet files that name a row
SHARDS = (".tar", ".tgz", ".tar.gz", ".parquet")


class Piece(Protocol):
    """A piece of a source."""

    def batches(self) -> Iterator[Batch]:
        """Its rows, some at a time."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A source in pieces.

    Attributes:
        pieces: What each process takes one of after the other.
        names: Names of all rows, if they are known before they are read.
        rows: How many there are, if that is known.
    """

    pieces: Sequence[Piece]
    names: Sequence[str] | None = None
    rows: int | None = None

    @property
    def total(self) -> int | None:
        """How many rows there are, if that is known before they are read."""
        return self.rows if self.names is None else len(self.names)

    def split(self, wanted: int) -> Sequence[Piece]:
        """Its pieces, or if these are fewer than wanted, shares of them where that can be."""
        shares = -(-wanted // len(self.pieces))
        if shares == 1:
            return self.pieces
        return [
            each for piece in self.pieces for each in (piece.split(shares) if isinstance(piece, _TarShard) else [piece])
        ]

    def without(self, done: Collection[str]) -> "Reading":
        """What is left of it when some rows are done, as far as that is known before they are read."""
        pieces = [piece.without(done) if isinstance(piece, _Files) else piece for piece in self.pieces]
        return Reading([piece for piece in pieces if not isinstance(piece, _Files) or piece.files], self.names)


def reading_of(source: str) -> Reading | None:
    """The pictures of a folder, of tar archives or of Parquet files, by path or URL, in pieces.

    Returns:
        The pieces; None of a source that has to be read in one place: arrays, zip archives, folders with splits.

    Raises:
        DataError: If nothing is there, or it holds no pictures.
    """
    place = Place(source)
    if not place.is_folder:
        return _of_shards([place]) if _is_shard(place.last) else _of_one(place)
    if place.is_here:
        names = Folder(Path(source)).names
        if names and "all" not in split_folders(names, source)[1]:
            return None
        sizes = [size_of(Path(source, name)) for name in names]
        others = [] if names else [file.relative_to(source).as_posix() for file in Path(source).rglob("*")]
    else:
        found = place.listed()
        names = [name for name in found if is_image_name(name)]
        sizes, others = [found[name] for name in names], [*found]
    if names:
        return files_in(source, names, sizes)
    if shards := sorted(name for name in others if _is_shard(name)):
        return _of_shards([Place(source, name) for name in shards])
    if others and place.is_here:
        return None  # a folder of arrays
    raise DataError(f"{place} holds no images, tar archives or Parquet files")


def files_below(url: str) -> Reading:
    """All files of a folder that is elsewhere; raises `DataError` if there are none."""
    found = Place(url).listed()
    if not found:
        raise DataError(f"{Place(url)} holds no files")
    return files_in(url, [*found], [*found.values()], are_whole=True)


def files_in(source: str, names: Sequence[str], sizes: Sequence[int], *, are_whole: bool = False) -> Reading:
    """Files below a folder, by their names and bytes; of pieces that are whole each is one batch, and is large."""
    rows = ROWS if are_whole else min(ROWS, -(-len(names) // LEAST_PIECES))
    chunks = chunks_of(range(len(names)), sizes, rows=rows, most=BYTES)
    files = (tuple((names[number], sizes[number]) for number in chunk) for chunk in chunks)
    return Reading([_Files(source, each, at_once=ROWS if are_whole else BATCH) for each in files], names)


def rows_in(batches: Sequence[Batch]) -> Reading:
    """Rows that are here already, in batches with a `name`."""
    return Reading([_Rows(batch) for batch in batches], [name for batch in batches for name in batch["name"]])


def rows_of_images(data: Data, images: ImageSet) -> Reading:
    """Images that are here already, whole.

    Raises:
        DataError: If each comes with a context, which rows do not hold.
    """
    if images.context != "none" or images.contexts is not None:
        raise DataError(f"{data.source}: images with contexts are not shared out by an engine; --shard does it")
    names = [data.name(images, item) for item in range(len(images))]
    sizes = (int(np.prod(images.shape(item))) for item in range(len(images)))
    batches = []
    for chunk in chunks_of(range(len(images)), sizes, rows=ROWS, most=BYTES):
        found = [images.examples([item]) for item in chunk]
        rows: dict[str, Any] = {
            "name": [names[item] for item in chunk],
            "image": [each.images[0].numpy() for each in found],
        }
        if images.labels is not None:
            rows["label"] = [int(images.labels[images.positions[item]]) for item in chunk]
        batches.append(rows)
    return rows_in(batches)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Rows that are here already."""

    rows: Batch

    def batches(self) -> Iterator[Batch]:
        yield self.rows


@dataclasses.dataclass(frozen=True)
class _Files:
    """Files below a folder, with the bytes that they had when they were listed; or one file, and how it is called."""

    root: str
    files: tuple[tuple[str, int], ...]
    alone: str = ""
    at_once: int = BATCH

    def batches(self) -> Iterator[Batch]:
        for start in range(0, len(self.files), self.at_once):
            files = self.files[start : start + self.at_once]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                cells = list(pool.map(self._cell, files))
            yield {"name": [self.alone or name for name, _ in files], "bytes": cells}

    def without(self, done: Collection[str]) -> "_Files":
        files = tuple(file for file in self.files if (self.alone or file[0]) not in done)
        return dataclasses.replace(self, files=files)

    def _cell(self, file: tuple[str, int]) -> bytes | Picture:
        name, size = file
        try:
            with Place(self.root, name).opened() as stream:
                content = stream.read()
        except FAILURES as error:
            return Picture(None, reason_of(error))
        if len(content) != size:
            return Picture(None, f"changed while it was read, from {size:,} to {len(content):,} bytes")
        return content


@dataclasses.dataclass(frozen=True)
class _TarShard:
    """A tar archive, whose rows have its name before their own if there are several; or a share of its rows."""

    place: Place
    prefix: str
    share: int = 0
    shares: int = 1

    def split(self, shares: int) -> "list[_TarShard]":
        return [dataclasses.replace(self, share=share, shares=shares) for share in range(shares)]

    def batches(self) -> Iterator[Batch]:
        names, cells, held = list[str](), list[bytes | Picture](), 0
        try:
            for number, (name, opener) in enumerate(_Stream(self.place).walk()):
                if number // BATCH % self.shares != self.share:
                    continue
                try:
                    cell: bytes | Picture = opener()  # type: ignore[assignment]
                except UnreadableError as error:
                    cell = Picture(None, str(error))
                names.append(self.prefix + name)
                cells.append(cell)
                held += len(cell) if isinstance(cell, bytes) else 0
                if len(names) == BATCH or held > BYTES:
                    yield {"name": names, "bytes": cells}
                    names, cells, held = [], [], 0
        except DataError as error:
            if self.share == 0:
                names.append(str(self.place))
                cells.append(Picture(None, str(error)))
        if names:
            yield {"name": names, "bytes": cells}


class _Stream(Tar):
    """A tar archive that may be elsewhere."""

    def __init__(self, place: Place) -> None:
        super().__init__(Path(str(place)))
        self.place = place

    def _opened(self) -> IO[bytes]:
        return self.place.opened()


@dataclasses.dataclass(frozen=True)
class _RowGroup:
    """Rows of a Parquet file that lie together; without a column that names them they are numbered."""

    place: Place
    prefix: str
    group: int
    first: int

    def batches(self) -> Iterator[Batch]:
        import pyarrow.parquet

        number = self.first
        try:
            with self.place.opened() as file, pyarrow.parquet.ParquetFile(file) as table:
                columns = set(table.schema_arrow.names) & {*NAMES, *PICTURES, "label"}
                for part in table.iter_batches(batch_size=BATCH, row_groups=[self.group], columns=sorted(columns)):
                    rows = part.to_pydict()
                    named = next((rows[name] for name in NAMES if name in rows), None)
                    numbered = [f"{self.prefix}{row}" for row in range(number, number + part.num_rows)]
                    number += part.num_rows
                    yield rows | {"name": numbered if named is None else [str(name) for name in named]}
        except FAILURES as error:
            reason = f"and what follows: {reason_of(error)}"
            yield {"name": [f"{self.prefix}{number}"], "bytes": [Picture(None, reason)]}


def _of_one(place: Place) -> Reading | None:
    """A file that is an image."""
    if not is_image_name(place.last):
        return None
    piece = _Files(place.root, ((place.name, place.size),), place.last)
    return Reading([piece], [place.last])


def _of_shards(places: Sequence[Place]) -> Reading:
    pieces, total, are_counted = list[Piece](), 0, True
    for place in places:
        name = place.name or place.last
        if not name.lower().endswith(".parquet"):
            pieces.append(_TarShard(place, f"{name}/" if len(places) > 1 else ""))
            are_counted = False
            continue
        first = 0
        for group, rows in enumerate(_row_groups(place)):
            pieces.append(_RowGroup(place, f"{name}:", group, first))
            first += rows
        total += first
    return Reading(pieces, rows=total if are_counted else None)


def _row_groups(place: Place) -> list[int]:
    """How many rows each group of a Parquet file has."""
    import pyarrow.parquet

    try:
        with place.opened() as file, pyarrow.parquet.ParquetFile(file) as table:
            if not set(PICTURES) & set(table.schema_arrow.names):
                have, wanted = ", ".join(table.schema_arrow.names), " or ".join(PICTURES)
                raise DataError(f"{place} has no column {wanted}; its columns are {have}")
            return [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
    except FAILURES as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{place} cannot be read ({reason_of(error)})") from error


def _is_shard(name: str) -> bool:
    return name.lower().endswith(SHARDS) and not PurePosixPath(name).name.startswith((".", "_"))

"""The files of a part into archives, one after the other, which are merged without being coded again."""

import dataclasses
from pathlib import Path

import numpy as np

from pixelrnn.archive.compress import compress_files
from pixelrnn.archive.files import Listing, find
from pixelrnn.codec.codec import Codec
from pixelrnn.config import Shard, Writing
from pixelrnn.errors import EmptyError
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.files import atomic_write
from pixelrnn.scale.parts import Columns, Part, chunks_of
from pixelrnn.scale.places import is_url
from pixelrnn.scale.reading import Reading, files_below, files_in

__all__ = ["archives_of", "compress_part", "files_of", "keep_archive", "reading_of_files"]


def files_of(part: Part, source: Path, shard: Shard, *, skip_bad: bool) -> Listing:
    """The files of a part; errors as by `pixelrnn.archive.compress.compress`."""
    listing = find(source, without=part.path / "none", skip_bad=skip_bad)
    # What lies below the source, and is written here, is none of its files.
    own = part.path.parent.resolve()
    files = (file for file in listing.files if shard.takes(file.name) and own not in file.path.resolve().parents)
    return dataclasses.replace(listing, files=tuple(files))


def compress_part(
    part: Part, codec: Codec, listing: Listing, *, writing: Writing, callback: Callback | None = None
) -> None:
    """Compress what is left of the files of a part.

    Raises:
        DataError: If what is done is not there any more.
        ArchiveError: As by `pixelrnn.archive.compress.compress`.
    """
    files, report = listing.files, Reporter(callback)
    done = part.done_of(file.name for file in files)
    left = [file for file in files if file.name not in done]
    total, finished = sum(file.size for file in files), sum(file.size for file in files if file.name in done)
    for chunk in chunks_of(range(len(left)), (file.size for file in left)):
        members = tuple(left[number] for number in chunk)
        size = sum(file.size for file in members)
        share = report.part(finished / max(1, total), (finished + size) / max(1, total))
        some = dataclasses.replace(listing, files=members)
        out = part.next.with_suffix(".pxr")
        out.unlink(missing_ok=True)  # of a run that was killed before it said what is in it
        compress_files(codec, some, out, writing=writing, callback=share.forward)
        part.write({"name": np.array([file.name for file in members], str)})
        finished += size


def reading_of_files(part: Part, source: str, *, skip_bad: bool) -> Reading:
    """All files of a folder, by path or URL, to be read elsewhere; errors as by `files_of`."""
    if is_url(source):
        return files_below(source)
    path = Path(source)
    files = files_of(part, path, Shard(1, 1), skip_bad=skip_bad).files
    folder = path if path.is_dir() else path.parent
    return files_in(str(folder), [file.name for file in files], [file.size for file in files], are_whole=True)


def keep_archive(part: Part, columns: Columns) -> None:
    """Write down an archive, if there is one, and what is in it."""
    columns = dict(columns)
    if (content := columns.pop("archive", None)) is not None:
        out = part.next.with_suffix(".pxr")
        atomic_write(out, lambda path: path.write_bytes(content.tobytes()))
    part.write(columns)


def archives_of(parts: list[Part]) -> list[Path]:
    """The archives of all parts, in order; raises `EmptyError` if there are none."""
    every = [pair for part in parts for pair in zip(part.files(), part.columns(), strict=True)]
    found = [path.with_suffix(".pxr") for path, columns in every if len(columns["name"])]
    if not found:
        raise EmptyError(f"{parts[0].path.parent}: no part holds a file")
    return found

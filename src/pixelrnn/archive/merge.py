"""Several archives as one: streams are copied as they are, nothing is coded again.

A group of pictures is full, or the last of its size, when an archive ends, so that the groups of one archive after the
other are those of all of them. Only what is common to all pictures, the colours of supports and the orders of palettes,
is packed anew.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import require_place
from pixelrnn.codec.container import Index, Kind, Member, Piece, pack_index
from pixelrnn.codec.decoder import groups_of
from pixelrnn.codec.names import MOST_NAME, MOST_NAMES
from pixelrnn.codec.palettes import pack_palettes, unpack_palettes
from pixelrnn.errors import ArchiveError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.files import atomic_write

__all__ = ["Merged", "merge_archives"]


class Merged(NamedTuple):
    """What came of a merge.

    Attributes:
        files: Number of members.
        coded: Number of those that the model codes.
        size: Bytes of the archive.
        renamed: New names of pictures whose names others had already.
    """

    files: int
    coded: int
    size: int
    renamed: dict[str, str]


def merge_archives(
    parts: Sequence[Path],
    out: Path,
    *,
    model: AbstractImageModel | None = None,
    overwrite: bool = False,
    callback: Callback | None = None,
) -> Merged:
    """Put archives together, in the order in which they are given.

    Args:
        parts: Archives by one model, with tiles of one size.
        out: The archive to write.
        model: The model, if the archives do not hold or name it; needed only where they hold colours of pictures.
        overwrite: Replace an archive that is there.
        callback: Callback that is told, now and then, the bytes copied and all bytes.

    Raises:
        ArchiveError: If a part cannot be read, or is by another model or version than the first, if two files have one
            name, or the archive cannot be written.
    """
    if not parts:
        raise ArchiveError("there are no archives to merge")
    require_place(out, overwrite=overwrite)
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(Archive(path)) for path in parts]
        _require_alike(archives)
        members, renamed = _members(archives)
        first = _first_coded(archives)
        common = _common(archives, first, model)
        index = Index(
            first.index.fingerprint,
            first.index.tile,
            bool(common.model),
            members,
            tuple(itertools.chain(*(archive.index.shared for archive in archives))),
            tuple([*map(Piece.of, common.pieces), *(piece for piece, _ in _own(archives))]),
            "" if common.model else first.index.model,
            first.index.version,
        )
        report = Reporter(callback)
        atomic_write(out, lambda path: _write(path, index, common.pieces, archives, report), is_new=not overwrite)
    return Merged(len(members), len(index.coded), out.stat().st_size, renamed)


def _first_coded(archives: Sequence[Archive]) -> Archive:
    """The first archive in which a model codes pictures, or else the first."""
    return next((each for each in archives if each.index.coded), archives[0])


def _require_alike(archives: Sequence[Archive]) -> None:
    first = _first_coded(archives)
    for each in archives:
        if each.index.version != first.index.version:
            versions = f"version {each.index.version}, {first.path} of version {first.index.version}"
            raise ArchiveError(f"{each.path} is of {versions}; only archives of one version are merged")
        if not each.index.coded:
            continue
        if each.index.fingerprint != first.index.fingerprint:
            raise ArchiveError(f"{each.path} is by another model than {first.path}")
        if each.index.tile != first.index.tile:
            tiles = ["x".join(map(str, archive.index.tile)) for archive in (each, first)]
            raise ArchiveError(f"{each.path} has tiles of {tiles[0]} pixels, {first.path} of {tiles[1]}")


def _members(archives: Sequence[Archive]) -> tuple[tuple[Member, ...], dict[str, str]]:
    """All members, and the new names of pictures that have the name of an earlier one."""
    found, taken, renamed = list[Member](), dict[str, Path](), dict[str, str]()
    for archive in archives:
        start = len(found)
        for member in archive.members:
            name, key = member.name, member.name.casefold()
            if name and key in taken:
                if not _is_picture(archive, member):
                    raise ArchiveError(f"{archive.path} holds {name}, as {taken[key]} does; nothing is merged")
                name = next(new for new in _others(name) if new.casefold() not in taken)
                renamed[member.name] = name
            taken[name.casefold()] = archive.path
            same_as = member.same_as + start if member.kind == Kind.SAME else -1
            found.append(dataclasses.replace(member, name=name, same_as=same_as))
    if any(len(os.fsencode(member.name)) > MOST_NAME for member in found):
        raise ArchiveError(f"a name would have more than {MOST_NAME} bytes")
    if (total := sum(len(os.fsencode(member.name)) for member in found)) > MOST_NAMES:
        raise ArchiveError(f"the names have {total:,} bytes together; {MOST_NAMES:,} go into an archive: merge fewer")
    return tuple(found), renamed


def _is_picture(archive: Archive, member: Member) -> bool:
    """Whether a member is restored as a picture of another name than its file may have had."""
    first = archive.members[member.same_as] if member.kind == Kind.SAME else member
    return first.kind in (Kind.CODED, Kind.IMAGE)


def _others(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    return (path.with_name(f"{path.stem}-{count}{path.suffix}").as_posix() for count in itertools.count(2))


class _Common(NamedTuple):
    """What is common to all pictures, each empty if there is none: the model, colours, orders."""

    model: bytes
    colours: bytes
    orders: bytes

    @property
    def pieces(self) -> list[bytes]:
        """Those that are there."""
        return [piece for piece in self if piece]


def _common(archives: Sequence[Archive], first: Archive, model: AbstractImageModel | None) -> _Common:
    has_colours = any(archive.index.with_colours for archive in archives)
    colours, orders = [], []
    if has_colours:
        model = model or first.model()
        if model is None:
            raise ArchiveError(f"{first.path} holds colours of pictures, which only its model can read; give the model")
    for archive in archives:
        index, has_model = archive.index, int(archive.index.has_model)
        if index.with_colours and model is not None:
            counts = [index.members[number].colours for number in index.with_colours]
            colours += unpack_palettes(_piece(archive, has_model), counts, model.config.shape[0], len(counts))
        if index.with_order:
            counts = [index.members[number].order for number in index.with_order]
            content = _piece(archive, has_model + bool(index.with_colours))
            orders += unpack_palettes(content, counts, 1, len(counts))
    holder = next((each for each in archives if each.index.has_model and each.index.coded), None)
    packed = b"" if holder is None else _piece(holder, 0)
    return _Common(packed, pack_palettes(colours), pack_palettes(orders))


def _own(archives: Sequence[Archive]) -> Iterator[tuple[Piece, Callable[[], bytes]]]:
    """The pieces of members, then all streams, each with what reads it."""
    for is_stream in (False, True):
        for archive in archives:
            index = archive.index
            common = int(index.has_model) + bool(index.with_colours) + bool(index.with_order)
            bounds = (archive.first_stream, len(index.pieces)) if is_stream else (common, archive.first_stream)
            for number in range(*bounds):
                yield index.pieces[number], functools.partial(_piece, archive, number)


def _piece(archive: Archive, number: int) -> bytes:
    try:
        return archive.piece(number)
    except ArchiveError as error:
        raise archive.named(error) from error


def _write(path: Path, index: Index, common: Sequence[bytes], archives: Sequence[Archive], report: Reporter) -> None:
    """Write everything, and see that it is read as it was written."""
    done, total = 0, sum(piece.length for piece in index.pieces)
    with path.open("wb") as file:
        file.write(pack_index(index))
        file.writelines(common)
        for _, read in _own(archives):
            done += file.write(read())
            report.amount(done, total)
        file.flush()
        os.fsync(file.fileno())
    with Archive(path) as archive:
        if archive.index != index:
            raise ArchiveError("the index is not read as it was written; nothing is written (please report this)")
        if index.coded:
            groups_of(index, 1)

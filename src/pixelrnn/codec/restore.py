"""Members of an archive back onto the disk, each whole or not at all, and never outside of their folder."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.codec.archive import Archive
from pixelrnn.codec.pictures import as_png
from pixelrnn.errors import ArchiveError
from pixelrnn.storage import atomic_write

__all__ = ["Restored", "decompress", "select"]


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was written.

    Attributes:
        files: Paths, in no order.
        size: Bytes of all of them.
    """

    files: tuple[Path, ...]
    size: int


def select(archive: Archive, names: Sequence[str]) -> set[int]:
    """The numbers of members by their names; a name of a folder means everything below it.

    Raises:
        ArchiveError: If a name is not there.
    """
    wanted: set[int] = set()
    for name in names:
        below = name.rstrip("/") + "/"
        found = {n for n, member in enumerate(archive.members) if member.name == name or member.name.startswith(below)}
        if not found:
            raise ArchiveError(f"{archive.path}: there is no {name!r} in it (--list shows what is)")
        wanted |= found
    return wanted


def decompress(
    archive: Archive,
    model: AbstractImageModel | None,
    out: str | Path,
    *,
    wanted: set[int] | None = None,
    overwrite: bool = False,
    callback: Callable[[int, int], None] | None = None,
) -> Restored:
    """Write members into a folder; pictures become PNG files, all others are the files that they were.

    Args:
        archive: Open.
        model: The one that it was compressed with, if it is not in the archive.
        out: Folder, made if needed.
        wanted: Numbers of members; all if not given.
        overwrite: Whether files may be there already.
        callback: As for `Archive.extract`.

    Raises:
        ArchiveError: If something is damaged or there already, before that is written.
    """
    out = Path(out)
    numbers = range(len(archive.members)) if wanted is None else sorted(wanted)
    paths = {number: _path(archive, out, number) for number in numbers}
    if not overwrite and (there := next((path for path in paths.values() if path.exists()), None)):
        raise ArchiveError(f"{there} exists; choose another folder, or give overwrite (--overwrite)")
    size = 0
    for number, content in archive.extract(model, set(numbers), callback=callback):
        atomic_write(paths[number], _writer(content))
        size += paths[number].stat().st_size
    return Restored(tuple(paths.values()), size)


def _path(archive: Archive, out: Path, number: int) -> Path:
    """Where a member goes. Its name is safe in itself; a link that lies in the folder may still lead out of it."""
    name = archive.members[number].name
    if not name:
        raise ArchiveError(f"{archive.path}: image {number} has no name; pixelrnn.Codec decodes it")
    if os.name == "nt" and (":" in name or "\\" in name):
        raise ArchiveError(f"{archive.path}: {name!r} can be no name on this system")
    path = out / name
    if not path.parent.resolve().is_relative_to(out.resolve()) or path.is_symlink():
        raise ArchiveError(f"{path}: a link leads out of the folder")
    return path


def _writer(content: bytes | Image.Image) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_bytes(as_png(content))

    return write

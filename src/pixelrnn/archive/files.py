"""Files on disk before they are compressed: what there is, and their content."""

import dataclasses
import os
import stat
from collections.abc import Callable
from pathlib import Path

from pixelrnn.codec.names import MOST_NAME, MOST_NAMES
from pixelrnn.errors import ArchiveError
from pixelrnn.runs.files import TEMPORARY

__all__ = ["Found", "Listing", "find"]


@dataclasses.dataclass(frozen=True)
class Found:
    """A file.

    Attributes:
        name: Name below the source, with slashes.
        path: Where it is.
        size: Bytes.
    """

    name: str
    path: Path
    size: int

    def read(self) -> bytes:
        """Its content."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be read ({error.strerror})") from error


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a source holds.

    Attributes:
        files: Sorted by name.
        links: Number of those that are symbolic links, whose content is taken.
        skipped: Names of what is not taken, each with the reason.
    """

    files: tuple[Found, ...]
    links: int
    skipped: tuple[str, ...]


def find(source: Path, *, without: Path, skip_bad: bool) -> Listing:
    """All files of a folder, or one file.

    Args:
        source: Folder or file.
        without: A file that is not taken: the one that is being written.
        skip_bad: List what cannot be read as skipped, instead of refusing it.

    Raises:
        ArchiveError: If something cannot be read, or there is nothing.
    """
    if not source.exists():
        raise ArchiveError(f"{source}: no such file or folder")
    skipped, links = [], 0

    def refuse(what: str, *, is_whole: bool = False) -> None:
        if not skip_bad and not is_whole:
            raise ArchiveError(f"{what}; `skip_bad` leaves it out")
        skipped.append(what)

    paths, links_to_folders = _paths(source, lambda error: refuse(f"{error.filename}: {error.strerror}"))
    skipped += [f"{path}: a link to a folder, which is not followed" for path in links_to_folders]
    files = []
    for path in paths:
        name = path.relative_to(source).as_posix() if path != source else path.name
        try:
            state = path.stat()
            reason = _left_out(path, state, without)
        except OSError as error:
            # What is there is whole without a link to nothing.
            is_whole = isinstance(error, FileNotFoundError) and path.is_symlink()
            refuse(f"{path}: {'a link to nothing' if is_whole else error.strerror}", is_whole=is_whole)
            continue
        if reason is not None:
            skipped += [f"{path}: {reason}"] if reason else []
        elif len(os.fsencode(name)) > MOST_NAME:
            refuse(f"{path}: a name of more than {MOST_NAME} bytes")
        else:
            links += path.is_symlink()
            files.append(Found(name, path, state.st_size))
    if not files:
        raise ArchiveError(f"{source}: there are no files to compress")
    if (total := sum(len(os.fsencode(file.name)) for file in files)) > MOST_NAMES:
        raise ArchiveError(f"{source}: the names have {total:,} bytes together; {MOST_NAMES:,} go into an archive")
    return Listing(tuple(sorted(files, key=lambda file: file.name)), links, tuple(skipped))


def _left_out(path: Path, state: os.stat_result, without: Path) -> str | None:
    """Why a file is not taken, empty if nobody has to be told; None if it is. Raises `OSError` if it cannot be read."""
    if not stat.S_ISREG(state.st_mode):
        return "neither a file nor a folder"
    if path.name.startswith(TEMPORARY):
        return "" if path.suffix == ".lock" else "a file of this program that is not whole"
    if without.exists() and path.samefile(without):
        return ""
    path.open("rb").close()
    return None


def _paths(source: Path, refuse: Callable[[OSError], None]) -> tuple[list[Path], list[Path]]:
    """All files of a source, and the links to folders, which are not followed: they could lead in a circle."""
    if not source.is_dir():
        return [source], []
    paths, links = [], []
    for root, folders, names in os.walk(source, onerror=refuse):
        links += [path for name in folders if (path := Path(root, name)).is_symlink()]
        paths += [Path(root, name) for name in names]
    return paths, links

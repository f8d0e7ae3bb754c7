"""Members of an archive back onto the disk, each whole or not at all, and never outside of their folder."""

import dataclasses
import fnmatch
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.names import PNG
from pixelrnn.archive.pictures import as_png
from pixelrnn.brief import brief
from pixelrnn.errors import ArchiveError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback
from pixelrnn.runs.files import atomic_write

__all__ = ["Restored", "check", "decompress", "select"]


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was written.

    Attributes:
        files: Paths, in no order.
        size: Bytes of all of them.
        left: Paths that were there already, and were left as they are.
        damaged: What could not be restored, each with the reason.
    """

    files: tuple[Path, ...]
    size: int
    left: tuple[Path, ...]
    damaged: tuple[str, ...]

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)


def select(archive: Archive, names: Sequence[str]) -> set[int]:
    """The numbers of members by their names.

    Args:
        archive: Open.
        names: Names of members, as they are in the archive; of folders, for everything below them; or patterns with
            `*`, `?` and `[...]`, where `*` stands for slashes too.

    Raises:
        ArchiveError: If a name is not there.
    """
    known = {member.name: number for number, member in enumerate(archive.members)}
    return {number for name in names for number in _found(archive, known, name)}


def _found(archive: Archive, known: dict[str, int], name: str) -> set[int]:
    if name in known:
        return {known[name]}
    found = {known[other] for other in known if other.startswith(name.rstrip("/") + "/")}
    if not found:
        found = {known[other] for other in fnmatch.filter(known, name)}
    if not found:
        has_name = PurePosixPath(name).name not in ("", ".", "..")
        changed = [f"{name}{PNG}", str(PurePosixPath(name).with_suffix(PNG))] if has_name else []
        hint = next((f"; perhaps it became {new!r}" for new in changed if new in known), "")
        raise ArchiveError(f"{archive.path}: there is no {name!r} in it{hint}")
    return found


def decompress(
    archive: Archive,
    model: AbstractImageModel | None,
    out: str | Path,
    *,
    wanted: set[int] | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    callback: Callback | None = None,
) -> Restored:
    """Write members into a folder; pictures become PNG files, all others are the files that they were.

    What is damaged is left out and told; everything else is restored. A file that is not all there is refused.

    Args:
        archive: Open.
        model: The one that it was compressed with, if it is not in the archive.
        out: Folder, made if needed.
        wanted: Numbers of members; all if not given.
        overwrite: Whether files may be there already, and are replaced.
        skip_existing: Whether files may be there already, and are left as they are.
        callback: Callback, as for `Archive.extract`.

    Raises:
        ArchiveError: If the model is missing or another one, or a file is there already.
        RunError: If a file cannot be written, or has come there meanwhile.
    """
    out, damaged = Path(out), list[str]()
    if out.exists() and not out.is_dir():
        raise ArchiveError(f"{out} is a file; `out` names a folder")
    numbers = range(len(archive.members)) if wanted is None else sorted(wanted)
    paths = {number: _path(archive, out, number) for number in numbers}
    there = {number for number, path in paths.items() if path.is_file()} if not overwrite else set[int]()
    if there and not skip_existing:
        raise ArchiveError(
            f"{paths[min(there)]} exists; choose another folder, or give `overwrite` to replace such files "
            "or `skip_existing` to leave them"
        )
    files, size = [], 0
    for number, content in archive.extract(
        model,
        paths.keys() - there,
        damaged=lambda number, error: damaged.append(str(error)),
        callback=callback,
    ):
        if skip_existing and paths[number].is_file():  # two names may be one on a system without capital letters
            there.add(number)
            continue
        atomic_write(paths[number], _writer(content), is_new=not overwrite)
        files.append(paths[number])
        size += paths[number].stat().st_size
    return Restored(tuple(files), size, tuple(paths[number] for number in sorted(there)), tuple(damaged))


def check(
    archive: Archive,
    model: AbstractImageModel | None,
    *,
    wanted: set[int] | None = None,
    callback: Callback | None = None,
) -> tuple[str, ...]:
    """Decode members and compare their checksums, without writing anything.

    Args:
        archive: Open.
        model: Model, as for `decompress`.
        wanted: Numbers of the wanted members, as for `decompress`.
        callback: Callback, as for `Archive.extract`.

    Returns:
        What is damaged, each with the reason; nothing if the archive is whole.

    Raises:
        ArchiveError: If the model is missing or another one.
    """
    damaged: list[str] = []
    for _ in archive.extract(
        model, wanted, damaged=lambda number, error: damaged.append(str(error)), callback=callback
    ):
        pass
    return tuple(damaged)


def _path(archive: Archive, out: Path, number: int) -> Path:
    """Where a member goes. Its name is safe in itself; a link that lies in the folder may still lead out of it."""
    name = archive.members[number].name
    if not name:
        raise ArchiveError(f"{archive.path}: image {number} has no name; pixelrnn.Codec decodes it")
    if os.name == "nt" and (":" in name or "\\" in name):
        raise ArchiveError(f"{archive.path}: {name!r} can be no name on this system")
    path = out / name
    if not path.parent.resolve().is_relative_to(out.resolve()):
        raise ArchiveError(f"{path}: a link leads out of the folder")
    if path.is_symlink():
        raise ArchiveError(f"{path} is a link, and is not replaced")
    return path


def _writer(content: bytes | Image.Image) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_bytes(as_png(content))

    return write

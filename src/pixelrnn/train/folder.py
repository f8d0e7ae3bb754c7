"""The run folder as a whole: made at once, and written by one training at a time."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from pixelrnn.errors import RunError

__all__ = ["create", "locked"]


def create(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that appears filled or not at all.

    Raises:
        RunError: If it exists.
    """
    taken = RunError(f"{folder} exists; continue it with --resume {folder}, or choose another --out")
    if folder.exists():
        raise taken
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fill(building)
        building.chmod(0o755)
        building.rename(folder)
    except FileExistsError as error:
        raise taken from error
    except OSError as error:
        # Renaming onto a folder that another process has filled meanwhile: the error differs between systems.
        raise (taken if folder.exists() else RunError(f"{folder} cannot be made ({error})")) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Keep other trainings out of a folder and clear what a killed one left; the lock ends with the process.

    Raises:
        RunError: If another training is at work in it.
    """
    if folder is None:
        yield
        return
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RunError(f"{folder}: another process is training in it") from error
    try:
        for leftover in folder.glob(".*.*"):  # what a killed process was about to rename
            leftover.unlink()
        yield
    finally:
        lock.release()

"""The folders whose pictures a page may see: those that were named at the start, and what it brings itself."""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pixelrnn.data.files import is_image_name
from pixelrnn.errors import ConfigError, DataError, RunError
from pixelrnn.studio.asked import Asked, is_text

__all__ = ["Folders"]

MOST_FOLDERS, MOST_COUNTED, DEPTH = 200, 10_000, 2
MOST_BROUGHT = 2_000_000_000  # bytes of all that pages bring
MOST_FILES = 5_000
MOST_READ = 100_000_000  # bytes of a picture


class Folders:
    """Folders by their names, which are all that a page can say: never a path.

    Args:
        roots: The folders that were named; those in them, two floors down, are there as well.
    """

    def __init__(self, roots: Sequence[Path] = ()) -> None:
        self._roots = [root.resolve() for root in roots if is_text(root.resolve().name)]
        self._brought = list[tuple[str, Path]]()
        self._bytes, self._lock = 0, threading.Lock()
        self._kept: Path | None = None

    def list(self, _: Asked) -> dict[str, Any]:
        """All folders with pictures, and how many each has, up to ten thousand."""
        brought = {name for name, _ in self._brought}
        found = list[dict[str, Any]]()
        for name, path in self._all().items():
            if len(found) < MOST_FOLDERS and (count := len(_pictures(path))):
                found.append({"name": name, "pictures": count, "isNamed": name not in brought})
        return {"folders": found}

    def find(self, name: str, *, must_stay: bool = False) -> Path:
        """A folder, which `must_stay` may want to be there after the studio; raises `RunError` if there is none."""
        path = self._all().get(name)
        if must_stay and name in dict(self._brought):
            raise RunError(f"{name} is gone when the studio ends; name a folder with --folders to train on")
        if path is None or not path.is_dir():
            raise RunError(f"there is no folder {name!r} (any more)")
        return path

    def picture(self, name: str, number: int) -> bytes:
        """The file of one picture of a folder, by its number among them all, round and round."""
        files = _pictures(self.find(name))
        if not files:
            raise DataError(f"{name} has no pictures")
        file = files[number % len(files)]
        try:
            if not file.is_file() or file.stat().st_size > MOST_READ:
                raise DataError(f"{file.name} is no file of up to {MOST_READ // 1_000_000} MB")
            return file.read_bytes()
        except OSError as error:
            raise DataError(f"{file.name} cannot be read ({error.strerror})") from error

    def numbers(self, name: str) -> dict[str, int]:
        """Numbers of the pictures of a folder, by what they are called in it."""
        folder = self.find(name)
        return {path.relative_to(folder).as_posix(): number for number, path in enumerate(_pictures(folder))}

    def bring(self, asked: Asked) -> dict[str, Any]:
        """Keep pictures that a page brings, as a folder of their own, until the studio ends."""
        files = asked.files("files", MOST_FILES)
        pictures = [(name, content) for name, content in files if is_image_name(name)]
        if not pictures:
            raise DataError("none of these files is called like a picture")
        size = sum(len(content) for _, content in pictures)
        with self._lock:
            if self._bytes + size > MOST_BROUGHT:
                raise ConfigError("too much was brought already; name folders with --folders instead")
            path = Path(tempfile.mkdtemp(dir=self._room()))
            try:
                for file, content in pictures:
                    (path / file).write_bytes(content)
            except OSError:
                shutil.rmtree(path, ignore_errors=True)
                raise
            name = f"brought {len(self._brought) + 1}"
            self._brought.append((name, path))
            self._bytes += size
        return {"folder": name, "left": len(files) - len(pictures)}

    def _room(self) -> Path:
        """Where they are kept, which is removed at the end."""
        if self._kept is None:
            self._kept = Path(tempfile.mkdtemp(prefix="pixelrnn-studio-"))
            weakref.finalize(self, shutil.rmtree, self._kept, ignore_errors=True)
        return self._kept

    def _all(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for number, root in enumerate(self._roots):
            name = root.name if root.name not in found else f"{root.name} ({number + 1})"
            for below in _folders(root):
                part = below.relative_to(root).as_posix()
                found[name if part == "." else f"{name}/{part}"] = below
        return found | dict(self._brought)


def _folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """A folder and those in it, so many floors down."""
    yield root
    try:
        inside = sorted(root.iterdir()) if depth and root.is_dir() else []
    except OSError:  # it may not be read
        inside = []
    for each in inside:
        # A link would lead out of what was named.
        if each.is_dir() and not each.is_symlink() and not each.name.startswith(".") and is_text(each.name):
            yield from _folders(each, depth - 1)


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and below it, in order, up to a limit."""
    found = list[Path]()
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += [
            Path(here, each) for each in sorted(files) if is_image_name(each) and not Path(here, each).is_symlink()
        ]
        if len(found) >= MOST_COUNTED:
            break
    return found[:MOST_COUNTED]

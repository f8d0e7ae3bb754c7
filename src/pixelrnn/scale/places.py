"""Files and folders by path or URL: on this machine, or in an object store by pyarrow's file systems."""

import dataclasses
import functools
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pixelrnn.errors import DataError

__all__ = ["FAILURES", "Place", "is_url", "reason_of", "size_of"]

FAILURES = (OSError, ValueError)
"""What reading from a place raises: errors of pyarrow are of one of these kinds."""


def is_url(source: str) -> bool:
    """Whether a source is elsewhere: `s3://bucket/folder`, `gs://...`, `hf://datasets/owner/name`, `file:///...`."""
    return "://" in source


@dataclasses.dataclass(frozen=True)
class Place:
    """A file or a folder.

    Attributes:
        root: Path or URL, with what the file system is told behind a question mark.
        name: Name below the root; empty for the root itself.
    """

    root: str
    name: str = ""

    def __str__(self) -> str:
        """How to call it in a message: without keys that may be in its URL."""
        root = self.root.partition("?")[0].rstrip("/")
        return f"{root}/{self.name}" if self.name else root

    @property
    def is_here(self) -> bool:
        """Whether it is given by its path."""
        return not is_url(self.root)

    @property
    def path(self) -> Path:
        """Its path on this machine."""
        return Path(self.root, self.name)

    @property
    def last(self) -> str:
        """Its own name."""
        return PurePosixPath(str(self)).name

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; raises `DataError` if there is nothing elsewhere, or no answer."""
        if self.is_here:
            return self.path.is_dir()
        state = self._info().type.name
        if state == "NotFound":
            raise DataError(f"{self}: no such file or folder")
        return bool(state == "Directory")

    @property
    def size(self) -> int:
        """Bytes of a file."""
        return size_of(self.path) if self.is_here else int(self._info().size)

    def opened(self) -> IO[bytes]:
        """The file, to be read; raises one of `FAILURES`."""
        if self.is_here:
            return self.path.open("rb")
        system, path = self._within()
        file: IO[bytes] = system.open_input_file(path)
        return file

    def listed(self) -> dict[str, int]:
        """Names, by their letters, and bytes of all files below a folder that is elsewhere.

        Raises:
            DataError: If there is no answer.
        """
        system, path = self._within()
        import pyarrow.fs

        try:
            found = system.get_file_info(pyarrow.fs.FileSelector(path, recursive=True))
        except FAILURES as error:
            raise DataError(f"{self} cannot be listed ({reason_of(error)})") from error
        below = len(path.rstrip("/")) + 1
        return dict(sorted((info.path[below:], int(info.size)) for info in found if info.is_file))

    def _info(self) -> Any:
        system, path = self._within()
        try:
            return system.get_file_info(path)
        except FAILURES as error:
            raise DataError(f"{self} cannot be read ({reason_of(error)})") from error

    def _within(self) -> tuple[Any, str]:
        """The file system, and the path there."""
        system, root = _system(self.root)
        return system, f"{root.rstrip('/')}/{self.name}" if self.name else root


@functools.lru_cache
def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    shown = url.partition("?")[0]
    try:
        import pyarrow.fs
    except ImportError as error:
        raise DataError(f"{shown} is read by pyarrow: pip install 'pixelrnn[ray]'") from error
    try:
        system, path = pyarrow.fs.FileSystem.from_uri(url)
    except FAILURES as error:
        raise DataError(f"{shown} cannot be read ({reason_of(error)})") from error
    return system, path


def reason_of(error: Exception) -> str:
    """Why something cannot be read, in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def size_of(path: Path) -> int:
    """Bytes of a file of this machine; 0 if it is not there any more."""
    try:
        return path.stat().st_size
    except OSError:
        return 0

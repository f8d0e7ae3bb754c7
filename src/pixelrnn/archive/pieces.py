"""The bytes of an archive on disk: its index, and its pieces, each with a checksum."""

import io
import zlib
from pathlib import Path
from typing import IO, Self

from pixelrnn.codec.container import LEAST_HEAD, Index, head_size, piece_of, unpack_index
from pixelrnn.errors import ArchiveError

__all__ = ["Pieces"]


class Pieces:
    """A `.pxr` file, open for reading: its index and pieces. A context manager.

    Args:
        source: The file, or its path.

    Raises:
        ArchiveError: If it cannot be read, is no archive, is damaged or of a newer version.
    """

    def __init__(self, source: str | Path | IO[bytes]) -> None:
        self._file: IO[bytes]
        if isinstance(source, str | Path):
            self.path = Path(source)
            try:
                self._file = self.path.open("rb")
            except OSError as error:
                raise ArchiveError(f"{source} cannot be opened ({error.strerror})") from error
        else:
            self.path, self._file = Path(str(getattr(source, "name", "archive"))), source
        try:
            self.index, self._start = self._read_index()
        except BaseException as error:
            if self._file is not source:
                self._file.close()
            raise self.named(error) from error
        self._pieces, self.first_stream = piece_of(self.index)
        self._offsets = [self._start]
        for piece in self.index.pieces:
            self._offsets.append(self._offsets[-1] + piece.length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read_index(self) -> tuple[Index, int]:
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(0)
        start = head_size(self._file.read(LEAST_HEAD))
        if start > size:
            raise ArchiveError("it is cut off")
        self._file.seek(0)
        return unpack_index(self._file.read(start), size), start

    def named(self, error: BaseException) -> BaseException:
        """The error with the path, if it is one of ours that has none."""
        is_bare = isinstance(error, ArchiveError) and not str(error).startswith(str(self.path))
        return ArchiveError(f"{self.path}: {error}") if is_bare else error

    def piece(self, number: int) -> bytes:
        """A piece, whose checksum is right."""
        try:
            self._file.seek(self._offsets[number])
            content = self._file.read(self.index.pieces[number].length)
        except OSError as error:
            raise ArchiveError(f"it cannot be read: {error.strerror}") from error
        if zlib.crc32(content) != self.index.pieces[number].checksum:
            raise ArchiveError("its bytes are not those that were written")
        return content

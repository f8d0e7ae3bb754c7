"""Archives of batches of files, as engines call for them: parts, which `merge_archives` puts together."""

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixelrnn.archive.compress import codec_of, compress_files
from pixelrnn.archive.files import Found, Listing
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.names import is_safe
from pixelrnn.config import Writing
from pixelrnn.errors import ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback
from pixelrnn.scale.batch import Batch, Picture, column_of
from pixelrnn.scale.loading import loaded
from pixelrnn.scale.parts import Columns, bad_rows

__all__ = ["Archives", "Compressor"]

Array = np.ndarray[Any, np.dtype[Any]]
NAMES = ("name", "path", "__key__")


class Compressor:
    r"""Makes an archive of the files of a batch: one row comes of it.

    Args:
        model: A model of pictures, or its name or folder, as for `Scorer`.
        below: What the names of all files begin with, and is left out in the archive.
        tile: Height and width of the tiles of larger pictures; chosen by the model's shape if not given.
        writing: Whether what is written is decoded again, and metadata kept at any price.
        threads: Threads of this process; as they are if not given.

    Example:
        >>> compressor = Compressor("photographs")
        >>> row = compressor({"bytes": [b"no picture"], "path": ["notes/a.txt"]})
        >>> row["files"].tolist(), row["archive"][0][1:4]
        ([1], b'PXR')
    """

    def __init__(
        self,
        model: AbstractImageModel | str | Path,
        *,
        below: str = "",
        tile: tuple[int, int] | None = None,
        writing: Writing | None = None,
        threads: int | None = None,
    ) -> None:
        self.model, self.below, self.tile, self.threads = model, below, tile, threads
        self.writing = writing or Writing()
        self._codec: Codec | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: of a model that has a name, that name."""
        return self.__dict__ | {"_codec": None}

    def __call__(self, batch: Batch, callback: Callback | None = None) -> dict[str, Array]:
        """Compress files.

        Args:
            batch: Rows with the content of a file in `bytes`, and its `name` or `path`.
            callback: Callback that is told the progress.

        Returns:
            One row: `archive`, the bytes of a `.pxr` file; `files`, how many are in it; `coded`, how many of them by
            the model; `original`, their bytes.

        Raises:
            ConfigError: If a column is missing, or two files have one name.
            ArchiveError: If the model is none for pictures.
        """
        if self._codec is None:
            self._codec = codec_of(loaded(self.model, self.threads), self.tile)
        contents = [bytes(content) for content in batch[column_of(batch, ("bytes",))]]
        listing = Listing(tuple(self._files(batch[column_of(batch, NAMES)], contents)), 0, ())
        with tempfile.TemporaryDirectory(prefix="pixelrnn-") as folder:
            out = Path(folder) / "part.pxr"
            done = compress_files(self._codec, listing, out, writing=self.writing, callback=callback)
            row = {"files": done.files, "coded": done.coded, "original": done.original}
            found = {name: np.array([value], np.int64) for name, value in row.items()}
            archive = np.empty(1, object)
            archive[0] = out.read_bytes()
        return {"archive": archive, **found}

    def _files(self, names: Sequence[str], contents: Sequence[bytes]) -> "list[_InMemory]":
        found: dict[str, _InMemory] = {}
        for given, content in zip(names, contents, strict=True):
            name = re.sub(r"^([a-z0-9]+:)?/+", "", str(given).removeprefix(self.below))
            if name in found:
                raise ConfigError(f"two files of a batch are called {name}")
            if not is_safe(name):
                raise ConfigError(f"{name!r:.80} leads out of the folder that an archive is restored into")
            found[name] = _InMemory(name, Path(name), len(content), content)
        return [found[name] for name in sorted(found)]


class Archives:
    """The files of batches as archives, one of each.

    Args:
        compressor: Makes them.
    """

    def __init__(self, compressor: Compressor) -> None:
        self.compressor = compressor

    def __call__(self, batch: Batch) -> Iterator[Columns]:
        """Names of files, and their `archive` as bytes; and why some cannot be read."""
        rows = dict(zip(map(str, batch["name"]), batch["bytes"], strict=True))
        if bad := {name: cell.error for name, cell in rows.items() if isinstance(cell, Picture)}:
            yield bad_rows(bad)
        if names := [name for name in rows if name not in bad]:
            row = self.compressor({"name": names, "bytes": [rows[name] for name in names]})
            yield {"name": np.array(names, str), "archive": np.frombuffer(row["archive"][0], np.uint8)}


@dataclasses.dataclass(frozen=True)
class _InMemory(Found):
    """A file whose content is here."""

    content: bytes = b""

    def read(self) -> bytes:
        """Its content."""
        return self.content

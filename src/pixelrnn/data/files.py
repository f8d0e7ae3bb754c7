"""Collections of image files: a folder, a zip or tar archive read in place, a hub data set.

A collection yields each image under a name with slashes, and a stamp that changes when its files do. It knows nothing
of sizes, channels or levels.
"""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from PIL import Image

from pixelrnn.config import IMAGE_SUFFIXES
from pixelrnn.config.names import MODEL
from pixelrnn.errors import DataError

__all__ = ["AbstractFiles", "Folder", "HubDataset", "Tar", "Zip", "is_image_name"]

Opener = Callable[[], Image.Image]


class AbstractFiles(Protocol):
    """Named images, always in the same order."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each name with a function that opens the image; to be called before the next one is asked for."""

    def stamp(self) -> list[str]:
        """What identifies the content without decoding it."""

    def where(self, name: str) -> str:
        """How to show a user where an image lies."""


def is_image_name(name: str) -> bool:
    """Whether a file's name says that it is an image, and it is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _state(path: Path) -> str:
    """Size and time of a file; a link to nothing has neither, and is reported when it is opened."""
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns}"


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read ({error.strerror})") from error


class Folder:
    """All images below a folder, sorted by name; but not the pictures of training runs that were written into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = []
        for root, folders, names in os.walk(path, onerror=_refuse):
            if MODEL in names:
                folders.clear()
                continue
            found += [Path(root, name).relative_to(path).as_posix() for name in names]
        self.names = sorted(name for name in found if is_image_name(name))

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each file, opened from disk."""
        for name in self.names:
            yield name, lambda name=name: Image.open(self.path / name)  # type: ignore[misc]

    def stamp(self) -> list[str]:
        """Path, names, sizes and times."""
        return [str(self.path.resolve()), *(f"{name} {_state(self.path / name)}" for name in self.names)]

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.path / name)


class _Archive:
    """What zip and tar share: one file on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> list[str]:
        """Path, size and time of the archive."""
        return [str(self.path.resolve()), _state(self.path)]

    def where(self, name: str) -> str:
        """The archive's path and the member."""
        return f"{self.path}:{name}"


class Zip(_Archive):
    """The images of a zip archive, sorted by name."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each member, read from the archive."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name in sorted(name for name in archive.namelist() if is_image_name(name)):
                    yield name, lambda name=name: Image.open(io.BytesIO(archive.read(name)))  # type: ignore[misc]
        except zipfile.BadZipFile as error:
            raise DataError(f"{self.path}: damaged zip archive ({error})") from error
        except OSError as error:
            raise DataError(f"{self.path}: not readable ({error.strerror or error})") from error


class Tar(_Archive):
    """The images of a tar archive, compressed or not, in the order of the archive: it is read as a stream."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each member, read from the stream."""
        try:
            with tarfile.open(self.path, "r|*") as archive:
                for member in archive:
                    if member.isfile() and is_image_name(member.name):
                        file = archive.extractfile(member)
                        assert file is not None
                        yield member.name, lambda file=file: Image.open(io.BytesIO(file.read()))  # type: ignore[misc]
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"{self.path}: damaged tar archive ({error})") from error


class HubDataset:
    """The images of a data set on the Hugging Face hub, through the `datasets` extra; `split/number` is a name."""

    def __init__(self, name: str) -> None:
        try:
            import datasets
        except ImportError as error:
            raise DataError(f"hf:{name} needs the datasets package: pip install 'pixelrnn[datasets]'") from error
        try:
            self.splits: dict[str, Any] = dict(datasets.load_dataset(name))
        except Exception as error:  # the package raises errors of many kinds for a name that is not there or no network
            raise DataError(f"hf:{name} cannot be loaded ({' '.join(str(error).split())})") from error
        self.name = name
        features = next(iter(self.splits.values())).features
        kinds = {column: type(feature).__name__ for column, feature in features.items()}
        self.image = next((column for column, kind in kinds.items() if kind == "Image"), None)
        self.label = next((column for column, kind in kinds.items() if kind == "ClassLabel"), None)
        if self.image is None:
            raise DataError(f"hf:{name} has no image column; its columns are {', '.join(kinds)}")

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each image of each split; its label, if there is one, is the folder in its name."""
        for split, rows in self.splits.items():
            labels = list(rows[self.label]) if self.label else None  # the column alone: no image is decoded for it
            names = rows.features[self.label].names if self.label else ()
            for number in range(len(rows)):
                if labels is not None and labels[number] not in range(len(names)):
                    where = f"hf:{self.name}: row {number} of {split}"
                    raise DataError(f"{where} has label {labels[number]}, which has no name")
                folder = f"{split}/{names[labels[number]]}" if labels is not None else split
                yield f"{folder}/{number:08d}.png", lambda rows=rows, number=number: rows[number][self.image]  # type: ignore[misc]

    def stamp(self) -> list[str]:
        """The fingerprints that the package keeps."""
        return [self.name, *(f"{split} {rows._fingerprint}" for split, rows in self.splits.items())]

    def where(self, name: str) -> str:
        """The data set and the row."""
        return f"hf:{self.name}:{name}"

"""Collections of image files: a folder, a zip or tar archive read in place, a hub data set.

A collection yields each image under a name with slashes, and a stamp that changes when its files do. It knows nothing
of sizes, channels or levels. Links are followed, to files and to folders; what leads nowhere is named.
"""

import functools
import os
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from tarfile import ReadError, TruncatedHeaderError  # type: ignore[attr-defined]
from typing import IO, Any, Protocol, Self

from pixelrnn.config import IMAGE_SUFFIXES, Shard
from pixelrnn.config.names import MODEL
from pixelrnn.data.picture import Content, MissingError, UnreadableError, read
from pixelrnn.errors import DataError

__all__ = ["AbstractFiles", "File", "Folder", "HubDataset", "OfShard", "Tar", "Zip", "is_image_name"]

Opener = Callable[[], Content]

MOST_HOPS, LONGEST_NAME = 40, 4096  # of links, as of most systems


class AbstractFiles(Protocol):
    """Named images, always in the same order."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each name with a function that gives the content; to be called before the next one is asked for."""

    def stamp(self) -> list[str]:
        """What identifies the content without decoding it."""

    def where(self, name: str) -> str:
        """How to show a user where an image lies."""


def is_image_name(name: str) -> bool:
    """Whether a file's name says that it is an image, and it is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _state(path: Path) -> str:
    """What changes with a file: size, times of its content and of its name, and its number on disk."""
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}"


def _below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """All files below a folder, but not those of training runs that were written into it."""
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that it is in: what is there is found already
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from error
    if any(entry.name == MODEL for entry in entries):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _below(Path(entry.path), above | {real})
        else:
            yield Path(entry.path)


def _may_be_folder(name: str) -> bool:
    """Whether a link to nothing may have led to a folder of images, by its name."""
    return not PurePosixPath(name).suffix and is_image_name(f"{name}.png")


class Folder:
    """All images below a folder, sorted by name; but not the pictures of training runs that were written into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = (file.relative_to(path).as_posix() for file in _below(path))
        self.names = sorted(
            name for name in found if is_image_name(name) or (_may_be_folder(name) and not (path / name).exists())
        )

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each file, read from disk."""
        for name in self.names:
            yield name, lambda name=name: read(self.path / name)  # type: ignore[misc]

    def stamp(self) -> list[str]:
        """Path, names, and what changes with each file."""
        return [str(self.path.resolve()), *(f"{name} {_state(self.path / name)}" for name in self.names)]

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.path / name)


class _OnDisk:
    """What an image file and archives of them share: one file on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> list[str]:
        """Path of the file, and what changes with it."""
        return [str(self.path.resolve()), _state(self.path)]

    def where(self, name: str) -> str:
        """The archive's path and the member."""
        return f"{self.path}:{name}"


class File(_OnDisk):
    """One image file."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """The file."""
        yield self.path.name, lambda: read(self.path)

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.path)


class _Links:
    """The links within an archive: under which other names its members are there."""

    def __init__(self) -> None:
        self._targets: dict[str, str] = {}
        self._found: set[str] = set()

    def add(self, name: str, target: str, folder: str) -> None:
        """Take a link, whose target is relative to a folder of the archive."""
        self._targets[posixpath.normpath(name)] = posixpath.normpath(posixpath.join(folder, target))

    @functools.cached_property
    def _to(self) -> dict[str, list[str]]:
        """The links that lead to each name, over others or not; those that go round in a circle lead nowhere."""
        found: dict[str, list[str]] = {}
        for link in self._targets:
            name, hops = link, 0
            while name in self._targets and hops < MOST_HOPS:
                name, hops = self._targets[name], hops + 1
            if name not in self._targets:
                found.setdefault(name, []).append(link)
        return found

    def names(self, member: str) -> Iterator[str]:
        """Names of images that links, all of which are known, give a file of the archive."""
        name = posixpath.normpath(member)
        for target in (name, *map(str, PurePosixPath(name).parents)):
            for link in self._to.get(target, ()):
                self._found.add(link)
                rest = name if target == "." else name.removeprefix(target).lstrip("/")
                if is_image_name(alias := posixpath.join(link, rest) if rest else link):
                    yield alias

    def nowhere(self) -> Iterator[tuple[str, Opener]]:
        """The links that may be of images, and by which no file was found."""
        for link in sorted(set(self._targets) - self._found):
            if is_image_name(link) or _may_be_folder(link):
                yield link, _refusing(f"a link to {self._targets[link]}, which is not in the archive")

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._targets)


class Zip(_OnDisk):
    """The images of a zip archive, and those that its links lead to, sorted by name."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each member, read from the archive."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield from sorted(self._found(archive), key=lambda member: member[0])
        except zipfile.BadZipFile as error:
            raise DataError(f"{self.path}: damaged zip archive ({error})") from error
        except OSError as error:
            raise DataError(f"{self.path}: not readable ({error.strerror or error})") from error

    def _found(self, archive: zipfile.ZipFile) -> Iterator[tuple[str, Opener]]:
        files, links = [], _Links()
        for member in archive.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):  # its content is where it leads to
                with archive.open(member) as content:
                    target = os.fsdecode(content.read(LONGEST_NAME)).replace("\0", "")
                links.add(member.filename, target, posixpath.dirname(member.filename))
            elif not member.is_dir():
                files.append(member)
        for member in files:
            for name in (*([member.filename] if is_image_name(member.filename) else ()), *links.names(member.filename)):
                yield name, lambda member=member: archive.read(member)  # type: ignore[misc]
        yield from links.nowhere()


class Tar(_OnDisk):
    """The images of a tar archive, compressed or not, in the order of the archive, and those that its links lead to."""

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each member, read from the stream; then links, for which the stream is read again."""
        links = _Links()
        for member, content in self._members():
            if member.issym() or member.islnk():
                links.add(member.name, member.linkname, posixpath.dirname(member.name) if member.issym() else "")
            elif is_image_name(member.name):
                yield member.name, content
        for member, content in self._members() if links else ():
            once = functools.cache(content)  # a stream gives it once
            for name in links.names(member.name) if member.isfile() else ():
                yield name, once
        yield from links.nowhere()

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, Opener]]:
        try:
            with self._opened() as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as archive:
                for member in archive:
                    yield member, lambda member=member: _content(archive, member)  # type: ignore[misc]
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"{self.path}: damaged tar archive ({error})") from error

    def _opened(self) -> IO[bytes]:
        return self.path.open("rb")


class _Member(tarfile.TarInfo):
    """A member of a tar archive; a head that is cut off is no end of the archive, as the library would have it."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except TruncatedHeaderError as error:
            raise ReadError("unexpected end of data") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() else None
    if file is None:
        raise UnreadableError("neither a file nor a folder")
    return file.read()


def _refusing(reason: str) -> Opener:
    def refuse() -> Content:
        raise MissingError(reason)

    return refuse


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
        # The files themselves, not what the package makes of them.
        as_files = datasets.Image(decode=False)
        self.splits = {split: rows.cast_column(self.image, as_files) for split, rows in self.splits.items()}

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
                yield f"{folder}/{number:08d}.png", lambda rows=rows, number=number: _of_row(rows[number][self.image])  # type: ignore[misc]

    def stamp(self) -> list[str]:
        """The fingerprints that the package keeps."""
        return [self.name, *(f"{split} {rows._fingerprint}" for split, rows in self.splits.items())]

    def where(self, name: str) -> str:
        """The data set and the row."""
        return f"hf:{self.name}:{name}"


class OfShard:
    """The files of a collection that are in a part of it."""

    def __init__(self, files: AbstractFiles, shard: Shard) -> None:
        self.files, self.shard = files, shard

    def walk(self) -> Iterator[tuple[str, Opener]]:
        """Each file of the part."""
        return ((name, opener) for name, opener in self.files.walk() if self.shard.takes(name))

    def stamp(self) -> list[str]:
        """That of the collection, and which part it is."""
        return [*self.files.stamp(), str(self.shard)]

    def where(self, name: str) -> str:
        """As the collection says."""
        return self.files.where(name)


def _of_row(value: dict[str, Any]) -> bytes:
    """The file in a column of images: its content, or where it is."""
    content: bytes | None = value["bytes"]
    return read(Path(value["path"])) if content is None else content

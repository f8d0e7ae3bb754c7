"""Files on disk before they are compressed: what there is, what each one is, and what it takes at best as it is."""

import dataclasses
import io
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pixelrnn.codec.container import MOST_NAME, MOST_PIXELS
from pixelrnn.errors import ArchiveError

__all__ = ["Found", "Listing", "best_ordinary", "examine", "find"]

MOST_WEBP = 16383  # pixels of a side


@dataclasses.dataclass(frozen=True)
class Found:
    """A file.

    Attributes:
        name: With slashes, below the source.
        path: Where it is.
        size: Bytes.
    """

    name: str
    path: Path
    size: int


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a source holds.

    Attributes:
        files: Sorted by name.
        links: How many of them are symbolic links, whose content is taken.
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
    skipped, links = [], 0

    def refuse(what: str) -> None:
        if not skip_bad:
            raise ArchiveError(f"{what}; --skip-bad leaves it out")
        skipped.append(what)

    paths, links_to_folders = _paths(source, lambda error: refuse(f"{error.filename}: {error.strerror}"))
    skipped += [f"{path}: a link to a folder, which is not followed" for path in links_to_folders]
    files = []
    for path in paths:
        name = path.relative_to(source).as_posix() if path != source else path.name
        try:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode):
                skipped.append(f"{path}: neither a file nor a folder")
                continue
            if without.exists() and path.samefile(without):
                continue
            with path.open("rb"):
                pass
        except OSError as error:
            refuse(f"{path}: {error.strerror}")
            continue
        if len(os.fsencode(name)) > MOST_NAME:
            refuse(f"{path}: a name of more than {MOST_NAME} bytes")
            continue
        links += path.is_symlink()
        files.append(Found(name, path, state.st_size))
    if not files:
        raise ArchiveError(f"{source}: there are no files to compress")
    return Listing(tuple(sorted(files, key=lambda file: file.name)), links, tuple(skipped))


def _paths(source: Path, refuse: Callable[[OSError], None]) -> tuple[list[Path], list[Path]]:
    """All files of a source, and the links to folders, which are not followed: they could lead in a circle."""
    if not source.is_dir():
        return [source], []
    paths, links = [], []
    for root, folders, names in os.walk(source, onerror=refuse):
        links += [path for name in folders if (path := Path(root, name)).is_symlink()]
        paths += [Path(root, name) for name in names]
    return paths, links


def examine(content: bytes) -> Image.Image | str:
    """The picture that a file holds, loaded; or why it is kept as it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content))
            if picture.width * picture.height > MOST_PIXELS:
                return "too many pixels"
            if getattr(picture, "n_frames", 1) > 1:
                return "several frames"
            picture.load()
    except UnidentifiedImageError:
        return "not an image"
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return "too many pixels"
    except Exception:  # decoders raise errors of many kinds for damaged data
        return "a damaged image"
    return picture


def best_ordinary(content: bytes, picture: Image.Image) -> bytes:
    """The smallest of a file and of the ordinary lossless forms that keep everything of its picture."""
    forms = [content]
    kept = {name: picture.info[name] for name in ("icc_profile", "exif", "transparency") if picture.info.get(name)}
    if picture.format != "PNG":
        forms.append(_saved(picture, "PNG", optimize=True, **kept))
    if picture.mode in ("RGB", "RGBA") and "transparency" not in kept and max(picture.size) <= MOST_WEBP:
        forms.append(_saved(picture, "WEBP", lossless=True, exact=True, quality=90, method=4, **kept))
    return min(forms, key=len)


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()

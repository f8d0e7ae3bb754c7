"""Under what names files are restored: pictures as .png, without taking the name of another file."""

import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

__all__ = ["PNG", "restored_names"]

PNG = ".png"
MOST_PART = 255  # bytes of a part of a name, on the usual systems


def restored_names(names: Sequence[str], pictures: Collection[int]) -> list[str]:
    """The names of files, those of pictures changed to end in .png if they do not.

    Args:
        names: Names with slashes.
        pictures: Numbers of the files that come back as PNG files.

    Example:
        >>> restored_names(["a.bmp", "b.png", "b.tif", "c.txt"], {0, 1, 2})
        ['a.png', 'b.png', 'b.tif.png', 'c.txt']
    """
    taken = {part for name in names for part in _with_parents(name)}
    restored = []
    for number, name in enumerate(names):
        if number in pictures and Path(name).suffix.lower() != PNG:
            name = next(new for new in _candidates(name) if new.casefold() not in taken)
            taken.add(name.casefold())
        restored.append(name)
    return restored


def _with_parents(name: str) -> Iterator[str]:
    """A name and those of the folders above it, without the difference of capital letters: some systems make none."""
    parts = name.casefold().split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _candidates(name: str) -> Iterator[str]:
    """Names for a picture that becomes a PNG file, the nearest first; none is longer than systems allow."""
    path = Path(name)
    for count in itertools.count():
        ending = PNG if count == 0 else f"{path.suffix}{PNG}" if count == 1 else f"-{count}{PNG}"
        stem = path.stem
        while stem and len(os.fsencode(stem + ending)) > MOST_PART:
            stem = stem[:-1]
        if not stem:
            continue  # the suffix alone is too long
        yield path.with_name(stem + ending).as_posix()

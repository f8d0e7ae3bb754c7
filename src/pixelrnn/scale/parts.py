"""What the shards of a source found, in a folder that they share: files that are written once, whole or not at all.

    parts/part-2-of-8/about.json    which verb, model and options: the same in all parts
    parts/part-2-of-8/facts.json    what is said of the images, if there are any
    parts/part-2-of-8/000000.npz    columns of the first images that were done
    parts/part-2-of-8/000000.pxr    their archive, where they are compressed
    parts/part-2-of-8/whole.json    that all is done

A run that is killed leaves whole files; the next one takes their rows as done, and does the rest.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError, DataError, RunError
from pixelrnn.runs.files import TEMPORARY, atomic_write, held, read_json, write_json

__all__ = [
    "BAD",
    "MOST_ROWS",
    "MOST_VALUES",
    "REASON",
    "SUM",
    "Columns",
    "Part",
    "bad_rows",
    "chunks_of",
    "joined",
    "names_in",
    "parts_in",
]

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Mapping[str, Array]

ABOUT, FACTS, WHOLE = "about.json", "facts.json", "whole.json"
SUM = "sum_"  # how columns are called that are no rows, and are summed up
BAD, REASON = "bad_name", "bad_reason"  # columns of what cannot be used, and why: rows of their own
MOST_ROWS, MOST_VALUES = 1_024, 2**24  # of a file: what is lost at most when a run is killed
FOLDER = re.compile(r"part-([0-9]+)-of-([0-9]+)")


class Part:
    """The part of one shard.

    Args:
        path: Its folder.

    Attributes:
        about: What all parts of one piece of work must have in common.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: dict[str, Any] = read_json(path / ABOUT)

    @classmethod
    @contextmanager
    def begin(cls, folder: Path, shard: Shard, about: Mapping[str, Any], *, resume: bool) -> "Iterator[Part]":
        """Begin a part, or go on with it; no other process may write it meanwhile.

        Raises:
            ConfigError: If it is there and must not be gone on with, or is of other work.
            RunError: If it cannot be written, or another process writes it.
        """
        path = folder / f"part-{shard.number:0{len(str(shard.of))}d}-of-{shard.of}"
        if (path / ABOUT).exists() and not resume:
            raise ConfigError(f"{path} holds what an earlier call found; go on with --resume, or choose another folder")
        about = json.loads(json.dumps(about))  # as it is read again
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be made ({error.strerror})") from error
        with held(path / f"{TEMPORARY}.lock", RunError(f"another process writes {path}")):
            if not (path / ABOUT).exists():
                write_json(path / ABOUT, about)
            part = cls(path)
            if odd := differing(part.about, about):
                raise ConfigError(f"{path} is of other work: {odd}; choose another folder with --parts")
            (path / WHOLE).unlink(missing_ok=True)
            yield part

    @property
    def facts(self) -> dict[str, Any]:
        """What is said of the images; empty if there are none."""
        path = self.path / FACTS
        return read_json(path) if path.exists() else {}

    def note(self, facts: Mapping[str, Any]) -> None:
        """Write down what is said of the images."""
        write_json(self.path / FACTS, dict(facts))

    def files(self) -> list[Path]:
        """The files of columns, in the order in which they were written."""
        return sorted(path for path in self.path.glob("*.npz") if re.fullmatch(r"[0-9]{6,}\.npz", path.name))

    def columns(self) -> Iterator[dict[str, Array]]:
        """The columns of each file."""
        for path in self.files():
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as columns:
                    found = dict(columns)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                raise RunError(f"{path} is damaged ({error}); delete it, and go on with --resume") from error
            yield found

    def done(self) -> set[str]:
        """The names of all that is done, or cannot be used."""
        return {name for columns in self.columns() for name in names_in(columns)}

    def done_of(self, names: Iterable[str]) -> set[str]:
        """The same, of a source that has these names; raises `DataError` if one that is done is none of them."""
        done = self.done()
        if gone := sorted(done.difference(names)):
            raise DataError(f"{self.path} holds {gone[0]}, which the source has not any more")
        return done

    @property
    def next(self) -> Path:
        """The file of the next columns."""
        files = self.files()
        number = int(files[-1].stem) + 1 if files else 0
        return self.path / f"{number:06d}.npz"

    def write(self, columns: Columns) -> None:
        """Add columns, of which `name` says what is done by them."""

        def save(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, **columns)  # type: ignore[arg-type]

        atomic_write(self.next, save, is_new=True)

    def finish(self) -> int:
        """Say that all is done; returns the number of rows."""
        rows = sum(len(names_in(columns)) for columns in self.columns())
        write_json(self.path / WHOLE, {"rows": rows})
        return rows

    @property
    def is_whole(self) -> bool:
        """Whether all is done."""
        return (self.path / WHOLE).exists()


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first field in which the work of two parts differs, in words; empty if there is none."""
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            return f"its {name} is {one.get(name)!r:.200}, not {other.get(name)!r:.200}"
    return ""


def parts_in(folder: Path) -> list[Part]:
    """All parts of a folder, in order.

    Raises:
        RunError: If there are none, one is missing or not done, or they are not of one piece of work.
    """
    found = {Shard(int(match[1]), int(match[2])): path for path, match in _folders(folder)}
    if not found:
        raise RunError(f"{folder} holds no parts; a verb with --shard and --parts writes some")
    if len(counts := sorted({shard.of for shard in found})) > 1:
        raise RunError(f"{folder} holds parts of {counts[0]} and of {counts[1]}; they cannot be merged")
    if missing := [number for number in range(1, counts[0] + 1) if Shard(number, counts[0]) not in found]:
        raise RunError(f"{folder} lacks {len(missing)} of {counts[0]} parts: {_few(missing)}")
    parts = [Part(found[Shard(number, counts[0])]) for number in range(1, counts[0] + 1)]
    if left := [part.path.name for part in parts if not part.is_whole]:
        raise RunError(f"{folder}: {left[0]} is not done (of {len(left)}); go on with --resume")
    for part in parts:
        if odd := differing(part.about, parts[0].about):
            raise RunError(f"{part.path} is of other work than {parts[0].path.name}: {odd}")
    return parts


def _folders(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({error.strerror})") from error
    for path in entries:
        if (match := FOLDER.fullmatch(path.name)) and (path / ABOUT).exists():
            yield path, match


def _few(numbers: Sequence[int], most: int = 10) -> str:
    return ", ".join(map(str, numbers[:most])) + (", ..." if len(numbers) > most else "")


def names_in(columns: Columns) -> list[str]:
    """The names of all rows of columns, those that cannot be used among them."""
    return [str(name) for key in ("name", BAD) for name in columns.get(key, ())]


def bad_rows(reasons: dict[str, str]) -> Columns:
    """Columns of what cannot be used."""
    none = np.array([], str)
    return {"name": none, BAD: np.array([*reasons], str), REASON: np.array([*reasons.values()], str)}


def joined(every: Sequence[Columns]) -> dict[str, Array]:
    """Columns one below the other; those that are sums are summed up.

    Raises:
        DataError: If sums are of different shapes.
    """
    found = dict[str, Array]()
    for key in dict.fromkeys(key for columns in every for key in columns):
        values = [columns[key] for columns in every if key in columns]
        if not key.startswith(SUM):
            found[key] = np.concatenate(values)
        elif len({value.shape for value in values}) > 1:
            raise DataError("the images differ in size; their figures by position have no sum")
        else:
            found[key] = np.sum(values, 0)
    return found


def chunks_of(
    items: Iterable[int], sizes: Iterable[int], *, rows: int | None = None, most: int | None = None
) -> Iterator[list[int]]:
    """Items in lists of up to so many rows, or about so many values, by the size of each."""
    rows, most = rows or MOST_ROWS, most or MOST_VALUES
    chunk, values = list[int](), 0
    for item, size in zip(items, sizes, strict=True):
        if chunk and (len(chunk) == rows or values + size > most):
            yield chunk
            chunk, values = [], 0
        chunk.append(item)
        values += size
    if chunk:
        yield chunk

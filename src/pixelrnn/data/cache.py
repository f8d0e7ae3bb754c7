"""Image files decoded once into a memory-mapped file.

A cache entry is a folder named by a hash of the collection's stamp and of the options that change what is decoded.
It is built beside its place and renamed into it, under a lock, so that two processes never see half of one and never
both do the work. `PIXELRNN_CACHE` chooses the folder that holds them; entries may be deleted at any time.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np

from pixelrnn.config import DataConfig
from pixelrnn.data.decode import TAKE, Census, decode, decode_stack
from pixelrnn.data.files import AbstractFiles, Opener
from pixelrnn.data.picture import (
    Content,
    MissingError,
    UnreadableError,
    decoder_version,
    kind_of,
    reason_of,
    wanted,
)
from pixelrnn.data.pixels import Ragged
from pixelrnn.data.ranges import BYTES, Range, is_ranged
from pixelrnn.data.stack import Depth, depth_of, read_stack
from pixelrnn.errors import DataError, EmptyError
from pixelrnn.progress import Callback, Reporter

__all__ = ["Decoded", "cached"]

VERSION = 3


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A collection as arrays: the values, their names, what was found, and the range of values that are no bytes."""

    pixels: Ragged
    names: tuple[str, ...]
    summary: str
    skipped: tuple[str, ...]
    range: Range | None = None


def cached(files: AbstractFiles, config: DataConfig, callback: Callback | None = None) -> Decoded:
    """The decoded images of a collection, from the cache if they are there.

    Args:
        files: The collection.
        config: What to decode to.
        callback: Callback that is told the progress while decoding.

    Raises:
        DataError: If a file cannot be read and `skip_bad` is not set, or if nothing is left.
    """
    options = [VERSION, decoder_version(), config.height_width, config.crop, config.channels, config.skip_bad]
    options += [config.bits, config.levels is None or config.levels > BYTES or is_ranged(config)]
    key = hashlib.sha256(json.dumps([options, files.stamp()]).encode()).hexdigest()[:32]
    try:
        root = _root()
    except (OSError, RuntimeError) as error:
        _warn(str(error))
        return _uncached(files, config, callback)
    try:
        # Under the lock: whatever bears this key and is not a whole entry is what a killed process left.
        with filelock.FileLock(root / f"{key}.lock"):
            if (found := _open(root / key)) is not None:
                return found
            for leftover in (path for path in root.glob(f"{key}*") if path.is_dir()):
                shutil.rmtree(leftover, ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=root))
            try:
                _build(files, config, building, callback)
                building.rename(root / key)
            finally:
                shutil.rmtree(building, ignore_errors=True)
            built = _open(root / key)
            assert built is not None
            return built
    except OSError as error:
        reason = f"the cache of decoded images cannot be used ({error})"
        raise DataError(f"{root}: {reason}; PIXELRNN_CACHE names another") from error


def _root() -> Path:
    """The folder of all entries, which can be written into.

    Raises:
        OSError: If it cannot.
        RuntimeError: If there is no home to have one in.
    """
    root = Path(os.environ.get("PIXELRNN_CACHE") or Path.home() / ".cache" / "pixelrnn")
    root.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=root).close()
    return root


def _uncached(files: AbstractFiles, config: DataConfig, callback: Callback | None) -> Decoded:
    """The decoded images, on disk for as long as this process needs them."""
    with tempfile.TemporaryDirectory(prefix="pixelrnn-", ignore_cleanup_errors=True) as folder:
        _build(files, config, Path(folder), callback)
        built = _open(Path(folder))  # mapped, which outlives the name
    assert built is not None
    return built


@functools.cache
def _warn(reason: str) -> None:
    logging.getLogger("pixelrnn").warning(
        "decoded images cannot be kept for the next time (%s); PIXELRNN_CACHE names another folder for them", reason
    )


def _open(entry: Path) -> Decoded | None:
    """An entry, or None if it is not there or not whole."""
    try:
        index = json.loads((entry / "index.json").read_text(encoding="utf-8"))
        shapes = np.array(index["shapes"], dtype=np.int64).reshape(-1, 3)
        sizes = shapes.prod(1)
        flat = np.memmap(entry / "pixels.bin", dtype=index["dtype"], mode="r")
        found = Range(*index["range"]) if index["range"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if len(flat) != sizes.sum():
        return None
    pixels = Ragged(flat, shapes, np.cumsum(sizes) - sizes)
    return Decoded(pixels, tuple(index["names"]), index["summary"], tuple(index["skipped"]), found)


def _build(files: AbstractFiles, config: DataConfig, folder: Path, callback: Callback | None) -> None:
    census, report, total = Census(), Reporter(callback), 0
    found: dict[Depth, dict[str, str]] = {"plain": {}, "pages": {}, "deep": {}}  # names of files, and their kinds
    for name, opener in files.walk():
        total += 1
        try:
            content = _content(opener)
            depth: Depth = "plain" if config.bits else depth_of(content)
            found[depth][name] = "" if depth == "deep" else kind_of(content)
        except UnreadableError as error:
            _refuse(files.where(name), error, config, census)
    plain, deep = _plain_and_deep(found, files, config)
    census.kinds.update(plain.values())
    channels = wanted(config.channels) or census.channels()
    written = _Written(folder)
    with (folder / "pixels.bin").open("wb") as out:
        for number, (name, opener) in enumerate(files.walk()):
            if name not in deep and name not in plain:
                continue
            try:
                content = _content(opener)
                if name in deep:
                    stack = read_stack(content, are_images=config.channels == "images")  # type: ignore[arg-type]
                    written.add(out, name, decode_stack(stack, config))
                    census.kinds[stack.kind] += 1
                else:
                    written.add(out, name, [decode(content, channels, config)])
            except UnreadableError as error:
                _refuse(files.where(name), error, config, census)
                if name in plain:
                    census.kinds[plain[name]] -= 1
                continue
            report.amount(number + 1, total, "files")
    if not written.names:
        unreadable = f" that can be read, of {total:,} {'file' if total == 1 else 'files'}" if total else ""
        said = f"{files.where('').rstrip('/:')} holds no images (PNG, JPEG, BMP, WebP, TIFF){unreadable}"
        raise EmptyError(said, tuple(census.skipped))
    census.kinds, census.images = +census.kinds, len(written.names)
    written.close(census.stacks() if deep else census.summary(channels), census.skipped)


def _plain_and_deep(
    found: dict[Depth, dict[str, str]], files: AbstractFiles, config: DataConfig
) -> tuple[dict[str, str], dict[str, str]]:
    """The files that are one picture of 8 bits each, of which some may have other pages, and those read as stacks.

    Raises:
        DataError: If bits would be lost without a word.
    """
    plain, pages, deep = found["plain"], found["pages"], found["deep"]
    if not deep:
        return (plain | pages, {}) if plain else ({}, pages)
    first = files.where(next(iter(deep)))
    if plain:
        other = files.where(next(iter(plain)))
        raise DataError(f"{first} has more than 8 bits a value, and {other} has not; {TAKE}")
    if config.levels is not None and config.levels <= BYTES and not is_ranged(config):
        raise DataError(f"{first} has more than 8 bits a value; leave out `levels`, which are counted then, or {TAKE}")
    return {}, pages | deep


class _Written:
    """The images that are in the folder of an entry.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.names, self.shapes = folder, list[str](), list[tuple[int, ...]]()
        self.dtype: str | None = None
        self.values = np.zeros(0, np.int64)  # that occur, if they are no bytes

    def add(self, out: IO[bytes], name: str, images: "Sequence[np.ndarray[Any, Any]]") -> None:
        """Write the images of a file; raises `UnreadableError` if they are of another type than those before."""
        for number, image in enumerate(images):
            self.dtype = self.dtype or image.dtype.name
            if image.dtype.name != self.dtype or (self.shapes and self.shapes[0][0] != image.shape[0]):
                raise UnreadableError(
                    f"it has {image.shape[0]} channels of {image.dtype.name}, those before {self.shapes[0][0]} of "
                    f"{self.dtype} (`channels` images makes images of channels)"
                )
            out.write(image.tobytes())
            self.names.append(name if len(images) == 1 else f"{name}:{number + 1}")
            self.shapes.append(image.shape)
            if self.dtype != "uint8":
                self.values = np.union1d(self.values, image)

    def close(self, summary: str, skipped: list[str]) -> None:
        """Write what there is."""
        index = {"names": self.names, "shapes": self.shapes, "summary": summary, "skipped": skipped}
        index |= {"dtype": self.dtype, "range": [] if self.dtype == "uint8" else list(Range.of([self.values[None]]))}
        (self.folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _content(opener: Opener) -> Content:
    try:
        return opener()
    except UnreadableError:
        raise
    except Exception as error:  # archives raise errors of many kinds for damaged data
        raise UnreadableError(reason_of(error)) from error


def _refuse(where: str, error: UnreadableError, config: DataConfig, census: Census) -> None:
    if not config.skip_bad and not isinstance(error, MissingError):
        raise DataError(f"{where} cannot be used: {error} (`skip_bad` skips, counts and lists such files)") from error
    census.skipped.append(f"{where}: {error}")

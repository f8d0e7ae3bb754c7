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
from pathlib import Path

import filelock
import numpy as np

from pixelrnn.config import DataConfig
from pixelrnn.data.decode import Census, decode
from pixelrnn.data.files import AbstractFiles, Opener
from pixelrnn.data.picture import (
    COUNT,
    Channels,
    Content,
    MissingError,
    UnreadableError,
    decoder_version,
    kind_of,
    reason_of,
)
from pixelrnn.data.pixels import Ragged
from pixelrnn.errors import DataError, EmptyError
from pixelrnn.progress import Callback, Reporter

__all__ = ["Decoded", "cached"]

VERSION = 2


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A collection as arrays: the values, the names they came from, and what was found."""

    pixels: Ragged
    names: tuple[str, ...]
    summary: str
    skipped: tuple[str, ...]


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
        flat = np.memmap(entry / "pixels.bin", dtype=np.uint8, mode="r")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if len(flat) != sizes.sum():
        return None
    pixels = Ragged(flat, shapes, np.cumsum(sizes) - sizes)
    return Decoded(pixels, tuple(index["names"]), index["summary"], tuple(index["skipped"]))


def _build(files: AbstractFiles, config: DataConfig, folder: Path, callback: Callback | None) -> None:
    census = Census()
    readable: dict[str, str] = {}
    total, report = 0, Reporter(callback)
    for name, opener in files.walk():
        total += 1
        try:
            kind = kind_of(_content(opener))
        except UnreadableError as error:
            _refuse(files.where(name), error, config, census)
            continue
        census.kinds[kind] += 1
        readable[name] = kind
    channels: Channels = census.channels() if config.channels == "auto" else config.channels
    names, shapes = [], []
    with (folder / "pixels.bin").open("wb") as out:
        for number, (name, opener) in enumerate(files.walk()):
            if name not in readable:
                continue
            try:
                image = decode(_content(opener), channels, config)
            except UnreadableError as error:
                _refuse(files.where(name), error, config, census)
                census.kinds[readable[name]] -= 1
                continue
            out.write(image.tobytes())
            names.append(name)
            shapes.append(image.shape)
            report.amount(number + 1, total, "files")
    if not names:
        unreadable = f" that can be read, of {total:,} {'file' if total == 1 else 'files'}" if total else ""
        said = f"{files.where('').rstrip('/:')} holds no images (PNG, JPEG, BMP, WebP, TIFF){unreadable}"
        raise EmptyError(said, tuple(census.skipped))
    assert all(shape[0] == COUNT[channels] for shape in shapes)
    census.kinds = +census.kinds
    index = {"names": names, "shapes": shapes, "summary": census.summary(channels), "skipped": census.skipped}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


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

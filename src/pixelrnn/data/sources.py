"""What a source holds: which kind it is, its images, its own splits and its labels."""

import dataclasses
from importlib import resources
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pixelrnn.config import DataConfig, Shard, require_source
from pixelrnn.data import arrays
from pixelrnn.data.arrays import ArraySource
from pixelrnn.data.cache import cached
from pixelrnn.data.files import AbstractFiles, File, Folder, HubDataset, OfShard, Tar, Zip, is_image_name
from pixelrnn.data.pixels import AbstractPixels, Concatenated, Dense
from pixelrnn.data.ranges import BYTES, Ranged, is_ranged, of_arrays, with_range
from pixelrnn.data.split import split_folders
from pixelrnn.errors import DataError
from pixelrnn.progress import Callback

__all__ = ["Source", "find", "holds_files"]

DIGITS_LEVELS = 17
MOST_LABELS = 2**16


@dataclasses.dataclass(frozen=True)
class Source:
    """Everything that was found, before it is split."""

    pixels: AbstractPixels
    levels: int
    splits: dict[str, NDArray[np.int64]]  # positions under "train", "valid", "test", or all of them under "all"
    summary: str
    labels: NDArray[np.int64] | None = None
    contexts: AbstractPixels | None = None
    label_names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of the files, if they are files
    config: DataConfig | None = None  # with what was measured, if anything was

    def name(self, position: int) -> str:
        """How to call an image in a message."""
        return self.names[position] if self.names else f"image {position}"


def find(source: str, config: DataConfig, callback: Callback | None, shard: Shard | None = None) -> Source:
    """Everything that a source holds, or what of it is needed for a part; see `load_data` for what can be one."""
    require_source(source)
    found = _find(source, config, callback, shard)
    if config.context == "given" and found.contexts is None:
        raise DataError(f"{source}: no contexts are given; an .npz with arrays train and train_context has them")
    return found


def _find(source: str, config: DataConfig, callback: Callback | None, shard: Shard | None) -> Source:
    if source == "digits":
        return _from_digits(config)
    if source.startswith("hf:"):
        return _from_files(HubDataset(source.removeprefix("hf:")), config, callback, shard)
    path = Path(source)
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder")
    found = _arrays(path) or _files(path)
    if isinstance(found, ArraySource):
        return _from_arrays(found, source, config)
    return _from_files(found, config, callback, shard)


def _arrays(path: Path) -> ArraySource | None:
    """The arrays of a path, if it is of a kind that holds arrays."""
    if path.is_dir():
        is_idx = any(arrays.is_idx_name(entry.name) for entry in path.iterdir())
        return arrays.read_idx_folder(path) if is_idx else None
    if arrays.is_idx_name(path.name):
        return ArraySource({"all": arrays.read_idx(path)}, {})
    readers = {".npy": arrays.read_npy, ".npz": arrays.read_npz}
    reader = readers.get(path.suffix.lower())
    return None if reader is None else reader(path)


def holds_files(source: str) -> bool:
    """Whether a source is a collection of image files, as far as its name tells."""
    path = Path(source)
    is_archive = path.suffix.lower() == ".zip" or _is_tar(path)
    return source.startswith("hf:") or path.is_dir() or is_archive or is_image_name(path.name)


def _is_tar(path: Path) -> bool:
    return ".tar" in map(str.lower, path.suffixes) or path.suffix.lower() in (".tgz", ".txz")


def _files(path: Path) -> AbstractFiles:
    """The image files of a path."""
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".zip":
        return Zip(path)
    if _is_tar(path):
        return Tar(path)
    if is_image_name(path.name):
        return File(path)
    raise DataError(
        f"{path}: not a kind of source that is known (folder, image, .zip, .tar[.gz|.xz], .npy, .npz, *-ubyte[.gz])"
    )


def _from_digits(config: DataConfig) -> Source:
    with resources.as_file(resources.files("pixelrnn") / "zoo" / "digits.npz") as path, np.load(path) as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    names = tuple(str(digit) for digit in range(10)) if config.labels else ()
    everything = {"all": np.arange(len(images))}
    config = dataclasses.replace(config, source_levels=DIGITS_LEVELS)
    pixels, levels = arrays.array_pixels(images, "digits", config)
    labels = labels if config.labels else None
    return Source(pixels, levels, everything, "1,797 images, 8x8 grey", labels, label_names=names)


def _from_arrays(source: ArraySource, where: str, config: DataConfig) -> Source:
    config, said = with_range(config, of_arrays(config, [*source.images.values()]), where)
    parts, splits, labels, contexts, start = [], {}, [], [], 0
    source_levels = set()
    for name, array in source.images.items():
        part, levels = arrays.array_pixels(array, where if name == "all" else f"{where}:{name}", config)
        if len(part) == 0:
            raise DataError(f"{where}: {name} holds no images")
        parts.append(part)
        source_levels.add(levels)
        splits[name] = np.arange(start, start + len(part))
        start += len(part)
        if config.labels:
            labels.append(_array_labels(source, name, len(part), where))
        if config.context == "given":
            if is_ranged(config):
                raise DataError(f"{where}: contexts are of images of bytes, or fewer levels; these are {array.dtype}")
            contexts.append(_array_contexts(source, name, array, levels, where))
    if len(source_levels) > 1 or len({part.shape(0) for part in parts}) > 1:
        shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in source.images.items())
        raise DataError(f"{where}: the splits differ in shape or in levels ({shapes})")
    joined = np.concatenate(labels) if labels else None
    if joined is not None and joined.max() >= MOST_LABELS:
        raise DataError(f"{where}: a label is {joined.max()}; labels are numbered from 0, up to {MOST_LABELS - 1}")
    names = tuple(str(label) for label in range(int(joined.max()) + 1)) if joined is not None else ()
    channels, height, width = parts[0].shape(0)
    counts = (
        ""
        if "all" in splits
        else " (" + ", ".join(f"{name} {len(positions):,}" for name, positions in splits.items()) + ")"
    )
    kind = {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"{channels} channels")
    summary = f"{start:,} {'image' if start == 1 else 'images'}{counts}, {height}x{width} {kind}{said}"
    if len({context.shape(0) for context in contexts}) > 1:
        raise DataError(f"{where}: the contexts of the splits differ in shape")
    given = Concatenated(tuple(contexts)) if contexts else None
    return Source(Concatenated(tuple(parts)), source_levels.pop(), splits, summary, joined, given, names, config=config)


def _array_contexts(source: ArraySource, name: str, images: NDArray[np.generic], levels: int, where: str) -> Dense:
    if name not in source.contexts:
        key = "context" if name == "all" else f"{name}_context"
        raise DataError(f"{where}: no contexts are given for {name!r} (in an .npz, array {key!r} beside the images)")
    contexts = source.contexts[name]
    if contexts.ndim not in (3, 4) or len(contexts) != len(images) or 0 in contexts.shape:
        raise DataError(
            f"{where}: contexts of {name!r} have shape {contexts.shape}; ({len(images)}, C, H, W) or "
            f"({len(images)}, H, W) is needed"
        )
    if contexts.dtype != images.dtype:
        raise DataError(f"{where}: contexts of {name!r} are {contexts.dtype}; the images are {images.dtype}")
    low, high = contexts.min(), contexts.max()
    if levels and not 0 <= low <= high < levels:
        raise DataError(f"{where}: contexts of {name!r} hold values {low} .. {high}; 0 .. {levels - 1} are allowed")
    if contexts.ndim == 3:
        return Dense(contexts[:, None])
    # Channels lie where those of the images do.
    is_last = images.ndim == 4 and images.shape[1] not in range(1, 5)
    return Dense(np.moveaxis(contexts, 3, 1) if is_last else contexts)


def _array_labels(source: ArraySource, name: str, count: int, where: str) -> NDArray[np.int64]:
    if name not in source.labels:
        raise DataError(
            f"{where}: no labels for {name!r} (npz key {name}_labels, or an IDX file with 'labels' in its name)"
        )
    labels = source.labels[name]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(f"{where}: labels of {name!r} are {labels.dtype} {labels.shape}; {count} integers are needed")
    if labels.min() < 0:
        raise DataError(f"{where}: labels of {name!r} go down to {labels.min()}; 0 and above are allowed")
    return labels.astype(np.int64)


def _from_files(files: AbstractFiles, config: DataConfig, callback: Callback | None, shard: Shard | None) -> Source:
    if shard is not None and _is_divided(files, config):
        files = OfShard(files, shard)
    decoded = cached(files, config, callback)
    below, splits = split_folders(decoded.names, files.where(""))
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()
    if config.labels:
        folders = [PurePosixPath(name).parent.as_posix() for name in below]
        if "." in folders:
            raise DataError(
                f"{files.where(decoded.names[folders.index('.')])} lies in no sub-folder that could be its label "
                "(labels are read because the model knows them, or `labels` is set)"
            )
        label_names = tuple(sorted(set(folders)))
        numbers = {name: number for number, name in enumerate(label_names)}
        labels = np.array([numbers[folder] for folder in folders], dtype=np.int64)
    where = files.where("").rstrip("/:")
    config, said = with_range(config, decoded.range, where)
    if is_ranged(config) and decoded.range is None:
        raise DataError(f"{where} holds pictures of 8 bits; levels from {config.offset} on are of others")
    pixels = decoded.pixels if decoded.range is None else Ranged(decoded.pixels, config, where, decoded.names)
    levels = BYTES if decoded.range is None else config.source_levels or BYTES
    known = (labels, None, label_names, decoded.skipped, decoded.names, config)
    return Source(pixels, levels, splits, decoded.summary + said, *known)


def _is_divided(files: AbstractFiles, config: DataConfig) -> bool:
    """Whether a part of the files can be read without the others: nothing is drawn by place, no splits are there."""
    is_plain = config.binarize in ("none", "threshold") and config.levels != 0 and config.limit is None
    return is_plain and "all" in split_folders([name for name, _ in files.walk()], files.where(""))[1]

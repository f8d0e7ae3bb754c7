"""From the name of a source to its splits: the one entry of this package."""

import dataclasses
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelrnn.config import DataConfig
from pixelrnn.data import arrays
from pixelrnn.data.arrays import SPLITS, ArraySource
from pixelrnn.data.cache import cached
from pixelrnn.data.files import AbstractFiles, Folder, HubDataset, Tar, Zip
from pixelrnn.data.images import Data, ImageSet, spaced
from pixelrnn.data.pixels import AbstractPixels, Concatenated
from pixelrnn.data.quantise import Quantiser
from pixelrnn.errors import DataError

__all__ = ["load_data"]

SPLIT_FOLDERS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
DIGITS_LEVELS = 17


@dataclasses.dataclass(frozen=True)
class _Source:
    """Everything that was found, before it is split."""

    pixels: AbstractPixels
    levels: int
    splits: dict[str, NDArray[np.int64]]  # positions under "train", "valid", "test", or all of them under "all"
    summary: str
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def load_data(
    source: str | Path,
    config: DataConfig | None = None,
    *,
    callback: Callable[[float], None] | None = None,
    **fields: Any,
) -> Data:
    """Find the images of a source and split them.

    Args:
        source: `digits` (built in), a folder of images, a `.zip` or `.tar[.gz|.xz|.bz2]` of images, a `.npy` or `.npz`
            file, an IDX file or a folder of them, or `hf:owner/name`.
        config: How to read it; or give its fields by name.
        callback: Called with the finished share, 0 .. 1, while image files are decoded for the first time.
        **fields: Fields of `DataConfig`.

    Returns:
        The splits. Those that the source has (npz keys, folders `train`, `valid` or `val`, `test`) are kept; missing
        ones are drawn from its training images.

    Raises:
        DataError: If the source is unknown, empty, unreadable or does not fit the options.

    Example:
        >>> data = load_data("digits")
        >>> data.summary, data.levels, data.shape
        ('1,797 images, 8x8 grey', 17, (1, 8, 8))
        >>> data.test.batch([0, 1]).shape
        torch.Size([2, 1, 8, 8])
    """
    config = dataclasses.replace(config or DataConfig(), **fields)
    found = _find(str(source), config, callback)
    shape = _shape(found.pixels, config)
    levels = 2 if config.binarize != "none" else found.levels if config.levels is None else config.levels
    if found.levels == 0 and config.binarize != "none":
        raise DataError(f"{source}: floats cannot be binarized; give integers")
    quantiser = Quantiser(found.levels, levels, config.binarize, config.binarize_seed)
    patch = config.height_width if config.crop == "random" else None
    splits = _split(found.splits, config, str(source))

    def images(positions: NDArray[np.int64], *, is_fixed: bool) -> ImageSet:
        return ImageSet(
            found.pixels, positions, quantiser, patch, config.patches, config.split_seed, found.labels, is_fixed
        )

    everything = np.concatenate([found.splits[name] for name in (*SPLITS, "all") if name in found.splits])
    return Data(
        train=images(spaced(splits["train"], config.limit), is_fixed=False),
        valid=images(spaced(splits["valid"], config.limit), is_fixed=True),
        test=images(spaced(splits["test"], config.limit), is_fixed=True),
        whole=images(spaced(everything, config.limit), is_fixed=True),
        levels=levels,
        shape=shape,
        summary=found.summary,
        protocol=_protocol(found, config, levels),
        skipped=found.skipped,
        label_names=found.label_names,
        has_splits="test" in found.splits,
        source=str(source),
        config=config,
    )


def _find(source: str, config: DataConfig, callback: Callable[[float], None] | None) -> _Source:
    path = Path(source)
    if source == "digits":
        return _from_digits(config)
    if source.startswith("hf:"):
        return _from_files(HubDataset(source.removeprefix("hf:")), config, callback)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder (nor 'digits' or hf:owner/name)")
    if path.is_dir():
        if any(arrays.is_idx_name(entry.name) for entry in path.iterdir()):
            return _from_arrays(arrays.read_idx_folder(path), source, config)
        return _from_files(Folder(path), config, callback)
    if arrays.is_idx_name(path.name):
        return _from_arrays(ArraySource({"all": arrays.read_idx(path)}, {}), source, config)
    if path.suffix == ".npy":
        return _from_arrays(arrays.read_npy(path), source, config)
    if path.suffix == ".npz":
        return _from_arrays(arrays.read_npz(path), source, config)
    if path.suffix == ".zip":
        return _from_files(Zip(path), config, callback)
    if ".tar" in path.suffixes or path.suffix in (".tgz", ".txz"):
        return _from_files(Tar(path), config, callback)
    raise DataError(
        f"{source}: not a kind of source that is known (folder, .zip, .tar[.gz|.xz], .npy, .npz, *-ubyte[.gz])"
    )


def _from_digits(config: DataConfig) -> _Source:
    with resources.as_file(resources.files("pixelrnn") / "zoo" / "digits.npz") as path, np.load(path) as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    names = tuple(str(digit) for digit in range(10)) if config.labels else ()
    everything = {"all": np.arange(len(images))}
    pixels, _ = arrays.array_pixels(images, "digits", config)
    return _Source(
        pixels, DIGITS_LEVELS, everything, "1,797 images, 8x8 grey", labels if config.labels else None, names
    )


def _from_arrays(source: ArraySource, where: str, config: DataConfig) -> _Source:
    parts, splits, labels, start = [], {}, [], 0
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
    joined = np.concatenate(labels) if labels else None
    names = tuple(str(label) for label in range(int(joined.max()) + 1)) if joined is not None else ()
    channels, height, width = parts[0].shape(0)
    counts = (
        ""
        if "all" in splits
        else " (" + ", ".join(f"{name} {len(positions):,}" for name, positions in splits.items()) + ")"
    )
    kind = {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"{channels} channels")
    summary = f"{start:,} images{counts}, {height}x{width} {kind}"
    return _Source(Concatenated(tuple(parts)), max(source_levels), splits, summary, joined, names)


def _array_labels(source: ArraySource, name: str, count: int, where: str) -> NDArray[np.int64]:
    if name not in source.labels:
        raise DataError(
            f"{where}: no labels for {name!r} (npz key {name}_labels, or an IDX file with 'labels' in its name)"
        )
    labels = source.labels[name]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(f"{where}: labels of {name!r} are {labels.dtype} {labels.shape}; {count} integers are needed")
    return labels.astype(np.int64)


def _from_files(files: AbstractFiles, config: DataConfig, callback: Callable[[float], None] | None) -> _Source:
    decoded = cached(files, config, callback)
    below, splits = _split_folders(decoded.names)
    labels, label_names = None, ()
    if config.labels:
        folders = [PurePosixPath(name).parent.as_posix() for name in below]
        if "." in folders:
            raise DataError(
                f"{files.where(decoded.names[folders.index('.')])} lies in no sub-folder that could be its label"
            )
        label_names = tuple(sorted(set(folders)))
        labels = np.array([label_names.index(folder) for folder in folders], dtype=np.int64)
    return _Source(decoded.pixels, 256, splits, decoded.summary, labels, label_names, decoded.skipped)


def _split_folders(names: Sequence[str]) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Names below their split's folder, and the positions of each split; one split `all` if not every file is in one.

    Folders that all names share count for nothing.
    """
    paths = [PurePosixPath(name).parts for name in names]
    shared = 0
    while all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    heads = [SPLIT_FOLDERS.get(path[shared].lower()) if len(path) > shared + 1 else None for path in paths]
    if None in heads or "train" not in heads:
        return ["/".join(path[shared:]) for path in paths], {"all": np.arange(len(names))}
    splits = {
        split: np.array([n for n, head in enumerate(heads) if head == split], dtype=np.int64)
        for split in SPLITS
        if split in heads
    }
    return ["/".join(path[shared + 1 :]) for path in paths], splits


def _shape(pixels: AbstractPixels, config: DataConfig) -> tuple[int, int, int]:
    """The shape that all images have once they are cut."""
    first = pixels.shape(0)
    if config.crop == "random":
        assert config.height_width is not None
        for position in range(len(pixels)):
            shape = pixels.shape(position)
            if shape[1] < config.height_width[0] or shape[2] < config.height_width[1]:
                raise DataError(
                    f"image {position} is {shape[2]}x{shape[1]} pixels, less than a patch of size {config.size}"
                )
        return (first[0], *config.height_width)
    for position in range(1, len(pixels)):
        if pixels.shape(position) != first:
            one, other = ("x".join(map(str, shape[:0:-1])) for shape in (first, pixels.shape(position)))
            raise DataError(
                f"images differ in size: image 0 has {one} pixels, image {position} has {other}; give --size"
            )
    if config.height_width not in (None, first[1:]):
        raise DataError(
            f"arrays are not resized: the images are {first[1]}x{first[2]} (height x width), size is {config.size}"
        )
    return first


def _split(found: dict[str, NDArray[np.int64]], config: DataConfig, where: str) -> dict[str, NDArray[np.int64]]:
    """The three splits; missing ones are drawn from the training images."""
    splits = {name: positions for name, positions in found.items() if name != "all"}
    rest = found.get("train", found.get("all"))
    if rest is None:
        raise DataError(f"{where}: holds no training images")
    rest = np.random.Generator(np.random.PCG64(config.split_seed)).permutation(rest)
    total = len(rest)
    for name, fraction in (("test", config.test_fraction), ("valid", config.valid_fraction)):
        if name not in splits:
            count = max(1, round(fraction * total))
            splits[name], rest = np.sort(rest[:count]), rest[count:]
    splits["train"] = np.sort(rest)
    # A folder of one or two images is evaluated or coded as a whole; only training needs something to train on.
    return splits


def _protocol(found: _Source, config: DataConfig, levels: int) -> str:
    values = {
        "none": "continuous" if levels == 0 else f"{levels} levels",
        "threshold": "2 levels, threshold at half",
        "fixed": f"2 levels, fixed stochastic binarisation (seed {config.binarize_seed})",
        "dynamic": "2 levels, dynamic stochastic binarisation (one fixed draw for evaluation)",
    }[config.binarize]
    if config.binarize == "none" and levels and levels < found.levels:
        values += f", floor quantisation of {found.levels}"
    drawn = [name for name in SPLITS[1:] if name not in found.splits]
    splits = f"{' and '.join(drawn)} drawn with seed {config.split_seed}" if drawn else "splits of the source"
    cut = f", patches {config.size}" if config.crop == "random" else ""
    return f"{values}{cut}; {splits}"

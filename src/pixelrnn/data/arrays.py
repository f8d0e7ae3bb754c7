"""Arrays on disk: `.npy`, `.npz` and IDX (`*-ubyte`, `.gz`), checked and brought into the order (N, C, H, W)."""

import dataclasses
import gzip
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelrnn.config import DataConfig
from pixelrnn.data.decode import decode
from pixelrnn.data.picture import CHANNELS, COUNT, wanted
from pixelrnn.data.pixels import AbstractPixels, Dense, Packed
from pixelrnn.data.ranges import BYTES, Ranged, is_ranged
from pixelrnn.data.split import SPLITS
from pixelrnn.errors import DataError

__all__ = ["ArraySource", "array_pixels", "is_idx_name", "read_idx", "read_idx_folder", "read_npy", "read_npz"]

SUSPICIOUS = 64  # values all below this are rarely bytes
IDX_NAMES = {"train": "train", "t10k": "test", "test": "test", "valid": "valid"}


@dataclasses.dataclass(frozen=True)
class ArraySource:
    """Named arrays of images, with their labels and contexts where they are known; a single array is called `all`."""

    images: dict[str, NDArray[np.generic]]
    labels: dict[str, NDArray[np.generic]]
    contexts: dict[str, NDArray[np.generic]] = dataclasses.field(default_factory=dict)


def read_npy(path: Path) -> ArraySource:
    """One array, mapped rather than read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not readable as a NumPy array ({error})") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: holds several NumPy arrays; name it .npz")
    return ArraySource({"all": array}, {})


def read_npz(path: Path) -> ArraySource:
    """Keys `train`, `valid`, `test` with `..._labels` and `..._context`, or one array (with `labels` and `context`)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not readable as NumPy arrays ({error})") from error
    images = {name: arrays[name] for name in SPLITS if name in arrays}
    labels, contexts = (
        {name: arrays[f"{name}_{what}"] for name in images if f"{name}_{what}" in arrays}
        for what in ("labels", "context")
    )
    if not images:
        rest = [name for name in arrays if name not in ("labels", "context")]
        if len(rest) != 1:
            raise DataError(
                f"{path}: holds {', '.join(arrays) or 'nothing'}; keys train/valid/test or a single array are needed"
            )
        images = {"all": arrays[rest[0]]}
        labels, contexts = ({"all": arrays[what]} if what in arrays else {} for what in ("labels", "context"))
    return ArraySource(images, labels, contexts)


def is_idx_name(name: str) -> bool:
    """Whether a file name is that of an IDX file, as the MNIST files are called."""
    return name.removesuffix(".gz").endswith("-ubyte")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """One IDX file of unsigned bytes: magic 0, 0, 8, dimensions; sizes as big-endian 32-bit integers; values."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error})") from error
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise DataError(f"{path}: not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{path}: the IDX header is cut short")
    shape = tuple(int(side) for side in np.frombuffer(data[4:start], dtype=">u4"))
    values = np.frombuffer(data, dtype=np.uint8, offset=start)
    expected = int(np.prod(shape, dtype=object))
    if len(values) != expected:
        raise DataError(f"{path}: holds {len(values):,} values, its header says {expected:,}")
    return values.reshape(shape)


def read_idx_folder(folder: Path) -> ArraySource:
    """The files of a folder named as MNIST's are: `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte.gz`, ..."""
    source = ArraySource({}, {})
    for path in sorted(folder.iterdir()):
        split = IDX_NAMES.get(path.name.split("-")[0])
        if is_idx_name(path.name) and split:
            kind = source.labels if "labels" in path.name else source.images
            kind[split] = read_idx(path)
    if not source.images:
        raise DataError(f"{folder}: holds IDX files, but none named train-images-... or t10k-images-...")
    images = {name: source.images[name] for name in SPLITS if name in source.images}
    return ArraySource(images, source.labels)


def array_pixels(array: NDArray[np.generic], where: str, config: DataConfig) -> tuple[AbstractPixels, int]:
    """Check an array and bring it into order.

    `(N, H, W)` is grey; of `(N, H, W, C)` and `(N, C, H, W)` the one with 1 to 4 channels is taken, the latter if both.

    Returns:
        The images, and the levels of the source: 2 for bits, `source_levels` or 256 for integers, 0 for floats.
    """
    if config.packed is not None:
        height, width = config.packed
        wanted = -(-height * width // 8)
        if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != wanted:
            raise DataError(
                f"{where}: {array.dtype} {array.shape} does not hold bit-packed {height}x{width} images, "
                f"which are uint8 (N, {wanted})"
            )
        return Packed(array.astype(np.uint8, copy=False), height, width), 2
    ordered = _ordered(array, where)
    if is_ranged(config) and array.dtype.kind in "iu":
        return Ranged(Dense(ordered, are_bytes=False), config, where), config.source_levels or BYTES
    if array.dtype.kind == "f":
        if config.levels != 0:
            raise DataError(f"{where}: {array.dtype} values are continuous data; give `levels` 0, or integers 0 .. 255")
        if not all(np.isfinite(part).all() for part in array):  # one image at a time: the array may be a memory map
            raise DataError(f"{where}: holds values that are not finite")
        return Dense(ordered), 0
    if array.dtype.kind not in "iub":
        raise DataError(f"{where}: {array.dtype} values; integers 0 .. 255, booleans or floats are needed")
    levels: int = 2 if array.dtype.kind == "b" else config.source_levels or 256
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < 0 or high >= levels:
        from_there = f" (`offset` {low} makes levels of them)" if low < 0 else ""
        raise DataError(f"{where}: holds values {low} .. {high}; 0 .. {levels - 1} are allowed{from_there}")
    wanted_levels = 2 if config.binarize != "none" else config.levels or levels
    are_bytes = config.source_levels is None and levels == 256
    if are_bytes and 0 < high < min(wanted_levels, SUSPICIOUS) and wanted_levels != levels:
        raise DataError(
            f"{where}: holds values 0 .. {high} only; as bytes they would become 0 .. {high * wanted_levels // levels} "
            f"of {wanted_levels} levels (if they are levels already, give `source_levels` {wanted_levels}; "
            "if they are dark bytes, 256)"
        )
    return Dense(_fitted(ordered, levels, where, config)), levels


def _fitted(images: NDArray[np.generic], levels: int, where: str, config: DataConfig) -> NDArray[np.generic]:
    """Bring integer images to the wanted channels and size, in memory, if they do not have them."""
    channels = images.shape[1]
    size = config.height_width if config.crop == "centre" else None
    target = wanted(config.channels) or CHANNELS.get(channels)
    if (target is None or COUNT[target] == channels) and size in (None, images.shape[2:]):
        return images
    if target is None or channels not in CHANNELS:
        raise DataError(f"{where}: images of {channels} channels cannot be resized or converted")
    if not images.size:
        raise DataError(f"{where}: holds no images")
    whole = dataclasses.replace(config, crop="centre", size=size, patches=1)

    def picture(image: NDArray[np.generic]) -> Image.Image:
        image = image.astype(np.uint8)
        return Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0))

    fitted = [decode(picture(image), target, whole) for image in images]
    return np.minimum(np.stack(fitted), levels - 1)  # a resampling filter can overshoot


def _ordered(array: NDArray[np.generic], where: str) -> NDArray[np.generic]:
    if array.ndim == 2:
        raise DataError(
            f"{where}: shape {array.shape}; if these are bit-packed images give `packed` (height and width), "
            "if rows of tokens reshape them to (N, 1, 1, length)"
        )
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] in range(1, 5):
        return array
    if array.ndim == 4 and array.shape[3] in range(1, 5):
        return np.moveaxis(array, 3, 1)
    raise DataError(
        f"{where}: shape {array.shape}; (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 to 4 channels are allowed"
    )

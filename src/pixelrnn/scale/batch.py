"""Batches of rows as engines hand them on: columns by their names, one of which holds pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pixelrnn.config import DataConfig, ModelConfig
from pixelrnn.data.images import ImageSet
from pixelrnn.data.picture import UnreadableError, read
from pixelrnn.data.pixels import Dense
from pixelrnn.data.quantise import Quantiser
from pixelrnn.data.single import image_of
from pixelrnn.errors import ConfigError, DataError

__all__ = ["PICTURES", "Batch", "Picture", "as_column", "column_of", "picture_of", "pictures_of", "sets_of"]

Array = np.ndarray[Any, np.dtype[Any]]

Batch = Mapping[str, Any]
"""Columns by name, all of one length: arrays or lists, as Ray Data and Hugging Face's `datasets` have them."""

PICTURES = ("image", "bytes", "img", "png", "jpg", "jpeg", "webp", "tif")
"""Names by which a column of pictures is found."""


class Picture(NamedTuple):
    """A picture of a row as a model takes it, or why there is none.

    Attributes:
        values: `(C, H, W)` levels, or floats of a continuous model; None if it cannot be used.
        error: Why not.
    """

    values: Array | None
    error: str = ""


def column_of(batch: Batch, names: Sequence[str]) -> str:
    """The first of some names that a column has; raises `ConfigError` if there is none."""
    found = next((name for name in names if name in batch), None)
    if found is None:
        raise ConfigError(f"the rows have no column {' or '.join(names)}; theirs are {', '.join(batch) or 'none'}")
    return found


def pictures_of(cells: Iterable[Any], model: ModelConfig, data: DataConfig) -> list[Picture]:
    """The pictures of a column.

    A cell is an image file (its bytes, or a mapping with `bytes` or `path`) or a picture of Pillow, either of which is
    read as the data of a training; or an array of levels `(C, H, W)`, `(H, W, C)` or, for one channel, `(H, W)`.
    """
    return [picture_of(cell, model, data) for cell in cells]


def picture_of(cell: Any, model: ModelConfig, data: DataConfig) -> Picture:
    """The same of one cell, which may be a `Picture` already."""
    try:
        if isinstance(cell, Picture):
            return cell
        if isinstance(cell, Mapping):
            cell = cell["bytes"] if cell.get("bytes") is not None else read(Path(str(cell.get("path"))))
        if cell is None:
            return Picture(None, "there is no picture")
        if isinstance(cell, bytes | bytearray | memoryview | Image.Image):
            content = cell if isinstance(cell, Image.Image) else bytes(cell)
            found = image_of(content, data, channels=model.shape[0], levels=model.levels, name="the picture")
            return Picture(found.numpy())
        return Picture(_levels(np.asarray(cell), model))
    except (DataError, UnreadableError) as error:
        return Picture(None, str(error))


def _levels(values: Array, model: ModelConfig) -> Array:
    channels = model.shape[0]
    if values.ndim == 2 and channels == 1:
        values = values[None]
    elif values.ndim == 3 and values.shape[0] != channels and values.shape[2] == channels:
        values = np.moveaxis(values, 2, 0)
    if values.ndim != 3 or values.shape[0] != channels or 0 in values.shape:
        raise DataError(f"an array has shape {values.shape}; {channels} channels, height and width are needed")
    if not model.levels:
        if values.dtype.kind != "f":
            raise DataError(f"an array holds {values.dtype}; floats are needed")
        return values.astype(np.float32)
    if values.dtype.kind not in "iub":
        raise DataError(f"an array holds {values.dtype}; integers are needed")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= model.levels:
        raise DataError(f"an array holds values {low} .. {high}; 0 .. {model.levels - 1} are allowed")
    return values.astype(np.uint8)


def sets_of(
    pictures: Sequence[Picture], model: ModelConfig, labels: Sequence[Any] | None, *, has_support: bool
) -> list[tuple[list[int], ImageSet]]:
    """The pictures of each size as a set of images, with the numbers of their rows."""
    of_size: dict[tuple[int, ...], list[int]] = {}
    for row, picture in enumerate(pictures):
        if picture.values is not None:
            of_size.setdefault(picture.values.shape, []).append(row)
    found = []
    for rows in of_size.values():
        values = np.stack([pictures[row].values for row in rows])  # type: ignore[misc]
        given = None if labels is None else np.array([int(labels[row]) for row in rows], np.int64)
        quantiser = Quantiser(model.levels, model.levels, "none", 0)
        images = ImageSet(Dense(values), np.arange(len(rows)), quantiser, labels=given, has_support=has_support)
        found.append((rows, images))
    return found


def as_column(cells: Sequence[Any]) -> Array:
    """Cells as an array: of numbers if they are some of one shape, else of objects."""
    arrays = [np.asarray(cell) for cell in cells] if cells and isinstance(cells[0], np.ndarray) else []
    if arrays and len({(array.shape, array.dtype) for array in arrays}) == 1:
        return np.stack(arrays)
    found = np.empty(len(cells), object)
    found[:] = list(cells)
    return found

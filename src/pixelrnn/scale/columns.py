"""Callables that an engine maps over batches of rows, and whose columns a part keeps: figures and samples."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from torch import Tensor

from pixelrnn.config import DataConfig, ModelConfig
from pixelrnn.data.images import ImageSet
from pixelrnn.errors import DataError
from pixelrnn.scale.batch import PICTURES, Batch, Picture, column_of, picture_of, sets_of
from pixelrnn.scale.parts import MOST_ROWS, MOST_VALUES, Columns, bad_rows

__all__ = ["Drawings", "Figures"]


class Figures:
    """Figures of pictures, whole, read as those of a training were, with nothing at random.

    Args:
        columns: Columns of some images, as for `pixelrnn.scale.tables.compute`.
        model: What pictures are wanted.
        data: How they are read.
        labels: Names of labels, which pictures of files have in their folder's name; None if they are measured without.
    """

    def __init__(
        self,
        columns: Callable[[ImageSet], Columns],
        model: ModelConfig,
        data: DataConfig,
        labels: Sequence[str] | None,
    ) -> None:
        self.columns, self.model, self.data, self.labels = columns, model, data, labels

    def __call__(self, batch: Batch) -> Iterator[Columns]:
        """Columns of the pictures of a batch, and why some cannot be used, a bounded number of values at a time."""
        names, cells = [str(name) for name in batch["name"]], batch[column_of(batch, PICTURES)]
        pictures, first, values = list[Picture](), 0, 0
        labels = self._labels(batch, names)
        for row, cell in enumerate(cells):
            label = labels[row] if labels is not None else 0
            picture = picture_of(cell, self.model, self.data) if label is not None else self._unlabelled(names[row])
            pictures.append(picture)
            values += 0 if picture.values is None else picture.values.size
            if values > MOST_VALUES or len(pictures) == MOST_ROWS or row + 1 == len(names):
                chosen = slice(first, row + 1)
                yield from self._of(names[chosen], pictures, None if labels is None else labels[chosen])
                pictures, first, values = [], row + 1, 0

    def _of(self, names: list[str], pictures: list[Picture], labels: list[Any] | None) -> Iterator[Columns]:
        errors = {row: picture.error for row, picture in enumerate(pictures) if picture.values is None}
        for rows, images in sets_of(pictures, self.model, labels, has_support=self.data.support):
            try:
                columns = self.columns(images)
            except DataError as error:  # pictures that are too large, say
                errors |= dict.fromkeys(rows, str(error))
                continue
            yield {"name": np.array([names[row] for row in rows], str), **columns}
        if errors:
            yield bad_rows({names[row]: errors[row] for row in sorted(errors)})

    def _labels(self, batch: Batch, names: Sequence[str]) -> list[Any] | None:
        if not self.model.classes or self.labels is None:
            return None
        if "label" in batch:
            return list(batch["label"])
        numbers = {name: number for number, name in enumerate(self.labels)}
        return [numbers.get(PurePosixPath(name).parent.name) for name in names]

    def _unlabelled(self, name: str) -> Picture:
        return Picture(None, f"lies in no folder called by a label ({', '.join(self.labels or ())})")


class Drawings:
    """Samples by their numbers.

    Args:
        draw: Draws those of some numbers.
    """

    def __init__(self, draw: Callable[[Sequence[int]], Tensor]) -> None:
        self.draw = draw

    def __call__(self, batch: Batch) -> Iterator[Columns]:
        """Names and images."""
        yield {"name": np.array(batch["name"], str), "image": self.draw([int(name) for name in batch["name"]]).numpy()}

"""What is computed of the images of a part, and what all parts together say: the figures of the single run."""

import itertools
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from pixelrnn.data.images import Data, ImageSet
from pixelrnn.errors import DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.scale.parts import BAD, REASON, SUM, Columns, Part, chunks_of, joined
from pixelrnn.scores.entropy import CodeLengths
from pixelrnn.scores.score import exact_score, score
from pixelrnn.train.evaluation import Evaluation, evaluations_of, sums_of

__all__ = ["Table", "bad_in", "code_lengths_in", "code_lengths_of", "compute", "evaluations_in", "nats_of"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_NAMED = 3


def compute(
    part: Part,
    data: Data,
    images: ImageSet,
    columns: Callable[[ImageSet], Columns],
    callback: Callback | None = None,
) -> None:
    """Compute what is not yet done of the images of a part, and write it down, some of them at a time.

    Args:
        part: Where to.
        data: What the images are of, which says their names.
        images: The images.
        columns: Columns of some of them.
        callback: Callback that is told the progress.

    Raises:
        DataError: If images that are done are not there any more.
    """
    names = [data.name(images, item * images.patches) for item in range(len(images.positions))]
    done, report = part.done_of(names), Reporter(callback)
    left = [item for item, name in enumerate(names) if name not in done]
    sizes = (int(np.prod(images.shape(item * images.patches))) * images.patches for item in left)
    finished = len(done)
    for chunk in chunks_of(left, sizes):
        found = columns(images.part(chunk))
        part.write({"name": np.array([names[item] for item in chunk], str), **found})
        finished += len(chunk)
        report.amount(finished, len(names), "images")


def nats_of(models: Sequence[AbstractImageModel], images: ImageSet, *, batch: int, exact: bool) -> Columns:
    """What `evaluations_in` needs of some images: nats by each model, `(N, models)`, patches being summed up."""
    nats, sums = list[Array](), list[Any]()
    for model in models:
        start = time.perf_counter()
        found = (exact_score if exact else score)(model, images, batch=batch)
        seconds, own = time.perf_counter() - start, torch.from_numpy(found.nats)
        sums.append(sums_of(own, torch.from_numpy(nats[0]) if nats else own, int(found.dims.sum()), seconds).numpy())
        nats.append(found.nats)
    columns = [each.reshape(len(images.positions), -1).sum(1) for each in nats]
    return {"nats": np.stack(columns, 1), f"{SUM}evaluation": np.stack(sums), f"{SUM}images": np.array(len(images))}


def code_lengths_of(model: AbstractImageModel, images: ImageSet, *, batch: int) -> Columns:
    """What `code_lengths_in` needs of some images."""
    found = CodeLengths.of(model, images, batch=batch)
    rows = found.bits.reshape(len(images.positions), -1)
    return {"bits": rows, f"{SUM}total": found.total, f"{SUM}squares": found.squares}


class Table(NamedTuple):
    """The columns of all parts.

    Attributes:
        rows: Columns, in the order of the names: those of files by their letters, those of numbers by these.
        sums: What is summed up over all.
        bad: What could not be used, and why.
    """

    rows: dict[str, Array]
    sums: dict[str, Array]
    bad: dict[str, str]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "Table":
        """Read all parts; raises `DataError` if there is nothing in them, or something is in two."""
        every = [columns for part in parts for columns in part.columns()]
        columns, bad = joined(every), bad_in(every)
        columns = {key: values for key, values in columns.items() if key not in (BAD, REASON)}
        names = [str(name) for name in columns.get("name", ())]
        if not names:
            if not bad:
                raise DataError(f"{parts[0].path.parent}: no part holds an image")
            why = "; ".join(f"{name}: {bad[name]}" for name in [*bad][:MOST_NAMED])
            raise DataError(
                f"none of {len(bad):,} images can be used ({why}{'; ...' if len(bad) > MOST_NAMED else ''})"
            )
        order = sorted(range(len(names)), key=lambda row: _place(names[row]))
        ordered = [names[row] for row in order]
        if twice := next((one for one, next_ in itertools.pairwise(ordered) if one == next_), None):
            raise DataError(f"{parts[0].path.parent}: two parts hold {twice}")
        sums = {key.removeprefix(SUM): values for key, values in columns.items() if key.startswith(SUM)}
        rows = {key: values[order] for key, values in columns.items() if not key.startswith(SUM)}
        return cls(rows, sums, bad)


def bad_in(every: Iterable[Columns]) -> dict[str, str]:
    """What could not be used, by its name, and why, of the columns of parts."""
    pairs = (zip(columns[BAD], columns[REASON], strict=True) for columns in every if BAD in columns)
    return {str(name): str(reason) for name, reason in sorted(itertools.chain(*pairs))}


def _place(name: str) -> tuple[str, int]:
    """By what a name is sorted: images without one are numbered."""
    number = re.fullmatch(r"image ([0-9]+)", name)
    return ("", int(number[1])) if number else (name, 0)


def evaluations_in(table: Table) -> list[Evaluation]:
    """The evaluation of each model, by `nats_of` of all images; speeds are of one process."""
    return evaluations_of(torch.from_numpy(table.sums["evaluation"]), int(table.sums["images"]), 1)


def code_lengths_in(table: Table) -> CodeLengths:
    """The code lengths by `code_lengths_of` of all images."""
    return CodeLengths(table.rows["bits"].ravel(), table.sums["total"], table.sums["squares"])

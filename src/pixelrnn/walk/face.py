"""The raster face of every network that has a lowering: a program, run by the engine sub-pixel by sub-pixel."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pixelrnn.kernels import threads
from pixelrnn.kernels.record import Record
from pixelrnn.kernels.vectors import LANES, padded, zeros
from pixelrnn.outputs.decide import Distribution
from pixelrnn.walk.engine import Gathering, advance, code, gather, tabulate
from pixelrnn.walk.program import Array, Program
from pixelrnn.walk.protocol import Answer, Batch, Schedule, Taken, require_fitting
from pixelrnn.walk.state import Code, Images, Job

__all__ = ["Face", "lower"]

TOGETHER = 16  # images that are coded sub-pixel by sub-pixel, before the next ones: part of the file format
AT_ONCE = 2**13  # sub-pixels, about, after which it is told how far coding is


def lower(network: Any, size: tuple[int, int]) -> Program:
    """The program of a network that has a lowering, for images of a size."""
    program: Program = network.lower(size)
    return program


@dataclasses.dataclass(frozen=True)
class Face:
    """See `pixelrnn.walk.protocol.AbstractFace`.

    Attributes:
        program: Program of the network, made for the size.
        distribution: Distribution of a sub-pixel.
        size: Height and width.
    """

    program: Program
    distribution: Distribution
    size: tuple[int, int]

    def require(self, batch: Batch) -> None:
        """Refuse a batch that does not fit."""
        program, distribution = self.program, self.distribution
        shape = program.bounds.shape[1] - 1, *self.size
        context = None if program.context < 0 else program.context_shape
        parameters = distribution.output.parameters
        require_fitting(batch, Taken(shape, distribution.levels, parameters, program.classes, context, False))

    def schedule(self, *, must_stop: bool) -> Schedule:
        """Steps are sub-pixels."""
        channels = self.program.bounds.shape[1] - 1
        return Schedule(1, self.size[1] * channels, self.size[0] * self.size[1] * channels)

    def state(self, images: int) -> Array:
        """The maps of all images, zeros before the first sub-pixel."""
        return zeros(self.program.floats * padded(images))

    def gather(self, state: Array, chosen: Array) -> Array:
        """The maps of the chosen images, each in the place of one."""
        origins = np.zeros(padded(len(chosen)), np.int64)
        origins[: len(chosen)] = chosen
        new = zeros(self.program.floats * len(origins))
        record = Record(Gathering, new=new, old=state, origins=origins, floats=self.program.floats)
        threads.run(gather, len(origins) // LANES, record.integers)
        return new

    def advance(self, state: Array, batch: Batch, schedule: Schedule, first: int, end: int) -> None:
        """Visit some sub-pixels."""
        job = self._job(state, batch, first, end)
        threads.run(advance, padded(len(batch.values)) // LANES, job.integers)

    def ask(self, batch: Batch, answer: Answer, report: Callable[[int], None]) -> None:
        """Visit all sub-pixels, of all images at once."""
        self.require(dataclasses.replace(batch, is_known=np.ones(batch.values.shape, np.uint8)))
        values, (_, channels, rows, columns) = batch.values, batch.values.shape
        numbers, pmf = np.arange(len(values)), np.zeros((len(values), self.distribution.levels))
        tell = self.telling(self.state(len(values)), batch)
        for visit in range(rows * columns * channels):
            row, column, channel = visit // channels // columns, visit // channels % columns, visit % channels
            is_asked = batch.is_known is None or not batch.is_known[0, channel, row, column]
            tell(visit, pmf if is_asked else None)
            if is_asked:
                values[:, channel, row, column] = answer(values[:, channel, row, column], pmf, numbers)
            report(len(values))

    def code(self, batch: Batch, coding: Record, tick: Callable[[int], None]) -> None:
        """Code all values of a batch, or decode them into it; see `pixelrnn.walk.protocol.AbstractFace`."""
        self.require(dataclasses.replace(batch, is_known=np.ones(batch.values.shape, np.uint8)))
        for image in range(0, len(batch.values), TOGETHER):
            part = batch.part(slice(image, image + TOGETHER))
            total, count = part.values[0].size, len(part.values)
            job = self._job(self.state(count), part, 0, 0)
            job.coding, job.image = coding, image
            each = max(1, AT_ONCE // count)
            for first in range(0, total, each):
                job.first, job.end = first, min(first + each, total)
                threads.run(code, 1, job.integers, is_alone=True)
                tick(count * (job.end - first))

    def telling(self, state: Array, batch: Batch) -> Callable[[int, Array | None], None]:
        """What is to be called for each sub-pixel in turn: it takes up the values of the one before it.

        It writes the pmf of the sub-pixel of that number into an array, float64 `(N, levels)`, if one is given.
        """
        job, blocks = (
            self._job(state, dataclasses.replace(batch, is_known=None), 0, 0),
            padded(len(batch.values)) // LANES,
        )

        def tell(visit: int, pmf: Array | None) -> None:
            job.first, job.pmf = visit, pmf
            threads.run(tabulate, blocks, job.integers, is_alone=True)

        return tell

    def memory(self, images: int) -> int:
        """Of maps and a pmf for each image."""
        return int(4 * self.program.floats * padded(images) + 8 * images * self.distribution.levels)

    def at_once(self, most: int) -> int:
        """As many as are allowed: an image a lane."""
        return most

    @functools.cached_property
    def _code(self) -> Record:
        program = self.program
        return Record(
            Code,
            **{name: getattr(program, name) for name in ("weights", "instructions", "maps", "bounds", "passes")},
            **{
                name: getattr(program, name) for name in ("labelled", "context_layers", "floats", "image", "parameters")
            },
            number_of_passes=len(program.passes),
            number_of_labelled=len(program.labelled),
            number_of_context_layers=len(program.context_layers),
            context_map=program.context,
            first=program.pixel[0],
            end=program.pixel[1],
        )

    def _job(self, state: Array, batch: Batch, first: int, end: int) -> Record:
        given, shape = batch.condition, batch.values.shape
        images = Record(
            Images,
            **dict(zip(("images", "channels", "rows", "columns"), shape, strict=True)),
            states=state,
            values=batch.values,
            is_known=batch.is_known,
            uniform=batch.uniform,
            log_prob=batch.log_prob,
            found=batch.parameters,
            label=given.label,
            context=given.context,
        )
        return Record(Job, code=self._code, images=images, output=self.distribution.record, first=first, end=end)

"""The raster face of a local network: a front of pixels that moves through all images at once."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pixelrnn.kernels import threads
from pixelrnn.kernels.record import Record
from pixelrnn.kernels.vectors import LANES, zeros
from pixelrnn.local.coding import ask_front
from pixelrnn.local.drawing import IMAGES, advance
from pixelrnn.local.front import Images, Job, blocks_of
from pixelrnn.local.geometry import RADIUS, fits_for
from pixelrnn.local.lowering import lower
from pixelrnn.local.program import LocalProgram, layout, stride
from pixelrnn.local.stream import code
from pixelrnn.local.windows import floats_of
from pixelrnn.outputs.decide import Distribution
from pixelrnn.walk.protocol import Answer, Array, Batch, Schedule, Taken, require_fitting

__all__ = ["Face", "lower"]

AT_ONCE = 2**13  # sub-pixels, about, after which it is told how far coding is
SIDE_BY_SIDE = 64  # pixels that are computed so, on average


class State(NamedTuple):
    """Memory of a walk.

    Attributes:
        around: `(N, stride)`: images with their borders.
        windows: Windows of the rows that the front goes through, of an adaptive network.
        last: To where each was moved.
    """

    around: Array
    windows: Array
    last: Array


@dataclasses.dataclass(frozen=True)
class Face:
    """See `pixelrnn.walk.protocol.AbstractFace`.

    Attributes:
        program: Program of the network, for any size.
        distribution: Distribution of a sub-pixel.
        size: Height and width.
    """

    program: LocalProgram
    distribution: Distribution
    size: tuple[int, int]

    def require(self, batch: Batch) -> None:
        """Refuse a batch that does not fit."""
        distribution, shape = self.distribution, (self.program.sizes["channels"], *self.size)
        parameters = distribution.output.parameters
        require_fitting(batch, Taken(shape, distribution.levels, parameters, self.program.classes, None, True))

    def schedule(self, *, must_stop: bool) -> Schedule:
        """Steps of a front, which are pixels if it must stop: then its lag is a whole row."""
        rows, columns = self.size
        line = columns if must_stop else self.program.lag
        return Schedule(self.program.sizes["channels"], line, line * (rows - 1) + columns)

    def state(self, images: int) -> State:
        """Images with their borders, which hold what is above and beside them, and memory for what is fitted."""
        return self._state(images, -(-images // IMAGES), IMAGES)

    def gather(self, state: State, chosen: Array) -> State:
        """The images that are chosen; their windows catch up."""
        fresh = self._state(len(chosen), -(-len(chosen) // IMAGES), IMAGES)
        return State(state.around[chosen], fresh.windows, fresh.last)

    def advance(self, state: State, batch: Batch, schedule: Schedule, first: int, end: int) -> None:
        """Go through some steps of a front whose lag is a line of the schedule."""
        job = self._job(state, batch, schedule.line)
        job.first, job.end = first, end
        threads.run(advance, -(-len(batch.values) // IMAGES), job.integers)

    def ask(self, batch: Batch, answer: Answer, report: Callable[[int], None]) -> None:
        """Go through all steps of the front, of all images at once."""
        if batch.is_known is not None:
            raise ValueError("a local network is asked for every value")
        self.require(dataclasses.replace(batch, is_known=np.ones(batch.values.shape, np.uint8)))
        job = self._job(self._state(len(batch.values), 1, len(batch.values)), batch, self.program.lag)
        ask_front(job, self.program.local, answer, report)

    def code(self, batch: Batch, coding: Record, tick: Callable[[int], None]) -> None:
        """Code all values of a batch, or decode them into it; see `pixelrnn.walk.protocol.AbstractFace`."""
        job = self._job(self._state(len(batch.values), 1, len(batch.values)), batch, self.program.lag)
        job.coding = coding
        steps = self.program.lag * (self.size[0] - 1) + self.size[1]
        each = max(1, steps * AT_ONCE // batch.values.size)
        for first in range(0, steps, each):
            job.first, job.end = first, min(first + each, steps)
            threads.run(code, 1, job.integers, is_alone=True)
            tick(batch.values.size * job.end // steps - batch.values.size * first // steps)

    def memory(self, images: int) -> int:
        """Of images with their borders, and of the features, windows and pmfs of a step."""
        net, lanes = self.program.local, self._blocks(images) * LANES
        floats = images * stride(net, *self._bordered) + lanes * layout.py_func(net).end
        floats += lanes * self._of_block // LANES
        return int(4 * floats + 8 * lanes * (self.distribution.levels + 4))

    def at_once(self, most: int) -> int:
        """A front has pixels of many rows: a few pictures fill it, a large one alone."""
        rows, columns = self.size
        steps = self.program.lag * (rows - 1) + columns
        return min(most, -(-SIDE_BY_SIDE * steps // (rows * columns)))

    @property
    def _bordered(self) -> tuple[int, int]:
        return self.size[0] + RADIUS, self.size[1] + 2 * RADIUS

    @property
    def _of_block(self) -> int:
        """Floats of the windows of a block, of all fits."""
        net = self.program.local
        return sum(floats_of(fit, net.channels) for fit in fits_for(net.levels, net.fits))

    def _blocks(self, images: int) -> int:
        return int(blocks_of(self.program.local, images, *self.size, self.program.lag))

    def _state(self, images: int, tasks: int, of_a_task: int) -> State:
        """Memory for images, so many in each task."""
        net, bordered = self.program.local, self._bordered
        around = np.zeros((images, stride(net, *bordered)), np.float32)
        around[:, : net.channels * bordered[0] * bordered[1]] = -1
        blocks = tasks * self._blocks(of_a_task)
        return State(around, zeros(blocks * self._of_block), np.zeros(blocks * net.fits * 2 * LANES, np.int64))

    def _job(self, state: State, batch: Batch, lag: int) -> Record:
        given = batch.condition
        trie = {} if given.support is None else given.support._asdict()
        images = Record(
            Images,
            images=len(batch.values),
            rows=self.size[0],
            columns=self.size[1],
            around=state.around,
            windows=state.windows,
            last=state.last,
            of_block=self._of_block,
            values=batch.values,
            is_known=batch.is_known,
            uniform=batch.uniform,
            log_prob=batch.log_prob,
            found=batch.parameters,
            label=given.label,
            roots=trie.get("roots"),
            starts=trie.get("starts"),
            entries=trie.get("values"),
            next=trie.get("next"),
        )
        return Record(Job, local=self.program.record, images=images, output=self.distribution.record, lag=lag)

"""The raster face of a mean of models: the faces of all, sub-pixel by sub-pixel, over the same values.

The pmfs of a sub-pixel are averaged in float64, one after the other: what is drawn and coded is the same everywhere,
but for temperatures, whose logarithms are NumPy's.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pixelrnn.config import Sampling
from pixelrnn.kernels.rans import WHOLE, code_row
from pixelrnn.kernels.record import Record
from pixelrnn.outputs.workspace import SMALLEST
from pixelrnn.walk.face import Face
from pixelrnn.walk.protocol import Answer, Array, Batch, Schedule

__all__ = ["MeanFace"]


@dataclasses.dataclass(frozen=True)
class MeanFace:
    """See `pixelrnn.walk.protocol.AbstractFace`.

    Attributes:
        faces: Faces of the models, for one size and of as many levels.
        weights: Share of each.
        sampling: Temperature, top k and top p, of the mean.
    """

    faces: tuple[Face, ...]
    weights: tuple[float, ...]
    sampling: Sampling

    def require(self, batch: Batch) -> None:
        """Refuse a batch that does not fit."""
        for face in self.faces:
            face.require(batch)

    def schedule(self, *, must_stop: bool) -> Schedule:
        """Steps are sub-pixels."""
        return self.faces[0].schedule(must_stop=must_stop)

    def state(self, images: int) -> Any:
        """The states of all faces."""
        return tuple(face.state(images) for face in self.faces)

    def gather(self, state: Any, chosen: Array) -> Any:
        """The states of the chosen images."""
        return tuple(face.gather(each, chosen) for face, each in zip(self.faces, state, strict=True))

    def advance(self, state: Any, batch: Batch, schedule: Schedule, first: int, end: int) -> None:
        """Visit some sub-pixels: draw what is not known, by the uniform number among the cumulative probabilities."""
        values, nats = batch.values, batch.log_prob
        every, tell = np.arange(len(values)), self._telling(state, batch)
        for visit in range(first, end):
            at = self._place(values, visit)
            pmf = self._restricted(tell(visit))
            reached = pmf.cumsum(1)
            if batch.uniform is None:
                drawn = values[at]
            else:
                _, channel, row, column = at
                target = batch.uniform[:, row, column, channel] * reached[:, -1]
                drawn = (reached <= target[:, None]).sum(1).clip(max=pmf.shape[1] - 1).astype(np.float32)
            known = np.zeros(len(values), bool) if batch.is_known is None else batch.is_known[at] != 0
            values[at] = np.where(known, values[at], drawn)
            if nats is not None:
                nats[at] = np.log(np.maximum(pmf[every, values[at].astype(np.int64)], SMALLEST))

    def ask(self, batch: Batch, answer: Answer, report: Callable[[int], None]) -> None:
        """Visit all sub-pixels, and have each value chosen."""
        self.require(dataclasses.replace(batch, is_known=np.ones(batch.values.shape, np.uint8)))
        values, numbers = batch.values, np.arange(len(batch.values))
        tell = self._telling(self.state(len(values)), batch)
        for visit in range(values[0].size):
            at = self._place(values, visit)
            pmf = tell(visit)
            if batch.is_known is None or not batch.is_known[at][0]:
                values[at] = answer(values[at], pmf, numbers)
            report(len(values))

    def code(self, batch: Batch, coding: Record, tick: Callable[[int], None]) -> None:
        """Code all values, or decode them; see `pixelrnn.walk.protocol.AbstractFace`."""
        self.require(dataclasses.replace(batch, is_known=np.ones(batch.values.shape, np.uint8)))
        values, tell = batch.values, self._telling(self.state(len(batch.values)), batch)
        symbols = np.zeros(len(values), np.int64)
        for visit in range(values[0].size):
            at, pmf = self._place(values, visit), tell(visit)
            if batch.is_known is None or not batch.is_known[at][0]:
                edges = np.zeros((len(values), pmf.shape[1] + 1), np.int64)
                edges[:, 1:] = np.floor(pmf.cumsum(1).clip(max=1) * (WHOLE - pmf.shape[1])) + np.arange(
                    1, pmf.shape[1] + 1
                )
                edges[:, -1] = WHOLE
                symbols[:] = values[at]
                code_row(coding.integers, edges, symbols)
                values[at] = symbols
            tick(len(values))

    def memory(self, images: int) -> int:
        """Of all faces."""
        return sum(face.memory(images) for face in self.faces)

    def at_once(self, most: int) -> int:
        """As many as are allowed: an image a lane."""
        return most

    def _telling(self, state: Any, batch: Batch) -> Callable[[int], Array]:
        """What gives, for each sub-pixel in turn, the mean of the pmfs, float64 `(N, levels)`."""
        each = [face.telling(own, batch) for face, own in zip(self.faces, state, strict=True)]
        pmf = np.zeros((len(batch.values), self.faces[0].distribution.levels))

        def tell(visit: int) -> Array:
            total = np.zeros_like(pmf)
            for own, weight in zip(each, self.weights, strict=True):
                own(visit, pmf)
                total += weight * pmf
            return total

        return tell

    def _restricted(self, pmf: Array) -> Array:
        """The pmf with temperature, top k and top p."""
        given, levels = self.sampling, pmf.shape[1]
        if given.temperature != 1:
            scaled = np.log(np.maximum(pmf, 1e-300)) / given.temperature
            pmf = np.exp(scaled - scaled.max(1, keepdims=True))
        if given.top_k is not None and given.top_k < levels:
            pmf = np.where(pmf < np.sort(pmf, 1)[:, -given.top_k, None], 0, pmf)
        if given.top_p < 1:
            ordered = np.sort(pmf, 1)[:, ::-1]
            before = ordered.cumsum(1) - ordered
            needed = (before < given.top_p * ordered.sum(1, keepdims=True)).sum(1)
            pmf = np.where(pmf < ordered[np.arange(len(pmf)), needed - 1, None], 0, pmf)
        whole: Array = pmf / pmf.sum(1, keepdims=True)
        return whole

    @staticmethod
    def _place(values: Array, visit: int) -> tuple[slice, int, int, int]:
        """Where a sub-pixel of all images is, by its number."""
        channels, columns = values.shape[1], values.shape[3]
        pixel = visit // channels
        return slice(None), visit % channels, pixel // columns, pixel % columns

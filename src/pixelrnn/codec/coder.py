r"""Images as bits: an entropy coder that is told by a model, sub-pixel by sub-pixel, what to expect.

Images of one shape are coded together, an image a *lane*: one compiled loop goes through all sub-pixels, finds the
distribution of each, and codes its value by an interval of integers (`outputs.intervals`, `kernels.rans`). So a group
of lanes is one stream of bytes, and the unit of decoding; beyond :math:`-\log_2 p` it costs a few bytes.

The checksum of a stream (`streams.py`) is the CRC-32 of all values.

A stream has at least one byte for each `MOST_SUBPIXELS` sub-pixels, if need be of zeros at its end: so the time that
decoding takes is bounded by the size of the file.

Shapes: N lanes, C channels, H rows, W columns.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pixelrnn.codec import streams
from pixelrnn.codec.container import VERSION
from pixelrnn.codec.first_version import decode_first, least_bytes_first
from pixelrnn.codec.groups import LANES
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.kernels import rans
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.kernels.record import Record
from pixelrnn.masks import COPIED
from pixelrnn.model.base import AbstractImageModel

__all__ = ["Coder", "least_bytes"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SUBPIXELS = 2**14  # for each byte of a stream
MOST_MEMORY = 2**31  # bytes for one group


class Coder:
    """Codes groups of images by a model; several threads may use it at once.

    Args:
        model: Model with levels and a compiled walk.

    Raises:
        ConfigError: If the model is another.
    """

    def __init__(self, model: AbstractImageModel) -> None:
        if model.config.levels == 0:
            raise ConfigError("a continuous model gives densities, not probabilities; train with `levels` to compress")
        if any(not model.has_walk for model, _ in model.stages):
            raise ConfigError(
                f"architecture {model.config.architecture!r} with output {model.config.resolved_output!r} has no "
                "compiled walk, whose bits would be the same on every machine; it cannot compress"
            )
        self.model = model
        self._at_once: dict[tuple[int, int], int] = {}
        self._batch = compiled_module("pixelrnn.walk.protocol", "the walk").Batch  # here, and not in several threads

    @property
    def multiple(self) -> int:
        """Sides of images are multiples of this."""
        return self.model.stages[0][1]

    def at_once(self, size: tuple[int, int]) -> int:
        """How many pictures of a height and width are coded together."""
        if size not in self._at_once:
            model, step = self.model.stages[-1]
            self._at_once[size] = model.face((size[0] // step, size[1] // step)).at_once(LANES)
        return self._at_once[size]

    def encode(self, values: Array, condition: Condition, tick: Callable[[int], None]) -> tuple[bytes, Array]:
        """Images as bytes.

        Args:
            values: `(N, C, H, W)` integer levels.
            condition: Label `(N,)` int64, -1 for none, ignored if the model knows none; context `(N, Cc, Hc, Wc)`, not
                scaled, if it has one; the trie of the colours, in planes, that can occur in each of the N, with
                those of the image among them.
            tick: Called now and then with the number of sub-pixels that are finished since; what it raises ends the
                work.

        Returns:
            The stream, and the bits `(N,)` of each image by the probabilities that were coded with.
        """
        intervals, bits = np.empty((values.size, 2), np.uint32), np.zeros(len(values))
        place = np.zeros(4, np.int64)
        coding = Record(rans.Coding, intervals=intervals, bits=bits, place=place)
        self._visit(
            values.astype(np.float32), condition, lambda face, batch: face.code(batch, coding, tick), is_known=True
        )
        stream = streams.write(intervals[: place[0]], _checksum(values))
        return stream.ljust(least_bytes(values.shape), b"\0"), bits

    def decode(
        self,
        stream: bytes,
        shape: tuple[int, int, int, int],
        condition: Condition,
        tick: Callable[[int], None],
        *,
        version: int = VERSION,
    ) -> Array:
        """Images `(N, C, H, W)` int64 of a shape, as `encode` took them, or that of an earlier version of archives.

        Raises:
            ArchiveError: If the stream cannot come from `encode` with this model, or needs too much memory.
        """
        if version == 1:
            return decode_first(self._visit, stream, shape, condition, tick)
        if len(stream) < least_bytes(shape):
            raise ArchiveError(f"a stream of {len(stream)} bytes cannot hold {shape[0]} images of its shape")
        coding, values = streams.read(stream), np.zeros(shape, np.float32)
        self._visit(values, condition, lambda face, batch: face.code(batch, coding, tick), is_known=False)
        streams.finish(coding, _checksum(values))
        return values.astype(np.int64)

    def _visit(self, values: Array, condition: Condition, code: Callable[[Any, Any], None], *, is_known: bool) -> None:
        """Have the face of each stage of the model code the values, which change in place."""
        context = condition.context
        for number, (model, step) in enumerate(self.model.stages):
            part = np.ascontiguousarray(values[..., ::step, ::step])
            given = None
            if model.config.copies_context:
                given = np.zeros(part.shape, np.uint8)
                given[COPIED] = 1
                if number == 0:
                    assert context is not None
                    if is_known and (part[COPIED] != context).any():
                        raise DataError("images differ from the context in pixels that are copied from it")
                    part[COPIED] = context
                else:
                    context = part[COPIED].astype(np.int64)
            face = model.face((part.shape[2], part.shape[3]))
            if (memory := face.memory(len(part))) > MOST_MEMORY:
                raise ArchiveError(f"tiles of {part.shape[2]}x{part.shape[3]} need {memory:,} bytes of memory")
            own = Condition(
                condition.label if model.config.label_rows else None,
                context if model.config.context is not None else None,
                condition.support,
            )
            code(face, self._batch(part, model.read_condition(own), is_known=given))
            values[..., ::step, ::step] = part


def _checksum(values: Array) -> int:
    return zlib.crc32(values.astype("<u2").tobytes())


def least_bytes(shape: tuple[int, ...], version: int = VERSION) -> int:
    """The size that a stream has at least: with one state, and whole words."""
    if version == 1:
        return least_bytes_first(shape)
    return streams.LEAST + 2 * -(-math.prod(shape) // (2 * MOST_SUBPIXELS))

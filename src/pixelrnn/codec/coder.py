r"""Images as bits: an entropy coder that is told by a model, sub-pixel by sub-pixel, what to expect.

Images of one shape are coded together, an image a *lane*: one compiled loop goes through all sub-pixels, finds the
distribution of each, and codes its value by an interval of integers (`outputs.intervals`, `kernels.rans`). So a group
of lanes is one stream of bytes, and the unit of decoding; beyond :math:`-\log_2 p` it costs a few bytes.

A stream begins with the number of states, one byte, and the states, 8 bytes each, the lowest first; then come words of
2 bytes. What is left of the first state in the end is the CRC-32 of all values, of the others nothing.

A stream has at least one byte for each `MOST_SUBPIXELS` sub-pixels, if need be of zeros at its end: so the time that
decoding takes is bounded by the size of the file.

Shapes: N lanes, C channels, H rows, W columns.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

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
STATES = {16: 2**19, 4: 2**17, 1: 0}
"""Numbers of states, and the bytes of a stream from which on they are used: a state costs 6 bytes, and saves time."""


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
        place = np.zeros(2, np.int64)
        coding = Record(rans.Coding, intervals=intervals, bits=bits, place=place)
        self._visit(
            values.astype(np.float32), condition, lambda face, batch: face.code(batch, coding, tick), is_known=True
        )
        return _stream(intervals[: place[0]], float(bits.sum()), values), bits

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
        states, words = _parts(stream, shape)
        place, values = np.zeros(2, np.int64), np.zeros(shape, np.float32)
        coding = Record(
            rans.Coding, states=states, number_of_states=len(states), words=words, length=len(words), place=place
        )
        self._visit(values, condition, lambda face, batch: face.code(batch, coding, tick), is_known=False)
        if (states[1:] != rans.LOWEST).any() or place[1] > len(words) or words[place[1] :].any():
            raise ArchiveError("a stream holds what no image can give")
        if states[0] != _first(values):
            raise ArchiveError("a stream holds other values than were coded")
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


def _first(values: Array) -> int:
    """What the first state is before anything is coded, and after all is decoded: it holds the CRC-32 of the values."""
    return rans.LOWEST + (zlib.crc32(values.astype("<u2").tobytes()) << 15)


def _stream(intervals: Array, bits: float, values: Array) -> bytes:
    """The bytes of symbols: the number of states, these, and the words."""
    count = next(count for count, least in STATES.items() if bits / 8 >= least)
    states, words = np.full(count, rans.LOWEST, np.uint64), np.empty(2 * len(intervals) + 1, np.uint16)
    states[0] = _first(values)
    words = words[rans.encode(intervals, states, words) :]
    stream = bytes((count,)) + states.astype("<u8").tobytes() + words.astype("<u2").tobytes()
    return stream.ljust(least_bytes(values.shape), b"\0")


def _parts(stream: bytes, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """The states and words of a stream."""
    count = stream[0] if stream else 0
    start = 1 + 8 * count
    if count not in STATES or len(stream) < max(start, least_bytes(shape)) or (len(stream) - start) % 2:
        raise ArchiveError(f"a stream of {len(stream)} bytes cannot hold {shape[0]} images of its shape")
    states = np.frombuffer(stream[1:start], "<u8").astype(np.uint64)
    if not ((states >= rans.LOWEST) & (states < 2**63)).all():
        raise ArchiveError("a stream begins as none does")
    return states, np.frombuffer(stream[start:], "<u2").astype(np.uint16)


def least_bytes(shape: tuple[int, ...], version: int = VERSION) -> int:
    """The size that a stream has at least: with one state, and whole words."""
    if version == 1:
        return least_bytes_first(shape)
    return 9 + 2 * -(-math.prod(shape) // (2 * MOST_SUBPIXELS))

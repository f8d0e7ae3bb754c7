r"""Images as bits: an entropy coder that is told by a model, sub-pixel by sub-pixel, what to expect.

Images of one shape are coded together, an image a *lane*: at each sub-pixel the walk leaves the distribution of every
lane, as a pmf whose probabilities are multiples of :math:`2^{-24}`, and the range coder of the library `constriction`
takes or gives the values of all lanes in turn. So a group of lanes is one stream of bytes, and the unit of decoding;
its cost beyond :math:`-\log_2 p` is a few bytes for the group.

A stream has at least one byte for each `MOST_SUBPIXELS` sub-pixels, if need be of zeros at its end: so the time that
decoding takes is bounded by the size of the file.

Shapes: N lanes, C channels, H rows, W columns.
"""

import math
from collections.abc import Callable
from typing import Any

import constriction
import numpy as np

from pixelrnn.codec.groups import LANES
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.masks import COPIED
from pixelrnn.model.base import AbstractImageModel

__all__ = ["Coder", "least_bytes"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SUBPIXELS = 2**14  # for each byte of a stream
MOST_MEMORY = 2**31  # bytes for one group
WORD = np.dtype("<u4")  # of the range coder

_FAMILY = constriction.stream.model.Categorical(perfect=False)


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

    def encode(
        self,
        values: Array,
        condition: Condition,
        tick: Callable[[int], None],
    ) -> tuple[bytes, Array]:
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
        encoder, bits = constriction.stream.queue.RangeEncoder(), np.zeros(len(values))

        def take(known: Array, pmf: Array, images: Array) -> Array:
            symbols = known.astype(np.int32)
            encoder.encode(symbols, _FAMILY, pmf)
            chances = pmf[np.arange(len(symbols)), symbols] * (1 - pmf.shape[1] * 2.0**-24) + 2.0**-24
            bits[:] -= np.bincount(images, np.log2(chances), len(bits))
            return known

        self._visit(values.astype(np.float32), condition, take, tick, is_known=True)
        stream = encoder.get_compressed().astype(WORD).tobytes()
        return stream.ljust(least_bytes(values.shape), b"\0"), bits

    def decode(
        self,
        stream: bytes,
        shape: tuple[int, int, int, int],
        condition: Condition,
        tick: Callable[[int], None],
    ) -> Array:
        """Images `(N, C, H, W)` int64 of a shape, as `encode` took them.

        Raises:
            ArchiveError: If the stream cannot come from `encode` with this model, or needs too much memory.
        """
        if len(stream) % WORD.itemsize or len(stream) < least_bytes(shape):
            raise ArchiveError(f"a stream of {len(stream)} bytes cannot hold {shape[0]} images of its shape")
        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(stream, WORD).astype(np.uint32))

        def give(_: Array, pmf: Array, __: Array) -> Array:
            try:
                return decoder.decode(_FAMILY, pmf)  # type: ignore[no-any-return]
            except AssertionError as error:  # the library's word for it
                raise ArchiveError("a stream holds what no image can give") from error

        values = np.zeros(shape, np.float32)
        self._visit(values, condition, give, tick, is_known=False)
        return values.astype(np.int64)

    def _visit(
        self,
        values: Array,
        condition: Condition,
        answer: Callable[[Array, Array, Array], Array],
        tick: Callable[[int], None],
        *,
        is_known: bool,
    ) -> None:
        """Walk all stages of the model over the values, which change in place."""
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
            face.ask(self._batch(part, model.read_condition(own), is_known=given), answer, tick)
            values[..., ::step, ::step] = part


def least_bytes(shape: tuple[int, ...]) -> int:
    """The size that a stream has at least, in whole words."""
    words = -(-math.prod(shape) // (MOST_SUBPIXELS * WORD.itemsize))
    return words * WORD.itemsize

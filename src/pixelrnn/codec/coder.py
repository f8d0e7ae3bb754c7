r"""Images as bits: an entropy coder that is told by a model, sub-pixel by sub-pixel, what to expect.

Images of one shape are coded together, an image a *lane*: at each sub-pixel the walk leaves the
distribution of every lane, as shares that are multiples of :math:`2^{-24}`, and the range coder of the library
`constriction` takes or gives the values of all lanes in turn. So a group of lanes is one stream of bytes, and the unit
of decoding; its cost beyond :math:`-\log_2 p` is a few bytes for the group.

A stream has at least one byte for each `MOST_SUBPIXELS` sub-pixels, if need be of zeros at its end: so the time that
decoding takes is bounded by the size of the file.

Shapes: N lanes, C channels, H rows, W columns.
"""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import constriction
import numpy as np

from pixelrnn.codec.groups import LANES
from pixelrnn.colours.support import Support, plant
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.masks import COPIED, FITTED_LAG, LAG
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.image import ImageModel

__all__ = ["Coder", "least_bytes"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SUBPIXELS = 2**14  # for each byte of a stream
MOST_MEMORY = 2**31  # bytes for one group
MOST_PROGRAMS = 32  # kept at once; each has a copy of the weights
FRONT = 64  # pixels that a local model computes side by side, on average
WORD = np.dtype("<u4")  # of the range coder

_FAMILY = constriction.stream.model.Categorical(perfect=False)


class Coder:
    """Codes groups of images by a model; several threads may use it at once.

    Args:
        model: With levels; programs for each size of image are made when they are first needed.
    """

    def __init__(self, model: AbstractImageModel) -> None:
        if model.config.levels == 0:
            raise ConfigError("a continuous model gives densities, not probabilities; train with --levels to compress")
        self.model = model
        self._ask = compiled_module("pixelrnn.walk", "the walk").ask  # here, and not in several threads at once
        self._programs: dict[tuple[int, int, int], tuple[Any, Any]] = {}
        self._lock = threading.Lock()  # of the programs: groups are coded by several threads

    @property
    def multiple(self) -> int:
        """Sides of images are multiples of this."""
        return self.model.stages[0][1]

    def at_once(self, size: tuple[int, int]) -> int:
        """How many pictures of a height and width are coded together."""
        if self.model.config.architecture != "local":
            return LANES
        # Its front has pixels of many rows: a few pictures fill it, a large one alone.
        steps = (FITTED_LAG if self.model.config.adaptive else LAG) * (size[0] - 1) + size[1]
        return min(LANES, -(-FRONT * steps // (size[0] * size[1])))

    def encode(
        self,
        values: Array,
        label: Array,
        context: Array | None,
        support: Sequence[Support | None],
        tick: Callable[[int], None],
    ) -> tuple[bytes, Array]:
        """Images as bytes.

        Args:
            values: `(N, C, H, W)` integer levels.
            label: `(N,)` int64, -1 for none; ignored if the model knows none.
            context: `(N, Cc, Hc, Wc)`, not scaled, if it has a context.
            support: The colours, in planes, that can occur in each of the N; those of the image are among them.
            tick: Called now and then with the number of sub-pixels that are finished since; what it raises ends the
                work.

        Returns:
            The stream, and the bits `(N,)` of each image by the probabilities that were coded with.
        """
        encoder, bits = constriction.stream.queue.RangeEncoder(), np.zeros(len(values))

        def take(known: Array, shares: Array, images: Array) -> Array:
            symbols = known.astype(np.int32)
            encoder.encode(symbols, _FAMILY, shares)
            chances = shares[np.arange(len(symbols)), symbols] * (1 - shares.shape[1] * 2.0**-24) + 2.0**-24
            bits[:] -= np.bincount(images, np.log2(chances), len(bits))
            return known

        self._visit(values.astype(np.float32), label, context, support, take, tick, is_known=True)
        stream = encoder.get_compressed().astype(WORD).tobytes()
        return stream.ljust(least_bytes(values.shape), b"\0"), bits

    def decode(
        self,
        stream: bytes,
        shape: tuple[int, int, int, int],
        label: Array,
        context: Array | None,
        support: Sequence[Support | None],
        tick: Callable[[int], None],
    ) -> Array:
        """Images `(N, C, H, W)` int64 of a shape, as `encode` took them.

        Raises:
            ArchiveError: If the stream cannot come from `encode` with this model, or needs too much memory.
        """
        if len(stream) % WORD.itemsize or len(stream) < least_bytes(shape):
            raise ArchiveError(f"a stream of {len(stream)} bytes cannot hold {shape[0]} images of its shape")
        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(stream, WORD).astype(np.uint32))

        def give(_: Array, shares: Array, __: Array) -> Array:
            try:
                return decoder.decode(_FAMILY, shares)  # type: ignore[no-any-return]
            except AssertionError as error:  # the library's word for it
                raise ArchiveError("a stream holds what no image can give") from error

        values = np.zeros(shape, np.float32)
        self._visit(values, label, context, support, give, tick, is_known=False)
        return values.astype(np.int64)

    def _visit(
        self,
        values: Array,
        label: Array,
        context: Array | None,
        support: Sequence[Support | None],
        answer: Callable[[Array, Array, Array], Array],
        tick: Callable[[int], None],
        *,
        is_known: bool,
    ) -> None:
        """Walk all stages of the model over the values, which change in place."""
        forest = plant(support) if any(each is not None for each in support) else None
        for number, (model, step) in enumerate(self.model.stages):
            part = np.ascontiguousarray(values[..., ::step, ::step])
            given = None
            if model.config.copies_context:
                given = np.zeros(part.shape[1:], np.bool_)
                given[COPIED] = True
                if number == 0:
                    assert context is not None
                    if is_known and (part[COPIED] != context).any():
                        raise DataError("images differ from the context in pixels that are copied from it")
                    part[COPIED] = context
                else:
                    context = part[COPIED].astype(np.int64)
            program, distribution = self._program(number, model, (part.shape[2], part.shape[3]))
            memory = program.memory(len(part), *part.shape[2:], model.config.levels)
            if memory > MOST_MEMORY:
                raise ArchiveError(f"tiles of {part.shape[2]}x{part.shape[3]} need {memory:,} bytes of memory")
            scaled = None if context is None or model.config.context is None else model.read_context(context)
            labels = label if model.config.classes else None
            self._ask(
                program,
                distribution,
                part,
                answer,
                label=labels,
                context=scaled,
                support=forest,
                is_given=given,
                callback=tick,
            )
            values[..., ::step, ::step] = part

    def _program(self, number: int, model: ImageModel, size: tuple[int, int]) -> tuple[Any, Any]:
        key = (number, *size)
        with self._lock:
            found = self._programs.get(key)
        if found is None:
            found = model.raster(size)
            with self._lock:
                while len(self._programs) >= MOST_PROGRAMS:
                    del self._programs[next(iter(self._programs))]
                self._programs[key] = found
        return found


def least_bytes(shape: tuple[int, ...]) -> int:
    """The size that a stream has at least, in whole words."""
    words = -(-math.prod(shape) // (MOST_SUBPIXELS * WORD.itemsize))
    return words * WORD.itemsize

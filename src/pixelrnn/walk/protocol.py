"""What every raster face can do: walk through the sub-pixels of images, with all state cached.

A face is made of a network and a distribution, for images of one height and width. It counts *steps*: sub-pixels in
raster order, or whatever else it can take at once. Who decides a value makes the only difference: `advance` draws it or
keeps the one that is known, `ask` has the caller choose, given the same distribution.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from pixelrnn.colours.support import Trie
from pixelrnn.condition import Condition
from pixelrnn.kernels.record import Record

__all__ = ["AbstractFace", "Answer", "Array", "Batch", "Schedule", "Taken", "require_array", "require_fitting"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Answer = Callable[[Array, Array, Array], Array]
"""Chooses values: called with the values of M sub-pixels `(M)`, as far as they are known, their pmf, float64
`(M, values)` (see `pixelrnn.outputs.quantise`), and the numbers `(M)` of their images; returns the values `(M)`."""


NOTHING = Condition()


class Schedule(NamedTuple):
    """How a walk through images of a size is counted.

    Attributes:
        unit: Sub-pixels in raster order that a step stands for.
        line: Steps of a row.
        total: All steps.
    """

    unit: int
    line: int
    total: int


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images that are walked together, and what is wanted of them; arrays are contiguous.

    Attributes:
        values: `(N, C, H, W)` float32, levels as they are; changed in place.
        condition: Label `(N)` int64, -1 for none; context `(N, Cc, Hc, Wc)` float32 as the network reads it; support.
        is_known: `(N, C, H, W)` uint8: where `values` are given; nowhere if not given.
        uniform: `(N, H, W, C)` float64 in [0, 1), that draw the others; not needed if all are known.
        log_prob: `(N, C, H, W)` float32, to be filled with the log probability in nats of each value given the earlier
            ones; that of a logistic mixture, or with `top_k` or `top_p`, is never below about -88.
        parameters: `(N, C, P, H, W)` float32, to be filled with the parameters of each sub-pixel.
    """

    values: Array
    condition: Condition = NOTHING
    is_known: Array | None = None
    uniform: Array | None = None
    log_prob: Array | None = None
    parameters: Array | None = None

    def part(self, members: slice) -> "Batch":
        """Some of the images: views of the same arrays."""

        def of(array: Array | None) -> Array | None:
            return None if array is None else array[members]

        return Batch(
            self.values[members],
            self.condition.of(members),
            of(self.is_known),
            of(self.uniform),
            of(self.log_prob),
            of(self.parameters),
        )


class Taken(NamedTuple):
    """What a face takes.

    Attributes:
        shape: Channels, rows and columns of an image.
        levels: Number of values of a sub-pixel; 0 for continuous data.
        parameters: Number of parameters of a sub-pixel's distribution.
        classes: Labels that the network knows.
        context: Shape of a context, if the network has one.
        has_support: Whether images can be restricted to a support.
    """

    shape: tuple[int, int, int]
    levels: int
    parameters: int
    classes: int
    context: tuple[int, ...] | None
    has_support: bool


class AbstractFace(Protocol):
    """The raster face of a network, for images of one size."""

    def require(self, batch: Batch) -> None:
        """Refuse a batch that does not fit: compiled code trusts its addresses. Raises `ValueError`."""

    def schedule(self, *, must_stop: bool) -> Schedule:
        """How the walk is counted; `must_stop` if it has to be able to stop between any two pixels in raster order."""

    def state(self, images: int) -> Any:
        """Memory for so many images, as it is before the first step."""

    def gather(self, state: Any, chosen: Array) -> Any:
        """A new state in which image i goes on from image `chosen[i]`."""

    def advance(self, state: Any, batch: Batch, schedule: Schedule, first: int, end: int) -> None:
        """Go through some steps of a schedule, on all threads: draw what is not known."""

    def ask(self, batch: Batch, answer: Answer, report: Callable[[int], None]) -> None:
        """Go through all steps in the calling thread, and have each value chosen, unless only one is possible.

        Where `batch.is_known` is given, `(N, C, H, W)`, it is the same for all images; what is known is not asked for.
        `report` is called now and then with the number of sub-pixels since.
        """

    def code(self, batch: Batch, coding: Record, tick: Callable[[int], None]) -> None:
        """Code all values of a batch in the calling thread, or decode them into it.

        Where `batch.is_known` is given, `(N, C, H, W)`, it is the same for all images; what is known is not coded.

        Args:
            batch: Values; what is decoded is written into them.
            coding: A `pixelrnn.kernels.rans.Coding`, for all of the batch.
            tick: Called now and then with the number of sub-pixels since; what it raises ends the work.
        """

    def memory(self, images: int) -> int:
        """Bytes that asking for so many images takes."""

    def at_once(self, most: int) -> int:
        """How many images, up to `most`, are best asked for together."""


def require_array(name: str, array: Array | None, shape: tuple[int, ...], dtype: Any) -> None:
    """Refuse an array of another shape or type, or one that is not contiguous: `ValueError`."""
    if array is not None and not (array.shape == shape and array.dtype == dtype and array.flags.c_contiguous):
        raise ValueError(f"{name} is {array.dtype} {array.shape}; contiguous {np.dtype(dtype)} {shape} is needed")


def require_fitting(batch: Batch, taken: Taken) -> None:
    """Refuse what a face does not take: `ValueError`."""
    values, given, (_, levels, _, classes, context, _) = batch.values, batch.condition, taken
    if values.shape[1:] != taken.shape:
        raise ValueError(f"values have shape {values.shape}; this face is of images {taken.shape}")
    if given.support is not None and not taken.has_support:
        raise ValueError("a support is given to a network that takes none")
    if (given.context is None) != (context is None):
        raise ValueError("a context is missing, or given to a network that has none")
    images, channels, rows, columns = values.shape
    require_array("values", values, values.shape, np.float32)
    require_array("label", given.label, (images,), np.int64)
    require_array("context", given.context, (images, *(context or ())), np.float32)
    require_array("is_known", batch.is_known, values.shape, np.uint8)
    require_array("log_prob", batch.log_prob, values.shape, np.float32)
    require_array("parameters", batch.parameters, (images, channels, taken.parameters, rows, columns), np.float32)
    require_array("uniform", batch.uniform, (images, rows, columns, channels), np.float64)
    is_all_known = batch.is_known is not None and bool(batch.is_known.all())
    if batch.uniform is None and not is_all_known:
        raise ValueError("uniform is not given; only images that are known throughout do without")
    if (given.label is None) != (classes == 0):
        raise ValueError("labels are missing, or given to a network that knows none")
    if given.label is not None and not bool(((given.label >= -1) & (given.label < classes)).all()):
        raise ValueError(f"labels are out of range; -1 .. {classes - 1} are allowed")
    if batch.is_known is not None and levels:
        known = values[batch.is_known != 0]
        if not bool(((known >= 0) & (known < levels)).all()):
            raise ValueError(f"known values are out of range; 0 .. {levels - 1} are allowed")
    if given.support is not None:
        _require_trie(given.support, images, levels)


def _require_trie(trie: Trie, images: int, levels: int) -> None:
    for name, array in trie._asdict().items():
        require_array(name, array, array.shape, np.int64)
    roots, starts, values, following = trie
    rows = len(starts) - 1
    is_right = roots.shape == (images,) and values.shape == following.shape == (starts[-1],)
    is_right = is_right and bool(((values >= 0) & (values < levels)).all() and (np.diff(starts) > 0).all())
    if not is_right or not bool((roots < rows).all() and (following < rows).all()):
        raise ValueError("the trie of a support does not fit the images or the levels")

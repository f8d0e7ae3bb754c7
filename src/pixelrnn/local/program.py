r"""The program of a local network: its weights and sizes, and where the features of a block of pixels lie.

A block has memory for the features of up to `LANES` pixels, which have the same place in squares of 2x2: they share a
set of weights. `perceptron.py` computes with it, `front.py` says for which pixels.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

from numba.extending import register_jitable

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Float32, Int64, Record, reader
from pixelrnn.local.geometry import ERRORS as ERRONEOUS
from pixelrnn.local.geometry import LAG, MOST_PLAIN, OF_A_FIT, fits_for
from pixelrnn.walk.program import Array

__all__ = [
    "Layout",
    "Local",
    "LocalProgram",
    "Pixels",
    "Spot",
    "errors_at",
    "halves_of",
    "in_flight",
    "layout",
    "read_spot",
    "spot_at",
    "stride",
]


class Local(NamedTuple):
    """The record of a local network: its sizes, weights and tables; see `LocalProgram`."""

    channels: int
    levels: int
    hidden: int
    layers: int
    head: int
    mixtures: int
    copies: int
    pairs: int
    grid: int
    sets: int
    neighbours: int
    fits: int
    weights: Float32
    places: Int64
    offsets: Int64
    near: int
    wide: int


# What `places` holds: where in the weights each part begins; after these come, for each channel, the parts of its head.
SUMS, LEVEL, SAME, PLACE, LABEL, LAYERS, ERRORS = range(7)
FEATURES, FEATURES_BIAS, EARLIER, MATCH, OUT, OUT_BIAS, CURRENT, ADAPT, FIT = range(9)
COMMON, OF_HEAD = 7, 9


@dataclasses.dataclass(frozen=True)
class LocalProgram:
    """What the front runs.

    Attributes:
        weights: float32.
        places: int64: where in the weights each part of the network begins.
        offsets: `(K + M + P, 2)` int64: rows up and columns to the right of neighbours and of candidates, and the
            candidates of each pair.
        tables: Of its fits, each a `table.Table`.
        sizes: The fields of `Local` that are no addresses.
        classes: Number of labels; 0 if there are none.
    """

    weights: Array
    places: Array
    offsets: Array
    tables: tuple[Record, ...]
    sizes: dict[str, int]
    classes: int

    @functools.cached_property
    def record(self) -> Record:
        """The network, as compiled code knows it."""
        return Record(
            Local,
            **self.sizes,
            weights=self.weights,
            places=self.places,
            offsets=self.offsets,
            **dict(zip(("near", "wide"), self.tables, strict=False)),
        )

    @property
    def lag(self) -> int:
        """Columns by which a row of the front is behind the one above it."""
        return max([LAG, *(fit.lag for fit in fits_for(self.sizes["levels"], self.sizes["fits"]))])

    @property
    def local(self) -> Local:
        """The network, for functions that need no addresses."""
        return Local(**self.sizes, weights=0, places=0, offsets=0, near=0, wide=0)


class Spot(NamedTuple):
    """A pixel of the front: image, row and column, and the row of its image's trie; image -1: there is none."""

    image: int
    row: int
    column: int
    root: int


class Pixels(NamedTuple):
    """A block of pixels.

    Attributes:
        weights: Number of their set of weights.
        spots: Address of a `Spot` for each lane.
        around: float32 of each image, `stride` after the one before: scaled with its borders, `(C, rows, columns)`;
            then, of an adaptive network, its levels in the same way, and a plane of spreads if its fits need them;
            then, of one with several fits, the errors of each.
        rows: Number of rows of an image with its border.
        columns: Number of columns of an image with its borders.
        label: int64 of each image; 0 if there are none.
        memory: Address of the features of the block.
        windows: Address of its windows, of all fits of an adaptive network.
        last: Address of what `Strips.last` says of them.
        step: Number of the step.
        scratch: Address of memory that blocks share.
    """

    weights: int
    spots: int
    around: int
    rows: int
    columns: int
    label: int
    memory: int
    windows: int
    last: int
    step: int
    scratch: int


read_spot = reader(Spot)


@inner
def spot_at(pixels: Pixels, lane: int) -> Spot:
    """The pixel of a lane."""
    return read_spot(pixels.spots + 8 * 4 * lane)  # type: ignore[no-any-return]


@register_jitable  # Python calls it too
def stride(net: Local, rows: int, columns: int) -> Any:
    """Floats of an image with its borders, and of all that is kept of it."""
    return (errors_at(net) + (net.channels * net.fits if net.fits > 1 else 0)) * rows * columns


@register_jitable  # Python calls it too
def errors_at(net: Local) -> Any:
    """The planes of an image before those of errors."""
    if not net.fits:
        return net.channels
    return 2 * net.channels + (1 if net.levels > MOST_PLAIN else 0)


class Layout(NamedTuple):
    """Where in the memory of a block the features begin, in features; each has `LANES` floats.

    Attributes:
        differences: Differences of the neighbours to the western one.
        west: The western neighbour, and behind it the logarithm of the activity.
        activity: The local activity.
        h: The features, and behind them the linear sums for the means of all channels.
        silu: SiLU of the features.
        changes: Changes of the earlier channels, from the western neighbour.
        residuals: Residuals of the earlier channels, in units of the activity, squeezed.
        candidates: What could be copied.
        matches: Whether each candidate is right in all earlier channels.
        same: Whether the candidates of each pair are equal.
        fit: What is told of least-squares fits: `OF_A_FIT` features of each, and their predictions.
        errors: Errors of the fits nearby.
        u: The features of a channel.
        raw: What they give.
        parameters: Parameters of the distribution.
        end: End of the memory.
    """

    differences: int
    west: int
    activity: int
    h: int
    silu: int
    changes: int
    residuals: int
    candidates: int
    matches: int
    same: int
    fit: int
    errors: int
    u: int
    raw: int
    parameters: int
    end: int


@inner
def layout(net: Local) -> Layout:
    """The layout of a network's memory."""
    west = net.channels * net.neighbours
    activity = west + net.channels + 1
    h = activity + 1
    silu = h + net.hidden + net.channels * net.mixtures
    changes = silu + net.hidden
    residuals = changes + net.channels
    candidates = residuals + 2 * net.channels
    matches = candidates + net.copies * net.channels
    same = matches + net.copies
    fit = same + net.pairs
    errors = fit + (OF_A_FIT + 1) * net.fits
    u = errors + (2 * len(ERRONEOUS) * net.channels * net.fits if net.fits > 1 else 0)
    raw = u + net.head
    parameters = raw + 3 * net.mixtures + net.copies
    end = parameters + 3 * net.mixtures + 2 * net.copies
    return Layout(
        0, west, activity, h, silu, changes, residuals, candidates, matches, same, fit, errors, u, raw, parameters, end
    )  # fmt: skip


@register_jitable  # Python calls it too
def halves_of(sets: int) -> Any:
    """In how many parts rows have slots: even and odd ones, if these have other weights."""
    return 2 if sets > 1 else 1


@register_jitable  # Python calls it too
def in_flight(images: int, rows: int, columns: int, lag: int, sets: int) -> Any:
    """How many rows of all images the front goes through at once, at most: of the even ones, if there are several sets.

    The others are no more.
    """
    halves = halves_of(sets)
    return images * min((rows + halves - 1) // halves, (columns + halves * lag - 1) // (halves * lag))

r"""The program of a local network: its weights and sizes, and where the features of a block of pixels lie.

A block has room for the features of up to `LANES` pixels, which have the same place in squares of 2x2: they share a set
of weights. `local.py` computes with it, `front.py` says for which pixels.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor

from pixelrnn.kernels.vectors import LANES
from pixelrnn.local import squares
from pixelrnn.local.network import CANDIDATES, OF_A_FIT, LocalNetwork, candidate_pairs
from pixelrnn.masks import FITTED_LAG, LAG, NEIGHBOURS, RADIUS
from pixelrnn.walk.program import Array

__all__ = [
    "PIXEL",
    "Layout",
    "Local",
    "LocalProgram",
    "Pixels",
    "compile_local",
    "in_front",
    "layout",
    "most",
    "stride",
]

PIXEL = 4  # integers of a pixel: image, row, column, and the row of its tree


class Local(NamedTuple):
    """Sizes of a local network, and addresses as integers of its weights and tables."""

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
    weights: int
    places: int
    offsets: int
    is_adaptive: int
    fitted: int


# What `places` holds: where in the weights each part begins; after these come, for each channel, the parts of its head.
SUMS, LEVEL, SAME, PLACE, LABEL, LAYERS = range(6)
FEATURES, FEATURES_BIAS, EARLIER, MATCH, OUT, OUT_BIAS, CURRENT, ADAPT, FIT = range(9)
COMMON, OF_HEAD = 6, 9


@dataclasses.dataclass(frozen=True)
class LocalProgram:
    """What the front runs.

    Attributes:
        weights: float32.
        places: int64: where in the weights each part of the network begins.
        offsets: `(K + M + P, 2)` int64: rows up and columns to the right of neighbours and of candidates, and the
            candidates of each pair.
        fitted: int64, of `squares.offsets_of`.
        sizes: Of the network; without addresses.
        classes: Number of labels; 0 if there are none.
    """

    weights: Array
    places: Array
    offsets: Array
    fitted: Array
    sizes: Local
    classes: int

    @property
    def net(self) -> Local:
        """The network, as the compiled functions know it."""
        names = ("weights", "places", "offsets", "fitted")
        return self.sizes._replace(**{name: getattr(self, name).ctypes.data for name in names})

    @property
    def lag(self) -> int:
        """Columns by which a row of the front is behind the one above it."""
        return FITTED_LAG if self.sizes.is_adaptive else LAG

    @property
    def floats(self) -> int:
        """Of a pixel's features."""
        return int(layout.py_func(self.sizes).end)

    def states(self, images: int, rows: int, columns: int) -> Array:
        """Room for scaled images with their borders, which hold what lies above them, and for what is fitted."""
        sizes, bordered = self.sizes, (rows + RADIUS, columns + 2 * RADIUS)
        states = np.zeros((images, stride.py_func(sizes, *bordered)), np.float32)
        states[:, : sizes.channels * bordered[0] * bordered[1]] = -1
        return states

    def memory(self, images: int, rows: int, columns: int, levels: int) -> int:
        """Bytes that a walk of images of a size takes, one by one asked for."""
        pixels, blocks = most.py_func(images, rows, columns, self.lag, self.sizes.sets)
        states = images * stride.py_func(self.sizes, rows + RADIUS, columns + 2 * RADIUS)
        return int(4 * states + 4 * blocks * LANES * self.floats + 8 * pixels * (levels + 4))


@torch.no_grad()
def compile_local(network: LocalNetwork) -> LocalProgram:
    """The program of a local network, for images of any size."""
    heads = network.by_channel
    parts: list[Tensor] = [torch.cat([network.first, *(head.linear for head in heads)], dim=1), network.level]
    parts += [network.same, network.place, torch.zeros(0) if network.label is None else network.label]
    parts.append(torch.cat([torch.cat([layer.weight.flatten(), layer.bias]) for layer in network.linears]))
    empty = torch.zeros(0)
    for head in heads:
        parts += [head.features.weight, head.features.bias]
        parts += [empty if part is None else part for part in (head.earlier, head.match)]
        parts += [head.out.weight, head.out.bias, head.current]
        parts += [empty if part is None else part for part in (head.adapt, head.fit)]
    flat = [part.detach().to("cpu", torch.float32).contiguous().view(-1).numpy() for part in parts]
    pairs = candidate_pairs(network.copies)
    return LocalProgram(
        weights=np.concatenate(flat),
        places=np.cumsum([0, *(len(part) for part in flat[:-1])]).astype(np.int64),
        offsets=np.array([*NEIGHBOURS, *CANDIDATES[: network.copies], *pairs], np.int64),
        fitted=squares.offsets_of(len(heads)),
        sizes=Local(
            channels=len(heads),
            levels=network.levels,
            hidden=len(network.level),
            layers=len(network.layers),
            head=heads[0].features.out_features,
            mixtures=heads[0].mixtures,
            copies=network.copies,
            pairs=len(pairs),
            grid=len(network.place),
            sets=len(network.first),
            neighbours=len(NEIGHBOURS),
            weights=0,
            places=0,
            offsets=0,
            is_adaptive=int(network.is_adaptive),
            fitted=0,
        ),
        classes=0 if network.label is None else len(network.label),
    )


class Pixels(NamedTuple):
    """A block of pixels, and addresses as integers of where they lie.

    Attributes:
        lanes: How many of them have one.
        weights: Number of their set of weights.
        pixel: int64 `(lanes, PIXEL)`: image, row and column of each, and the row of its tree.
        around: float32 of each image, `stride` after the one before: scaled with its borders, `(C, rows, columns)`;
            then, of an adaptive network, its levels in the same way, and the windows of the rows of the front.
        rows: Of an image with its border.
        columns: Of an image with its borders.
        label: int64 of each image; 0 if there are none.
        room: The features of the block.
    """

    lanes: int
    weights: int
    pixel: int
    around: int
    rows: int
    columns: int
    label: int
    room: int


@njit
def stride(net: Local, rows: int, columns: int) -> Any:
    """Floats of an image with its borders, and of all that is kept of it."""
    floats = net.channels * rows * columns
    if net.is_adaptive:
        floats = 2 * floats + in_front(rows, columns) * squares.STARTS[net.channels]
    return floats


@njit
def in_front(rows: int, columns: int) -> Any:
    """How many rows of an image with its borders a front can have."""
    return min(rows - RADIUS, columns // FITTED_LAG + 2)


class Layout(NamedTuple):
    """Where in the room of a block the features begin, in features; each has `LANES` floats.

    Attributes:
        differences: Of the neighbours to the western one.
        west: The western neighbour, and behind it the logarithm of the activity.
        activity: The local activity.
        h: The features, and behind them the linear sums for the means of all channels.
        silu: SiLU of the features.
        changes: Of the earlier channels, from the western neighbour.
        residuals: Of the earlier channels, in units of the activity, squeezed.
        candidates: What could be copied.
        matches: Whether each candidate is right in all earlier channels.
        same: Whether the candidates of each pair are equal.
        fit: What is told of a least-squares fit: `OF_A_FIT` features, and the prediction.
        squares: Room for it.
        u: The features of a channel.
        raw: What they give.
        parameters: Of the distribution.
        end: Of the room.
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
    squares: int
    u: int
    raw: int
    parameters: int
    end: int


@njit
def layout(net: Local) -> Layout:
    """The layout of a network's room."""
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
    room = fit + (OF_A_FIT + 1 if net.is_adaptive else 0)
    u = room + (squares.BLOCK // LANES if net.is_adaptive else 0)
    raw = u + net.head
    parameters = raw + 3 * net.mixtures + net.copies
    end = parameters + 3 * net.mixtures + 2 * net.copies
    return Layout(
        0, west, activity, h, silu, changes, residuals, candidates, matches, same, fit, room, u, raw, parameters, end
    )  # fmt: skip


@njit
def most(images: int, rows: int, columns: int, lag: int, sets: int) -> Any:
    """Pixels and blocks of a step, at most."""
    pixels = images * min(rows, (columns + lag - 1) // lag)
    return pixels, (pixels + LANES - 1) // LANES + sets

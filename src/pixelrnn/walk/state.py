"""What the compiled functions of the walk share: sizes and addresses, and where the features of a pixel lie.

A map holds features of a window of pixels, or of the context image, for the images of a block: feature f of lane l at
f LANES + l.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from pixelrnn.kernels.vectors import LANES, Address, Vector, pointer, splat, view
from pixelrnn.walk.program import MAP_FIELDS

__all__ = ["Walk", "at", "bound", "features", "scaled"]

_ONE, _TWO = np.array([1, 2], np.float32)


class Walk(NamedTuple):
    """Sizes, and addresses as integers: of the program, of the images and their conditions, of their states.

    Sub-pixels `first_visit` .. `end_visit` in raster order are visited, the colours of a pixel one after the other.
    """

    images: int
    channels: int
    rows: int
    columns: int
    first_visit: int
    end_visit: int
    weights: int
    instructions: int
    maps: int
    bounds: int
    passes: int
    number_of_passes: int
    labelled: int
    number_of_labelled: int
    context_layers: int
    number_of_context_layers: int
    context_map: int
    first: int
    end: int
    floats: int
    image: int
    parameters: int
    states: int
    values: int
    is_known: int
    uniform: int
    log_prob: int
    found: int
    label: int
    context: int


@njit
def at(walk: Walk, state: Address, number: int, row: int, column: int) -> Address:
    """Where a map has the features of a pixel."""
    fields = view(walk.maps, np.int64)
    m = number * MAP_FIELDS
    place = fields[m] + row % fields[m + 2] * fields[m + 3] + (column + fields[m + 5]) * fields[m + 4]
    return pointer(state, place * LANES)


@njit
def features(walk: Walk, number: int) -> Any:
    """How many features a map has."""
    return view(walk.maps, np.int64)[number * MAP_FIELDS + 1]


@njit
def bound(walk: Walk, number: int, group: int) -> Any:
    """The first feature of a group of a map, or the end of the one before."""
    return view(walk.bounds, np.int64)[number * (walk.channels + 1) + group]


@njit
def scaled(value: Vector, levels: int) -> Vector:
    """Levels as the networks read them, spread over -1 .. 1."""
    return splat(_TWO) * value / splat(np.float32(levels - 1)) - splat(_ONE)

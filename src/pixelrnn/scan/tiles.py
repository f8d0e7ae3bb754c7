"""The tiles of the CUDA kernels, and whether there are kernels: decided without Triton, which not every machine has."""

import functools
import importlib.util
import os
import shutil
from typing import NamedTuple

from torch import Tensor

__all__ = ["MOST_NUMBERS", "MOST_UNITS", "Tile", "of_diagonals", "of_rows", "why_no_kernels"]

LEAST = 16  # lines and units: what a product of tiles takes
MOST_UNITS, MOST_NUMBERS = 32, 1024  # of a tile; larger ones take minutes to compile


class Tile(NamedTuple):
    """Powers of two: the units of a layer, and a line for each cell of a front that could be there."""

    units: int
    lines: int


def of_rows(x: Tensor, hidden: int) -> Tile:
    """For maps `(N, F, H, W)`: a front is a row, with a line for each column."""
    return _tile(hidden, x.shape[3])


def of_diagonals(x: Tensor, hidden: int) -> Tile:
    """For maps `(N, F, H, W)`: a front is a diagonal, with a line for each row."""
    return _tile(hidden, x.shape[2])


def _tile(hidden: int, lines: int) -> Tile:
    return Tile(*(max(LEAST, 1 << (size - 1).bit_length()) for size in (hidden, lines)))


def why_no_kernels(tile: Tile) -> str | None:
    """What stands against kernels with such a tile, if anything does."""
    if tile.units > MOST_UNITS or tile.units * tile.lines > MOST_NUMBERS:
        return (
            f"tiles of {tile.units} units x {tile.lines} cells; up to {MOST_UNITS} units and {MOST_NUMBERS} numbers "
            "are possible"
        )
    return _what_is_missing()


@functools.cache  # asked for by each layer of each batch, and it looks through folders
def _what_is_missing() -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "no package triton"
    # Triton builds its launcher with it.
    if not (os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang")))):
        return "no C compiler, which triton needs"
    return None

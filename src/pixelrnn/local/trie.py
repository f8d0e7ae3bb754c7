"""Steps through a `Trie` of the levels that can occur, compiled."""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Int64
from pixelrnn.kernels.vectors import view

__all__ = ["Rows", "follow", "forced", "only_level", "row_of"]


class Rows(NamedTuple):
    """The rows of a `Trie`; 0 if all levels can occur."""

    starts: Int64
    values: Int64
    next: Int64


@inner
def row_of(rows: Rows, row: int) -> Any:
    """The first entry of a row, and how many there are."""
    starts = view(rows.starts, np.int64)
    return starts[row], starts[row + 1] - starts[row]


@inner
def follow(rows: Rows, row: int, level: int) -> Any:
    """The row behind a level of a row; `FREE` if the row has no such level."""
    if row == FREE:
        return FREE
    values, (first, count) = view(rows.values, np.int64), row_of(rows, row)
    low, high = first, first + count
    while low < high:
        middle = (low + high) // 2
        if values[middle] < level:
            low = middle + 1
        else:
            high = middle
    is_there = low < first + count and values[low] == level
    return view(rows.next, np.int64)[low] if is_there else FREE


@inner
def forced(rows: Rows, row: int) -> bool:
    """Whether a row has one level only."""
    return row != FREE and row_of(rows, row)[1] == 1


@inner
def only_level(rows: Rows, row: int) -> Any:
    """The level of a row that has only one."""
    return view(rows.values, np.int64)[row_of(rows, row)[0]]

r"""The entropy coder: intervals of integers as a number, and back.

A symbol is an interval :math:`[s, s + f)` of :math:`[0, T), T = 2^{30}`, as wide as it is likely. Asymmetric numeral
systems (Duda, *Asymmetric numeral systems*, arXiv 1311.2540, section 3.1) keep what was coded as one integer x:

.. math:: x \leftarrow T \lfloor x / f \rfloor + x \bmod f + s

takes a symbol in, and :math:`x \bmod T` lies in the interval of the last one, which so can be taken out again:
:math:`x \leftarrow f \lfloor x / T \rfloor + x \bmod T - s`. So symbols are coded from the last to the first, and
decoded in order, without a division. Between symbols x lies in :math:`[2^{47}, 2^{63})`, 16 bits at a time being moved
to or from a row of words: wide intervals lose nothing to rounding then, :math:`x / f` being :math:`2^{17}` and more.

S states take the symbols in turn: so those of S neighbours can be found side by side. They share the row of words.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.record import Float64, Int64, UInt16, UInt32, UInt64, reader
from pixelrnn.kernels.vectors import view

__all__ = ["BITS", "LOWEST", "WHOLE", "Coding", "code_row", "encode", "put", "slot_of", "take"]

BITS = 30
WHOLE = 2**BITS
"""T, the sum of the widths of all intervals of a symbol."""

LOWEST = 2**47
"""The lowest x between symbols, and what it is before the first is coded and after the last is decoded."""

WORD = 16

_LOWEST, _BITS, _WORD = np.array([LOWEST, BITS, WORD], np.uint64)
_SLOT, _MASK, _ROOM = np.array([WHOLE - 1, 2**WORD - 1, 63 - BITS], np.uint64)


class Coding(NamedTuple):
    """The record of a stream that is coded or decoded.

    Attributes:
        intervals: `(n, 2)` first numbers and widths, to be filled while coding; 0 while decoding.
        bits: Bits of each image, to which those of its symbols are added while coding.
        states: `(S)` the states, while decoding.
        number_of_states: S.
        words: Words that are left, while decoding.
        length: Number of these.
        place: `(2)`: number of the next symbol, and of the next word.
    """

    intervals: UInt32
    bits: Float64
    states: UInt64
    number_of_states: int
    words: UInt16
    length: int
    place: Int64


@inner
def put(coding: Coding, image: int, start: int, width: int) -> None:
    """Note the interval of the next symbol, one of an image, which is coded when all are known."""
    place, intervals, bits = (
        view(coding.place, np.int64),
        view(coding.intervals, np.uint32),
        view(coding.bits, np.float64),
    )
    intervals[2 * place[0]], intervals[2 * place[0] + 1] = start, width
    bits[image] += BITS - np.log2(np.float64(width))
    place[0] += 1


@inner
def slot_of(coding: Coding, ahead: int) -> Any:
    """A number in the interval of the symbol that is so many ahead, fewer than there are states."""
    place, states = view(coding.place, np.int64), view(coding.states, np.uint64)
    return np.int64(states[(place[0] + ahead) % coding.number_of_states] & _SLOT)


@inner
def take(coding: Coding, start: int, width: int) -> None:
    """Take the next symbol out, whose interval was found."""
    place, states, words = view(coding.place, np.int64), view(coding.states, np.uint64), view(coding.words, np.uint16)
    at = place[0] % coding.number_of_states
    x = states[at]
    x = np.uint64(width) * (x >> _BITS) + (x & _SLOT) - np.uint64(start)
    for _ in range(2):  # words are enough, for any state that is one
        if x < _LOWEST:
            # Beyond the end there are zeros: what is damaged is found in the end, by where the states are.
            word = words[place[1]] if place[1] < coding.length else np.uint16(0)
            x = (x << _WORD) | np.uint64(word)
            place[1] += 1
    states[at] = x
    place[0] += 1


_read_coding = reader(Coding)


@outer
def code_row(integers: Any, edges: Any, symbols: Any) -> None:
    """Code a symbol of each of N images, or decode them, by the edges `(N, L + 1)` of their intervals."""
    coding = _read_coding(integers)
    for image in range(len(symbols)):
        symbol = symbols[image]
        if coding.intervals:
            put(coding, image, edges[image, symbol], edges[image, symbol + 1] - edges[image, symbol])
        else:
            symbol = np.searchsorted(edges[image], slot_of(coding, 0), side="right") - 1
            take(coding, edges[image, symbol], edges[image, symbol + 1] - edges[image, symbol])
            symbols[image] = symbol


@outer
def encode(intervals: Any, states: Any, words: Any) -> int:
    """Code symbols from the last to the first.

    Args:
        intervals: `(n, 2)` uint32: first numbers and widths, at least 1.
        states: `(S)` uint64, all `LOWEST`; become those that decoding starts with.
        words: uint16, at least 2 n, filled from the end.

    Returns:
        Where the words begin.
    """
    place, count = len(words), len(states)
    for number in range(len(intervals) - 1, -1, -1):
        start, width, x = np.uint64(intervals[number, 0]), np.uint64(intervals[number, 1]), states[number % count]
        while x >= width << _ROOM:
            place -= 1
            words[place] = x & _MASK
            x >>= _WORD
        whole = x // width
        states[number % count] = (whole << _BITS) + (x - whole * width) + start
    return place

r"""The entropy coder: intervals of integers as a number, and back.

A symbol is an interval :math:`[s, s + f)` of :math:`[0, T), T = 2^{30}`, as wide as it is likely. Asymmetric numeral
systems (Duda, *Asymmetric numeral systems*, arXiv 1311.2540, section 3.1) keep what was coded as one integer x:

.. math:: x \leftarrow T \lfloor x / f \rfloor + x \bmod f + s

takes a symbol in, and :math:`x \bmod T` lies in the interval of the last one, which so can be taken out again:
:math:`x \leftarrow f \lfloor x / T \rfloor + x \bmod T - s`. So symbols are coded from the last to the first, and
decoded in order, without a division. Between symbols x lies in :math:`[2^{47}, 2^{63})`, 16 bits at a time being moved
to or from a row of words: wide intervals lose nothing to rounding then, :math:`x / f` being :math:`2^{17}` and more.

S states take the symbols in turn: so those of S neighbours can be found side by side. They share the row of words. Each
would cost 48 bits that say nothing: so the last symbols are coded first, by a state of their own, and what they give,
three words a state, is what the S states begin with and end as in decoding. Coding by one state alone is coding of last
symbols alone.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.record import Float64, Int64, UInt16, UInt32, UInt64, reader
from pixelrnn.kernels.vectors import view

__all__ = [
    "BITS", "LOWEST", "OF_A_STATE", "STATES", "WHOLE", "WORD", "Coding", "ahead", "code_row", "encode", "encode_last",
    "put", "slot_of", "take",
]  # fmt: skip

BITS = 30
WHOLE = 2**BITS
"""T, the sum of the widths of all intervals of a symbol."""

LOWEST = 2**47
"""The lowest x between symbols, and what it is before the first is coded and after the last is decoded."""

WORD = 16

STATES = 16
"""S, a power of 2."""

OF_A_STATE = 3
"""Words that each of several states begins with; above them is a 1."""

_LOWEST, _BITS, _WORD = np.array([LOWEST, BITS, WORD], np.uint64)
_SLOT, _MASK, _ROOM = np.array([WHOLE - 1, 2**WORD - 1, 63 - BITS], np.uint64)
_FILLED = np.uint64(WORD * OF_A_STATE)


class Coding(NamedTuple):
    """The record of a stream that is coded or decoded.

    Attributes:
        intervals: `(n, 2)` first numbers and widths, to be filled while coding; 0 while decoding.
        bits: Bits of each image, to which those of its symbols are added while coding.
        states: `(S)` the states, while decoding; of the last symbols the first of them.
        side_by_side: Number of the symbols before the last ones.
        words: Words that are left, while decoding.
        length: Number of these.
        last: `(STATES OF_A_STATE)`: words of the last symbols; their state comes first.
        place: `(4)`: number of the next symbol, of the next word, and of the next word in `last`: 0 before the last
            symbols have begun; then whether the states held what is no word.
    """

    intervals: UInt32
    bits: Float64
    states: UInt64
    side_by_side: int
    words: UInt16
    length: int
    last: UInt16
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
def ahead(coding: Coding) -> Any:
    """How many symbols can be found side by side."""
    left = coding.side_by_side - view(coding.place, np.int64)[0]
    return min(left, STATES) if left > 0 else 1


@inner
def slot_of(coding: Coding, number: int) -> Any:
    """A number in the interval of the symbol that is so many ahead, one of those side by side."""
    place, states = view(coding.place, np.int64), view(coding.states, np.uint64)
    if place[0] < coding.side_by_side:
        return np.int64(states[(place[0] + number) & (STATES - 1)] & _SLOT)
    if coding.side_by_side > 0 and place[2] == 0:
        _begin_last(coding)
    return np.int64(states[0] & _SLOT)


@inner
def _begin_last(coding: Coding) -> None:
    """Read the words of the last symbols out of the states, and make of the first words theirs."""
    place, states, last = view(coding.place, np.int64), view(coding.states, np.uint64), view(coding.last, np.uint16)
    for number in range(STATES):
        state = states[number]
        if state >> _FILLED != 1:
            place[3] = 1
        for word in range(OF_A_STATE):
            last[number * OF_A_STATE + word] = state & _MASK
            state >>= _WORD
    state = np.uint64(0)
    for word in range(OF_A_STATE, -1, -1):
        state = (state << _WORD) | np.uint64(last[word])
    states[0], place[2] = state, OF_A_STATE + 1


@inner
def _next_word(coding: Coding) -> Any:
    """The next word; beyond the end there are zeros: what is damaged is found in the end, by where the states are."""
    place = view(coding.place, np.int64)
    if place[2] == 0:
        place[1] += 1
        return view(coding.words, np.uint16)[place[1] - 1] if place[1] <= coding.length else np.uint16(0)
    place[2] += 1
    return view(coding.last, np.uint16)[place[2] - 1] if place[2] <= STATES * OF_A_STATE else np.uint16(0)


@inner
def take(coding: Coding, start: int, width: int) -> None:
    """Take the next symbol out, whose interval was found."""
    place, states = view(coding.place, np.int64), view(coding.states, np.uint64)
    at = place[0] & (STATES - 1) if place[0] < coding.side_by_side else 0
    x = states[at]
    x = np.uint64(width) * (x >> _BITS) + (x & _SLOT) - np.uint64(start)
    for _ in range(2):  # words are enough, for any state that is one
        if x < _LOWEST:
            x = (x << _WORD) | np.uint64(_next_word(coding))
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


@inner
def _coded(x: Any, interval: Any, words: Any, place: int) -> Any:
    """A state that takes a symbol in, and where the words begin then, which come in front of `place`."""
    start, width = np.uint64(interval[0]), np.uint64(interval[1])
    while x >= width << _ROOM:
        place -= 1
        words[place] = x & _MASK
        x >>= _WORD
    whole = x // width
    return (whole << _BITS) + (x - whole * width) + start, place


@outer
def encode(intervals: Any, states: Any, words: Any) -> int:
    """Code symbols from the last to the first.

    Args:
        intervals: `(n, 2)` uint32: first numbers and widths, at least 1.
        states: `(S)` uint64: what the states begin with; become those that decoding starts with.
        words: uint16, at least 2 n, filled from the end.

    Returns:
        Where the words begin.
    """
    place = len(words)
    for number in range(len(intervals) - 1, -1, -1):
        at = number % len(states)
        states[at], place = _coded(states[at], intervals[number], words, place)
    return place


@outer
def encode_last(intervals: Any, state: int, states: Any) -> int:
    """Code so many of the last symbols that `STATES` states can begin with them.

    Args:
        intervals: As for `encode`.
        state: What the state of these symbols begins with.
        states: `(STATES)` uint64, to be filled: see `_begin_last`, which reads them.

    Returns:
        How many symbols are left.
    """
    words = np.zeros(STATES * OF_A_STATE, np.uint16)
    x, place, number = np.uint64(state), len(words), len(intervals)
    while number > 0 and place >= OF_A_STATE + 1 + 2:  # a symbol gives two words at most
        number -= 1
        x, place = _coded(x, intervals[number], words, place)
    place -= OF_A_STATE + 1
    for word in range(OF_A_STATE + 1):
        words[place + word] = x & _MASK
        x >>= _WORD
    for at in range(STATES):
        x = np.uint64(1)
        for word in range(place + (at + 1) * OF_A_STATE - 1, place + at * OF_A_STATE - 1, -1):
            x = (x << _WORD) | np.uint64(words[word] if word < len(words) else 0)
        states[at] = x
    return number

r"""A range coder: how streams of version 1 were coded, and how colours and weights are.

A symbol is an interval :math:`[s, s + f)` of :math:`[0, 2^{24})`. What was coded is one number of which the coder knows
that it lies in :math:`[lower, lower + range)`, both of 64 bits; a symbol takes its part of this, and whenever fewer
than 32 bits of the range are left a word of 32 bits is given out (Martin, *Range encoding*, 1979). Unlike `rans` it
codes in the order in which it decodes: so what is coded can teach the model what comes next.

A pmf becomes intervals by :math:`s_v = \lfloor S_v (2^{24} - L) / S_L \rfloor + v`, with the sums S of the L
probabilities before each, in float64. All this is as in version 0.5 of the library `constriction`, whose streams these
are.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.record import Int64, Record, UInt32, UInt64, reader
from pixelrnn.kernels.vectors import view

__all__ = [
    "WHOLE", "WORD", "Range", "decode_all", "decode_rows", "decoder", "encode_all", "encoder", "finish", "put",
    "read", "slot_of", "take",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

WHOLE = 2**24
"""The sum of the widths of all intervals of a symbol."""

WORD = np.dtype("<u4")

_BITS, _WORD, _LEAST, _ALL = np.array([24, 32, 2**32, 2**64 - 1], np.uint64)


class Range(NamedTuple):
    """The record of a coder.

    Attributes:
        state: `(3)`: lower end and width of the range; while decoding, where in all numbers the stream is.
        words: Words that are coded, or to be decoded.
        length: Number of words that there are, or that there is room for.
        place: `(2)`: number of the next word; whether a symbol was found that none is.
    """

    state: UInt64
    words: UInt32
    length: int
    place: Int64


read = reader(Range)


def encoder(symbols: int) -> Record:
    """A coder for so many symbols."""
    words, state = np.zeros(symbols + 1, np.uint32), np.array([0, _ALL, 0], np.uint64)
    return Record(Range, state=state, words=words, length=len(words), place=np.zeros(2, np.int64))


def finish(coder: Record) -> bytes:
    """All that was coded; no bytes of no symbols."""
    if coder.state[1] != _ALL:
        _finish(coder.integers)
    content: bytes = coder.words[: coder.place[0]].astype(WORD).tobytes()
    return content


def decoder(stream: bytes) -> Record:
    """A coder that decodes; whole words, behind whose end there are zeros."""
    words = np.frombuffer(stream, WORD).astype(np.uint32)
    high, low = [*words[:2].tolist(), 0, 0][:2]
    state = np.array([0, _ALL, high << 32 | low], np.uint64)
    return Record(Range, state=state, words=words, length=len(words), place=np.array([2, 0], np.int64))


@inner
def _add(coder: Range, amount: Any) -> None:
    """Raise the lower end of the range, and with it the words that were given out if it overflows."""
    state, words, at = view(coder.state, np.uint64), view(coder.words, np.uint32), view(coder.place, np.int64)[0]
    state[0] += amount
    has_overflowed = state[0] < amount
    while has_overflowed and at > 0:
        at -= 1
        words[at] += np.uint32(1)
        has_overflowed = words[at] == 0


@inner
def _give_out(coder: Range) -> None:
    """Give out the highest word of the range, which is certain."""
    state, place = view(coder.state, np.uint64), view(coder.place, np.int64)
    view(coder.words, np.uint32)[place[0]] = state[0] >> _WORD
    place[0] += 1
    state[0], state[1] = state[0] << _WORD, state[1] << _WORD


@inner
def put(coder: Range, left: int, width: int) -> None:
    """Code a symbol by its interval."""
    state = view(coder.state, np.uint64)
    scale = state[1] >> _BITS
    _add(coder, scale * np.uint64(left))
    state[1] = scale * np.uint64(width)
    if state[1] < _LEAST:
        _give_out(coder)


@outer
def _finish(integers: Any) -> None:
    """Give out a word that no other range begins with."""
    coder = read(integers)
    _add(coder, _LEAST - np.uint64(1))
    _give_out(coder)


@inner
def slot_of(coder: Range) -> Any:
    """A number in the interval of the next symbol."""
    state = view(coder.state, np.uint64)
    slot = (state[2] - state[0]) // (state[1] >> _BITS)
    if slot >= WHOLE:
        view(coder.place, np.int64)[1] = 1
        return np.int64(0)
    return np.int64(slot)


@inner
def take(coder: Range, left: int, width: int) -> None:
    """Take the next symbol out, whose interval was found."""
    state, place = view(coder.state, np.uint64), view(coder.place, np.int64)
    scale = state[1] >> _BITS
    state[0] += scale * np.uint64(left)
    state[1] = scale * np.uint64(width)
    if state[1] < _LEAST:
        word = view(coder.words, np.uint32)[place[0]] if place[0] < coder.length else np.uint32(0)
        state[2] = (state[2] << _WORD) | np.uint64(word)
        state[0], state[1] = state[0] << _WORD, state[1] << _WORD
        place[0] += 1


@inner
def _edges_of(pmf: Any, edges: Any) -> None:
    """Write the L + 1 edges of the intervals of a pmf."""
    levels, total, below = len(pmf), 0.0, 0.0
    for level in range(levels):
        total += pmf[level]
    scale = (WHOLE - levels) / total
    for level in range(levels):
        edges[level] = np.int64(below * scale) + level
        below += pmf[level]
    edges[levels] = WHOLE


@inner
def _found(coder: Range, edges: Any) -> Any:
    """Decode a symbol by its edges."""
    symbol = np.searchsorted(edges, slot_of(coder), side="right") - 1
    take(coder, edges[symbol], edges[symbol + 1] - edges[symbol])
    return symbol


@inner
def _is_whole(coder: Range) -> bool:
    return bool(view(coder.place, np.int64)[1] == 0)


@outer
def decode_rows(integers: Any, pmf: Any, symbols: Any) -> bool:
    """Decode a symbol by each of the pmfs `(N, L)`, and say whether all were symbols."""
    coder, edges = read(integers), np.empty(pmf.shape[1] + 1, np.int64)
    for row in range(len(pmf)):
        _edges_of(pmf[row], edges)
        symbols[row] = _found(coder, edges)
    return _is_whole(coder)  # type: ignore[no-any-return]


@outer
def encode_all(integers: Any, pmf: Any, symbols: Any) -> None:
    """Code symbols by one pmf."""
    coder, edges = read(integers), np.empty(len(pmf) + 1, np.int64)
    _edges_of(pmf, edges)
    for number in range(len(symbols)):
        put(coder, edges[symbols[number]], edges[symbols[number] + 1] - edges[symbols[number]])


@outer
def decode_all(integers: Any, pmf: Any, symbols: Any) -> bool:
    """Decode symbols by one pmf, and say whether all were symbols."""
    coder, edges = read(integers), np.empty(len(pmf) + 1, np.int64)
    _edges_of(pmf, edges)
    for number in range(len(symbols)):
        symbols[number] = _found(coder, edges)
    return _is_whole(coder)  # type: ignore[no-any-return]

r"""The colours of many pictures as bytes: sets that come from one collection, and resemble each other.

The colours of a picture come in the order of its support, channel by channel and bit by bit, the highest first. What
the next bit is likely to be is learnt on the way, from all colours before, of this picture and of the earlier ones: for
each of several *contexts* (the earlier channels of the colour; the same channel of the colour before; ...) there is a
probability p for each beginning of the value, that moves towards what came by a share of 1 / (n + 1.6) after n times. A
small network mixes them,

.. math:: P(bit = 1) = \sigma\Big(\sum_k w_k\,c(n_k) \log \frac{p_k}{1 - p_k}\Big),

with weights w for each channel and bit, learnt by gradient descent on the code length, as in Mahoney's programs of the
PAQ family (*Adaptive weighing of context models for lossless data compression*, 2005). All is float64 arithmetic in a
fixed order with functions of our own: the same bits everywhere. A range coder makes bytes of the bits.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.errors import ArchiveError
from pixelrnn.kernels import range_coder, scalars
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.range_coder import WORD, decoder, encoder, finish, put, slot_of, take
from pixelrnn.kernels.range_coder import read as read_range
from pixelrnn.kernels.record import Byte, Float64, Int64, Record, reader
from pixelrnn.kernels.vectors import view

__all__ = ["BITS_OF_A_VALUE", "least_bytes", "pack_palettes", "unpack_palettes"]

Array = np.ndarray[Any, np.dtype[Any]]

BITS_OF_A_VALUE = 4  # of a colour, that sending it takes, about
COLOURS_OF_A_BYTE = 64  # at most: so the time of decoding is bounded by the size of a file
BITS = 8  # of a value
CONTEXTS = 8
ENTRIES = (2**16, 2**22)  # of the table of a context, least and most
RATE = 0.02  # of the weights
FIRST_WEIGHT = 0.3
SURE = 60  # times after which a probability moves as slowly as it ever does
TRUSTED = 8  # times after which it counts in full
EDGE = 2.0**-12  # no bit is thought less likely


class _Machine(NamedTuple):
    """The record of a machine.

    Attributes:
        pictures: Number of pictures.
        channels: Number of channels of a colour.
        entries: Number of entries of a table, a power of 2.
        counts: `(pictures)`: colours of each.
        values: `(colours, channels)`: what is coded, as far as it is known.
        at: Where it stands; see below.
        chances: `(CONTEXTS, entries)`.
        times: `(CONTEXTS, entries)`.
        weights: `(channels, BITS, CONTEXTS)`.
        bases: `(CONTEXTS)`: what a value's context is.
        found: `(CONTEXTS)`: entries of the bit.
        strengths: `(CONTEXTS)`: what each says of the bit.
        chance: Probability of the bit.
    """

    pictures: int
    channels: int
    entries: int
    counts: Int64
    values: Int64
    at: Int64
    chances: Float64
    times: Byte
    weights: Float64
    bases: Int64
    found: Int64
    strengths: Float64
    chance: Float64


_read = reader(_Machine)


# What `at` holds: picture, colour in it, colour of all, channel, bit, and the beginning of the value behind a 1.
PICTURE, INSIDE, COLOUR, CHANNEL, BIT, BEGINNING = range(6)


def least_bytes(counts: Iterable[int]) -> int:
    """The bytes that so many colours take at least, in whole words."""
    return -(-sum(counts) // (COLOURS_OF_A_BYTE * WORD.itemsize)) * WORD.itemsize


def pack_palettes(palettes: Sequence[Array]) -> bytes:
    """Rows of values 0 .. 255 as bytes: `(n, C)` arrays, of as many channels; no bytes for none.

    Example:
        >>> palettes = [np.array([[0, 9], [3, 7]]), np.array([[3, 7]])]
        >>> [each.tolist() for each in unpack_palettes(pack_palettes(palettes), [2, 1], 2)]
        [[[0, 9], [3, 7]], [[3, 7]]]
    """
    if not palettes:
        return b""
    counts = np.array([len(palette) for palette in palettes], np.int64)
    values = np.ascontiguousarray(np.concatenate(palettes), np.int64)
    machine, coder = _machine(counts, values), encoder(values.size * BITS)
    _encode(machine.integers, coder.integers)
    return finish(coder).ljust(least_bytes(counts.tolist()), b"\0")


def unpack_palettes(content: bytes, counts: Sequence[int], channels: int, first: int | None = None) -> list[Array]:
    """The rows again, int64.

    Args:
        content: What `pack_palettes` returned.
        counts: Rows of each array that was packed, at least 1.
        channels: Number of channels of the colours.
        first: Only so many arrays are unpacked, at least 1; all if not given.

    Raises:
        ArchiveError: If the bytes cannot be those.
    """
    if len(content) % WORD.itemsize or len(content) < least_bytes(counts) or not all(counts):
        raise ArchiveError(f"{len(content)} bytes cannot hold the colours of {len(counts)} pictures")
    values = np.zeros((sum(counts), channels), np.int64)  # of all: their number decides the size of the tables
    machine, coder, wanted = _machine(np.array(counts, np.int64), values), decoder(content), counts[:first]
    if not _decode(machine.integers, coder.integers, sum(wanted) * channels * BITS):
        raise ArchiveError("the colours of its pictures are damaged")
    return np.split(values[: sum(wanted)], np.cumsum(wanted)[:-1])


def _machine(counts: Array, values: Array) -> Record:
    """A machine at its start."""
    least, most = ENTRIES
    entries = min(most, max(least, 1 << (16 * len(values)).bit_length()))
    return Record(
        _Machine,
        pictures=len(counts),
        channels=values.shape[1],
        entries=entries,
        counts=counts,
        values=values,
        at=np.zeros(6, np.int64),
        chances=np.full((CONTEXTS, entries), 0.5),
        times=np.zeros((CONTEXTS, entries), np.uint8),
        weights=np.full((values.shape[1], BITS, CONTEXTS), FIRST_WEIGHT),
        bases=np.zeros(CONTEXTS, np.int64),
        found=np.zeros(CONTEXTS, np.int64),
        strengths=np.zeros(CONTEXTS),
        chance=np.zeros(1),
    )


@inner
def _look(m: _Machine) -> None:
    """Find the contexts of the value that comes next."""
    at, values, bases = view(m.at, np.int64), view(m.values, np.int64), view(m.bases, np.int64)
    channel, colour = at[CHANNEL], at[COLOUR] * m.channels
    before = colour - m.channels  # the colour before, if this is not the picture's first
    is_first, is_same, prefix = at[INSIDE] == 0, True, 0
    for c in range(channel):
        prefix = prefix * 257 + values[colour + c] + 1
        is_same &= not is_first and values[colour + c] == values[before + c]
    last = 0 if is_first else values[before + channel]
    left = values[colour + channel - 1] if channel else 0
    far = values[colour + channel - 2] if channel > 1 else 0
    above = 0 if is_first or channel == 0 else values[before + channel - 1]
    bases[0] = prefix  # the earlier channels: finds colours that came before
    bases[1] = 2 * last + is_same  # the colour before: values ascend
    bases[2] = left if channel else last  # the channel before
    bases[3] = prefix // 257 ** max(0, channel - 2) * 256 + last  # the first two channels, and the colour before
    bases[4] = 0  # nothing: how frequent each value is
    bases[5] = (left - above + 256) * 256 + last  # how the channel before changed
    bases[6] = (left // 4 * 64 + far // 4) if channel else at[INSIDE] // 4  # two channels, roughly
    bases[7] = (left * 256 + far) * 2 + is_same  # two channels
    for k in range(CONTEXTS):
        bases[k] = (bases[k] * CONTEXTS + k) * m.channels + channel


@inner
def _predict(m: _Machine) -> None:
    """The chance that the next bit is 1."""
    at, bases, found = view(m.at, np.int64), view(m.bases, np.int64), view(m.found, np.int64)
    chances, times = view(m.chances, np.float64), view(m.times, np.uint8)
    weights, strengths = view(m.weights, np.float64), view(m.strengths, np.float64)
    first = (at[CHANNEL] * BITS + at[BIT]) * CONTEXTS
    total = 0.0
    for k in range(CONTEXTS):
        mixed = (bases[k] * 256 + at[BEGINNING]) * 0x2545F4914F6CDD1D  # wraps around
        entry = k * m.entries + (((mixed >> 29) ^ (mixed >> 7)) & (m.entries - 1))
        p, n = chances[entry], min(int(times[entry]), TRUSTED)
        found[k] = entry
        strengths[k] = scalars.log(p / (1.0 - p)) * (0.25 + 0.75 * n / TRUSTED) if n else 0.0
        total += weights[first + k] * strengths[k]
    p = 1.0 / (1.0 + scalars.exp(min(max(0.0 - total, -30.0), 30.0)))
    view(m.chance, np.float64)[0] = min(max(p, EDGE), 1.0 - EDGE)


@inner
def _learn(m: _Machine, bit: int) -> None:
    """Move weights and chances towards a bit."""
    at, found = view(m.at, np.int64), view(m.found, np.int64)
    chances, times = view(m.chances, np.float64), view(m.times, np.uint8)
    weights, strengths = view(m.weights, np.float64), view(m.strengths, np.float64)
    first, error = (at[CHANNEL] * BITS + at[BIT]) * CONTEXTS, bit - view(m.chance, np.float64)[0]
    for k in range(CONTEXTS):
        entry = found[k]
        weights[first + k] += RATE * error * strengths[k]
        p = chances[entry] + (bit - chances[entry]) / (int(times[entry]) + 1.6)
        chances[entry] = min(max(p, 2.0**-11), 1.0 - 2.0**-11)
        times[entry] = min(int(times[entry]) + 1, SURE)


@inner
def _go_on(m: _Machine, bit: int) -> None:
    """Move to the place behind a bit; `at[PICTURE]` is the number of pictures at the end."""
    at, values, counts = view(m.at, np.int64), view(m.values, np.int64), view(m.counts, np.int64)
    at[BEGINNING] = 2 * at[BEGINNING] + bit
    at[BIT] += 1
    if at[BIT] == BITS:
        values[at[COLOUR] * m.channels + at[CHANNEL]] = at[BEGINNING] - 2**BITS
        at[BIT], at[BEGINNING], at[CHANNEL] = 0, 1, at[CHANNEL] + 1
        if at[CHANNEL] == m.channels:
            at[CHANNEL], at[COLOUR], at[INSIDE] = 0, at[COLOUR] + 1, at[INSIDE] + 1
            if at[INSIDE] == counts[at[PICTURE]]:
                at[INSIDE], at[PICTURE] = 0, at[PICTURE] + 1


@inner
def _begin(m: _Machine) -> None:
    """Predict the first bit."""
    view(m.at, np.int64)[BEGINNING] = 1
    _look(m)
    _predict(m)


@inner
def _step(m: _Machine, bit: int) -> None:
    """Take a bit, and predict the next one."""
    at = view(m.at, np.int64)
    _learn(m, bit)
    _go_on(m, bit)
    if at[PICTURE] < m.pictures:
        if at[BIT] == 0:
            _look(m)
        _predict(m)


@inner
def _middle(m: _Machine) -> Any:
    """Where the interval of 0 ends and that of 1 begins."""
    return np.int64((1.0 - view(m.chance, np.float64)[0]) * (range_coder.WHOLE - 2.0)) + 1


@outer
def _encode(n: Any, integers: Any) -> None:
    """Code all bits of the values."""
    m, coder = _read(n), read_range(integers)
    at, values = view(m.at, np.int64), view(m.values, np.int64)
    _begin(m)
    while at[PICTURE] < m.pictures:
        value, middle = values[at[COLOUR] * m.channels + at[CHANNEL]], _middle(m)
        bit = (value >> (BITS - 1 - at[BIT])) & 1
        if bit:
            put(coder, middle, range_coder.WHOLE - middle)
        else:
            put(coder, 0, middle)
        _step(m, bit)


@outer
def _decode(n: Any, integers: Any, count: int) -> bool:
    """Decode so many bits, and say whether all could be."""
    m, coder = _read(n), read_range(integers)
    _begin(m)
    for _ in range(count):
        middle = _middle(m)
        if slot_of(coder) >= middle:
            take(coder, middle, range_coder.WHOLE - middle)
            _step(m, 1)
        else:
            take(coder, 0, middle)
            _step(m, 0)
    return bool(view(coder.place, np.int64)[1] == 0)

r"""Symbols as bytes: what `pixelrnn.kernels.rans` codes, and whether it came back whole.

    number of states: 1 or 16                                             one byte
    of 16: how many symbols they code, before the last ones               varint
    the states                                                            8 bytes each, the lowest first
    words                                                                 2 bytes each, the lower first

A stream may go on with zeros. The state of the last symbols, or the only one, begins as :math:`2^{47} + 2^{15} c` with
a checksum c of what was coded: decoding ends there, or something is damaged. So beyond the bits of the symbols a stream
takes some four bytes; with 16 states, of which a long one has its speed, some twenty more.
"""

from typing import Any

import numpy as np

from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.errors import ArchiveError
from pixelrnn.kernels import rans
from pixelrnn.kernels.record import Record

__all__ = ["LEAST", "finish", "read", "write"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST = 9
"""Bytes of a stream without words."""

SEVERAL = 2**15
"""Bytes of symbols from which on a stream has several states."""


def _first(checksum: int) -> int:
    return rans.LOWEST + (checksum << 15)


def write(intervals: Array, checksum: int) -> bytes:
    """A stream.

    Args:
        intervals: `(n, 2)` uint32: first numbers and widths of the symbols' intervals.
        checksum: Of 32 bits.
    """
    writer, count, states = Writer(), 0, np.zeros(rans.STATES, np.uint64)
    if rans.BITS * len(intervals) - np.log2(intervals[:, 1]).sum() >= 8 * SEVERAL:
        count = rans.encode_last(intervals, _first(checksum), states)
    if count:
        intervals = intervals[:count]
        writer.varints((rans.STATES, count))
    else:
        states = np.array([_first(checksum)], np.uint64)
        writer.varints((1,))
    words = np.empty(2 * len(intervals) + 1, np.uint16)
    words = words[rans.encode(intervals, states, words) :]
    return bytes(writer.bytes) + states.astype("<u8").tobytes() + words.astype("<u2").tobytes()


def read(stream: bytes) -> Record:
    """What decoding needs of a stream.

    Raises:
        ArchiveError: If it does not begin as streams do.
    """
    reader = Reader(stream)
    count = reader.take(1)[0]
    if count not in (1, rans.STATES):
        raise ArchiveError("a stream begins as none does")
    side_by_side = reader.varint() if count > 1 else 0
    states = np.frombuffer(reader.take(8 * count), "<u8").astype(np.uint64)
    if not ((states >= rans.LOWEST) & (states < 2**63)).all():
        raise ArchiveError("a stream begins as none does")
    rest = reader.take(len(stream) - reader.at)
    words = np.frombuffer(rest[: len(rest) // 2 * 2], "<u2").astype(np.uint16)
    return Record(
        rans.Coding,
        states=states,
        side_by_side=side_by_side,
        words=words,
        length=len(words),
        last=np.zeros(rans.STATES * rans.OF_A_STATE, np.uint16),
        place=np.zeros(4, np.int64),
    )


def finish(coding: Record, checksum: int) -> None:
    """Refuse what cannot have been a stream, after all of its symbols were decoded.

    Raises:
        ArchiveError: If it is damaged.
    """
    _, word, last, is_none = coding.place
    is_early = coding.side_by_side > 0 and last == 0
    has_more = coding.words[word:].any() or (last > 0 and coding.last[last:].any())
    if is_none or is_early or has_more or word > len(coding.words) or last > len(coding.last):
        raise ArchiveError("a stream holds what no image can give")
    if coding.states[0] != _first(checksum):
        raise ArchiveError("a stream holds other values than were coded")

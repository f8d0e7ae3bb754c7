"""Numbers and bytes in a row, written and read: every read is bounded by what is there."""

import struct
from collections.abc import Iterable, Sequence

from pixelrnn.errors import ArchiveError

__all__ = ["Reader", "Writer"]

MOST_BYTES = 9  # of a varint


class Writer:
    """Collects bytes.

    A varint has 7 bits of a number in each byte, the lowest first, and the highest bit set in all but the last.
    """

    def __init__(self) -> None:
        self.bytes = bytearray()

    def varints(self, values: Iterable[int]) -> None:
        """Non-negative integers."""
        for value in values:
            while value > 127:
                self.bytes.append(128 | value & 127)
                value >>= 7
            self.bytes.append(value)

    def words(self, values: Sequence[int]) -> None:
        """Integers of 4 bytes, the lowest first."""
        self.bytes += struct.pack(f"<{len(values)}I", *values)


class Reader:
    """Reads what a `Writer` wrote, from the start; all errors are `ArchiveError`."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if not 0 <= count <= len(self.content) - self.at:
            raise ArchiveError("it ends too early")
        self.at += count
        return self.content[self.at - count : self.at]

    def varint(self, most: int = 2**62) -> int:
        """A number up to some bound."""
        value = 0
        for place in range(MOST_BYTES):
            byte = self.take(1)[0]
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                if value > most:
                    raise ArchiveError(f"it holds the number {value}; at most {most} can stand there")
                return value
        raise ArchiveError(f"it holds a number of more than {MOST_BYTES} bytes")

    def varints(self, count: int, most: int = 2**62) -> list[int]:
        """So many numbers."""
        if count > len(self.content) - self.at:
            raise ArchiveError("it ends too early")
        return [self.varint(most) for _ in range(count)]

    def words(self, count: int) -> tuple[int, ...]:
        """So many integers of 4 bytes."""
        return struct.unpack(f"<{count}I", self.take(4 * count))

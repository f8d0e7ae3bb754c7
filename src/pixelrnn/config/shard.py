"""A part of some work that several processes, or machines, share out without talking to each other."""

import dataclasses
import hashlib
import re
from typing import Self

from pixelrnn.errors import ConfigError

__all__ = ["Shard"]


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of so many parts of a collection: which part a file is in is a function of its name alone.

    So a file that is added, or removed, moves no other. Files that differ in their suffix alone are in one part, since
    archives restore pictures of all kinds as PNG files.

    Attributes:
        number: Which part: 1 to `of`.
        of: How many parts there are.

    Example:
        >>> shards = [Shard(number, 3) for number in (1, 2, 3)]
        >>> [[shard.takes(name) for shard in shards].count(True) for name in ("a.png", "b/a.png", "c.png")]
        [1, 1, 1]
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.number <= self.of:
            raise ConfigError(
                f"shard is {self}; it is one from 1/{max(1, self.of)} to {max(1, self.of)}/{max(1, self.of)}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """A part as it is written, such as 2/8.

        Raises:
            ConfigError: If it is none.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if found is None:
            raise ConfigError(
                f"shard is {text!r:.60}; two whole numbers such as 2/8 are needed: the second of eight parts"
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.number}/{self.of}"

    def takes(self, name: str) -> bool:
        """Whether a file, by its name with slashes, is in this part."""
        # Without the difference of capital letters, as names of restored files are told apart.
        content = re.sub(r"(?<=[^/])\.[^./]*\Z", "", name).casefold().encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) % self.of == self.number - 1

    def takes_number(self, number: int) -> bool:
        """Whether an image that has a number and no name is in this part: they go round."""
        return number % self.of == self.number - 1

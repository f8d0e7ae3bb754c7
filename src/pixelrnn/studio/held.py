"""What pages speak of by a name that stands for its content: kept in memory, within bounds."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from pixelrnn.errors import DataError

__all__ = ["Held"]

T = TypeVar("T")


class Held(Generic[T]):
    """Things by their names; the ones that were asked for longest ago are forgotten.

    Args:
        most: Size of all of them: bytes, say.
        gone: What is said of one that is not there (any more).

    Example:
        >>> held = Held[str](10, "it is gone")
        >>> held.add("a", "first", 6)
        >>> held.add("b", "second", 6)
        >>> held.find("b")
        'second'
        >>> held.find("a")
        Traceback (most recent call last):
        pixelrnn.errors.DataError: it is gone
    """

    def __init__(self, most: int, gone: str = "it is not there any more") -> None:
        self._most, self._gone = most, gone
        self._held, self._size, self._lock = OrderedDict[Hashable, tuple[T, int]](), 0, threading.Lock()

    def add(self, name: Hashable, thing: T, size: int) -> None:
        """Keep something of a size."""
        with self._lock:
            if name not in self._held:
                self._held[name], self._size = (thing, size), self._size + size
            self._held.move_to_end(name)
            while self._size > self._most and len(self._held) > 1:
                _, (_, size) = self._held.popitem(last=False)
                self._size -= size

    def find(self, name: Hashable) -> T:
        """What has a name; raises `DataError` if it is not there (any more)."""
        if (found := self.get(name)) is None:
            raise DataError(self._gone)
        return found

    def get(self, name: Hashable) -> T | None:
        """The same; None if it is not there (any more)."""
        with self._lock:
            if name not in self._held:
                return None
            self._held.move_to_end(name)
            return self._held[name][0]

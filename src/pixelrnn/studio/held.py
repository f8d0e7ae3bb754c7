"""What pages speak of by a name that stands for its content: kept in memory, within bounds."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from pixelrnn.errors import DataError

__all__ = ["Held"]

T = TypeVar("T")


class Held(Generic[T]):
    """Things by their names; the ones that were asked for longest ago are forgotten.

    Args:
        most: Bytes of all of them.
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

    def __init__(self, most: int, gone: str) -> None:
        self._most, self._gone = most, gone
        self._held, self._bytes, self._lock = OrderedDict[str, tuple[T, int]](), 0, threading.Lock()

    def add(self, name: str, thing: T, size: int) -> None:
        """Keep something of so many bytes."""
        with self._lock:
            if name not in self._held:
                self._held[name], self._bytes = (thing, size), self._bytes + size
            self._held.move_to_end(name)
            while self._bytes > self._most and len(self._held) > 1:
                _, (_, size) = self._held.popitem(last=False)
                self._bytes -= size

    def find(self, name: str) -> T:
        """What has a name; raises `DataError` if it is not there (any more)."""
        with self._lock:
            if name not in self._held:
                raise DataError(self._gone)
            self._held.move_to_end(name)
            return self._held[name][0]

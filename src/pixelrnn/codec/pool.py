"""Work on several threads, a bounded amount at a time, that can be watched and stopped."""

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

import torch

__all__ = ["Pool"]

PATIENCE = 0.1  # seconds between two looks at the work under way

Result = TypeVar("Result")


class _StoppedError(Exception):
    """The work is not wanted any more."""


class Pool(Generic[Result]):
    """As many threads as torch is allowed, and twice as many pieces of work under way.

    A context manager: leaving it by an error stops the work under way.

    Args:
        callback: Called now and then, in the thread that submits, with the sum of all ticks; what it raises ends the
            work.
    """

    def __init__(self, callback: Callable[[int], None] | None) -> None:
        self._callback = callback
        self._threads = max(1, torch.get_num_threads())
        self._pool = concurrent.futures.ThreadPoolExecutor(self._threads)
        self._waiting: list[concurrent.futures.Future[Result]] = []
        self._ticks: list[list[float]] = []  # of the work in `_waiting`
        self._finished = 0.0  # ticks of all earlier work
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._is_stopped = kind is not None
        self._pool.shutdown(wait=True, cancel_futures=self._is_stopped)

    def submit(self, work: Callable[[Callable[[float], None]], Result]) -> Iterator[Result]:
        """Begin a piece of work, which is given a function to tick with; returns earlier results, in order."""
        ticks = [0.0]  # written by one thread only

        def tick(amount: float) -> None:
            ticks[0] += amount
            if self._is_stopped:
                raise _StoppedError

        self._ticks.append(ticks)
        self._waiting.append(self._pool.submit(work, tick))
        return self._results(2 * self._threads)

    def skip(self, amount: float) -> None:
        """Count ticks of work that turned out not to be needed."""
        self._finished += amount

    def report(self) -> None:
        """Call the callback."""
        if self._callback is not None:
            self._callback(round(self._finished + sum(ticks[0] for ticks in self._ticks)))

    def rest(self) -> Iterator[Result]:
        """All results that are left, in the order in which they were submitted."""
        return self._results(0)

    def _results(self, most: int) -> Iterator[Result]:
        found = []
        while len(self._waiting) > most:
            concurrent.futures.wait(self._waiting[:1], PATIENCE)
            self.report()
            if self._waiting[0].done():
                found.append(self._waiting.pop(0).result())
                self._finished += self._ticks.pop(0)[0]
        return iter(found)

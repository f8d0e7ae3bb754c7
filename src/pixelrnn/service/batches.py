"""Pictures of many requests at once: those that wait are scored together, while the next ones come."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pixelrnn.service.uploads import BusyError

__all__ = ["Batches"]


GAP = 0.004  # seconds after which nothing more comes in quick succession
PATIENCE = 0.3  # of the seconds that the last batch took

Cell = TypeVar("Cell")
Row = TypeVar("Row")


class _Waiting(NamedTuple):
    cells: Sequence[Any]
    answer: "asyncio.Future[list[Any]]"
    loop: asyncio.AbstractEventLoop


class Batches(Generic[Cell, Row]):
    """Calls a function of pictures, for all that wait.

    A batch is what has come meanwhile, and what still comes in quick succession: who had answers a moment ago asks
    again, and would be alone in small batches else. Nobody waits for long: see `GAP` and `PATIENCE`.

    Args:
        call: A row for each of some pictures.
        most: Pictures of a batch, at most; a request that brings more is alone in its own.
        waiting: Pictures that may wait; a request beyond is refused.
        seen: Told the number of pictures of each batch.
    """

    def __init__(
        self,
        call: Callable[[list[Cell]], list[Row]],
        *,
        most: int = 64,
        waiting: int = 4_096,
        seen: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._call, self._most, self._bound, self._seen = call, most, waiting, seen
        self._queue, self._size, self._changed = deque[_Waiting](), 0, threading.Condition()
        self._is_closed, self._seconds = False, 0.0
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return self._size

    async def rows(self, cells: Sequence[Cell]) -> list[Row]:
        """The rows of some pictures; raises `BusyError` if too many wait already, or what the call raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(cells, loop.create_future(), loop)
        with self._changed:
            if self._is_closed or (self._size and self._size + len(cells) > self._bound):
                raise BusyError(f"{self._size:,} pictures wait already; try again later")
            self._queue.append(waiting)
            self._size += len(cells)
            self._changed.notify()
        found: list[Row] = await waiting.answer
        return found

    def close(self) -> None:
        """End when nothing waits any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            if not taken:  # all have gone away
                continue
            cells = [cell for each in taken for cell in each.cells]
            self._seen(len(cells))
            start = time.monotonic()
            try:
                rows = self._call(cells)
                self._seconds = time.monotonic() - start
            except Exception as error:  # whose it is cannot be told
                for each in taken:
                    self._tell(each, error)
                continue
            for each in taken:
                own, rows = rows[: len(each.cells)], rows[len(each.cells) :]
                self._tell(each, own)

    def _take(self) -> list[_Waiting] | None:
        """Requests for the next batch; None if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            end, size = time.monotonic() + PATIENCE * self._seconds, 0
            while size < self._size < self._most and time.monotonic() < end and not self._is_closed:
                size = self._size
                self._changed.wait(GAP)
            if not self._queue:
                return None if self._is_closed else []
            taken, count = list[_Waiting](), 0
            while self._queue and (not taken or count + len(self._queue[0].cells) <= self._most):
                each = self._queue.popleft()
                self._size -= len(each.cells)
                if not each.answer.cancelled():  # who has gone away needs none
                    taken.append(each)
                    count += len(each.cells)
            return taken

    @staticmethod
    def _tell(waiting: _Waiting, answer: list[Any] | Exception) -> None:
        def tell() -> None:
            if waiting.answer.done():
                return
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

        try:
            waiting.loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the server has ended meanwhile
            return

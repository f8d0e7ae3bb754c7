"""The work of all pages: each piece in a thread of its own, all in turns, and what it tells on its way to the page."""

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pixelrnn.errors import ConfigError, PixelRNNError
from pixelrnn.progress import Callback, Progress, StoppedError

__all__ = ["Job", "Jobs", "Turns", "Work", "said_of"]

MOST = 64  # pieces of work at once

logger = logging.getLogger(__name__)


def said_of(error: PixelRNNError | OSError) -> str:
    """What a page is told of an error: its sentence, or of a disk that is full, a file that is gone, and the like."""
    if isinstance(error, PixelRNNError):
        return str(error)
    name = Path(error.filename).name if isinstance(error.filename, str) else "the disk"
    return f"{name}: {error.strerror or error}"


class Turns:
    """A lock that goes round: who gives it back and asks again comes after all who wait.

    Work uses all processors while it has its turn, so two at once would only be in each other's way.
    """

    def __init__(self) -> None:
        self._next, self._serving, self._changed = 0, 0, threading.Condition()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        with self._changed:
            ticket, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._serving == ticket)

    def __exit__(self, *_: object) -> None:
        """Let the next one go on."""
        with self._changed:
            self._serving += 1
            self._changed.notify_all()

    def pass_on(self) -> None:
        """Let the others go on, and come back after them."""
        self.__exit__()
        self.__enter__()


class Job:
    """A piece of work, and the stream of what it tells.

    What is told has one place: until the page has taken it nothing more is told, so a slow page costs no memory. What
    is sent arrives whatever happens, and is bounded by the picture that it is of.

    Attributes:
        number: Its number.
        title: What it is, for people.
        began: When, in seconds.
        fraction: Finished share.
    """

    def __init__(self, number: int, title: str) -> None:
        self.number, self.title, self.began, self.fraction = number, title, time.time(), 0.0
        self._news: dict[str, Any] | None = None
        self._last: list[dict[str, Any]] = []
        self._sent: list[dict[str, Any]] = []
        self._is_over, self._is_stopped, self._lock = False, False, threading.Lock()
        self._loop, self._something = asyncio.get_running_loop(), asyncio.Event()

    def stop(self) -> None:
        """Ask for its end."""
        self._is_stopped = True

    def tell(self, news: Callable[[], dict[str, Any]]) -> None:
        """Have an event made and sent, if the page has taken the one before; to be called in the thread of the work."""
        if self._news is None:
            self._news = news()
            self._wake()

    def send(self, event: dict[str, Any]) -> None:
        """Have an event sent."""
        with self._lock:
            self._sent.append(event)
        self._wake()

    @property
    def is_stopped(self) -> bool:
        """Whether the work should end."""
        return self._is_stopped

    def end(self, *events: dict[str, Any]) -> None:
        """Say the last things; all of them arrive."""
        with self._lock:
            self._last, self._is_over = list(events), True
        self._wake()

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What is told, until the end; whoever stops listening stops the work."""
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                with self._lock:
                    news, self._news = self._news, None
                    sent, self._sent = self._sent, []
                    is_over, last = self._is_over, self._last
                for event in sent:
                    yield event
                if news is not None:
                    yield news
                if is_over:
                    for event in last:
                        yield event
                    return
        finally:
            self.stop()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._something.set)
        except RuntimeError:  # the server has ended meanwhile
            self.stop()


Work = Callable[[Job, Callback], list[dict[str, Any]]]
"""Does something, with a callback that keeps the turns, and returns the last events."""


class Jobs:
    """All pieces of work there are."""

    def __init__(self) -> None:
        self.turns, self._numbers, self._running = Turns(), itertools.count(1), dict[int, Job]()

    def start(self, title: str, work: Work) -> Job:
        """Begin some work in a thread of its own; to be called in the loop that serves.

        Raises:
            ConfigError: If too much is going on already.
        """
        if sum(not job.is_stopped for job in list(self._running.values())) >= MOST or len(self._running) >= 4 * MOST:
            raise ConfigError(f"{MOST} pieces of work are going on already; try again when some have ended")
        job = Job(next(self._numbers), title)
        self._running[job.number] = job
        threading.Thread(target=self._run, args=(job, work), name=f"studio-{job.number}", daemon=True).start()
        return job

    def list(self) -> list[dict[str, Any]]:
        """What runs, the oldest first."""
        now = time.time()
        return [
            {"number": job.number, "title": job.title, "fraction": job.fraction, "seconds": now - job.began}
            for job in list(self._running.values())
        ]

    def stop(self, number: int) -> None:
        """Ask for the end of one."""
        if (job := self._running.get(number)) is not None:
            job.stop()

    def _run(self, job: Job, work: Work) -> None:
        def callback(at: Progress) -> bool:
            job.fraction = at.fraction
            self.turns.pass_on()
            return job.is_stopped

        last = _last_events(self.turns, job, work, callback)
        del self._running[job.number]  # before it is told: who hears of the end finds nothing running
        job.end(*last)


def _last_events(turns: Turns, job: Job, work: Work, callback: Callback) -> list[dict[str, Any]]:
    """Do the work; what is said in the end, however it ended."""
    stopped = [{"type": "stopped"}]
    try:
        with turns:
            return stopped if job.is_stopped else work(job, callback)
    except StoppedError:
        return stopped
    except (PixelRNNError, OSError) as error:
        return [{"type": "error", "error": said_of(error)}]
    except Exception as error:
        is_memory = isinstance(error, MemoryError) or "not enough memory" in str(error)  # as torch says it
        if not is_memory:
            logger.exception("%s failed", job.title)
        said = "there is not enough memory for that" if is_memory else "this failed; the terminal says more"
        return [{"type": "error", "error": said}]

"""Ctrl-C as a wish: long work that can use what it has so far ends in good order."""

import contextlib
import signal
from collections.abc import Callable, Iterator

__all__ = ["stoppable"]


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first interrupt, or SIGTERM, into a wish, which the yielded function tells; the second one raises."""
    wishes: list[int] = []

    def handle(number: int, frame: object) -> None:
        if wishes:
            raise KeyboardInterrupt
        wishes.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(wishes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

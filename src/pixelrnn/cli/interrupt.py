"""Ctrl-C that is not lost, and Ctrl-C as a wish: long work that can use what it has so far ends in good order."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

__all__ = ["insist", "insistent", "stoppable"]

_raised: list[int] = []


def _raise(number: int, frame: object) -> None:
    _raised.append(number)
    raise KeyboardInterrupt


@contextlib.contextmanager
def insistent() -> Iterator[None]:
    """Within, an interrupt raises `KeyboardInterrupt`, and `insist` raises it again if that got lost.

    Python can only print an exception that comes while a compiler's callback runs, and goes on.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # somebody wants it otherwise
        yield
        return
    signal.signal(signal.SIGINT, _raise)
    try:
        yield
        insist()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _raised.clear()


def insist() -> None:
    """Raise `KeyboardInterrupt` if it was raised, and we are still here."""
    if _raised:
        _raised.clear()
        raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first interrupt, or SIGTERM, into a wish, which the yielded function tells; the second one raises."""
    wishes: list[int] = []

    def handle(number: int, frame: object) -> None:
        if wishes:
            _raise(number, frame)
        wishes.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(wishes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

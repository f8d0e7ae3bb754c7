"""A word to whoever waits for the first compilation."""

import contextlib
import logging
import threading
from collections.abc import Iterator

__all__ = ["announced"]

PATIENCE = 2.0  # seconds; loading what was compiled before takes a fraction of that


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Log a warning if the block takes so long that something must be compiling.

    Warnings of Python's `logging` are shown on the error stream unless the program arranges for something else.
    """
    message = "compiling %s for this processor, once: this takes about a quarter of a minute"
    timer = threading.Timer(PATIENCE, logging.getLogger("pixelrnn").warning, [message, what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

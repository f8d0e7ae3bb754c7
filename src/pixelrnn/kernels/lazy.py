"""A word to whoever waits for the first compilation."""

import functools
import importlib
import logging
import threading
from types import ModuleType

__all__ = ["compiled_module"]

PATIENCE = 2.0  # seconds; loading what was compiled before takes a fraction of that


@functools.cache
def compiled_module(name: str, what: str) -> ModuleType:
    """Import a module whose functions are compiled then, and log a warning if that takes long.

    Warnings of Python's `logging` are shown on the error stream unless the program arranges for something else.
    """
    message = "compiling %s for this processor, once: this takes about a quarter of a minute"
    timer = threading.Timer(PATIENCE, logging.getLogger("pixelrnn").warning, [message, what])
    timer.daemon = True
    timer.start()
    try:
        return importlib.import_module(name)
    finally:
        timer.cancel()

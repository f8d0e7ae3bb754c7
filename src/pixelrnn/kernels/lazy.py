"""A word to whoever waits for the first compilation."""

import functools
import importlib
import logging
import threading
from types import ModuleType

__all__ = ["compiled_module", "compiles"]

PATIENCE = 2.0  # seconds

_waiting = list[threading.Timer]()  # of the modules that are being imported, the innermost last


@functools.cache
def compiled_module(name: str, what: str) -> ModuleType:
    """Import a module whose functions are compiled then, and log a warning if that takes long.

    What was compiled before is only loaded: of that nothing is said, however slow the machine is.

    Warnings of Python's `logging` are shown on the error stream unless the program arranges for something else.
    """
    message = "compiling %s for this processor, once: this takes about a quarter of a minute"
    timer = threading.Timer(PATIENCE, logging.getLogger("pixelrnn").warning, [message, what])
    timer.daemon = True
    _waiting.append(timer)
    try:
        return importlib.import_module(name)
    finally:
        _waiting.remove(timer)
        timer.cancel()


def compiles() -> None:
    """Something has to be compiled now: whoever waits for it is told, if that takes long."""
    for timer in _waiting[-1:]:
        if timer.ident is None:  # it runs not yet
            timer.start()

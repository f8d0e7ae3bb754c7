"""The command line. Before anything large is imported, Ctrl-C becomes a line here too."""

import sys
from types import TracebackType

__all__ = ["let_go"]

_before = sys.excepthook


def _say(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__  # of an interrupt while a class is made, Python makes another error
    if cause is not None:
        sys.stderr.write("pixelrnn: interrupted\n")
    else:
        _before(kind, error, traceback)


def let_go() -> None:
    """Leave errors to whoever had them before, once everything is imported."""
    if sys.excepthook is _say:
        sys.excepthook = _before


sys.excepthook = _say

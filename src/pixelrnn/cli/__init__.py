"""The command line. Before anything large is imported, Ctrl-C becomes a line here too."""

import sys
from types import TracebackType

__all__: list[str] = []


def _say(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        sys.stderr.write("pixelrnn: interrupted\n")
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _say

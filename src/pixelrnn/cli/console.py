"""What the command line says: lines on standard output, progress on standard error."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["progress", "say", "show_json"]

_out = Console(highlight=False, soft_wrap=True, markup=False)
_err = Console(highlight=False, soft_wrap=True, markup=False, stderr=True)

PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal

Report = Callable[..., None]


def say(text: str = "", *, is_error: bool = False, is_aside: bool = False) -> None:
    """Print a line; errors and asides go to standard error, where they do not disturb a pipe."""
    (_err if is_error or is_aside else _out).print(text)


def show_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    _out.print(json.dumps(value, indent=2))


@contextlib.contextmanager
def progress(title: str, *, is_silent: bool = False) -> Iterator[Report]:
    """Show the progress of long work: a bar with ETA on a terminal, now and then a plain line elsewhere.

    Yields:
        A function of the finished share, 0 .. 1, and a text shown beside it.
    """
    if is_silent:
        yield lambda share, text="": None
    elif _err.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(
            *columns, TimeRemainingColumn(), TextColumn("{task.fields[text]}"), console=_err, transient=True
        ) as bar:
            task = bar.add_task(title, total=1.0, text="")
            yield lambda share, text="": bar.update(task, completed=share, text=text)
    else:
        yield _plain(title)


def _plain(title: str) -> Report:
    begun = last = time.monotonic()

    def report(share: float, text: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            last = now
            left = f", {(now - begun) * (1 - share) / share:.0f} s left" if 0 < share < 1 else ""
            say(f"{title}: {share:.0%}{left}{f', {text}' if text else ''}", is_aside=True)

    return report

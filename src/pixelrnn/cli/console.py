"""What the command line says: lines on standard output, progress on standard error."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from pixelrnn.cli.interrupt import insist
from pixelrnn.progress import Callback, Progress

__all__ = [
    "in_a_line", "is_first_process", "progress", "say", "say_bad", "say_skipped", "show_json", "show_table",
]  # fmt: skip

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
_err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)
_is_bar_shown = False

MOST_LISTED = 20  # lines
MOST_NAMED = 3  # of what could not be used
PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal


def is_first_process() -> bool:
    """Whether this is the one that speaks, of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str = "", *, is_error: bool = False, is_aside: bool = False) -> None:
    """Print text; errors and asides go to standard error, where they do not disturb a pipe.

    Names of files may hold anything: what a terminal would obey, or could not show, is written as Python would.
    """
    text = "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)
    # Beside a bar every line goes through the bar's console, or it would be written into the bar.
    is_shared = _is_bar_shown and _out.is_terminal
    (_err if is_error or is_aside or is_shared else _out).print(text)


def in_a_line(name: str) -> str:
    """A name as it can be shown among others: names of files may hold line breaks, and worse for a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def say_skipped(lines: Sequence[str]) -> None:
    """Say what was skipped, and why, of the first ones."""
    for line in lines[:MOST_LISTED]:
        say(f"  skipped {in_a_line(line)}", is_aside=True)
    if len(lines) > MOST_LISTED:
        say(f"  ... and {len(lines) - MOST_LISTED:,} more", is_aside=True)


def say_bad(bad: Mapping[str, str], what: str = "image") -> None:
    """Say what could not be used, and why, of the first ones."""
    if bad:
        first = "; ".join(f"{in_a_line(name)}: {reason}" for name, reason in [*bad.items()][:MOST_NAMED])
        rest = "; ..." if len(bad) > MOST_NAMED else ""
        say(f"{len(bad):,} {what if len(bad) == 1 else f'{what}s'} could not be used: {first}{rest}", is_aside=True)


def show_json(value: Any) -> None:
    """Print a value as JSON on standard output; null for numbers that are infinite, or none."""
    from pixelrnn.runs.files import json_text

    _out.print(json_text(value, indent=2))


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of words in columns, the first row being their heads; columns of numbers to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    are_numbers = [any(column[1:]) and not any(word[:1].isalpha() for word in column[1:]) for column in columns]
    for row in rows:
        words = zip(row, widths, are_numbers, strict=True)
        say(
            "  ".join(
                word.rjust(width) if is_number else word.ljust(width) for word, width, is_number in words
            ).rstrip()
        )


@contextlib.contextmanager
def progress(title: str, *, is_silent: bool = False) -> Iterator[Callback]:
    """Show the progress of long work: a bar with ETA on a terminal, now and then a plain line elsewhere.

    Yields:
        What shows the progress that it is told, as a callback of the library.
    """
    global _is_bar_shown
    if is_silent:
        yield lambda at: None
    elif _err.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Bar(
            *columns, TimeRemainingColumn(), TextColumn("{task.fields[text]}"), console=_err, transient=True
        ) as bar:
            task = bar.add_task(title, total=1.0, text="")
            _is_bar_shown = True

            def show(at: Progress) -> None:
                insist()
                bar.update(task, completed=at.fraction, text=at.text)

            try:
                yield show
            finally:
                _is_bar_shown = False
    else:
        yield _plain(title)


def _plain(title: str) -> Callback:
    last = time.monotonic()
    start: tuple[float, float] | None = None  # time and share: what is resumed does not begin at 0

    def show(at: Progress) -> None:
        nonlocal last, start
        insist()
        now, share = time.monotonic(), at.fraction
        # Until the first share is done, things are compiled, which are not done again.
        start = (now, share) if start is None or share == start[1] else start
        if now - last >= PLAIN_SECONDS:
            last = now
            # Of the first moments no time can be told: a start takes longer than what follows.
            seconds, done = now - start[0], share - start[1]
            left = f", {seconds * (1 - share) / done:.0f} s left" if done >= 0.005 and share < 1 else ""
            say(f"{title}: {share:.0%}{left}{f', {at.text}' if at.text else ''}", is_aside=True)

    return show

"""How far long work is: what its callback is told, and the one way in which a callback stops it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Callback", "Progress", "Reporter", "StoppedError"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far some work is.

    Attributes:
        fraction: Finished share, 0 .. 1.
        what: The part of the work that is under way, if it has several.
        text: A word on it.
        done: Finished amount in the work's own unit: bytes of files, say; 0 if it has none.
        total: Whole amount in that unit.
        subpixels: Number of sub-pixels that were coded, or decoded, of work that does so.
        step: Optimiser steps made, of a training.
        seconds: Training time so far.
        bits_per_dim: Loss of the step of a training; before the first one, validation of the model to start from.
        line: Journal line of a training, if this step wrote one.
        stage: `pixelrnn.pack.search.Stage` of a pack, if one was just tried.
        drawn: Of work that draws images, gives them as far as they are: `(n, C, H, W)` int64, -1 where nothing is drawn
            yet; or floats of a continuous model, 0 there. To be called by the callback, before it returns.
        resampled: Of particles that were just chosen among: how many pixels were drawn, and for each particle, those of
            the first image first, the number of the one whose place it took on.
    """

    fraction: float
    what: str = ""
    text: str = ""
    done: int = 0
    total: int = 0
    subpixels: int = 0
    step: int = 0
    seconds: float = 0.0
    bits_per_dim: float = math.nan
    line: dict[str, Any] | None = None
    stage: Any = None
    drawn: Callable[[], Any] | None = None
    resampled: tuple[int, Any] | None = None


Callback: TypeAlias = Callable[[Progress], bool | None]
"""Called now and then while work goes on; once it returns True the work stops: a training saves and returns what was
learned, all other work raises `StoppedError`. What it raises ends the work as well."""


OF_PART = ("fraction", "what")  # what is said of a part is said otherwise of the whole


class StoppedError(Exception):
    """A callback asked for the end of the work."""


class Reporter:
    """Tells a callback how far some work is; work without a callback has a reporter that tells nobody.

    Args:
        callback: Callback that is told of the progress.
        what: The part of the work, where it has several.
        start: Share of the whole that is finished when this work begins.
        end: Share of the whole that is finished when this work ends.

    Example:
        >>> told = []
        >>> report = Reporter(lambda at: told.append(at.fraction))
        >>> report.part(0.5, 1.0)(0.5)
        >>> told
        [0.75]
    """

    def __init__(self, callback: Callback | None = None, what: str = "", start: float = 0.0, end: float = 1.0) -> None:
        self.callback, self.what, self.start, self.end = callback, what, start, end

    def __call__(self, fraction: float, text: str = "", **fields: Any) -> None:
        """Tell that a share of this work is finished, with other fields of `Progress`.

        Raises:
            StoppedError: If the callback asks for the end.
        """
        if self.tell(fraction, text=text, **fields):
            raise StoppedError

    def tell(self, fraction: float, **fields: Any) -> bool:
        """The same, for work that can end in good order: whether the callback asks for the end."""
        if self.callback is None:
            return False
        whole = self.start + (self.end - self.start) * fraction
        return bool(self.callback(Progress(fraction=whole, **{"what": self.what, **fields})))

    def amount(self, done: int, total: int, unit: str = "", **fields: Any) -> None:
        """Tell that so much of an amount is done; with a unit, in words too; with other fields of `Progress`."""
        text = f"{done:,} of {total:,} {unit}" if unit else ""
        self(min(1.0, done / max(1, total)), text=fields.pop("text", text), done=done, total=total, **fields)

    def forward(self, at: Progress) -> bool:
        """A callback of this work as one piece, which tells of it as a part of the whole."""
        fields = {field.name: getattr(at, field.name) for field in dataclasses.fields(at)}
        return self.tell(at.fraction, **{name: value for name, value in fields.items() if name not in OF_PART})

    def showing(self, change: Callable[[Any], Any]) -> "Reporter":
        """A reporter of this work whose `drawn` goes through a change: called with what is drawn, None if not told."""

        def tell(at: Progress) -> bool:
            assert self.callback is not None
            inner = at.drawn
            shown = dataclasses.replace(at, drawn=lambda: change(None if inner is None else inner()))
            return bool(self.callback(shown))

        return Reporter(None if self.callback is None else tell, self.what, self.start, self.end)

    def part(self, start: float, end: float, what: str | None = None) -> "Reporter":
        """A reporter for the part of this work between two of its shares."""
        width = self.end - self.start
        what = self.what if what is None else what
        return Reporter(self.callback, what, self.start + width * start, self.start + width * end)

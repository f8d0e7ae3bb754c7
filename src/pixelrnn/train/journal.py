"""What a run writes for people and scripts while it goes on: `metrics.jsonl`, `curve.png`, TensorBoard events."""

import time
from pathlib import Path
from typing import Any

from pixelrnn import plots
from pixelrnn.config.names import METRICS
from pixelrnn.runs.files import json_text, write_text
from pixelrnn.runs.run import read_metrics

__all__ = ["Journal"]

REST = 20  # times as long as drawing took: a short run is trained, not drawn


class Journal:
    """The lines of a run, in memory and, if there is a folder, on disk.

    Args:
        folder: The run's folder, or None.
        step: Lines after this step are dropped: a resumed run writes them again.
        tensorboard: Write TensorBoard events as well.
    """

    def __init__(self, folder: Path | None, *, step: int, tensorboard: bool) -> None:
        self.folder = folder
        self.lines = [line for line in read_metrics(folder) if line["step"] <= step] if folder else []
        self.events: Any = None
        self._undrawn, self._rested = "", 0.0  # title of a curve that waits; when the next may be drawn
        if folder is not None:
            text = "".join(json_text(line) + "\n" for line in self.lines)
            write_text(folder / METRICS, text)
            self.events = _event_writer(folder, step) if tensorboard else None

    def add(self, line: dict[str, Any]) -> None:
        """Add a line of numbers; it is on disk when this returns."""
        self.lines.append(line)
        if self.folder is not None:
            with (self.folder / METRICS).open("a", encoding="utf-8") as file:
                file.write(json_text(line) + "\n")
        if self.events is not None:
            for name, value in line.items():
                self.events.add_scalar(name, value, line["step"])
            self.events.flush()

    def draw(self, title: str) -> None:
        """Draw the curve so far: now, or, if the last time is not long ago, later; at the latest in `close`."""
        self._undrawn = title
        if time.perf_counter() >= self._rested:
            self._draw()

    def close(self) -> None:
        """Draw what is not drawn yet, and close the event file."""
        if self._undrawn:
            self._draw()
        if self.events is not None:
            self.events.close()

    def _draw(self) -> None:
        began = time.perf_counter()
        if self.folder is not None:
            plots.save_curve(self.folder / "curve.png", self.lines, self._undrawn)
        ended = time.perf_counter()
        self._undrawn, self._rested = "", ended + REST * (ended - began)


def _event_writer(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder / "tensorboard", purge_step=step + 1)

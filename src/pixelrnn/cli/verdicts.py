"""The table of the verdicts of `pixelrnn inspect`: it grows row by row, and another call goes on with it."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixelrnn.errors import DataError

__all__ = ["VerdictTable", "line_of", "row_of"]

COLUMNS = ("name", "verdict", "p_value", "regions", "area", "top", "left", "bottom", "right", "file", "by")
NUMBERS = {"p_value": float, **dict.fromkeys(("regions", "area", "top", "left", "bottom", "right"), int)}


def row_of(name: str, found: Any) -> dict[str, Any]:
    """What is kept of an `Inspection`: the verdict, and where the most unusual region is."""
    first = found.regions[0] if found.regions else None
    box = {} if first is None else first.box._asdict()
    return {
        "name": name,
        "verdict": "usual" if found.is_usual else "unusual",
        "p_value": found.p_value,
        "regions": len(found.regions),
        "area": 0 if first is None else first.area,
        **box,
    }


def line_of(row: dict[str, Any]) -> str:
    """A row in words."""
    if row["verdict"] == "usual":
        return f"usual    p-value {row['p_value']:<8.2g} {row['name']}"
    box = f"{row['right'] - row['left']}x{row['bottom'] - row['top']} at row {row['top']}, column {row['left']}"
    return f"unusual  p-value {row['p_value']:<8.2g} {row['name']}: {box}"


class VerdictTable:
    """A CSV file that grows row by row, each whole before the next is begun.

    Args:
        path: The file.
        by: What the rows are by: another model or calibration must not go on with them.
        is_new: Begin it anew.

    Attributes:
        earlier: The rows that it held at first.

    Raises:
        DataError: If it is a table of something else, or by something else.
    """

    def __init__(self, path: Path, by: str, *, is_new: bool) -> None:
        self.path, self.by, self.earlier = path, by, list[dict[str, Any]]()
        if is_new or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write([COLUMNS], "w")
            return
        whole, end, _ = path.read_text(encoding="utf-8").rpartition("\n")  # a row that was cut short is left out
        path.write_text(whole + end, encoding="utf-8", newline="")
        rows = list(csv.DictReader(whole.splitlines()))
        if rows and set(COLUMNS) - set(rows[0]):
            raise DataError(f"{path} is a table of something else; choose another name with --csv, or give --overwrite")
        try:
            self.earlier = [_row(each) for each in rows]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path} is damaged ({error}); choose another name with --csv, or give --overwrite"
            ) from error
        if any(row["by"] != by for row in rows):
            raise DataError(
                f"{path} holds verdicts by another model, threshold or alpha; choose another name with --csv, or give "
                "--overwrite"
            )

    def append(self, row: dict[str, Any]) -> None:
        """Add a row, on the disk when this returns."""
        self._write([[{**row, "by": self.by}.get(name, "") for name in COLUMNS]], "a")

    def _write(self, rows: Sequence[Sequence[Any]], mode: str) -> None:
        with self.path.open(mode, encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
            file.flush()
            os.fsync(file.fileno())


def _row(written: dict[str, str]) -> dict[str, Any]:
    """A row as `row_of` made it, from a file."""
    if None in written.values() or None in written:
        raise ValueError(f"that of {written['name']} has another number of values than the first line")
    return {name: NUMBERS.get(name, str)(value) for name, value in written.items() if value and name != "by"}

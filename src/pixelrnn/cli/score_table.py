"""The scores of images by one model, or by several, as they are shown and written."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrnn.cli.console import in_a_line, say, say_bad, show_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ScoreTable"]

COLUMNS = ("score", "p_value", "rank", "nats", "bits_per_dim")
ALPHA = 0.05


class ScoreTable:
    """What is told of each image.

    Args:
        columns: `name`, and `COLUMNS` of each model, as `pixelrnn.scores.comparison.compared` has them.
        facts: `protocol`, and of each model in `models` its `method`, and how many `usual_images` it compares with.
        bad: What could not be used, and why.
    """

    def __init__(
        self,
        columns: "Mapping[str, NDArray[np.generic]]",
        facts: Mapping[str, Any],
        bad: Mapping[str, str] | None = None,
    ) -> None:
        self.columns, self.facts, self.bad = columns, facts, bad or {}
        # A name that is no text is written with question marks: everything here is for people, or for their programs.
        self.names = [str(name).encode("utf-8", "replace").decode() for name in columns["name"]]
        self.models: dict[str, dict[str, Any]] = facts["models"]

    def rows(self, model: str) -> list[dict[str, Any]]:
        """A row of each image by one model."""
        of = f"{model}:" if len(self.models) > 1 else ""
        columns = [self.columns[of + name].tolist() for name in COLUMNS]
        numbers = (dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True))
        return [{"name": name} | row for name, row in zip(self.names, numbers, strict=True)]

    def show(self, most: int, *, as_json: bool) -> None:
        """Say which images are the least and the most usual ones, so many of each, and how many are unusual."""
        if as_json:
            self._show_json()
            return
        for name, about in self.models.items():
            if len(self.models) > 1:
                say(f"{name}:")
            _show(self.rows(name), about, most)
        say_bad(self.bad)

    def _show_json(self) -> None:
        every = [{**about, "images": self.rows(name)} for name, about in self.models.items()]
        if len(every) > 1:
            every = [{"model": name, **found} for name, found in zip(self.models, every, strict=True)]
        found = every[0] if len(every) == 1 else {"models": every}
        unusable = {"unusable": dict(self.bad)} if self.bad else {}
        show_json({"protocol": self.facts["protocol"], **found, **unusable})

    def write(self, path: Path, *, overwrite: bool) -> None:
        """Write all numbers as CSV or Parquet; what could not be used has an `error` instead.

        Raises:
            RunError: If a file is there by now that may not be replaced.
        """
        from pixelrnn.runs.files import atomic_write

        columns: dict[str, list[Any]] = {"name": [*self.names, *self.bad]}
        for name in self.columns:
            if name != "name":
                columns[name] = [*self.columns[name].tolist(), *[None] * len(self.bad)]
        if self.bad:
            columns["error"] = [*[""] * len(self.names), *self.bad.values()]
        if path.suffix.lower() == ".parquet":
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table(columns)
            atomic_write(path, lambda to: pyarrow.parquet.write_table(table, to), is_new=not overwrite)
            return

        def write_rows(temporary: Path) -> None:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))

        atomic_write(path, write_rows, is_new=not overwrite)


def _show(rows: list[dict[str, Any]], about: Mapping[str, Any], most: int) -> None:
    say(f"{'score':>9}{'p-value':>9}{'rank':>7}{'nats':>12}{'bits/dim':>10}  {about['method']}")
    order = sorted(range(len(rows)), key=lambda item: rows[item]["score"])
    least, others = order[:most], order[most:]
    for place, item in enumerate(least + others[-most:]):
        if place == most < len(others):
            say(f"{'...':>9}")
        row = rows[item]
        numbers = f"{row['score']:>9.3f}{row['p_value']:>9.4f}{row['rank']:>7.3f}{row['nats']:>12.1f}"
        say(f"{numbers}{row['bits_per_dim']:>10.4f}  {in_a_line(row['name'])}")
    usual = about["usual_images"]
    if (least_value := 1 / (1 + usual)) > ALPHA:
        say(
            f"compared with {usual} usual images, no p-value can be below {least_value:.2f}: the "
            "order tells more than they do; give more of them with --usual"
        )
        return
    unusual = sum(row["p_value"] <= ALPHA for row in rows)
    expected = math.floor(ALPHA * len(rows))
    say(
        f"{unusual:,} of {len(rows):,} images have p-values up to {ALPHA}; of as many usual ones about "
        f"{expected:,} would (compared with {usual:,})"
    )

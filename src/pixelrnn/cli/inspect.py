"""`pixelrnn inspect`."""

import contextlib
import csv
import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

import tyro

from pixelrnn.app.flaws import GOOD, Rating, file_name, kind_of, overlay, rate, read_masks, write_flaws_page
from pixelrnn.cli.calibrate import calibrated
from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, show_json, show_table
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.cli.output import OutputFolder
from pixelrnn.cli.parser import SOURCE
from pixelrnn.config import require_alpha, require_source
from pixelrnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.inspection.inspector import Inspection, Inspector

__all__ = ["REJECTED", "Inspect"]

REJECTED = 1
"""Exit code where at least one picture was rejected."""

COLUMNS = ("name", "verdict", "p_value", "regions", "area", "top", "left", "bottom", "right", "by")
OVERLAY = ".overlay.png"
PICTURES = r".+\.(overlay|mask)\.png|index\.html"
MOST_SHOWN = 20
LEGEND = "In red: where a picture is odder, by what the model expects, than nearly all usual pictures are anywhere."
PAUSE = 1.0  # seconds between two looks at a folder that is watched


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspect:
    """Find the pictures of a folder in which something is unusual, and where.

    Examples:
        pixelrnn inspect runs/tiles new/ --threshold tiles.thresholds --csv new.csv --out new-flaws/
        pixelrnn inspect runs/tiles new/ --alpha 0.001
        pixelrnn inspect runs/tiles labelled/ --masks masks/
        pixelrnn inspect runs/tiles incoming/ --threshold tiles.thresholds --watch

    The exit code is 0 if all pictures are usual, 1 if one is not. A p-value says how often a usual picture is as odd,
    in a window or altogether. Where the folder has a folder `good` and others, the kinds of flaws, it is also said how
    well they are told from the good ones.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str], SOURCE]
    """Pictures to inspect, whole, of any size if the model takes any."""

    threshold: Path | None = None
    """What `pixelrnn calibrate` wrote; if not given, the run's images of validation are compared with."""

    usual: str | None = None
    """Usual images to compare with, instead of those."""

    alpha: float | None = None
    """Share of usual pictures that may be rejected: 0.01, or that of --threshold."""

    csv: Path | None = None
    """CSV file of a row for each picture, which grows: pictures that are in it are not inspected again."""

    out: Path | None = None
    """Folder for overlays and masks of the pictures that are rejected, and a page that shows them."""

    masks: Path | None = None
    """Folder of masks, in folders of their kinds, to measure by."""

    watch: bool = False
    """Go on with pictures that are new in the folder, until Ctrl-C."""

    overwrite: bool = False
    """Begin the file of --csv anew, and replace what an earlier call wrote into the folder of --out."""

    json: bool = False
    """Print JSON: a row for each picture."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        for source in (self.source, self.usual):
            if source is not None:
                require_source(source)
        if self.alpha is not None:
            require_alpha(self.alpha)
        if self.threshold is not None and self.usual is not None:
            raise ConfigError("--threshold says what is usual already; --usual goes without it")
        if self.csv is not None and (self.csv.suffix.lower() != ".csv" or self.csv.is_dir()):
            raise ConfigError(f"--csv is {self.csv}; it names a file that ends in .csv")
        if self.watch and not Path(self.source).is_dir():
            raise ConfigError(f"--watch needs a folder; {self.source} is none")
        if self.out is not None:
            OutputFolder.choose(self.out, self.out, PICTURES, overwrite=self.overwrite)

    def run(self) -> int:
        """Inspect, and show."""
        inspector = self._inspector()
        table = None if self.csv is None else _Table(self.csv, inspector.fingerprint, is_new=self.overwrite)
        folder = None
        if self.out is not None:
            folder = OutputFolder.choose(self.out, self.out, PICTURES, overwrite=self.overwrite).clear()
        work = _Work(inspector, table, folder)
        seen = _content(Path(self.source)) if self.watch else {}
        self._inspect(work)
        self._show(work)
        if self.watch:
            self._watch(work, seen)
        return REJECTED if work.rejected or (table is not None and "unusual" in table.earlier.values()) else 0

    def _inspector(self) -> "Inspector":
        from pixelrnn.inspection.inspector import ALPHA, Inspector

        model = open_model(self.run_folder, self.machine.prepare())
        if self.threshold is None:
            found, _ = calibrated(self.choice, self.run_folder, model, self.usual, self.alpha or ALPHA)
            return found
        found = Inspector.load(self.threshold, model, batch=self.choice.batch)
        found.alpha = self.alpha or found.alpha
        return found

    def _inspect(self, work: "_Work") -> None:
        """Inspect the pictures that were not yet."""
        data, _, images = self.choice.load(open_run(self.run_folder), self.source, are_whole=True)
        names = [data.name(images, item) for item in range(len(images))]
        known = work.known
        items = [item for item, name in enumerate(names) if name not in known]
        if not items:
            return
        images = dataclasses.replace(images, positions=images.positions[items], perturb=0.0)
        keeps = self._is_labelled([names[item] for item in items])
        with progress("inspecting") as report:
            for item, found in enumerate(work.inspector.inspect(images, callback=report)):
                work.add(data, images, item, found, keeps=keeps)
        if work.folder is not None:
            title = f"Rejected: {len(work.rejected):,} of {len(work.rows):,}"
            write_flaws_page(work.folder, title, work.rejected, [LEGEND])

    def _watch(self, work: "_Work", seen: "Content") -> NoReturn:
        """Inspect what is new in the folder, once it is no longer being written."""
        before, shown = seen, len(work.rows)
        while True:
            time.sleep(PAUSE)
            now = _content(Path(self.source))
            if now == before and set(now) - set(seen):
                self._inspect(work)
                for row in work.rows[shown:]:
                    say(_line(row))
                seen, shown = now, len(work.rows)
            before = now

    @staticmethod
    def _is_labelled(names: Sequence[str]) -> bool:
        kinds = {kind_of(name) for name in names}
        return GOOD in kinds and len(kinds) > 1

    def _show(self, work: "_Work") -> None:
        ratings = self._rate(work)
        if self.json:
            kinds = [each._asdict() for each in ratings]
            show_json({"alpha": work.inspector.alpha, "images": work.rows, "kinds": kinds})
            return
        rejected = sorted(work.rejected, key=lambda row: row["p_value"])
        for row in rejected[:MOST_SHOWN]:
            say(_line(row))
        if len(rejected) > MOST_SHOWN:
            say(f"... and {len(rejected) - MOST_SHOWN:,} more")
        if work.table is not None and work.table.earlier:
            say(f"already in {work.table.path}: {len(work.table.earlier):,}")
        expected = work.inspector.alpha * len(work.rows)
        of_all = f"{len(rejected):,} of {len(work.rows):,}"
        say(f"rejected: {of_all}; of as many usual pictures about {expected:.1f} would be")
        if ratings:
            show_table([("kind", "pictures", "rejected", "AUROC", "95%", "AUPRO"), *map(_words, ratings)])
        if work.folder is not None:
            say(f"{work.folder / 'index.html'} shows those that are rejected")

    def _rate(self, work: "_Work") -> list[Rating]:
        if not work.kept:
            return []
        names = [row["name"] for row in work.rows[: len(work.kept)]]
        return rate(names, work.kept, None if self.masks is None else read_masks(self.masks, names))


@dataclasses.dataclass
class _Work:
    """What is done.

    Attributes:
        inspector: Who inspects.
        table: Where rows are kept.
        folder: Where pictures are kept.
        rows: A row for each picture that was inspected.
        kept: What was found in each, where the truth is known.
        files: What the pictures of those that were rejected are called.
    """

    inspector: "Inspector"
    table: "_Table | None"
    folder: Path | None
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    kept: "list[Inspection]" = dataclasses.field(default_factory=list)
    files: set[str] = dataclasses.field(default_factory=set)

    @property
    def known(self) -> set[str]:
        """The names of the pictures that need no inspection any more."""
        return {row["name"] for row in self.rows}.union(() if self.table is None else self.table.earlier)

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The rows of the pictures that were rejected."""
        return [row for row in self.rows if row["verdict"] != "usual"]

    def add(self, data: "Data", images: "ImageSet", item: int, found: "Inspection", *, keeps: bool) -> None:
        """Take note of what was found in an image."""
        row = _row(data.name(images, item), found)
        if self.table is not None:
            self.table.append(row)
        if self.folder is not None and not found.is_usual:
            from PIL import Image

            from pixelrnn.plots import save_image, to_image

            file = file_name(row["name"], self.files)
            self.files.add(file)
            picture = to_image(images.original(item), images.quantiser.source_levels)
            save_image(self.folder / f"{file}{OVERLAY}", overlay(picture, found))
            save_image(self.folder / f"{file}.mask.png", Image.fromarray(found.mask))
            row["file"] = f"{file}{OVERLAY}"
        self.rows.append(row)
        if keeps:
            self.kept.append(found)


def _row(name: str, found: "Inspection") -> dict[str, Any]:
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


def _line(row: dict[str, Any]) -> str:
    if row["verdict"] == "usual":
        return f"usual    p-value {row['p_value']:<8.2g} {row['name']}"
    box = f"{row['right'] - row['left']}x{row['bottom'] - row['top']} at row {row['top']}, column {row['left']}"
    return f"unusual  p-value {row['p_value']:<8.2g} {row['name']}: {box}"


def _words(rating: Rating) -> tuple[str, ...]:
    rejected = f"{rating.rejected} ({rating.rejected / max(1, rating.pictures):.0%})"
    if rating.kind == GOOD:
        return rating.kind, str(rating.pictures), rejected, "", "", ""
    overlap = "" if rating.overlap is None else f"{rating.overlap:.3f}"
    interval = f"{rating.interval[0]:.3f}-{rating.interval[1]:.3f}"
    return rating.kind, str(rating.pictures), rejected, f"{rating.area:.3f}", interval, overlap


class _Table:
    """A CSV file that grows row by row, each whole before the next is begun.

    Args:
        path: The file.
        by: What the rows are by: another model or calibration must not go on with them.
        is_new: Begin it anew.

    Attributes:
        earlier: The verdicts of the pictures that it held at first, by their names.
    """

    def __init__(self, path: Path, by: str, *, is_new: bool) -> None:
        self.path, self.by, self.earlier = path, by, dict[str, str]()
        if is_new or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write([COLUMNS], "w")
            return
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if rows and set(rows[0]) != set(COLUMNS):
            raise DataError(f"{path} is a table of something else; choose another name with --csv, or give --overwrite")
        if any(row["by"] != by for row in rows):
            raise DataError(
                f"{path} holds verdicts by another model, threshold or alpha; choose another name with --csv, or give "
                "--overwrite"
            )
        self.earlier = {row["name"]: row["verdict"] for row in rows}

    def append(self, row: dict[str, Any]) -> None:
        """Add a row, on the disk when this returns."""
        self._write([[{**row, "by": self.by}.get(name, "") for name in COLUMNS]], "a")

    def _write(self, rows: Sequence[Sequence[Any]], mode: str) -> None:
        with self.path.open(mode, encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
            file.flush()
            os.fsync(file.fileno())


Content: TypeAlias = dict[str, tuple[int, float]]


def _content(folder: Path) -> Content:
    """Sizes and times of the files in a folder and those in it."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            if path.is_file() and not path.name.startswith("."):
                found[str(path)] = (path.stat().st_size, path.stat().st_mtime)
    return found

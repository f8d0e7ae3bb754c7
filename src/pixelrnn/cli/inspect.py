"""`pixelrnn inspect`."""

import contextlib
import dataclasses
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
from pixelrnn.cli.verdicts import VerdictTable, line_of, row_of
from pixelrnn.config import require_alpha, require_source
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.inspection.inspector import Inspection, Inspector

__all__ = ["REJECTED", "Inspect"]

REJECTED = 1
"""Exit code where at least one picture was rejected."""

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
        self._out_folder()

    def run(self) -> int:
        """Inspect, and show."""
        inspector = self._inspector()
        folder = self._out_folder()
        table = None if self.csv is None else VerdictTable(self.csv, inspector.fingerprint, is_new=self.overwrite)
        work = _Work(inspector, table, None if folder is None else folder.clear())
        seen = _content(Path(self.source)) if self.watch else {}
        self._inspect(work)
        self._show(work)
        if self.watch:
            self._watch(work, seen)
        return REJECTED if work.rejected else 0

    def _out_folder(self) -> OutputFolder | None:
        """Where pictures go: into what an earlier call wrote only with its table, to go on with both."""
        if self.out is None:
            return None
        if self.csv is not None and self.csv.exists() and not self.overwrite:
            return OutputFolder.go_on(self.out, PICTURES)
        return OutputFolder.choose(self.out, self.out, PICTURES, overwrite=self.overwrite)

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
        known = {row["name"] for row in work.rows}
        if items := [item for item, name in enumerate(names) if name not in known]:
            images = dataclasses.replace(images, positions=images.positions[items], perturb=0.0)
            keeps = self._is_labelled(names)
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
                    say(line_of(row))
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
            say(line_of(row))
        if len(rejected) > MOST_SHOWN:
            say(f"... and {len(rejected) - MOST_SHOWN:,} more")
        if work.table is not None and work.table.earlier:
            say(f"already in {work.table.path}: {len(work.table.earlier):,}")
        expected = work.inspector.alpha * len(work.rows)
        of_all = f"{len(rejected):,} of {len(work.rows):,}"
        say(f"rejected: {of_all}; of as many usual pictures about {expected:.1f} would be")
        if ratings:
            show_table([("kind", "pictures", "rejected", "AUROC", "95%", "AUPRO"), *map(_words, ratings)])
            if self.masks is not None and len(work.seen) < len(work.rows):
                say("AUPRO needs what was found in all pictures: --overwrite inspects them again")
        if work.folder is not None:
            say(f"{work.folder / 'index.html'} shows those that are rejected")

    def _rate(self, work: "_Work") -> list[Rating]:
        names = [row["name"] for row in work.rows]
        if not self._is_labelled(names):
            return []
        return rate(work.rows, work.seen, None if self.masks is None else read_masks(self.masks, names))


@dataclasses.dataclass
class _Work:
    """What is done.

    Attributes:
        inspector: Who inspects.
        table: Where rows are kept.
        folder: Where pictures are kept.
        rows: A row for each picture, at first those of the table.
        seen: What was found in each that was inspected, by its name, where the truth is known.
        taken: What the pictures in the folder are called.
    """

    inspector: "Inspector"
    table: VerdictTable | None
    folder: Path | None
    rows: list[dict[str, Any]] = dataclasses.field(init=False)
    seen: "dict[str, Inspection]" = dataclasses.field(default_factory=dict)
    taken: set[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Go on with the rows and the pictures that there are."""
        self.rows = [] if self.table is None else list(self.table.earlier)
        there = () if self.folder is None else self.folder.glob(f"*{OVERLAY}")
        self.taken = {path.name.removesuffix(OVERLAY) for path in there}

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The rows of the pictures that were rejected."""
        return [row for row in self.rows if row["verdict"] != "usual"]

    def add(self, data: "Data", images: "ImageSet", item: int, found: "Inspection", *, keeps: bool) -> None:
        """Take note of what was found in an image."""
        row = row_of(data.name(images, item), found)
        if self.folder is not None and not found.is_usual:
            row["file"] = self._show(self.folder, images, item, row["name"], found)
        if self.table is not None:
            self.table.append(row)
        self.rows.append(row)
        if keeps:
            self.seen[row["name"]] = found

    def _show(self, folder: Path, images: "ImageSet", item: int, name: str, found: "Inspection") -> str:
        """Write the pictures of a picture that is rejected; returns the name of the overlay."""
        from PIL import Image

        from pixelrnn.plots import save_image, to_image

        file = file_name(name, self.taken)
        self.taken.add(file)
        picture = to_image(images.original(item), images.quantiser.source_levels)
        save_image(folder / f"{file}{OVERLAY}", overlay(picture, found))
        save_image(folder / f"{file}.mask.png", Image.fromarray(found.mask))
        return f"{file}{OVERLAY}"


def _words(rating: Rating) -> tuple[str, ...]:
    rejected = f"{rating.rejected} ({rating.rejected / max(1, rating.pictures):.0%})"
    if rating.kind == GOOD:
        return rating.kind, str(rating.pictures), rejected, "", "", ""
    overlap = "" if rating.overlap is None else f"{rating.overlap:.3f}"
    interval = f"{rating.interval[0]:.3f}-{rating.interval[1]:.3f}"
    return rating.kind, str(rating.pictures), rejected, f"{rating.area:.3f}", interval, overlap


Content: TypeAlias = dict[str, tuple[int, float]]


def _content(folder: Path) -> Content:
    """Sizes and times of the files in a folder and those in it."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            if path.is_file() and not path.name.startswith("."):
                found[str(path)] = (path.stat().st_size, path.stat().st_mtime)
    return found

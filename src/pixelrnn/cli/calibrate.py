"""`pixelrnn calibrate`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.cli.output import require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.config import require_alpha, require_source

if TYPE_CHECKING:
    from pixelrnn.inspection.inspector import Inspector
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Calibrate", "calibrated"]

THRESHOLDS = ".thresholds"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrate:
    """Learn how surprising usual images are to a model, for `pixelrnn inspect`.

    Examples:
        pixelrnn calibrate runs/tiles good-tiles/ --out tiles.thresholds
        pixelrnn inspect runs/tiles new/ --threshold tiles.thresholds

    They must not be images that the model was trained on, or everything else would be unusual; without a source those
    of validation are taken.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """Usual images, whole, of any size if the model takes any; those of validation of the run if not given."""

    out: Path = Path("usual.thresholds")
    """File to write."""

    alpha: float = 0.01
    """Share of usual images that may be rejected."""

    overwrite: bool = False
    """Replace the file."""

    json: bool = False
    """Print JSON."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        require_alpha(self.alpha)
        require_file("--out", self.out, THRESHOLDS, overwrite=self.overwrite)

    def run(self) -> int:
        """Calibrate, and say what that means."""
        model = open_model(self.run_folder, self.machine.prepare())
        inspector, count = calibrated(self.choice, self.run_folder, model, self.source, self.alpha)
        inspector.save(self.out)
        alarms = inspector.false_alarms()
        calibration = inspector.calibration_
        assert calibration is not None
        if self.json:
            facts = {"usual_images": count, "alpha": self.alpha, "rejected": alarms.rate, "interval": alarms.interval}
            show_json(facts | {"places": calibration.size, "file": str(self.out)})
            return 0
        say(f"{count:,} usual images; at alpha {self.alpha} {alarms.rate:.1%} of them are rejected")
        say(f"95% interval of that share: {alarms.interval[0]:.1%} to {alarms.interval[1]:.1%}")
        if calibration.size is not None:
            say(f"they show the same at the same places: these are compared one by one, in {_size(calibration.size)}")
        if self.alpha * count < 1:
            say(f"so rare an event was not seen among {count:,}: it is extrapolated; more images make it surer")
        say(f"wrote {self.out}")
        return 0


def _size(size: tuple[int, int]) -> str:
    return f"images that are read as {size[1]}x{size[0]} pixels"


def calibrated(
    choice: Choice, folder: ModelFolder, model: "AbstractImageModel", source: str | None, alpha: float
) -> "tuple[Inspector, int]":
    """An inspector that knows the usual images of a source, or else those of validation, and how many they are."""
    from pixelrnn.inspection.inspector import Inspector

    own = dataclasses.replace(choice, split="valid", limit=None)
    chosen = own if source is None else dataclasses.replace(choice, split="all")
    _, _, images = chosen.load(open_run(folder), source, are_whole=True)
    images = dataclasses.replace(images, perturb=0.0)
    with progress("looking at usual images") as report:
        return Inspector(model, alpha=alpha, batch=choice.batch).fit(images, callback=report), len(images)

"""The trainings in a folder of runs: their curves, how far they are, and what they drew on the way."""

import contextlib
import math
import re
import time
from pathlib import Path
from typing import Any

from pixelrnn.config.names import CONFIG, METRICS, STATE
from pixelrnn.errors import PixelRNNError, RunError
from pixelrnn.runs.run import Run
from pixelrnn.studio.asked import Asked, is_text
from pixelrnn.studio.pictures import as_number
from pixelrnn.studio.trainers import Trainers

__all__ = ["Trainings"]

MOST_POINTS = 400  # of a curve
LIVE = 180.0  # seconds: a training that goes on has written something since
SAMPLES = re.compile(r"[0-9]{1,12}\.png")


class Trainings:
    """What there is to see of the runs of a folder, which is looked at anew each time.

    Args:
        runs: The folder.
        trainers: The trainings that were begun here.
    """

    def __init__(self, runs: Path, trainers: Trainers) -> None:
        self.runs, self.trainers = runs, trainers
        self._opened = dict[Path, tuple[tuple[float, ...], Run]]()

    def list(self, _: Asked) -> dict[str, Any]:
        """All runs, the one that was written last first; one that cannot be read, or failed, says why."""
        folders, trouble = self._folders(), self.trainers.trouble()
        told = [self._told(folder) for folder in sorted(folders.values(), key=_written, reverse=True)]
        for each in told:
            each["isHere"] = self.trainers.is_running(each["name"])
            if each.get("state") != "finished" and self.trainers.has_begun(each["name"]):
                each["state"] = "running" if each["isHere"] else "stopped"
            if each["name"] in trouble:
                each["trouble"] = trouble[each["name"]]
        begun = [{"name": name, "error": "it begins ...", "isHere": True} for name in self.trainers.names]
        failed = [{"name": name, "error": text, "isHere": False} for name, text in trouble.items()]
        return {"runs": [each for each in (*begun, *failed) if each["name"] not in folders] + told}

    def resume(self, asked: Asked) -> dict[str, Any]:
        """Go on with a run."""
        name = asked.text("run")
        if (folder := self._folders().get(name)) is None:
            raise RunError(f"there is no run {name!r:.60} (any more)")
        return self.trainers.resume(asked, self._open(folder))

    def samples(self, run: str, file: str) -> bytes:
        """A picture of samples that a run drew; raises `RunError` if there is none."""
        folder = self._folders().get(run)
        if folder is None or not SAMPLES.fullmatch(file) or not (folder / "samples" / file).is_file():
            raise RunError("there is no such picture (any more)")
        return (folder / "samples" / file).read_bytes()

    def _told(self, folder: Path) -> dict[str, Any]:
        try:
            return _of(self._open(folder), folder)
        except (PixelRNNError, OSError) as error:
            return {"name": folder.name, "error": str(error)}
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            return {"name": folder.name, "error": f"its journal is damaged ({error})"}

    def _open(self, folder: Path) -> Run:
        """The run of a folder, read again only if it was written again."""
        stamp = tuple((folder / name).stat().st_mtime for name in (CONFIG, METRICS))
        if folder not in self._opened or self._opened[folder][0] != stamp:
            self._opened[folder] = stamp, Run.open(folder)
        return self._opened[folder][1]

    def _folders(self) -> dict[str, Path]:
        return {
            folder.name: folder
            for folder in (self.runs.iterdir() if self.runs.is_dir() else ())
            if is_text(folder.name) and (folder / METRICS).is_file() and (folder / CONFIG).is_file()
        }


def _written(folder: Path) -> float:
    """When a run last wrote something."""
    times = [0.0]
    for name in (METRICS, STATE):
        with contextlib.suppress(OSError):  # it may be gone by now
            times.append((folder / name).stat().st_mtime)
    return max(times)


def _of(run: Run, folder: Path) -> dict[str, Any]:
    config, data, training = run.model, run.data, run.training
    if training is None:
        raise RunError("its config.json holds no 'train' configuration")
    dims = math.prod(config.shape)
    last: dict[str, Any] = run.metrics[-1] if run.metrics else {"step": 0, "seconds": 0.0}
    if not math.isfinite(last["seconds"]):
        raise ValueError(f"seconds are {last['seconds']}")
    share = training.used(last["step"], last["seconds"], (run.counts or {}).get("train", 0)) if run.metrics else 0.0
    is_live = not run.is_finished and time.time() - _written(folder) < LIVE
    samples = folder / "samples"
    return {
        "name": folder.name,
        "isTrained": (folder / STATE).is_file(),
        "what": f"{config.architecture}, {config.layers} layers, h={config.hidden}",
        "source": run.source or "",
        "protocol": f"{'x'.join(map(str, config.shape))}, {config.levels or 'continuous'} levels, "
        f"{data.binarize if data.binarize != 'none' else 'as they are'}, split {data.split_seed}",
        "unit": "bits a sub-pixel",
        "step": last["step"],
        "seconds": last["seconds"],
        "share": min(1.0, share),
        "left": last["seconds"] * (1 / share - 1) if 0 < share < 1 else None,
        "state": "finished" if run.is_finished else "running" if is_live else "stopped",
        "best": as_number(run.best / dims / math.log(2)),
        "train": _curve(run.metrics, "train_bits_per_dim"),
        "valid": _curve(run.metrics, "valid_bits_per_dim"),
        "samples": sorted(path.name for path in samples.glob("*.png")) if samples.is_dir() else [],
    }


def _curve(lines: list[dict[str, Any]], name: str) -> list[tuple[float, float, float]]:
    """Step, minutes and loss of the lines that have one, thinned evenly."""
    points = [
        (line["step"], line["seconds"] / 60, line[name])
        for line in lines
        if isinstance(line.get(name), int | float) and math.isfinite(line[name])
    ]
    every = max(1, -(-len(points) // MOST_POINTS))
    return points[::-1][::every][::-1]

"""The run folder as a whole: made at once, and written by one training at a time."""

import dataclasses
import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelrnn.config import TrainConfig
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.data.images import Data
from pixelrnn.errors import ConfigError, RunError, RunExistsError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.runs.files import TEMPORARY, held, temporary_name, write_json, write_tensors
from pixelrnn.runs.run import Run, describe
from pixelrnn.train import optimiser as rules
from pixelrnn.train.checkpoint import Counters, save_state

__all__ = ["RunFolder", "description"]


def description(model: AbstractImageModel, data: Data, config: TrainConfig) -> dict[str, Any]:
    """The content of the `config.json` of a training."""
    configs = describe(data.source, model=model.config, data=data.config, train=config)
    return {**configs, "images": data.counts, "fingerprints": data.fingerprints, "labels": list(data.label_names)}


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """What is trained on what, how, and where it is written; without a state if its parts have runs of their own."""

    path: Path
    model: AbstractImageModel
    data: Data
    config: TrainConfig
    has_state: bool = True

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[None]:
        """Make the folder, or check that the run in it can go on; keep other trainings out meanwhile.

        The lock goes with the process, however it ends. What a killed process was about to rename is cleared.

        Raises:
            RunError: If the folder exists (new run), holds no run or another source's (resumed run), or is in use.
            ConfigError: If TensorBoard is wanted and not installed.
        """
        if self.config.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("tensorboard is not installed: pip install 'pixelrnn[tensorboard]'")
        if not resume:
            self._create()
        elif not (self.path / CONFIG).exists():
            raise RunError(f"{self.path}: no config.json here; there is no run to resume")
        with held(self.path / ".lock", RunError(f"{self.path}: another process is training in it")):
            for leftover in self.path.glob(f"{TEMPORARY}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            if resume:
                self._record()
            yield

    def _describe(self) -> dict[str, Any]:
        return description(self.model, self.data, self.config)

    def _record(self) -> None:
        """Note a new budget; refuse other images than those that the run was begun with."""
        before, now = Run.open(self.path).recorded, self._describe()
        for what in ("images", "labels"):
            if before.get(what, now[what]) != now[what]:
                raise RunError(
                    f"{self.path}: {self.data.source} now gives {now[what]} {what}; "
                    f"the run was begun with {before[what]} (a new one can `start_from` {self.path})"
                )
        kept = before.get("fingerprints") or now["fingerprints"]
        if moved := [split for split in kept if kept[split] != now["fingerprints"][split]]:
            raise RunError(
                f"{self.path}: the images of {self.data.source} for {' and '.join(moved)} are no longer those that the "
                f"run was begun with; files may have been changed or renamed (a new one can `start_from` {self.path})"
            )
        write_json(self.path / CONFIG, now)

    def _create(self) -> None:
        """Make the folder; it appears with all that a loadable, resumable run needs, or not at all."""
        taken = RunExistsError(f"{self.path} exists; continue it with `resume`, or choose another name")
        if self.path.exists():
            raise taken
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            building = temporary_name(self.path.parent)
            building.mkdir()
        except OSError as error:
            raise self._unmakeable(error) from error
        try:
            write_json(building / CONFIG, self._describe())
            write_tensors(building / MODEL, self.model.state_dict())
            if self.has_state:
                optimiser = rules.build(self.model, self.config)
                save_state(building, Counters(), self.model, self.model, optimiser)
            building.rename(self.path)
        except OSError as error:
            # Another process may have made it meanwhile: the error for that differs between systems.
            raise (taken if self.path.exists() else self._unmakeable(error)) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _unmakeable(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be made ({error.strerror}: {error.filename})")

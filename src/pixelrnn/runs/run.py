"""A run, or a model without one, as its folder tells it: the only reader of `config.json` and of the journal."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from pixelrnn import zoo
from pixelrnn.config import Config, DataConfig, ModelConfig, TrainConfig, from_json, to_json
from pixelrnn.config.names import CONFIG, METRICS, STATE
from pixelrnn.errors import RunError
from pixelrnn.runs.files import read_json
from pixelrnn.zoo import hub

__all__ = ["Run", "describe", "name_of", "read_metrics"]

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Run:
    """A training: what was trained on what, how, and what came of it. `fit` returns one, `Run.open` reads one.

    Attributes:
        folder: Where it was written, if it was.
        metrics: Lines of the journal.
        step: Optimiser steps made.
        is_finished: Whether the budget was used; true of a model that has no run.
        best: Lowest validation loss, nats per image; infinite without a validation.
        recorded: Content of `config.json`.

    Example:
        >>> run = Run.open("mnist-row-lstm")
        >>> run.name, run.model.architecture, run.counts["train"]
        ('mnist-row-lstm', 'row-lstm', 50000)
    """

    folder: Path | None
    metrics: list[dict[str, Any]] = dataclasses.field(repr=False)
    step: int
    is_finished: bool
    best: float
    recorded: dict[str, Any] = dataclasses.field(repr=False, default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """The run of a folder; or a model folder, a shipped model by its name, or `hf:owner/name` of the hub.

        Raises:
            RunError: If there is none, or its files are damaged.
        """
        folder = zoo.find(folder)
        if not folder.exists():
            raise RunError(zoo.unknown(folder))
        recorded = read_json(folder / CONFIG)
        if not isinstance(recorded, dict):
            raise RunError(f"{folder / CONFIG}: holds no 'model' configuration")
        metrics = read_metrics(folder)
        last: dict[str, Any] = metrics[-1] if metrics else {}
        run = cls(folder, metrics, last.get("step", 0), True, math.inf, recorded)
        best = run.best_validation
        return dataclasses.replace(
            run, is_finished=run._has_used_budget(last), best=math.inf if best is None else best["valid_nats"]
        )

    def config(self, kind: type[Config]) -> Config:
        """The configuration of one kind.

        Raises:
            RunError: If none is recorded, or in a format of a newer version.
            ConfigError: If a field is not allowed.
        """
        path, name = self._place, kind.__name__.removesuffix("Config").lower()
        if name not in self.recorded:
            raise RunError(f"{path}: holds no {name!r} configuration")
        if self.recorded.get("format") != FORMAT:
            raise RunError(f"{path}: format {self.recorded.get('format')!r}; this version reads {FORMAT}")
        return from_json(kind, self.recorded[name], path)

    @property
    def name(self) -> str:
        """What stands for it: its folder; the name of a shipped model, or of one of the hub."""
        return "the run" if self.folder is None else name_of(self.folder)

    @property
    def model(self) -> ModelConfig:
        """The network."""
        return self.config(ModelConfig)

    @property
    def data(self) -> DataConfig:
        """How the images were read; of a model without a run what its levels say."""
        return self.config(DataConfig) if "data" in self.recorded else DataConfig(levels=self.model.levels)

    @property
    def training(self) -> TrainConfig | None:
        """How it was trained; None of a model without a run."""
        return self.config(TrainConfig) if "train" in self.recorded else None

    @property
    def source(self) -> str | None:
        """Where the images are from, if that is known."""
        return self.recorded.get("source")

    @property
    def labels(self) -> list[str]:
        """Names of the labels, each at its number."""
        return self.recorded.get("labels") or []

    @property
    def counts(self) -> dict[str, int] | None:
        """Numbers of the images of each split, if they are known."""
        return self.recorded.get("images")

    @property
    def fingerprints(self) -> dict[str, str] | None:
        """What each split held, if that is known; see `pixelrnn.data.images.ImageSet.fingerprint`."""
        return self.recorded.get("fingerprints")

    @property
    def validations(self) -> list[dict[str, Any]]:
        """The lines of the journal that have a validation."""
        return [line for line in self.metrics if "valid_nats" in line]

    @property
    def best_validation(self) -> dict[str, Any] | None:
        """The line of the journal with the lowest validation loss, if there is one."""
        return min(self.validations, key=lambda line: float(line["valid_nats"]), default=None)

    @property
    def is_trained(self) -> bool:
        """Whether the weights are more than a beginning: false of a run without any validation.

        One whose scales are trained one after the other has none before all are trained.
        """
        folder = self.folder
        is_run = folder is not None and ((folder / STATE).exists() or any(folder.glob("scale-*")))
        return not is_run or bool(self.validations)

    @property
    def _place(self) -> str:
        return CONFIG if self.folder is None else str(self.folder / CONFIG)

    def _has_used_budget(self, last: dict[str, Any]) -> bool:
        """Whether the budget is used by the last line of the journal."""
        if "train" not in self.recorded:
            return True
        images = (self.counts or {}).get("train", 0)
        return bool(last) and self.config(TrainConfig).used(last["step"], last["seconds"], images) >= 1


def name_of(folder: Path) -> str:
    """What stands for a folder: itself; the name of a shipped model, or of one of the hub."""
    return folder.name if zoo.is_shipped(folder) else hub.name_of(folder) or str(folder)


def describe(source: str | None, **configs: ModelConfig | DataConfig | TrainConfig) -> dict[str, Any]:
    """The content of a `config.json`: the format's number, the data's source and each configuration under its name."""
    return {"format": FORMAT, "source": source, **{name: to_json(config) for name, config in configs.items()}}


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal, none if there is no journal; a last line that was cut short is left out."""
    path = folder / METRICS
    lines: list[dict[str, Any]] = []
    try:
        texts = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable as lines of JSON ({error})") from error
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            break
        if not isinstance(line, dict):
            break
        lines.append(line)
    return lines

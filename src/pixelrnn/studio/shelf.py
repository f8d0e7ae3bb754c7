"""The models that the page has: the shipped ones, and those in a folder of runs."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pixelrnn import zoo
from pixelrnn.archive.pictures import require_pictures
from pixelrnn.config import ModelConfig
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import ArchiveError, PixelRNNError, RunError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.loading import load_model
from pixelrnn.runs.run import Run
from pixelrnn.studio.asked import is_text

__all__ = ["Shelf", "takes_any_size"]

KEPT = 6  # models in memory


class Shelf:
    """Models by their names, which are all that a page can say: never a path.

    Args:
        runs: Folder whose folders are runs; looked at anew each time.
        others: Further models, by their names, and their folders.
    """

    def __init__(self, runs: Path, others: Mapping[str, Path]) -> None:
        self.runs, self.others = runs, others
        self._models, self._lock = OrderedDict[str, tuple[float, AbstractImageModel]](), threading.Lock()

    def folders(self) -> dict[str, Path]:
        """The folder of each model."""
        found = {name: zoo.find(name) for name in zoo.names()} | dict(self.others)
        for folder in sorted(self.runs.iterdir()) if self.runs.is_dir() else ():
            if (folder / CONFIG).is_file() and (folder / MODEL).is_file() and is_text(folder.name):
                found[f"{self.runs.name}/{folder.name}"] = folder
        return found

    def folder(self, name: str) -> Path:
        """The folder of a model; errors as by `model`."""
        folder = self.folders().get(name)
        if folder is None:
            raise RunError(f"there is no model {name!r} (any more)")
        return folder

    def about(self) -> list[dict[str, Any]]:
        """What there is to know of each model before it is loaded; one that cannot be read says why."""
        return [_about(name, folder) for name, folder in self.folders().items()]

    def model(self, name: str) -> AbstractImageModel:
        """A model, in memory from then on.

        Raises:
            RunError: If there is none of that name, or it cannot be read.
        """
        folder = self.folder(name)
        made = (folder / MODEL).stat().st_mtime
        with self._lock:
            if name not in self._models or self._models[name][0] != made:
                self._models[name] = made, load_model(folder).requires_grad_(False)
            self._models.move_to_end(name)
            while len(self._models) > KEPT:
                self._models.popitem(last=False)
            return self._models[name][1]


def takes_any_size(run: Run) -> bool:
    """Whether a model is made for pictures of any size, rather than for those that it was trained on."""
    return run.data.crop == "random"  # it was trained on patches of pictures


def _about(name: str, folder: Path) -> dict[str, Any]:
    try:
        return _facts(name, Run.open(folder))
    except (PixelRNNError, OSError, KeyError, TypeError, ValueError) as error:
        return {"name": name, "error": str(error) or "it cannot be read"}


def _facts(name: str, run: Run) -> dict[str, Any]:
    config = run.model
    card = zoo.card(name) if name in zoo.names() else None
    return {
        "name": name,
        "what": card.what if card else f"{config.architecture}, trained here",
        "figure": card.figure if card else "",
        "shape": config.shape,
        "levels": config.levels,
        "classes": config.classes,
        "labels": [str(label) for label in run.labels] or [str(number) for number in range(config.classes)],
        "mayHaveNoLabel": config.label_dropout > 0,
        "orders": config.orders,
        "scales": config.scales,
        "colours": config.colours,
        "needsContext": config.context is not None,
        "codes": _codes(config),
        "anySize": takes_any_size(run),
        "threads": torch.get_num_threads(),
    }


def _codes(config: ModelConfig) -> bool:
    """Whether files can be coded with a model."""
    try:
        require_pictures(config)
    except ArchiveError:
        return False
    return True

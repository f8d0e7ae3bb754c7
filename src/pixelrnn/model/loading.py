"""From a folder, or a name (of a shipped model, of one of the hub), to a model of the right kind."""

from pathlib import Path
from typing import Any, get_args

from pixelrnn import zoo
from pixelrnn.config import ModelConfig
from pixelrnn.config.fields import from_json
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import RunError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.mean import MOST, MeanModel, Of
from pixelrnn.model.multiscale import build_model, kind_of
from pixelrnn.runs import files
from pixelrnn.runs.run import Run

__all__ = ["load_model"]


def load_model(folder: str | Path) -> AbstractImageModel:
    """The model of a run or model folder, a shipped one by its name, or `hf:owner/name` of the hub, of either kind.

    Example:
        >>> load_model("mnist-row-lstm").config.architecture
        'row-lstm'

    Raises:
        RunError: If the folder holds no model, or one that is damaged or does not fit its configuration; or if a model
            of the hub cannot be fetched.
    """
    folder = zoo.find(folder)
    run = Run.open(folder)
    if "mean" in run.recorded:
        return _mean(folder, run.recorded["mean"])
    return kind_of(run.model).from_pretrained(folder)


def _mean(folder: Path, described: Any) -> MeanModel:
    """The mean that a folder holds."""
    try:
        of, weights = described["of"], tuple(float(weight) for weight in described["weights"])
        configs = [from_json(ModelConfig, each, str(folder)) for each in described["models"]]
        if of not in get_args(Of) or not 0 < len(configs) == len(weights) <= MOST:
            raise ValueError(of)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / CONFIG}: what it is a mean of cannot be read ({error})") from error

    def made() -> MeanModel:
        return MeanModel([build_model(config, seed=0) for config in configs], weights, of)

    largest = max(configs, key=lambda config: config.least_weights)
    model = files.load_tensors(folder / MODEL, made, largest).eval()
    model.origin = zoo.origin(folder)
    return model

"""The training state in one file, `state.safetensors`: all that a resumed run needs to go on bit for bit.

Weights, average weights and the optimiser's moments as tensors; the counters as JSON in the header. There is no random
state to keep: every draw is a function of the seed and the step. Nothing is pickled.
"""

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from pixelrnn.config.names import STATE
from pixelrnn.errors import RunError
from pixelrnn.runs.files import read_tensors, write_tensors

__all__ = ["Counters", "load_state", "save_state"]


@dataclasses.dataclass
class Counters:
    """Where a training stands.

    Attributes:
        step: Optimiser steps made.
        seconds: Training time so far, over all sittings.
        logged: Journal lines written.
        evaluated: Validations made.
        best: Lowest validation loss in nats.
        best_step: Where it was reached.
        loss: Sum of the losses since the last journal line, nats per sub-pixel.
        losses: Number of them.
    """

    step: int = 0
    seconds: float = 0.0
    logged: int = 0
    evaluated: int = 0
    best: float = float("inf")
    best_step: int = 0
    loss: float = 0.0
    losses: int = 0


def save_state(folder: Path, counters: Counters, model: nn.Module, average: nn.Module, optimiser: Optimizer) -> None:
    """Replace the state file in one step."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    write_tensors(folder / STATE, tensors, dataclasses.asdict(counters))


def load_state(folder: Path, model: nn.Module, average: nn.Module, optimiser: Optimizer) -> Counters:
    """Load the state file into the model, its average and the optimiser.

    Raises:
        RunError: If there is none, or it is damaged or of another model.
    """
    tensors, counters = read_tensors(folder / STATE)
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
    try:
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        model.load_state_dict(parts["model"])
        average.load_state_dict(parts["average"])
        _load_optimiser(optimiser, parts["optimiser"])
        return Counters(**{name: value for name, value in counters.items() if value is not None})  # none: infinite
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(
            f"{folder / STATE}: not the training state of this model ({' '.join(str(error).split())})"
        ) from error


def _load_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = tensor.clone()
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})

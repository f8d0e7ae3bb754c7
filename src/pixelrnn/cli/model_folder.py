"""Finding and loading the model of a command."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn import hub, zoo
from pixelrnn.cli.console import is_first_process, say
from pixelrnn.config import require_run
from pixelrnn.errors import RunError

if TYPE_CHECKING:
    import torch

    from pixelrnn.abstract import AbstractImageModel

__all__ = ["ModelFolder", "home", "open_model", "require_model"]


def _find(words: list[str]) -> Path:
    # What the parser prints is held back until its errors are known; the progress of a download is for now.
    with contextlib.redirect_stderr(sys.__stderr__):
        return zoo.find(words[0])


ModelFolder = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="MODEL",
        instance_from_str=_find,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    ),
]
"""An argument that names a run or model folder, a shipped model, or one of the Hugging Face hub."""


def require_model(folder: Path) -> None:
    """Check, without torch, that an argument names a model; raises `RunError` if not."""
    if not folder.exists():
        shipped = ", ".join(zoo.names())
        raise RunError(f"{folder} is neither a folder nor one of the shipped models {shipped} (nor hf:owner/name)")
    require_run(folder)


def home(model: Path) -> Path:
    """Where what a command makes with a model is kept: with a run; in the working folder if it is from elsewhere."""
    if zoo.is_shipped(model):
        return Path(model.name)
    fetched = hub.name_of(model)
    return Path(fetched) if fetched else model


def open_model(run_folder: Path, device: "torch.device | str" = "cpu") -> "AbstractImageModel":
    """The model of a folder, with a warning if some of its scales have not been trained to their end."""
    from pixelrnn.pretrained import load_model
    from pixelrnn.storage import read_json

    model = load_model(run_folder).to(device)
    training = read_json(run_folder / "config.json").get("train") or {}
    is_finished = not training.get("separately") or (run_folder / "metrics.jsonl").exists()
    if not is_finished and is_first_process():
        done = ", ".join(sorted(path.name for path in run_folder.glob("scale-*"))) or "none"
        say(
            f"warning: the scales of {run_folder} are not all trained yet (begun: {done}); "
            f"go on with: pixelrnn train --resume {run_folder}",
            is_aside=True,
        )
    return model

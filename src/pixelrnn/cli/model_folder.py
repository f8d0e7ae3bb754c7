"""Finding and loading the model of a command."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from pixelrnn import zoo
from pixelrnn.cli.console import is_first_process, say
from pixelrnn.config import require_run
from pixelrnn.config.names import CONFIG, MODEL, RUNS
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.zoo import hub

if TYPE_CHECKING:
    import torch

    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.runs.run import Run

__all__ = [
    "AlsoModels",
    "ModelFolder",
    "by_name",
    "fetched",
    "home",
    "is_model",
    "open_model",
    "open_models",
    "open_run",
    "require_model",
    "warn_if_untrained",
]


Command = TypeVar("Command")


def _find(words: list[str]) -> Path:
    # A model of the hub is fetched when all else is known to be right: `fetched`.
    return Path(words[0]) if hub.is_there(words[0]) else zoo.find(words[0])


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

AlsoModels = Annotated[tyro.conf.UseAppendAction[tuple[ModelFolder, ...]], tyro.conf.arg(metavar="MODEL")]
"""An option that names another model, and may be given several times."""


def require_model(model: str | Path) -> None:
    """Check, without torch, that an argument names a model; raises `RunError` if not."""
    if hub.is_there(model):
        hub.split(model)
        return
    folder = zoo.find(model)
    if not folder.exists():
        raise RunError(zoo.unknown(folder))
    require_run(folder)


def is_model(name: str) -> bool:
    """Whether a word, which could name a source of images as well, names a model."""
    folder = Path(name)
    if folder.exists():
        return all((folder / file).exists() for file in (CONFIG, MODEL))
    return name in zoo.names()  # hf:owner/name is a data set where images are expected


def by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """Several models by their names; raises `ConfigError` if two have one."""
    from pixelrnn.runs.run import name_of

    found = {name_of(folder): folder for folder in folders}
    if len(found) < len(folders):
        raise ConfigError(f"a model is named twice: {', '.join(map(name_of, folders))}")
    return found


def fetched(command: Command) -> Command:
    """A command whose models of the hub are folders: those it names are fetched."""
    values = {field.name: getattr(command, field.name) for field in dataclasses.fields(command)}  # type: ignore[arg-type]
    found: dict[str, Any] = {
        name: hub.fetch(value) for name, value in values.items() if isinstance(value, Path) and hub.is_there(value)
    }
    found |= {
        name: tuple(hub.fetch(each) if hub.is_there(each) else each for each in value)
        for name, value in values.items()
        if isinstance(value, tuple) and any(isinstance(each, Path) and hub.is_there(each) for each in value)
    }
    return dataclasses.replace(command, **found) if found else command  # type: ignore[type-var]


def home(model: Path) -> Path:
    """Where what a command makes with a model is kept: with a run; among the runs if it is from elsewhere.

    Not in a folder of the model's name, which may be one of pictures.
    """
    from pixelrnn.runs.run import name_of

    name = name_of(model)
    return model if name == str(model) else Path(RUNS) / name


def open_run(run_folder: str | Path) -> "Run":
    """What a folder tells of its model."""
    from pixelrnn.runs.run import Run

    return Run.open(run_folder)


def open_model(run_folder: Path, device: "torch.device | str" = "cpu") -> "AbstractImageModel":
    """The model of a folder, with a warning if it is that of a run without any validation yet."""
    from pixelrnn.model.loading import load_model

    model = load_model(run_folder).to(device)
    warn_if_untrained(open_run(run_folder))
    return model


def open_models(folders: Sequence[Path], device: "torch.device | str" = "cpu") -> "dict[str, AbstractImageModel]":
    """Several models by their names, which are asked about the same images.

    Raises:
        ConfigError: If two have one name, or they take images of other kinds.
    """
    models = {name: open_model(folder, device) for name, folder in by_name(folders).items()}
    shapes = {name: (each.config.shape[0], each.config.levels) for name, each in models.items()}
    kinds = {name: f"{'1 channel' if c == 1 else f'{c} channels'} of {n} levels" for name, (c, n) in shapes.items()}
    first, *others = kinds
    if odd := next((name for name in others if kinds[name] != kinds[first]), None):
        raise ConfigError(f"{odd} takes {kinds[odd]}, {first} {kinds[first]}; ask them one by one")
    return models


def warn_if_untrained(run: "Run") -> None:
    """Say so, if a run has no validation yet."""
    run_folder = run.folder
    if is_first_process() and run_folder is not None and not run.is_trained:
        scales = ", ".join(sorted(path.name for path in run_folder.glob("scale-*")))
        begun = f" (begun: {scales})" if scales else ""
        say(
            f"warning: {run_folder} is not trained yet{begun}; go on with: pixelrnn train --resume {run_folder}",
            is_aside=True,
        )

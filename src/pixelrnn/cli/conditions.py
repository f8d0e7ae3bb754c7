"""Conditions as a user gives them: labels by number or name, contexts as image files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrnn.cli.sources import recorded_data
from pixelrnn.config import DataConfig
from pixelrnn.errors import ConfigError
from pixelrnn.runs.names import CONFIG

if TYPE_CHECKING:
    from torch import Tensor

    from pixelrnn.config import ModelConfig

__all__ = ["label_number", "read_contexts"]


def label_number(text: str | None, run_folder: Path, model: "ModelConfig") -> int | None:
    """The number of a label that is given by number or by name.

    Raises:
        ConfigError: If there is no such label.
    """
    from pixelrnn.runs.files import read_json

    if text is None:
        return None
    names = read_json(run_folder / CONFIG).get("labels") or []
    if text in names:
        return int(names.index(text))
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if not model.classes:
        raise ConfigError("--label is given, but the model has no labels (it was trained without)")
    known = ", ".join(names[:20]) or f"0 .. {model.classes - 1}"
    raise ConfigError(f"--label is {text!r}; the labels are {known}")


def read_contexts(paths: tuple[Path, ...], run_folder: Path, model: "ModelConfig") -> "Tensor | None":
    """The context images of some files, `(K, Cc, Hc, Wc)`, at the size that the model was trained with.

    Where training made contexts from the images themselves, a file is taken for the image, and its context made in the
    same way; one that has the size of a smaller context already is taken as it is.

    Raises:
        ConfigError: If the model has no context.
        DataError: If a file is no image, or cannot have the channels.
    """
    import torch

    if not paths:
        return None
    if model.context is None:
        raise ConfigError("--context is given, but the model has none (it was trained without)")
    recorded = recorded_data(run_folder, model)
    return torch.stack([_read_context(path, recorded, model) for path in paths])


def _read_context(path: Path, recorded: DataConfig, model: "ModelConfig") -> "Tensor":
    from pixelrnn.data.contexts import derive
    from pixelrnn.data.single import read_image, size_of, whole_image

    assert model.context is not None
    channels, small = model.context[0], model.context[1:]
    is_small = recorded.context != "grey" and size_of(path) == small
    if recorded.context in ("none", "given") or is_small:
        return read_image(path, whole_image(recorded, small), channels=channels, levels=model.levels)
    config = whole_image(recorded, model.shape[1:])
    image = read_image(path, config, channels=model.shape[0], levels=model.levels)
    return derive(recorded.context, image[None])[0]

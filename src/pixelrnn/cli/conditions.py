"""Conditions as a user gives them: labels by number or name, contexts as image files."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from pixelrnn.config import ModelConfig

__all__ = ["label_number", "read_contexts"]


def label_number(text: str | None, run_folder: Path, model: "ModelConfig") -> int | None:
    """The number of a label that is given by number or by name.

    Raises:
        ConfigError: If there is no such label.
    """
    from pixelrnn.storage import read_json

    if text is None:
        return None
    names = read_json(run_folder / "config.json").get("labels") or []
    if text in names:
        return int(names.index(text))
    if text.lstrip("-").isdigit():
        return int(text)
    known = ", ".join(names[:20]) or (f"0 .. {model.classes - 1}" if model.classes else "none: the model has no labels")
    raise ConfigError(f"--label is {text!r}; the labels are {known}")


def read_contexts(paths: tuple[Path, ...], run_folder: Path, model: "ModelConfig") -> "Tensor | None":
    """The context images of some files, `(K, Cc, Hc, Wc)`, at the size that the model was trained with.

    Raises:
        ConfigError: If the model has no context.
        DataError: If a file is no image, or cannot have the channels.
    """
    import torch

    from pixelrnn.cli.sources import recorded_data
    from pixelrnn.data.single import read_image

    if not paths:
        return None
    if model.context is None:
        raise ConfigError("--context is given, but the model has none (it was trained without)")
    channels, *size = model.context
    config = dataclasses.replace(
        recorded_data(run_folder, model), size=(size[0], size[1]), crop="centre", patches=1, subsample=1
    )
    return torch.stack([read_image(path, config, channels=channels, levels=model.levels) for path in paths])

"""Conditions as a user gives them: labels by number or name, contexts as image files."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pixelrnn.data.contexts import derive
from pixelrnn.data.single import read_image, size_of, whole_image
from pixelrnn.errors import ConfigError
from pixelrnn.runs.run import Run

__all__ = ["label_number", "read_contexts"]

MOST_NAMED = 20  # labels


def label_number(run: Run, text: str | None) -> int | None:
    """The number of a label that is given by number or by name; None if none is.

    Raises:
        ConfigError: If there is no such label.

    Example:
        >>> label_number(Run.open("mnist-classes"), "7")
        7
    """
    if text is None:
        return None
    names, classes = run.labels, run.model.classes
    if text in names:
        return names.index(text)
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if not classes:
        raise ConfigError("`label` is given, but the model has no labels (it was trained without)")
    known = ", ".join(names[:MOST_NAMED]) or f"0 .. {classes - 1}"
    raise ConfigError(f"`label` is {text!r}; the labels are {known}")


def read_contexts(run: Run, paths: Sequence[Path]) -> Tensor | None:
    """The context images of some files, `(K, Cc, Hc, Wc)`, at the size that the model was trained with.

    Where training made contexts from the images themselves, a file is taken for the image, and its context made in the
    same way; one that has the size of a smaller context already is taken as it is.

    Raises:
        ConfigError: If the model has no context.
        DataError: If a file is no image, or cannot have the channels.
    """
    if not paths:
        return None
    if run.model.context is None:
        raise ConfigError("`context` is given, but the model has none (it was trained without)")
    return torch.stack([_read_context(run, path) for path in paths])


def _read_context(run: Run, path: Path) -> Tensor:
    recorded, model = run.data, run.model
    assert model.context is not None
    channels, small = model.context[0], model.context[1:]
    is_small = recorded.context != "grey" and size_of(path) == small
    if recorded.context in ("none", "given") or is_small:
        return read_image(path, whole_image(recorded, small), channels=channels, levels=model.levels)
    config = whole_image(recorded, model.shape[1:])
    image = read_image(path, config, channels=model.shape[0], levels=model.levels)
    return derive(recorded.context, image[None])[0]

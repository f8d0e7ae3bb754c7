"""A model in a process that applies it: loaded once, with the threads that the process is given."""

from pathlib import Path

import torch

from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.loading import load_model

__all__ = ["loaded"]


def loaded(model: AbstractImageModel | str | Path, threads: int | None) -> AbstractImageModel:
    """A model, which may be given by its name, in a process that works with so many threads, if that is said."""
    if threads is not None:
        torch.set_num_threads(threads)
    return load_model(model) if isinstance(model, str | Path) else model

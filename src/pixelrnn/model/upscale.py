"""Larger versions of a small image, drawn from what a model holds likely."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.multiscale import MultiScaleModel
from pixelrnn.progress import Callback, Reporter

__all__ = ["upscale"]


def upscale(
    model: AbstractImageModel,
    small: Tensor,
    n: int,
    *,
    doublings: int | None = None,
    seed: int | None = None,
    callback: Callback | None = None,
    **options: Any,
) -> Tensor:
    """Draw n images of which a small one is a reduced version.

    A Multi-Scale model, or one whose context is copied, takes the small image for every 2^k-th pixel of the large one,
    and keeps those pixels; a model whose context is a smaller image otherwise is given it as its context.

    Args:
        model: The model.
        small: `(C, h, w)` levels, or floats for a continuous model.
        n: Number of images.
        doublings: Number of times that a Multi-Scale model doubles the sides; if not given, up to the size of its
            training images, or once if the small image is not a smaller version of that size.
        seed: Seed, as for `sample`.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.
        **options: Of `sample`: label, temperature, top_k, top_p, batch.

    Returns:
        `(n, C, H, W)` as from `sample`.

    Raises:
        ConfigError: If the model does not upscale, or not so often.
        DataError: If the small image does not fit.

    Example:
        >>> model = MultiScaleModel(ModelConfig(shape=(1, 8, 8), levels=2, scales=3, layers=1, hidden=4), seed=0)
        >>> small = torch.ones(1, 4, 4, dtype=torch.uint8)
        >>> bool((upscale(model, small, 2, seed=0)[:, :, ::2, ::2] == 1).all())
        True
    """
    if small.dim() != 3:
        raise DataError(f"the small image has shape {tuple(small.shape)}; (C, h, w) is needed")
    steps, images = _steps(model, small, doublings), small.expand(n, *small.shape)
    done, total, report = 0.0, sum(4**number for number in range(len(steps))), Reporter(callback)
    for number, step in enumerate(steps):
        share = 4**number / total
        own = report.part(done, done + share)
        images = step.sample(n, context=images, seed=_seed(seed, number), callback=own.forward, **options)
        done += share
    return images


def _steps(model: AbstractImageModel, small: Tensor, doublings: int | None) -> list[AbstractImageModel]:
    """The models that enlarge the image, one after the other."""
    config = model.config
    if isinstance(model, MultiScaleModel):
        doublings = _doublings(model, small) if doublings is None else doublings
        if not 1 <= doublings < config.scales:
            raise ConfigError(
                f"doublings is {doublings}; this model of {config.scales} scales can do 1 to {config.scales - 1}"
            )
        return list(model.models[-doublings:])
    if config.context is None or config.context_ratio == (1, 1) or config.context[0] != config.shape[0]:
        raise ConfigError("this model does not upscale; train one with `scales` 2 or more, or `context` shrunk")
    if doublings not in (None, 1):
        raise ConfigError(f"doublings is {doublings}; this model enlarges once")
    return [model]


def _seed(seed: int | None, step: int) -> int | None:
    """A seed for each step, or its images would be drawn with the numbers that drew the smaller ones."""
    if seed is None or step == 0:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(step,)).generate_state(1, np.uint64)[0] >> 1)


def _doublings(model: AbstractImageModel, small: Tensor) -> int:
    """How often the sides of the small image are to be doubled to reach those of the training images."""
    shapes = [torch.Size(shape[1:]) for shape in model.config.scale_shapes[:-1]]
    return len(shapes) - shapes.index(small.shape[1:]) if small.shape[1:] in shapes else 1

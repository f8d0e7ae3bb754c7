"""Larger versions of a small image, drawn from what a model holds likely."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.errors import ConfigError, DataError

__all__ = ["upscale"]


def upscale(
    model: AbstractImageModel,
    small: Tensor,
    n: int,
    *,
    doublings: int | None = None,
    callback: Callable[[float], None] | None = None,
    **options: Any,
) -> Tensor:
    """Draw n images of which a small one is a reduced version.

    A Multi-Scale model, or one whose context is copied, takes the small image for every 2^k-th pixel of the large one,
    and keeps those pixels; a model whose context is a smaller image otherwise is given it as its context.

    Args:
        model: The model.
        small: `(C, h, w)` levels, or floats for a continuous model.
        n: Number of images.
        doublings: How often a Multi-Scale model doubles the sides; if not given, up to the size of its training images,
            or once if the small image is not a smaller version of that size.
        callback: Called with the finished share, 0 .. 1.
        **options: Of `sample`: label, temperature, top_k, top_p, seed, batch.

    Returns:
        `(n, C, H, W)` as from `sample`.

    Raises:
        ConfigError: If the model does not upscale, or not so often.
        DataError: If the small image does not fit.

    Example:
        >>> from pixelrnn import MultiScaleModel
        >>> model = MultiScaleModel(ModelConfig(shape=(1, 8, 8), levels=2, scales=3, layers=1, hidden=4), seed=0)
        >>> small = torch.ones(1, 4, 4, dtype=torch.uint8)
        >>> bool((upscale(model, small, 2, seed=0)[:, :, ::2, ::2] == 1).all())
        True
    """
    config = model.config
    if small.dim() != 3:
        raise DataError(f"the small image has shape {tuple(small.shape)}; (C, h, w) is needed")
    if config.scales == 1:
        if config.context is None or config.context_ratio == (1, 1) or config.context[0] != config.shape[0]:
            raise ConfigError("this model does not upscale; train one with --scales 2 or more, or --context shrunk")
        if doublings not in (None, 1):
            raise ConfigError(f"doublings is {doublings}; this model enlarges once")
        return model.sample(n, context=small, callback=callback, **options)
    doublings = _doublings(model, small) if doublings is None else doublings
    if not 1 <= doublings < config.scales:
        raise ConfigError(
            f"doublings is {doublings}; this model of {config.scales} scales can do 1 .. {config.scales - 1}"
        )
    step = 2**doublings
    x = small.repeat_interleave(step, 1).repeat_interleave(step, 2)
    known = torch.zeros(x.shape[1:], dtype=torch.bool)
    known[::step, ::step] = True
    # Everything known comes first in the order of the scales: one particle is exact.
    return model.complete(x.expand(n, *x.shape), known, particles=1, callback=callback, **options).images


def _doublings(model: AbstractImageModel, small: Tensor) -> int:
    """How often the sides of the small image are to be doubled to reach those of the training images."""
    shapes = [torch.Size(shape[1:]) for shape in model.config.scale_shapes[:-1]]
    return len(shapes) - shapes.index(small.shape[1:]) if small.shape[1:] in shapes else 1

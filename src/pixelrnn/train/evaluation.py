"""Negative log-likelihood of a set of images, exact however the set is batched and shared out."""

import dataclasses
import math
import time
from collections.abc import Callable

import torch

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.data.images import ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.train import processes

__all__ = ["Evaluation", "evaluate"]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model says of a set of images.

    Attributes:
        nats: Mean negative log-likelihood of an image, in nats.
        standard_error: Of that mean, in nats; 0 for a single image.
        bits_per_dim: The same mean in bits per sub-pixel.
        images: Number of images.
        images_per_second: Speed.
    """

    nats: float
    standard_error: float
    bits_per_dim: float
    images: int
    images_per_second: float


@torch.no_grad()
def evaluate(
    model: AbstractImageModel, images: ImageSet, *, batch: int = 64, callback: Callable[[float], None] | None = None
) -> Evaluation:
    r"""Compute the mean of :math:`-\ln p(x)` over all images, and its standard error.

    Under `torchrun` each process takes every n-th image; sums are kept in float64.

    Args:
        model: The model.
        images: The images; random draws are those of the set.
        batch: Images computed at once.
        callback: Called with the finished share, 0 .. 1.

    Raises:
        DataError: If there are no images, or they do not fit the model.
    """
    if len(images) == 0:
        raise DataError("there are no images to evaluate")
    if images.quantiser.levels != model.config.levels:
        raise DataError(f"the images have {images.quantiser.levels} levels; the model has {model.config.levels}")
    if batch < 1:
        raise ConfigError(f"batch is {batch}; at least 1 is needed")
    mine = range(processes.rank(), len(images), processes.world())
    start = time.perf_counter()
    sums = torch.zeros(3, dtype=torch.float64)  # of nats, of their squares, of sub-pixels
    for done in range(0, len(mine), batch):
        x, label, context = images.examples(mine[done : done + batch])
        nats = -model.log_prob(x, label=label if model.config.classes else None, context=context).cpu().double()
        sums += torch.stack([nats.sum(), nats.square().sum(), torch.tensor(float(x.numel()), dtype=torch.float64)])
        if callback is not None:
            callback(min(1.0, (done + batch) / len(mine)))
    total, squares, dims = processes.sum_over_processes(sums, model.device).tolist()
    count = len(images)
    variance = max(0.0, squares - total**2 / count) / max(1, count - 1)
    seconds = time.perf_counter() - start
    return Evaluation(total / count, math.sqrt(variance / count), total / dims / math.log(2), count, count / seconds)

"""Negative log-likelihood of a set of images, exact however the set is batched and shared out."""

import dataclasses
import math
import time
from collections.abc import Iterator

import torch

from pixelrnn.data.images import Examples, ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.train import distributed

__all__ = ["Classification", "Evaluation", "classify", "evaluate"]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model says of a set of images.

    Attributes:
        nats: Mean negative log-likelihood of an image, in nats.
        standard_error: Standard error of that mean, in nats; 0 for a single image.
        bits_per_dim: The same mean in bits per sub-pixel.
        images: Number of images.
        images_per_second: Speed.
    """

    nats: float
    standard_error: float
    bits_per_dim: float
    images: int
    images_per_second: float


@dataclasses.dataclass(frozen=True)
class Classification:
    """How well a model finds the labels of a set of images, all labels being alike beforehand.

    Attributes:
        accuracy: Share of the images whose likeliest label is their own.
        nats: Mean of -ln p(label | image).
        marginal_nats: Mean of -ln p(image), the likelihoods of all labels averaged.
        images: Number of images.
    """

    accuracy: float
    nats: float
    marginal_nats: float
    images: int


@torch.no_grad()
def evaluate(
    model: AbstractImageModel, images: ImageSet, *, batch: int = 64, callback: Callback | None = None
) -> Evaluation:
    r"""Compute the mean of :math:`-\ln p(x)` over all images, and its standard error.

    Under `torchrun` each process takes every n-th image; sums are kept in float64.

    Args:
        model: The model.
        images: The images; random draws are those of the set.
        batch: Images computed at once.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.

    Raises:
        DataError: If there are no images, or they do not fit the model.
    """
    start = time.perf_counter()
    sums = torch.zeros(3, dtype=torch.float64)  # of nats, of their squares, of sub-pixels
    for examples in _batches(model, images, batch, Reporter(callback)):
        x = examples.images
        nats = -model.log_prob(x, **examples.given(model.config)).cpu().double()
        sums += torch.stack([nats.sum(), nats.square().sum(), torch.tensor(float(x.numel()), dtype=torch.float64)])
    total, squares, dims = distributed.sum_over_processes(sums, model.device).tolist()
    count = len(images)
    variance = max(0.0, squares - total**2 / count) / max(1, count - 1)
    seconds = time.perf_counter() - start
    return Evaluation(total / count, math.sqrt(variance / count), total / dims / math.log(2), count, count / seconds)


@torch.no_grad()
def classify(
    model: AbstractImageModel, images: ImageSet, *, batch: int = 64, callback: Callback | None = None
) -> Classification:
    """Find the labels of images by `model.classify`, and compare with their own; arguments as for `evaluate`.

    Raises:
        DataError: If there are no images or no labels, or they do not fit the model.
        ConfigError: If the model has no classes.
    """
    if model.config.classes == 0:
        raise ConfigError("the model has no classes; it was trained without labels")
    if images.labels is None:
        raise DataError("the images have no labels to compare with")
    sums = torch.zeros(3, dtype=torch.float64)  # of hits, of nats of the label, of nats of the image
    for x, (label, context, _) in _batches(model, images, batch, Reporter(callback)):
        assert label is not None
        joint = model.log_joint(x, context=context).cpu().double()
        marginal = joint.logsumexp(1)
        own = joint.gather(1, label[:, None])[:, 0] - marginal
        sums += torch.stack([(joint.argmax(1) == label).double().sum(), -own.sum(), -marginal.sum()])
    hits, nats, marginal_nats = (distributed.sum_over_processes(sums, model.device) / len(images)).tolist()
    return Classification(hits, nats, marginal_nats, len(images))


def _batches(model: AbstractImageModel, images: ImageSet, batch: int, report: Reporter) -> Iterator[Examples]:
    """The images that are this process's to compute, after a check that they fit the model."""
    if len(images) == 0:
        raise DataError("there are no images to evaluate")
    images.require_levels(model.config.levels)
    if batch < 1:
        raise ConfigError(f"batch is {batch}; at least 1 is needed")
    mine = range(distributed.rank(), len(images), distributed.world())
    for done in range(0, len(mine), batch):
        yield images.examples(mine[done : done + batch])
        report.amount(min(done + batch, len(mine)), len(mine))

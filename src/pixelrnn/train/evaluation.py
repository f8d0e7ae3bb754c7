"""Negative log-likelihood of a set of images, exact however the set is batched and shared out."""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pixelrnn.data.images import Examples, ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.train import distributed

__all__ = ["Classification", "Evaluation", "classify", "compare", "evaluate", "evaluations_of", "sums_of"]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model says of a set of images.

    Attributes:
        nats: Mean negative log-likelihood of an image, in nats.
        standard_error: Standard error of that mean, in nats; 0 for a single image.
        bits_per_dim: The same mean in bits per sub-pixel.
        images: Number of images.
        images_per_second: Speed.
        difference: Mean of the nats of an image less those by the first of several models that are compared; None for
            that one.
        difference_error: Standard error of that mean; None for the first.
    """

    nats: float
    standard_error: float
    bits_per_dim: float
    images: int
    images_per_second: float
    difference: float | None = None
    difference_error: float | None = None


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
    return compare([model], images, batch=batch, callback=callback)[0]


@torch.no_grad()
def compare(
    models: Sequence[AbstractImageModel],
    images: ImageSet,
    *,
    batch: int = 64,
    exact: bool = False,
    callback: Callback | None = None,
) -> list[Evaluation]:
    """Evaluate models on the same images, and the differences of their nats: the images' own scatter cancels in these.

    Args:
        models: One or more; each is given the labels and contexts that it takes.
        images: Images, as for `evaluate`, like the other arguments and the errors.
        batch: Images computed at once.
        exact: Compute by the walk: see `AbstractImageModel.exact_log_prob`.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.
    """
    sums = torch.zeros(len(models), 6, dtype=torch.float64)  # see below; of all images of this process
    for examples in _batches(models, images, batch, Reporter(callback)):
        x, first = examples.images, None
        for number, model in enumerate(models):
            start = time.perf_counter()
            of = model.exact_log_prob if exact else model.log_prob
            nats = -of(x, **examples.given(model.config)).cpu().double()
            seconds = time.perf_counter() - start
            first = nats if first is None else first
            sums[number] += sums_of(nats, first, x.numel(), seconds)
    sums = distributed.sum_over_processes(sums, models[0].device)
    return evaluations_of(sums, len(images), distributed.world())


def sums_of(nats: Tensor, first: Tensor, dims: int, seconds: float) -> Tensor:
    """What is summed over all images, `(6,)` float64, by their nats by a model and by the first of several.

    Nats, their squares, the differences from the first, the squares of these; sub-pixels; seconds.
    """
    of_all = [nats, nats.square(), nats - first, (nats - first).square()]
    return torch.tensor([*(float(each.sum()) for each in of_all), dims, seconds], dtype=torch.float64)


def evaluations_of(sums: Tensor, count: int, processes: int) -> list[Evaluation]:
    """What the sums `(models, 6)` of `sums_of` over so many images, computed by so many processes at once, say."""
    results = list[Evaluation]()
    for total, squares, difference, difference_squares, dims, seconds in sums.tolist():
        error, difference_error = _error(total, squares, count), _error(difference, difference_squares, count)
        speed = count * processes / seconds
        result = Evaluation(total / count, error, total / dims / math.log(2), count, speed)
        if results:
            result = dataclasses.replace(result, difference=difference / count, difference_error=difference_error)
        results.append(result)
    return results


def _error(total: float, squares: float, count: int) -> float:
    """Standard error of a mean, from the sum and the sum of squares of so many values."""
    return math.sqrt(max(0.0, squares - total**2 / count) / max(1, count - 1) / count)


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
    for x, given in _batches([model], images, batch, Reporter(callback)):
        assert given.label is not None
        joint = model.log_joint(x, context=given.context).cpu().double()
        marginal = joint.logsumexp(1)
        own = joint.gather(1, given.label[:, None])[:, 0] - marginal
        sums += torch.stack([(joint.argmax(1) == given.label).double().sum(), -own.sum(), -marginal.sum()])
    hits, nats, marginal_nats = (distributed.sum_over_processes(sums, model.device) / len(images)).tolist()
    return Classification(hits, nats, marginal_nats, len(images))


def _batches(
    models: Sequence[AbstractImageModel], images: ImageSet, batch: int, report: Reporter
) -> Iterator[Examples]:
    """The images that are this process's to compute, after a check that they fit the models."""
    if len(images) == 0:
        raise DataError("there are no images to evaluate")
    for model in models:
        images.require_levels(model.config.levels)
    if batch < 1:
        raise ConfigError(f"batch is {batch}; at least 1 is needed")
    mine = range(distributed.rank(), len(images), distributed.world())
    for done in range(0, len(mine), batch):
        yield images.examples(mine[done : done + batch])
        report.amount(min(done + batch, len(mine)), len(mine))

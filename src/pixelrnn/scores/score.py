r"""How likely single images are: the numbers that everything else about a density is made of.

Images may differ in size, if the model takes any: those of one size that follow each other are computed together.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.brief import brief
from pixelrnn.data.images import Examples, ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.condition import as_images
from pixelrnn.model.large import AT_ONCE
from pixelrnn.model.pictures import Pictures, as_tensor
from pixelrnn.outputs.moments import SurpriseMap
from pixelrnn.progress import Callback, Reporter

__all__ = [
    "Images", "Scores", "as_set_or_tensor", "batches", "exact_score", "log_prob_map", "log_prob_maps", "score",
    "share_below", "surprise_maps",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

Images = ImageSet | Pictures
"""A set of images, or images as a model takes them: tensors, arrays, PIL images."""


def as_set_or_tensor(model: AbstractImageModel, images: Images) -> ImageSet | Tensor:
    """Images whose number is known, and of which a part can be taken; raises `DataError` if they are none."""
    if isinstance(images, ImageSet):
        return images
    tensor = as_tensor(model.config, images)
    return tensor if tensor.dim() == 4 else as_images(model.config, tensor)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Code lengths of images by a model.

    Attributes:
        nats: `(N,)` float64: -ln p of each.
        dims: `(N,)` int64: sub-pixels of each.
        expected: `(N,)` nats: what the distributions of the sub-pixels expect of `nats`, if that was computed.
        variance: `(N,)` squared nats: the variance that they expect.
    """

    nats: Array
    dims: Array
    expected: Array | None = None
    variance: Array | None = None

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)

    @property
    def bits_per_dim(self) -> Array:
        """`(N,)`: -log2 p of each for a sub-pixel."""
        return self.nats / (math.log(2) * self.dims)

    def rank_within(self, reference: "Scores") -> Array:
        """The share of the reference images that are less likely, for a sub-pixel, than each of these, `(N,)`.

        Equal ones count half. Near 0: less likely than almost all of them; near 1: likelier.

        Example:
            >>> usual = Scores(nats=np.array([1.0, 2.0, 3.0, 4.0]), dims=np.full(4, 8))
            >>> Scores(nats=np.array([0.5, 3.0, 9.0]), dims=np.full(3, 8)).rank_within(usual).tolist()
            [1.0, 0.375, 0.0]
        """
        return 1 - share_below(self.bits_per_dim, reference.bits_per_dim)


def share_below(values: Array, reference: Array) -> Array:
    """The share of the reference values that are below each of these, equal ones counting half."""
    ordered = np.sort(reference)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    shares: Array = (below + up_to) / 2 / len(ordered)
    return shares


def batches(images: ImageSet | Tensor, batch: int) -> Iterator[Examples]:
    """Images with their labels and contexts, those of one size that follow each other together.

    Raises:
        DataError: If there are none.
        ConfigError: If `batch` is not at least 1.
    """
    if batch < 1:
        raise ConfigError(f"batch is {batch}; at least 1 is needed")
    if len(images) == 0:
        raise DataError("there are no images")
    if isinstance(images, Tensor):
        for start in range(0, len(images), batch):
            yield Examples(images[start : start + batch])
        return
    items: list[int] = []
    for item in range(len(images)):
        shape = images.shape(item)
        if items and (len(items) >= _at_once(shape, batch) or images.shape(items[0]) != shape):
            yield images.examples(items)
            items = []
        items.append(item)
    yield images.examples(items)


def _at_once(shape: tuple[int, int, int], batch: int) -> int:
    return max(1, min(batch, AT_ONCE // math.prod(shape)))


@torch.no_grad()
def log_prob_map(model: AbstractImageModel, examples: Examples) -> Tensor:
    """`model.log_prob_map` of images, given the labels, contexts and supports that it takes; on the CPU."""
    nats: Tensor = model.log_prob_map(examples.images, **examples.given(model.config))
    return nats.cpu()


@torch.no_grad()
def _surprises(model: AbstractImageModel, examples: Examples, order: int | None = None) -> SurpriseMap:
    """`log_prob_map` with what is expected of it, in an order, or the mean of all; supports are not given."""
    given = examples.given(model.config) | {"support": None, "order": order}
    found: SurpriseMap = model.log_prob_map(examples.images, **given, moments=True)
    return SurpriseMap(*(part.cpu() for part in found))


def log_prob_maps(
    model: AbstractImageModel, images: Images, *, batch: int = 64, callback: Callback | None = None
) -> Iterator[Tensor]:
    """Log probabilities of all sub-pixels of images, `(n, C, H, W)` nats on the CPU, batch by batch.

    Args:
        model: The model.
        images: A set, whose labels, contexts and supports the model is given if it takes them; or a tensor.
        batch: Images computed at once.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.

    Raises:
        DataError: If there are no images, or they do not fit the model, or it gives one of them no number.
        ConfigError: If `batch` is not at least 1.
    """
    for examples in _checked(model, images, batch, callback):
        yield _numbers(log_prob_map(model, examples))


def surprise_maps(
    model: AbstractImageModel,
    images: Images,
    *,
    orders: Sequence[int | None] = (None,),
    batch: int = 64,
    callback: Callback | None = None,
) -> Iterator[list[SurpriseMap]]:
    """As `log_prob_maps`, with what the distributions expect: see `pixelrnn.outputs.moments.SurpriseMap`.

    Args:
        model: The model.
        images: As for `log_prob_maps`.
        orders: The orders in which images are read, each giving a map of its own; None for the mean of all.
        batch: Images computed at once.
        callback: Callback that is told the progress.

    Raises:
        ConfigError: If the model is continuous, or a mean of models, as well.
    """
    for examples in _checked(model, images, batch, callback):
        found = [_surprises(model, examples, order) for order in orders]
        for each in found:
            _numbers(each.log_prob)
        yield found


def _checked(model: AbstractImageModel, images: Images, batch: int, callback: Callback | None) -> Iterator[Examples]:
    """The images batch by batch, whose progress is told after each."""
    images = as_set_or_tensor(model, images)
    if isinstance(images, ImageSet):
        images.require_levels(model.config.levels)
    _require_memory(model, images)
    done, report = 0, Reporter(callback)
    for examples in batches(images, batch):
        yield examples
        done += len(examples.images)
        report.amount(done, len(images))


def _numbers(nats: Tensor) -> Tensor:
    if nats.isnan().any():
        raise DataError("the model produced NaN for an image: its training went wrong")
    return nats


def _require_memory(model: AbstractImageModel, images: ImageSet | Tensor) -> None:
    """Refuse images of which one is too large for the memory, before the first is computed."""
    shapes = {images.shape(item) for item in range(len(images))} if isinstance(images, ImageSet) else {images.shape[1:]}
    _, height, width = max(shapes, key=math.prod, default=(0, 0, 0))
    for stage, step in model.stages:
        stage.require_memory((height // step, width // step))


def score(
    model: AbstractImageModel,
    images: Images,
    *,
    batch: int = 64,
    moments: bool = False,
    callback: Callback | None = None,
) -> Scores:
    r"""Compute :math:`-\ln p(x)` of each image.

    Args:
        model: The model.
        images: Images, as for `log_prob_maps`.
        batch: Images computed at once.
        moments: Compute what is expected as well; nothing is known of the colours of an image then.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.

    Raises:
        DataError: If there are no images, or they do not fit the model.
        ConfigError: If `batch` is not at least 1; with moments, as by `surprise_maps`.

    Example:
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> score(model, torch.zeros(3, 1, 4, 4, dtype=torch.uint8)).nats.shape
        (3,)
    """
    sums, dims = [], []
    maps = surprise_maps if moments else log_prob_maps
    for found in maps(model, images, batch=batch, callback=callback):
        parts = found[0][:3] if isinstance(found, list) else (found,)
        sums.append(np.stack([part.double().sum((1, 2, 3)).numpy() for part in parts]))
        dims.append(np.full(len(parts[0]), parts[0][0].numel()))
    log_prob, *expected = np.concatenate(sums, axis=1)
    return Scores(-log_prob, np.concatenate(dims), *expected)


def exact_score(
    model: AbstractImageModel, images: Images, *, batch: int = 64, callback: Callback | None = None
) -> Scores:
    """`score` by `AbstractImageModel.exact_log_prob`: the same to the last bit, whatever is computed together.

    Example:
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> x = model.sample(5, seed=0)
        >>> bool((exact_score(model, x).nats == exact_score(model, x, batch=2).nats).all())
        True
    """
    nats, dims = [], []
    for examples in _checked(model, images, batch, callback):
        x = examples.images
        nats.append(-_numbers(model.exact_log_prob(x, **examples.given(model.config))).numpy())
        dims.append(np.full(len(x), x[0].numel()))
    return Scores(np.concatenate(nats), np.concatenate(dims))

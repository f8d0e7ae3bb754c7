"""Before the first step: model and images that have to agree, and weights that come from another model."""

import dataclasses

import torch
from torch import Tensor

from pixelrnn.config import ModelConfig
from pixelrnn.data.images import Data
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.condition import to_planes

__all__ = ["check", "take_weights"]

COLOURS_SEEN = 64  # images whose colours are checked before a training
OWN = (
    "shape",
    "context",
    "label_dropout",
    "orders",
    "augmented",
)  # what a model need not have in common with the one it starts from


def check(model: AbstractImageModel, data: Data) -> None:
    """Refuse data that a model cannot learn from: `DataError`."""
    if model.description:
        raise DataError("a mean of models is not trained; train its models")
    config, fields = model.config, data.model_fields
    if data.shape[0] != config.shape[0] or data.levels != config.levels:
        advice = f" (`levels` {config.levels})" if data.shape[0] == config.shape[0] else ""
        raise DataError(
            f"the images have {data.shape[0]} channels and {data.levels} levels; "
            f"the model takes {config.shape[0]} channels and {config.levels} levels{advice}"
        )
    for name, option in (("classes", "labels"), ("copies_context", "context subsample")):
        if getattr(config, name) != fields[name]:
            advice = "" if fields[name] else f" (`{option}`)"
            raise DataError(f"{name} of the data is {fields[name]}, that of the model {getattr(config, name)}{advice}")
    if _relation(config.shape, config.context) != _relation(data.shape, data.context_shape):
        raise DataError(
            f"context of the data is {data.context_shape} for images of {data.shape}, "
            f"that of the model {config.context} for {config.shape}"
        )
    if data.train.patch is not None and data.train.align % config.grid:
        raise DataError(
            f"patches begin at multiples of {data.train.align}; the model has a grid of {config.grid}, "
            f"so give `align` {config.grid}"
        )
    if data.config.support and not config.takes_support:
        raise DataError(f"support is set, which architecture {config.architecture!r} does not take")
    if config.label_dropout and not config.classes:
        raise DataError("label_dropout is set, but the data have no labels to withhold; read them with labels=True")
    if not len(data.train) or not len(data.valid):
        raise DataError(
            f"{len(data.train)} images to train on and {len(data.valid)} to validate on; at least 1 of each is needed "
            "(3 images in all, if the source has no splits)"
        )
    _check_colours(model, data)


def _check_colours(model: AbstractImageModel, data: Data) -> None:
    """Look at some of the images: colours that the model takes for impossible would end the training later."""
    config = model.config
    if config.colours != "rgb":
        seen = [images.batch(range(min(len(images), COLOURS_SEEN))) for images in (data.train, data.valid)]
        if any(bool((to_planes(config, x)[1]).any()) for x in seen):  # type: ignore[union-attr]
            raise DataError(
                f"the images have colours that never come from {config.colours}; the model has to be of others"
            )


def _relation(shape: tuple[int, int, int], context: tuple[int, int, int] | None) -> tuple[int, float, float] | None:
    """Channels of a context, and the rows and columns of an image for each of it: all that has to agree."""
    return None if context is None else (context[0], shape[1] / context[1], shape[2] / context[2])


def take_weights(model: AbstractImageModel, other: AbstractImageModel, start_from: str) -> None:
    """Give a model the weights of another, which the messages call by the name that it was loaded by.

    Raises:
        ConfigError: If it differs in more than the size of its images, the share of labels withheld, and fewer orders
            or no augmentations.
    """
    if other.description:
        raise ConfigError(f"{start_from} is a mean of models, which has no weights of its own")
    mine, its = model.config, other.config
    for name in (field.name for field in dataclasses.fields(ModelConfig) if field.name not in OWN):
        if getattr(mine, name) != getattr(its, name):
            raise ConfigError(f"{name} is {getattr(mine, name)!r}, that of {start_from} {getattr(its, name)!r}")
    if mine.shape[0] != its.shape[0] or _relation(mine.shape, mine.context) != _relation(its.shape, its.context):
        raise ConfigError(
            f"images are {mine.shape} with context {mine.context}, "
            f"those of {start_from} {its.shape} with context {its.context}"
        )
    if mine.orders < its.orders or (its.augmented and not mine.augmented):
        name = "orders" if mine.orders < its.orders else "augmented"
        raise ConfigError(f"{name} is {getattr(mine, name)}, that of {start_from} {getattr(its, name)}: that is less")
    own = model.state_dict()  # of orders and augmentations that are new, weights that make no difference yet
    taken = {name: _grown(tensor, own[name]) for name, tensor in other.state_dict().items()}
    model.load_state_dict(own | taken)


def _grown(tensor: Tensor, own: Tensor) -> Tensor:
    """A tensor of weights with the rows that it has not, those of orders that are new, from where they are."""
    return tensor if tensor.shape == own.shape else torch.cat([tensor, own[len(tensor) :]])

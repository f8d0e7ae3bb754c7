"""What chance decides of a training step: which images, and how each is shown. All is a function of seed and epoch."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, TrainConfig
from pixelrnn.data.images import Data, Examples
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.orders import list_orders, read_in_orders
from pixelrnn.train.augment import augment, draw

__all__ = ["draw_examples", "prepare"]

Array = np.ndarray[Any, np.dtype[Any]]

OF_IMAGES, OF_LABELS, OF_ORDERS, OF_AUGMENTATIONS = (2, 0), (0, 3), (0, 5), (0, 6)  # streams of random numbers


def draw_examples(model: ModelConfig, config: TrainConfig, data: Data, numbers: Sequence[int]) -> Examples:
    """The examples of some numbers, which count through all epochs, with what is drawn for each."""
    count = len(data.train)
    epochs = sorted({number // count for number in numbers})
    places = {epoch: [number % count for number in numbers if number // count == epoch] for epoch in epochs}
    return Examples.joined([_of_epoch(model, config, data, epoch, places[epoch]) for epoch in epochs])


def _of_epoch(model: ModelConfig, config: TrainConfig, data: Data, epoch: int, places: list[int]) -> Examples:
    """Those at some places in the order of an epoch; some of the labels are withheld, if that is wanted."""
    seed, count = config.seed, len(data.train)
    examples = data.train.examples(_permutation(seed, epoch, count)[places].tolist(), epoch)
    given = examples.condition
    if given.label is not None and model.label_dropout:
        is_dropped = torch.from_numpy(_chances(seed, epoch, count)[places] < model.label_dropout)
        given = given._replace(label=given.label.masked_fill(is_dropped, -1))
    if model.orders > 1:
        every = torch.tensor(list_orders(model))
        given = given._replace(order=every[_orders(seed, epoch, count, len(every))[places]])
    if config.augment:
        told = _augmentations(seed, epoch, count, config.augment)[places]
        given = given._replace(augmentation=torch.from_numpy(told))
    return examples._replace(condition=given)


def prepare(model: AbstractImageModel, examples: Examples) -> Iterator[tuple[Tensor, Condition]]:
    """Examples as the networks read them, in their orders and augmented; those of one shape together."""
    x, given = model.checked(examples.images, Condition(**examples.given(model.config)))
    order, augmentation = examples.condition.order, examples.condition.augmentation
    given = given._replace(augmentation=augmentation)
    if order is None:
        parts = [(x, given)]
    else:
        parts = [(part, own) for _, part, own in read_in_orders(model.config, x, given, order)]
    for part, own in parts:
        yield part if augmentation is None else augment(model.config, part, own.augmentation), own


def _stream(seed: int, epoch: int, of: tuple[int, int]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[*of, 0, epoch]))


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> Array:
    """Order of the images in an epoch."""
    return _stream(seed, epoch, OF_IMAGES).permutation(count)


@functools.lru_cache(maxsize=4)
def _chances(seed: int, epoch: int, count: int) -> Array:
    """A number in [0, 1) for each image of an epoch, which decides whether its label is withheld."""
    return _stream(seed, epoch, OF_LABELS).random(count)


@functools.lru_cache(maxsize=4)
def _orders(seed: int, epoch: int, count: int, orders: int) -> Array:
    """The order in which each image of an epoch is read, by its place among all."""
    return _stream(seed, epoch, OF_ORDERS).integers(orders, size=count)


@functools.lru_cache(maxsize=4)
def _augmentations(seed: int, epoch: int, count: int, share: float) -> Array:
    """What is done to each image of an epoch."""
    return draw(_stream(seed, epoch, OF_AUGMENTATIONS), count, share)

r"""Multi-Scale PixelRNN: a small image first, then images of twice the size, each given the one before.

.. math:: \log p(x) = \log p(x^{(0)}) + \sum_k \log p(x^{(k)} \mid x^{(k-1)})

Paper: van den Oord et al. 2016, the section on the Multi-Scale PixelRNN. The image of scale k is every second pixel of
every second row of that of scale k + 1, so in the larger image those pixels are copied with probability one: the
product of the conditionals of all others, and with it p(x), is exactly normalised.

Each scale is an `ImageModel` (`copies_context`), which can be trained and used alone.
"""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, Sampling
from pixelrnn.data.quantise import enlarged
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.masks import COPIED
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.image import ImageModel
from pixelrnn.model.sampling import AbstractWalker, Array, Walks, uniform_numbers
from pixelrnn.progress import Reporter

__all__ = ["MultiScaleModel", "build_model", "kind_of", "scale_configs"]


def scale_configs(config: ModelConfig) -> list[ModelConfig]:
    """The configuration of each scale's model, the smallest first.

    Raises:
        ConfigError: If the sides of the image cannot be halved so often.

    Example:
        >>> [scale.shape for scale in scale_configs(ModelConfig(shape=(1, 8, 12), scales=3))]
        [(1, 2, 3), (1, 4, 6), (1, 8, 12)]
    """
    shapes = config.scale_shapes
    first = dataclasses.replace(config, scales=1, shape=shapes[0])
    return [
        first,
        *(
            dataclasses.replace(first, shape=shape, context=context, copies_context=True)
            for context, shape in itertools.pairwise(shapes)
        ),
    ]


class MultiScaleModel(AbstractImageModel):
    """A chain of models from small to large images.

    Args:
        config: Sizes of each scale's network, and the number of scales.
        seed: Seed of the initial weights; those of scale k are drawn with seed + k.

    Example:
        >>> config = ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=2, layers=1, hidden=4, scales=3)
        >>> model = MultiScaleModel(config, seed=0)
        >>> images = model.sample(2, seed=0)
        >>> model.log_prob(images).shape
        torch.Size([2])
    """

    def __init__(self, config: ModelConfig, *, seed: int | None = None) -> None:
        super().__init__(config)
        if config.scales < 2:
            raise ConfigError(f"scales is {config.scales}; a Multi-Scale model has at least 2")
        self.scales = nn.ModuleList(
            ImageModel(scale, seed=None if seed is None else seed + number)
            for number, scale in enumerate(scale_configs(config))
        )

    @property
    def models(self) -> list[ImageModel]:
        """The model of each scale, the smallest first."""
        return [model for model in self.scales if isinstance(model, ImageModel)]

    def map_as_read(self, x: Tensor, given: Condition, *, moments: bool = False) -> Tensor:
        """Log probability of each sub-pixel given all of the smaller images and the earlier ones of its own scale.

        See `AbstractImageModel`. The pixels of the smallest image come first, then those that the next one adds. An
        order is one of all scales: each is read as the image is, and told it.
        """
        self.require_size((x.shape[2], x.shape[3]))
        steps = self.steps
        total = self.models[0].map_as_read(x[..., :: steps[0], :: steps[0]], given, moments=moments)
        for model, above, step in zip(self.models[1:], steps, steps[1:], strict=False):
            own = given._replace(context=x[..., ::above, ::above])
            nats = model.map_as_read(x[..., ::step, ::step], own, moments=moments)
            nats = nats.clone()
            nats[COPIED] = total
            total = nats
        return total

    @property
    def shares(self) -> list[float]:
        """The share of the pixels of an image that each scale adds."""
        return [(1.0 if number == 0 else 0.75) / step**2 for number, step in enumerate(self.steps)]

    @property
    def steps(self) -> list[int]:
        """The distance in x of neighbouring pixels of each scale."""
        return [2 ** (len(self.models) - 1 - number) for number in range(len(self.models))]

    @property
    def stages(self) -> list[tuple[ImageModel, int]]:
        """The model of each scale, the smallest first; see `AbstractImageModel`."""
        return list(zip(self.models, self.steps, strict=True))

    def require_size(self, size: tuple[int, int]) -> None:
        """Refuse images of a height and width that cannot be halved for every scale: `DataError`."""
        step = self.steps[0]
        if size[0] % step or size[1] % step:
            raise DataError(f"images are {size[0]}x{size[1]}; this model takes multiples of {step}")

    def in_order(self, mask: Tensor) -> Tensor:
        """The smallest image first, then the pixels that each larger one adds; see `AbstractImageModel`."""
        parts = zip(self.models, self.steps, strict=True)
        return torch.cat([model.in_order(mask[..., ::step, ::step]) for model, step in parts], dim=1)

    def walker(self, size: tuple[int, int], sampling: Sampling) -> AbstractWalker:
        """The raster faces of all scales for images of a size."""
        self.require_size(size)
        walkers = [
            model.walker((size[0] // step, size[1] // step), sampling, scale=number)
            for number, (model, step) in enumerate(zip(self.models, self.steps, strict=True))
        ]
        return functools.partial(self._draw, walkers, sampling.seed)

    def _draw(
        self, walkers: Sequence[AbstractWalker], seed: int, particles: Any, walks: Walks, report: Reporter
    ) -> None:
        done, smaller = 0.0, None
        numbers = uniform_numbers(seed, walks.images, len(walkers), stream=(0, 0, 2))
        for number, (walker, step, share) in enumerate(zip(walkers, self.steps, self.shares, strict=True)):
            values = np.ascontiguousarray(particles.values[..., ::step, ::step])
            is_known = np.ascontiguousarray(walks.is_known[..., ::step, ::step])
            scale = dataclasses.replace(particles, values=values)
            seen = functools.partial(_seen, values, smaller, step)
            walker(scale, dataclasses.replace(walks, is_known=is_known), report.part(done, done + share).showing(seen))
            # What a scale was found to be worth decides who goes on: nothing of a larger image is drawn yet.
            flat = values.reshape(-1, *values.shape[2:])
            if step > 1 and (origins := scale.resample(numbers[:, number])) is not None:
                flat = flat[origins]
            particles.values[..., ::step, ::step] = flat.reshape(values.shape)
            smaller = _enlarged(flat.reshape(values.shape), 2) if self.config.levels else None
            given = walks.condition._replace(context=flat.astype(self._dtype))
            walks = dataclasses.replace(walks, condition=given)
            done += share

    @property
    def _dtype(self) -> type:
        return np.int64 if self.config.levels else np.float32


def _seen(values: Array, smaller: Array | None, step: int, _: None) -> Array:
    """What is drawn, with the smaller image where nothing is, in the size of the largest."""
    return _enlarged(values if smaller is None else np.where(values < 0, smaller, values), step)


def _enlarged(values: Array, step: int) -> Array:
    height, width = values.shape[-2:]
    return enlarged(values, step, (step * height, step * width))


def kind_of(config: ModelConfig) -> type[AbstractImageModel]:
    """What models of a configuration are: `ImageModel`, or `MultiScaleModel` if it has several scales."""
    return ImageModel if config.scales == 1 else MultiScaleModel


def build_model(config: ModelConfig, *, seed: int | None = None) -> AbstractImageModel:
    """A new model: `ImageModel`, or `MultiScaleModel` if the configuration has several scales.

    Example:
        >>> type(build_model(ModelConfig(shape=(1, 4, 4), scales=2, layers=1))).__name__
        'MultiScaleModel'
    """
    return kind_of(config)(config, seed=seed)

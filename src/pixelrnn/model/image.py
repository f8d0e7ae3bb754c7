r"""The model: an image's exact probability, and images from it.

.. math:: p(x) = \prod_i p(x_i \mid x_{<i})

over the sub-pixels in raster order, colour by colour within a pixel. It brings a network and an output distribution
together, in both faces: all pixels at once, or one by one (`pixelrnn.walk`).

Shapes: N images, C channels, H rows, W columns, P parameters of a sub-pixel. Logarithms are natural (nats).
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn import outputs
from pixelrnn.config import ModelConfig, require_seed
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.masks import COPIED
from pixelrnn.model import condition
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.condition import Supports
from pixelrnn.model.sampling import AbstractWalker, Array, Drawing, Group
from pixelrnn.nn.network import build
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.restricted import log_prob_within

__all__ = ["ImageModel"]


class ImageModel(AbstractImageModel):
    """An autoregressive model of images with exact probability.

    Any height and width can be evaluated and sampled, not only those of `config.shape`: the networks are
    translation-invariant.

    Args:
        config: Architecture, sizes and output.
        seed: Seed of the initial weights; torch's global generator is used if not given, and left alone otherwise.

    Example:
        >>> config = ModelConfig(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=1, hidden=4)
        >>> model = ImageModel(config, seed=0)
        >>> images = torch.randint(0, 2, (3, 1, 4, 4), dtype=torch.uint8)
        >>> model.log_prob(images).shape
        torch.Size([3])
        >>> model.sample(2, seed=0).shape
        torch.Size([2, 1, 4, 4])
    """

    def __init__(self, config: ModelConfig, *, seed: int | None = None) -> None:
        super().__init__(config)
        if config.scales > 1:
            raise ConfigError(f"scales is {config.scales}; use MultiScaleModel, or build_model and load_model")
        self.output = outputs.build(config)
        if seed is not None:
            require_seed("seed", seed)
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.default_generator.manual_seed(seed)
            self.network = build(config, self.output.start())

    def forward(self, x: Tensor, label: int | Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Parameters of the distribution of every sub-pixel given the earlier ones and the condition.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1, or floats for a continuous model.
            label: As for `log_prob_map`.
            context: As for `log_prob_map`.

        Returns:
            `(N, C, P, H, W)` floats; `model.output` says what they mean. Those of planes, if the model has `colours`.
        """
        return self._parameters_of(condition.planes(self.config, x)[0], label, context)

    def _parameters_of(self, x: Tensor, label: int | Tensor | None, context: Tensor | None) -> Tensor:
        """As `forward`, of planes."""
        labels = condition.label(self.config, label, len(x))
        given = condition.context(self.config, context, len(x), (x.shape[2], x.shape[3]))
        dtype = next(self.parameters()).dtype
        parameters: Tensor = self.network(
            condition.scaled(self.config, x.to(self.device), dtype),
            None if labels is None else labels.to(self.device),
            None if given is None else condition.scaled_context(self.config, given.to(self.device), dtype),
        )
        # In mixed precision the network computes in half, the distributions never.
        return parameters.float() if parameters.dtype in (torch.bfloat16, torch.float16) else parameters

    def log_prob_map(
        self,
        x: Tensor,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
    ) -> Tensor:
        """Log probability of each sub-pixel given the earlier ones and the condition; see `AbstractImageModel`.

        Pixels that are copied from the context have probability one if they are equal to it, else zero. With `colours`
        the sub-pixels are those of the planes, and a colour that no planes give has probability zero.
        """
        condition.images(self.config, x)
        planes, is_impossible = condition.planes(self.config, x)
        forest = condition.support(self.config, support, len(x))
        parameters, planes = self._parameters_of(planes, label, context), planes.to(self.device)
        if forest is None:
            nats = self.output.log_prob(parameters, planes)
        else:
            assert isinstance(self.output, LogisticMixture)
            nats = log_prob_within(self.output, parameters, planes, forest)
        if is_impossible is not None:
            nats = nats.masked_fill(is_impossible.to(nats.device)[:, None], -math.inf)
        if self.config.copies_context and context is not None:
            dtype = torch.int64 if self.config.levels else torch.float32  # in which samples hold their values
            is_equal = x[COPIED].to(nats.device, dtype) == torch.as_tensor(context).to(nats.device, dtype)
            nats = nats.clone()
            nats[COPIED] = torch.where(is_equal, 0.0, -math.inf)
        return nats

    @property
    def stages(self) -> list[tuple["ImageModel", int]]:
        """The model itself, of every pixel; see `AbstractImageModel`."""
        return [(self, 1)]

    def _in_order(self, mask: Tensor) -> Tensor:
        # Raster order, colour by colour; what is copied from the context is given before.
        order = mask.permute(0, 2, 3, 1).flatten(1)
        if not self.config.copies_context:
            return order
        copied = torch.zeros_like(mask[:1])
        copied[COPIED] = True
        return order[:, ~copied.permute(0, 2, 3, 1).flatten()]

    def _walker(self, size: tuple[int, int], drawing: Drawing) -> AbstractWalker:
        return self.walker(size, drawing, scale=0)

    def walker(self, size: tuple[int, int], drawing: Drawing, *, scale: int) -> AbstractWalker:
        """The raster face for images of a size; each scale of a Multi-Scale model has random numbers of its own."""
        walk = compiled_module("pixelrnn.walk", "the walk")
        program, distribution = self.raster(
            size, temperature=drawing.temperature, top_k=drawing.top_k or 0, top_p=drawing.top_p
        )
        return functools.partial(self._draw, walk.propagate, program, distribution, drawing, scale)

    def raster(self, size: tuple[int, int], **restrictions: Any) -> tuple[Any, Any]:
        """The raster face: a `pixelrnn.walk.Program` for images of a size, and the `Distribution` of a sub-pixel.

        Args:
            size: Height and width.
            restrictions: Temperature, top k and top p; none if not given.
        """
        walk = compiled_module("pixelrnn.walk", "the walk")
        distribution = walk.Distribution(
            output=self.config.resolved_output,
            parameters=self.output.parameters,
            levels=self.config.levels,
            mixtures=self.config.mixtures,
            copies=self.config.copies,
            **restrictions,
        )
        return walk.compile_network(self.network, *size), distribution

    def _draw(
        self,
        propagate: Callable[..., None],
        program: Any,
        distribution: Any,
        drawing: Drawing,
        scale: int,
        cloud: Any,
        group: Group,
        callback: Callable[[float], None] | None,
    ) -> None:
        particles, channels, height, width = cloud.values.shape[1:]
        is_known = is_evidence = group.is_known
        if self.config.copies_context:
            is_known, is_evidence = _copy(cloud.values, is_known, group.context)

        def uniform(_: range) -> Array:
            each = [
                drawing.numbers(group.images, height * width * channels, stream=(particle, 2 * scale, 0))
                for particle in range(particles)
            ]
            return np.stack(each, axis=1).reshape(-1, height, width, channels)

        propagate(
            program,
            distribution,
            cloud,
            is_known=is_known,
            is_evidence=is_evidence,
            uniform=uniform,
            numbers=lambda: drawing.numbers(group.images, height * width, stream=(0, 2 * scale + 1, 0)),
            label=group.label,
            context=None if group.context is None else self.read_context(group.context),
            support=group.support,
            callback=callback,
        )

    def read_context(self, context: Array) -> Array:
        """Context images as the network of the walk reads them."""
        read: Array = condition.scaled_context(self.config, torch.from_numpy(context), torch.float32).numpy()
        return np.ascontiguousarray(read)


def _copy(values: Array, is_known: Array, context: Array | None) -> tuple[Array, Array]:
    """Copy contexts into particles; returns what is known then, and which of it was not copied."""
    assert context is not None
    pixels = context.reshape(*values.shape[:2], *context.shape[1:]).astype(np.float32)
    if ((values[COPIED] != pixels) & is_known[:, None][COPIED]).any():
        raise DataError("known values differ from the context in pixels that are copied from it")
    values[COPIED] = pixels
    is_known, is_evidence = is_known.copy(), is_known.copy()
    is_known[COPIED], is_evidence[COPIED] = True, False
    return is_known, is_evidence

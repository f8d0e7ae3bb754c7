r"""The model: an image's exact probability, and images from it.

.. math:: p(x) = \prod_i p(x_i \mid x_{<i})

over the sub-pixels in raster order, colour by colour within a pixel. It brings a network and an output distribution
together, in both faces: all pixels at once, or one by one (`pixelrnn.walk`).

Shapes: N images, C channels, H rows, W columns, P parameters of a sub-pixel. Logarithms are natural (nats).
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn import outputs
from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, Sampling, require_seed
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.masks import COPIED
from pixelrnn.model import large
from pixelrnn.model.architectures import architecture_of
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.condition import (
    check_condition,
    scale,
    scale_context,
    to_planes,
)
from pixelrnn.model.orders import read_in_orders, restore
from pixelrnn.model.programs import Programs, require_finite
from pixelrnn.model.sampling import AbstractWalker, Array, Walks, uniform_numbers
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.moments import surprise_map
from pixelrnn.outputs.restricted import log_prob_restricted
from pixelrnn.progress import Reporter

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
            self.network = architecture_of(config).build(config, self.output.start())
        self._programs = Programs()

    def forward(
        self, x: Tensor, label: int | Tensor | None = None, context: Tensor | None = None, order: int = 0
    ) -> Tensor:
        """Parameters of the distribution of every sub-pixel given the earlier ones and the condition.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1, or floats for a continuous model.
            label: Label, as for `log_prob_map`.
            context: Context, as for `log_prob_map`.
            order: Order in which the images are read.

        Returns:
            `(N, C, P, H, W)` floats; `model.output` says what they mean. Those of planes, if the model has `colours`.
        """
        given = check_condition(self.config, Condition(label, context), len(x), (x.shape[2], x.shape[3]))
        if self.config.orders == 1:
            return self.parameters_as_read(to_planes(self.config, x)[0], given)
        ((_, read, own),) = read_in_orders(self.config, x, given, self.orders(order, len(x)))
        return restore(self.parameters_as_read(to_planes(self.config, read)[0], own), order)

    def parameters_as_read(self, x: Tensor, condition: Condition) -> Tensor:
        """As `forward`, of planes as their order reads them, and what they are given, checked, with it."""
        dtype = next(self.parameters()).dtype
        given = condition.map(lambda part: part.to(self.device))
        if given.context is not None:
            given = given._replace(context=scale_context(self.config, given.context, dtype))
        parameters: Tensor = self.network(scale(self.config, x.to(self.device), dtype), given)
        # In mixed precision the network computes in half, the distributions never.
        return parameters.float() if parameters.dtype in (torch.bfloat16, torch.float16) else parameters

    def map_as_read(self, x: Tensor, given: Condition, *, moments: bool = False) -> Tensor:
        """Log probability of each sub-pixel given the earlier ones and the condition; see `AbstractImageModel`.

        Pixels that are copied from the context have probability one if they are equal to it, else zero. With `colours`
        the sub-pixels are those of the planes, and a colour that no planes give has probability zero.
        """
        planes, is_impossible = to_planes(self.config, x)
        maps = self._nats(planes, given, moments)
        nats, rest = maps[:, : planes.shape[1]], maps[:, planes.shape[1] :]
        if is_impossible is not None:
            nats = nats.masked_fill(is_impossible.to(nats.device)[:, None], -math.inf)
        if self.config.copies_context and given.context is not None:
            dtype = torch.int64 if self.config.levels else torch.float32  # in which samples hold their values
            is_equal = x[COPIED].to(nats.device, dtype) == given.context.to(nats.device, dtype)
            nats, rest = nats.clone(), rest.clone()
            nats[COPIED], rest[COPIED] = torch.where(is_equal, 0.0, -math.inf), 0.0
        return torch.cat([nats, rest], dim=1) if moments else nats

    def _nats(self, planes: Tensor, given: Condition, moments: bool) -> Tensor:
        """Log probabilities of planes, of a large image part by part where no gradient is wanted; moments behind."""
        if torch.is_grad_enabled() or planes[0].numel() <= large.AT_ONCE:
            return self._nats_by(self.parameters_as_read(planes, given), planes, given, moments)
        height, width = planes.shape[2], planes[:, :, 0].numel()
        above = large.rows_above(self.network)
        if above is not None:

            def of_rows(rows: slice) -> Tensor:
                part = planes[:, :, rows]
                return self._nats_by(self.parameters_as_read(part, given), part, given, moments)

            return large.in_bands(height, width, above, of_rows)
        self.require_memory((height, planes.shape[3]))
        parameters = self.parameters_as_read(planes, given)
        return large.in_bands(
            height, width, 0, lambda rows: self._nats_by(parameters[..., rows, :], planes[:, :, rows], given, moments)
        )

    def require_memory(self, size: tuple[int, int]) -> None:
        """Refuse an image of a height and width that there is no memory for; raises `DataError`."""
        is_large = self.config.shape[0] * math.prod(size) > large.AT_ONCE
        if is_large and large.rows_above(self.network) is None:
            large.require_memory(self.config, self.output.parameters, size)

    def _nats_by(self, parameters: Tensor, planes: Tensor, given: Condition, moments: bool) -> Tensor:
        """Log probabilities of planes by the parameters of their distributions, and moments behind them."""
        planes = planes.to(self.device)
        if moments:
            return torch.cat(surprise_map(self.output, parameters, planes), 1)
        if given.support is None:
            return self.output.log_prob(parameters, planes)
        assert isinstance(self.output, LogisticMixture)
        return log_prob_restricted(self.output, parameters, planes, given.support)

    @property
    def stages(self) -> list[tuple["ImageModel", int]]:
        """The model itself, of every pixel; see `AbstractImageModel`."""
        return [(self, 1)]

    def in_order(self, mask: Tensor) -> Tensor:
        """Raster order, colour by colour; what is copied from the context is given before."""
        order = mask.permute(0, 2, 3, 1).flatten(1)
        if not self.config.copies_context:
            return order
        copied = torch.zeros_like(mask[:1], dtype=torch.bool)
        copied[COPIED] = True
        return order[:, ~copied.permute(0, 2, 3, 1).flatten()]

    def walker(self, size: tuple[int, int], sampling: Sampling, *, scale: int = 0) -> AbstractWalker:
        """The raster face for images of a size; each scale of a Multi-Scale model has random numbers of its own."""
        return functools.partial(self.draw, self.face(size, sampling), sampling.seed, scale)

    def face(self, size: tuple[int, int], sampling: Sampling | None = None) -> Any:
        """The raster face, a `pixelrnn.walk.protocol.AbstractFace`, for images of a height and a width.

        Args:
            size: Height and width.
            sampling: Temperature, top k and top p; as the model has it if not given.

        Raises:
            ConfigError: If values of the output cannot be drawn.
            RunError: If a weight is not finite.
        """
        distribution = compiled_module("pixelrnn.outputs.decide", "the walk").Distribution(
            self.output, sampling or Sampling()
        )
        if not self.has_walk:
            module = compiled_module("pixelrnn.walk.rerun", "the walk")
            require_finite(self.network)
            network = module.Rerun(self.config, self.network, self.output)
            return module.Face(network, distribution, size)
        module = compiled_module(architecture_of(self.config).face, f"the walk of {self.config.architecture}")
        program = self._programs.find(self.network, size, lambda: module.lower(self.network, size))
        return module.Face(program, distribution, size)

    @property
    def has_walk(self) -> bool:
        """Whether network and output have a compiled walk, whose bits are the same on every machine."""
        module = compiled_module("pixelrnn.outputs.decide", "the walk")
        has_lowering = hasattr(self.network, "lower") or architecture_of(self.config).face != "pixelrnn.walk.face"
        return bool(has_lowering and module.Distribution.takes(self.output))

    def draw(self, face: Any, seed: int, scale: int, particles: Any, walks: Walks, report: Reporter) -> None:
        """Let particles draw what is not known, by a face of this model or of a mean of several like it."""
        module = compiled_module("pixelrnn.walk.particles", "the walk")
        count, channels, height, width = particles.values.shape[1:]
        is_known = weighs = walks.is_known
        given = walks.condition
        if self.config.copies_context:
            is_known, weighs = _copy(particles.values, is_known, given.context)

        def uniform(_: range) -> Array:
            each = [
                uniform_numbers(seed, walks.images, height * width * channels, stream=(particle, 2 * scale, 0))
                for particle in range(count)
            ]
            return np.stack(each, axis=1).reshape(-1, height, width, channels)

        def resampling() -> Array:
            return uniform_numbers(seed, walks.images, height * width, stream=(0, 2 * scale + 1, 0))

        module.advance(
            face,
            particles,
            module.Evidence(is_known, weighs),
            module.Randomness(uniform, resampling),
            condition=self.read_condition(given),
            report=report,
        )

    def read_condition(self, condition: Condition) -> Condition:
        """A condition in arrays, whose context is not scaled, as the network of the walk reads it."""
        if condition.context is None:
            return condition
        read = scale_context(self.config, torch.from_numpy(condition.context), torch.float32).numpy()
        return condition._replace(context=np.ascontiguousarray(read))


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

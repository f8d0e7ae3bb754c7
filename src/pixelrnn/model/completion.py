"""Filling in what is not known of images: samples and completions of any model, by its walker."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.brief import brief
from pixelrnn.condition import Condition
from pixelrnn.config import Sampling
from pixelrnn.errors import ConfigError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.model.condition import to_colours
from pixelrnn.model.sampling import Array, Walks, uniform_numbers
from pixelrnn.progress import Reporter

__all__ = ["Completion", "Effort", "as_arrays", "fill"]


class Completion(NamedTuple):
    """What `complete` returns.

    Attributes:
        images: `(N, C, H, W)`, as from `sample`; known values are those given.
        log_known: `(N,)` float64: estimates of log p(known values) in nats.
    """

    images: Tensor
    log_known: Tensor

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)


@dataclasses.dataclass(frozen=True)
class Effort:
    """How images are filled in.

    Attributes:
        sampling: Way in which values are drawn.
        particles: Walks of each image.
        batch: Walks at once, but never less than the particles of one image.
    """

    sampling: Sampling
    particles: int = 1
    batch: int = 256

    def __post_init__(self) -> None:
        """Check the batch."""
        if self.batch < 1:
            raise ConfigError(f"batch is {self.batch}; at least 1 is needed")


def as_arrays(condition: Condition) -> Condition:
    """A checked condition as arrays on the CPU."""

    def array(part: Tensor) -> Array:
        part = part.detach().cpu()
        found: Array = (part.float() if part.is_floating_point() else part.long()).numpy()
        return found

    return condition.map(array)


def fill(model: Any, x: Tensor, known: Tensor, condition: Condition, effort: Effort, report: Reporter) -> Completion:
    """Fill in images, as planes, whose arguments were checked; see `AbstractImageModel.complete`."""
    n, particles, seed = len(x), effort.particles, effort.sampling.seed
    condition = as_arrays(condition)
    module = compiled_module("pixelrnn.walk.particles", "the walk")
    walker = model.walker((x.shape[2], x.shape[3]), effort.sampling)
    order = model.in_order(known)
    is_plain = ~(order & (~order).cummax(1).values).any(1).cpu().numpy()  # nothing known after anything unknown
    particles = 1 if is_plain.all() else particles
    values, log_known = x.detach().cpu().to(torch.float32).contiguous().numpy(), np.zeros(n)
    filled = np.empty_like(values)
    at_once = max(1, effort.batch // particles)
    for start in range(0, n, at_once):
        images = range(start, min(start + at_once, n))
        group = slice(images.start, images.stop)
        cloud = module.Particles.of(values[group], particles)
        of_walks = condition.of(np.repeat(np.arange(n)[group], particles))
        walks = Walks(images, known[group].cpu().numpy(), of_walks)
        walker(cloud, walks, report.part(images.start / n, images.stop / n))
        numbers = np.zeros(len(images))
        if particles > 1:
            # Where one particle is exact the first is taken, whatever the other images need.
            numbers = np.where(is_plain[group], 0.0, uniform_numbers(seed, images, 1, stream=(0, 0, 1))[:, 0])
        filled[group], log_known[group] = cloud.chosen(numbers)
    levels = model.config.levels
    dtype = torch.float32 if levels == 0 else torch.uint8 if levels <= 256 else torch.int64
    pictures = to_colours(model.config, torch.from_numpy(filled).to(dtype))
    return Completion(pictures.to(model.device), torch.from_numpy(log_known))

"""Filling in what is not known of images: samples and completions of any model, by its walker."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pixelrnn.brief import brief
from pixelrnn.condition import Condition
from pixelrnn.config import Sampling
from pixelrnn.errors import ConfigError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.model.condition import to_colours
from pixelrnn.model.orders import join_parts, list_orders, read_in_orders, restore_each, turn, turn_each
from pixelrnn.model.sampling import Array, Walks, uniform_numbers
from pixelrnn.progress import Reporter

__all__ = [
    "Completion",
    "Effort",
    "Order",
    "PartlyKnown",
    "as_arrays",
    "choose_one",
    "complete_in_orders",
    "fill",
    "fill_in_orders",
    "nothing_drawn",
    "with_others",
]


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
        numbers: Numbers of the images in the call, which choose their random numbers; 0, 1, ... if not given.
    """

    sampling: Sampling
    particles: int = 1
    batch: int = 256
    numbers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check the batch."""
        if self.batch < 1:
            raise ConfigError(f"batch is {self.batch}; at least 1 is needed")


Order: TypeAlias = int | Tensor | Literal["all"] | None
"""In which order an image is completed: a number, those of all images, all, or, by what is known, the best."""


Finished: TypeAlias = Sequence[tuple[Tensor, Tensor]]
"""Numbers of images, and these."""


def as_arrays(condition: Condition) -> Condition:
    """A checked condition as arrays on the CPU."""

    def array(part: Tensor) -> Array:
        part = part.detach().cpu()
        found: Array = (part.float() if part.is_floating_point() else part.long()).numpy()
        return found

    return condition.map(array)


def count_after(known: Tensor) -> Tensor:
    """How many values of each image are known after unknown ones, by a mask `(N, D)` in the order of drawing."""
    return (known & (~known).cummax(1).values).sum(1)


class PartlyKnown(NamedTuple):
    """Images to be filled in, as planes, whose arguments were checked.

    Attributes:
        x: `(N, C, H, W)`.
        known: `(N, C, H, W)` bool.
        given: Condition of the images.
    """

    x: Tensor
    known: Tensor
    given: Condition

    def of(self, members: Tensor) -> "PartlyKnown":
        """Some of the images."""
        if len(members) == len(self.x):
            return self
        return PartlyKnown(self.x[members], self.known[members], self.given.of(members))


def fill_in_orders(model: Any, what: PartlyKnown, orders: Tensor, effort: Effort, report: Reporter) -> Completion:
    """Fill in images, each in an order of its own."""
    if model.config.orders == 1:
        filled: Completion = model.fill(what, effort, report)
        return filled
    count, log_known, done = len(what.x), [], 0
    images, start = list[tuple[Tensor, Tensor]](), functools.partial(nothing_drawn, model, what)
    numbers = range(count) if effort.numbers is None else effort.numbers
    for members, read, own in read_in_orders(model.config, what.x, what.given, orders):
        of, part = orders[members], dataclasses.replace(effort, numbers=[numbers[i] for i in members.tolist()])
        share = report.part(done / count, (done + len(members)) / count)
        share = share.showing(functools.partial(with_others, start, tuple(images), members, of))
        found = model.fill(PartlyKnown(read, turn_each(what.known[members], of), own), part, share)
        images.append((members, restore_each(found.images, of)))
        log_known.append((members, found.log_known))
        done += len(members)
    return Completion(join_parts(images), join_parts(log_known))


def complete_in_orders(model: Any, what: PartlyKnown, order: Order, effort: Effort, report: Reporter) -> Completion:
    """Complete images in the orders that suit what is known; see `AbstractImageModel.complete`."""
    count, every = len(what.x), list_orders(model.config)
    is_all = isinstance(order, str)
    if len(every) == 1 or not (order is None or is_all):
        return fill_in_orders(model, what, model.orders(None if is_all else order, count), effort, report)
    used = _used(model, what.known, every) if order is None else torch.ones(count, len(every), dtype=torch.bool)
    log_known = torch.full((count, len(every)), -math.inf, dtype=torch.float64)
    numbers = range(count) if effort.numbers is None else effort.numbers
    found, walks, done = list[tuple[int, Tensor, Tensor]](), int(used.sum()), 0
    start = functools.partial(nothing_drawn, model, what)
    for number, k in enumerate(every):
        members = torch.nonzero(used[:, number])[:, 0]
        if not len(members):
            continue
        part = dataclasses.replace(effort, numbers=[numbers[i] for i in members.tolist()])
        share = report.part(done / walks, (done + len(members)) / walks)
        share = share.showing(functools.partial(with_others, start, (), members, None))
        filled = fill_in_orders(model, what.of(members), torch.full((len(members),), k), part, share)
        found.append((number, members, filled.images))
        log_known[members, number] = filled.log_known
        done += len(members)
    total = log_known.logsumexp(1)
    places = torch.from_numpy(uniform_numbers(effort.sampling.seed, numbers, 1, stream=(0, 0, 3)))
    return Completion(choose_one(found, log_known, places, what.x.shape), total - used.sum(1).double().log())


def choose_one(
    found: Sequence[tuple[int, Tensor, Tensor]], log_weights: Tensor, places: Tensor, shape: Sequence[int]
) -> Tensor:
    """One of several completions of each image, drawn by weight: so it comes from the posterior of their mean.

    Args:
        found: Numbers of completions, of images, and these `(n, C, H, W)`.
        log_weights: `(N, K)` float64: of each completion of each image, -infinity where there is none.
        places: `(N, 1)` in [0, 1), which draw.
        shape: Shape `(N, C, H, W)` of all.
    """
    total = log_weights.logsumexp(1)
    weights = (log_weights - total.masked_fill(total.isinf(), 0)[:, None]).exp().cumsum(1)
    chosen = (weights <= places * weights[:, -1:]).sum(1)
    images = found[0][2].new_empty(shape)
    for number, members, completed in found:
        is_chosen = chosen[members] == number
        images[members[is_chosen]] = completed[is_chosen]
    return images


def _used(model: Any, known: Tensor, every: Sequence[int]) -> Tensor:
    """In which of the orders each image is completed, `(N, K)`: those that are exact, or the one that is nearly so."""
    after = torch.stack([count_after(model.in_order(turn(known, k))) for k in every], dim=1).cpu()
    is_exact = after == 0
    best = torch.nn.functional.one_hot(after.argmin(1), len(every)).bool()
    return torch.where(is_exact.any(1, keepdim=True), is_exact, best)


def fill(model: Any, what: PartlyKnown, effort: Effort, report: Reporter) -> Completion:
    """Fill in images in raster order; see `AbstractImageModel.complete`."""
    x, known, condition = what
    n, particles, seed = len(x), effort.particles, effort.sampling.seed
    numbers = range(n) if effort.numbers is None else effort.numbers
    condition = as_arrays(condition)
    module = compiled_module("pixelrnn.walk.particles", "the walk")
    walker = model.walker((x.shape[2], x.shape[3]), effort.sampling)
    order = model.in_order(known)
    is_plain = (count_after(order) == 0).cpu().numpy()
    particles = 1 if is_plain.all() else particles
    values, log_known = (
        _marked(model, x.detach().cpu(), known.cpu()).to(torch.float32).contiguous().numpy(),
        np.zeros(n),
    )
    filled = values.copy()
    at_once = max(1, effort.batch // particles)
    for start in range(0, n, at_once):
        end = min(start + at_once, n)
        group, images = slice(start, end), numbers[start:end]
        cloud = module.Particles.of(values[group], particles)
        of_walks = condition.of(np.repeat(np.arange(n)[group], particles))
        walks = Walks(images, known[group].cpu().numpy(), of_walks)

        def drawn(inner: Array | None, cloud: Any = cloud, group: slice = group) -> Tensor:
            now = filled.copy()
            now[group] = (cloud.values if inner is None else inner)[:, 0]
            return _as_far_as_drawn(model, torch.from_numpy(now))

        walker(cloud, walks, report.part(start / n, end / n).showing(drawn))
        places = np.zeros(len(images))
        if particles > 1:
            # Where one particle is exact the first is choose_one, whatever the other images need.
            places = np.where(is_plain[group], 0.0, uniform_numbers(seed, images, 1, stream=(0, 0, 1))[:, 0])
        filled[group], log_known[group] = cloud.chosen(places)
    pictures = to_colours(model.config, torch.from_numpy(filled).to(_dtype(model.config.levels)))
    return Completion(pictures.to(model.device), torch.from_numpy(log_known))


def _marked(model: Any, x: Tensor, known: Tensor) -> Tensor:
    """Images whose unknown values are -1, by which it is seen that they are not drawn yet; 0 if they are continuous."""
    return torch.where(known, x, 0) if model.config.levels == 0 else torch.where(known, x.long(), -1)


def _as_far_as_drawn(model: Any, values: Tensor) -> Tensor:
    """`Progress.drawn` of planes with -1 where nothing is drawn."""
    if model.config.levels == 0:
        return values
    is_drawn = values >= 0
    shown = to_colours(model.config, values.clamp(min=0).to(_dtype(model.config.levels))).long()
    is_drawn = is_drawn if model.config.colours == "rgb" else is_drawn.all(1, keepdim=True)
    return shown.masked_fill(~is_drawn, -1)


def with_others(
    start: Callable[[], Tensor], others: Finished, members: Tensor, orders: Tensor | None, drawn: Tensor
) -> Tensor:
    """`Progress.drawn` of all images, by that of some, which may be turned, and others that are finished."""
    every = start()
    for numbers, images in [*others, (members, drawn if orders is None else restore_each(drawn, orders))]:
        every[numbers] = images.cpu().to(every.dtype)
    return every


def nothing_drawn(model: Any, what: PartlyKnown) -> Tensor:
    """`Progress.drawn` before anything is."""
    return _as_far_as_drawn(model, _marked(model, what.x.cpu(), what.known.cpu()))


def _dtype(levels: int) -> torch.dtype:
    return torch.float32 if levels == 0 else torch.uint8 if levels <= 256 else torch.int64

r"""The orders in which an image is read: raster order in the image, its mirror images, and all of them transposed.

Order k reads :math:`g_k(x)` in raster order: the image flipped left to right if k has the bit 1, upside down if it has
the bit 2, and transposed after that if it has the bit 4. So a model of two orders begins at the upper left or the upper
right corner, one of four at any corner, and one of eight goes along rows or columns from there. The network is told the
order, by a bias as for a label, and

.. math:: p(x) = \frac{1}{K} \sum_k p(g_k(x) \mid k)

is a mean of K densities that are exact, and so exact itself.

Shapes: N images, and anything `(..., H, W)` that is turned with them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig

__all__ = [
    "TRANSPOSED",
    "as_rows",
    "join_parts",
    "list_orders",
    "mix_maps",
    "read_in_orders",
    "restore",
    "restore_each",
    "turn",
    "turn_each",
]  # fmt: skip

MIRRORED, UPSIDE_DOWN, TRANSPOSED = 1, 2, 4

Either = TypeVar("Either", Tensor, np.ndarray)


def turn(x: Either, order: int) -> Either:
    """Images `(..., H, W)` as an order reads them: `(..., W, H)` if it is transposed.

    Example:
        >>> turn(torch.tensor([[1, 2, 3], [4, 5, 6]]), 5)
        tensor([[3, 6],
                [2, 5],
                [1, 4]])
    """
    sides = [side for bit, side in ((MIRRORED, -1), (UPSIDE_DOWN, -2)) if order & bit]
    if sides:
        x = torch.flip(x, sides) if isinstance(x, Tensor) else np.flip(x, tuple(sides))
    return x.swapaxes(-1, -2) if order & TRANSPOSED else x


def restore(x: Either, order: int) -> Either:
    """Images again from what `turn` gave.

    Example:
        >>> x = torch.arange(6).view(2, 3)
        >>> all(bool((restore(turn(x, order), order) == x).all()) for order in range(8))
        True
    """
    return turn(x.swapaxes(-1, -2), order & ~TRANSPOSED) if order & TRANSPOSED else turn(x, order)


def list_orders(config: ModelConfig) -> list[int]:
    """The orders of which p(x) is the mean.

    Where the context is every second pixel of the image, mirror images would begin with others: those orders are for
    all scales together.
    """
    every = range(config.orders)
    return [k for k in every if k in (0, TRANSPOSED)] if config.copies_context else list(every)


def as_rows(config: ModelConfig, label: Tensor | None, orders: Tensor) -> Tensor | None:
    """What the networks are told of labels and orders, `(N,)`: a row of `nn.condition.biases`; None if nothing."""
    if config.orders == 1:
        return label
    none = config.classes
    labels = torch.full_like(orders, none) if label is None else torch.where(label < 0, none, label)
    return orders * (config.classes + 1) + labels


def read_in_orders(
    config: ModelConfig, x: Tensor, given: Condition, orders: Tensor
) -> Iterator[tuple[Tensor, Tensor, Condition]]:
    """Images as the networks read them, each in an order of its own; those of one shape together.

    Args:
        config: Configuration of the model.
        x: `(N, C, H, W)`.
        given: What they are given, checked.
        orders: `(N,)` int64.

    Yields:
        The numbers of some images, these turned, and what they are given: the context turned, and rows for labels.
    """
    rows = as_rows(config, None if given.label is None else given.label.cpu(), orders)
    is_square = x.shape[-1] == x.shape[-2]
    for transposed in (0,) if is_square else (0, TRANSPOSED):
        members = torch.arange(len(x)) if is_square else torch.nonzero((orders & TRANSPOSED) == transposed)[:, 0]
        if not len(members):
            continue
        own = given._replace(label=rows).of(members) if len(members) < len(x) else given._replace(label=rows)
        of = orders[members]
        context = None if own.context is None else turn_each(own.context, of)
        yield members, turn_each(x[members], of), own._replace(context=context)


def join_parts(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """What was computed for some images and for others, with their numbers, in the order of these."""
    if len(parts) == 1:
        return parts[0][1]
    members, values = zip(*parts, strict=True)
    return torch.cat(values)[torch.cat(members).argsort()]


def mix_maps(maps: Sequence[Tensor], shares: Sequence[float] | None = None) -> Tensor:
    """The map of a mean over orders or models, from those of each, `(N, C, H, W)`, and the shares that they have.

    See `AbstractImageModel.log_prob_map`. All have the same share if none are given.
    """
    logs = [math.log(share) for share in shares] if shares else [-math.log(len(maps))] * len(maps)
    totals = torch.stack([each.sum((1, 2, 3)) + log for each, log in zip(maps, logs, strict=True)])
    whole = totals.logsumexp(0)
    weights = (totals - whole.masked_fill(whole.isinf(), 0)).exp()[..., None, None, None]
    weighted = torch.zeros_like(maps[0])
    for weight, each in zip(weights, maps, strict=True):
        # Of an image that no order can give, or an order that cannot give it, there is nothing to weigh.
        weighted = weighted + weight * each.masked_fill(weight == 0, 0)
    left = whole - weighted.sum((1, 2, 3))
    return weighted + (left / weighted[0].numel())[:, None, None, None]


def turn_each(x: Tensor, orders: Tensor) -> Tensor:
    """Images `(N, C, H, W)`, each as an order of its own reads it; either all or none change their shape."""
    return _each(x, orders, turn)


def restore_each(x: Tensor, orders: Tensor) -> Tensor:
    """The same back again."""
    return _each(x, orders, restore)


def _each(x: Tensor, orders: Tensor, change: Callable[[Tensor, int], Tensor]) -> Tensor:
    found = sorted(set(orders.tolist()))
    if len(found) == 1:
        return change(x, found[0])
    out = torch.empty_like(change(x, found[0]), memory_format=torch.contiguous_format)
    for order in found:
        chosen = (orders == order).to(x.device)
        out[chosen] = change(x[chosen], order)
    return out

"""In which order an image is coded, by a model of several: in the one that takes the fewest bits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.orders import as_rows, list_orders

__all__ = ["find_orders", "to_rows"]

Array = np.ndarray[Any, np.dtype[Any]]

AT_ONCE = 64  # images
MEASURED = 2**18  # sub-pixels of a picture by which its order is found


@torch.no_grad()
def find_orders(model: AbstractImageModel, x: Tensor, given: Condition) -> list[int]:
    """The order of each image `(N, C, H, W)`, of large ones by the middle of them."""
    every = list_orders(model.config)
    if len(every) == 1:
        return [every[0]] * len(x)
    part, step = x, model.stages[0][1]
    if given.context is None and x[0].numel() > MEASURED:
        side = int((MEASURED / x.shape[1]) ** 0.5) // step * step
        height, width = (min(side, full) for full in x.shape[2:])
        top, left = ((full - own) // 2 // step * step for full, own in zip(x.shape[2:], (height, width), strict=True))
        part = x[:, :, top : top + height, left : left + width]
    found = list[int]()
    for start in range(0, len(x), AT_ONCE):
        members = slice(start, start + AT_ONCE)
        label, context = (None if each is None else each[members] for each in (given.label, given.context))
        support = given.support[members] if isinstance(given.support, list) else given.support
        nats = [model.log_prob(part[members], label, context, support=support, order=k) for k in every]
        found += [every[number] for number in torch.stack(nats).argmax(0).tolist()]
    return found


def to_rows(config: ModelConfig, labels: Sequence[int], orders: Sequence[int]) -> Array:
    """What the networks are told of labels, -1 for none, and orders; see `ModelConfig.label_rows`."""
    found = as_rows(config, torch.tensor(labels), torch.tensor(orders))
    assert found is not None
    rows: Array = found.numpy().astype(np.int64)
    return rows

"""In which order an image is coded, by a model of several: in the one that takes the fewest bits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.orders import orders_of, row_of

__all__ = ["best_orders", "rows_of"]

Array = np.ndarray[Any, np.dtype[Any]]

MEASURED = 2**18  # sub-pixels of a picture by which its order is found


@torch.no_grad()
def best_orders(model: AbstractImageModel, x: Tensor, given: Condition) -> list[int]:
    """The order of each image `(N, C, H, W)`, of large ones by the middle of them."""
    every = orders_of(model.config)
    if len(every) == 1:
        return [every[0]] * len(x)
    part, step = x, model.stages[0][1]
    if given.context is None and x[0].numel() > MEASURED:
        side = int((MEASURED / x.shape[1]) ** 0.5) // step * step
        height, width = (min(side, full) for full in x.shape[2:])
        top, left = ((full - own) // 2 // step * step for full, own in zip(x.shape[2:], (height, width), strict=True))
        part = x[:, :, top : top + height, left : left + width]
    nats = [
        model.log_prob(part, label=given.label, context=given.context, support=given.support, order=k) for k in every
    ]
    return [every[number] for number in torch.stack(nats).argmax(0).tolist()]


def rows_of(config: ModelConfig, labels: Sequence[int], orders: Sequence[int]) -> Array:
    """What the networks are told of labels, -1 for none, and orders; see `ModelConfig.label_rows`."""
    found = row_of(config, torch.tensor(labels), torch.tensor(orders))
    assert found is not None
    rows: Array = found.numpy().astype(np.int64)
    return rows

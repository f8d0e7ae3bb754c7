"""Which pictures are coded within their colours: those that are smaller so, with what the colours take."""

from typing import Any

import numpy as np
import torch

from pixelrnn.codec.palettes import BITS_OF_A_VALUE
from pixelrnn.colours.support import Support, few
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.condition import to_colours

__all__ = ["support_for"]

Array = np.ndarray[Any, np.dtype[Any]]

CERTAIN = 64  # pixels to a colour, from which on it pays without a doubt
SIDE = 128  # of the part of a picture that is measured


@torch.no_grad()
def support_for(model: AbstractImageModel, values: Array) -> Support | None:
    """The colours of a picture, as planes, if it is to be coded within them.

    Args:
        model: Model that codes.
        values: `(C, H, W)` levels, in planes.
    """
    config = model.config
    support = few(values, config.levels) if config.takes_support else None
    if support is None or CERTAIN * len(support) <= values[0].size:
        return support
    top, left = (max(0, (side - SIDE) // 2) for side in values.shape[1:])
    part = np.ascontiguousarray(values[:, top : top + SIDE, left : left + SIDE])
    x = to_colours(config, torch.from_numpy(part)[None])
    within = to_colours(config, torch.from_numpy(support.colours.T.astype(np.uint8))[None, :, None])
    x = x.to(model.device)
    label = 0 if config.classes else None  # any: what is compared differs little between them
    gain = model.log_prob(x, label=label, support=Support.of(within)) - model.log_prob(x, label=label)
    bits = gain.item() / np.log(2) * values[0].size / part[0].size
    return support if bits > support.colours.size * BITS_OF_A_VALUE else None

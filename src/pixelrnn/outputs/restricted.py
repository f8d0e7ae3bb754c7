r"""A mixture of logistics within a support: only some levels can occur; see `pixelrnn.colours.support`.

In float32 on the CPU the sum over the allowed levels, and its gradient, are compiled; elsewhere the same formula is
taken over all levels by torch.
"""

import math

import numpy as np
import torch
from torch import Tensor

from pixelrnn.colours.support import FLOOR, FREE, OUTSIDE, Forest, rows_of
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.outputs.logistic import LogisticMixture

__all__ = ["log_prob_within", "reference"]


def log_prob_within(output: LogisticMixture, parameters: Tensor, x: Tensor, forest: Forest) -> Tensor:
    """Nats of each value, given that only the levels of its row can occur.

    Args:
        output: The distribution.
        parameters: `(N, C, P, H, W)`.
        x: `(N, C, H, W)` levels.
        forest: Of the N images.

    Returns:
        `(N, C, H, W)`; minus infinity for values that cannot occur, and for the channels after them.
    """
    rows = torch.from_numpy(rows_of(forest, x.detach().cpu().numpy())).to(parameters.device)
    if parameters.device.type == "cpu" and parameters.dtype == torch.float32:
        kernel = compiled_module("pixelrnn.outputs.restricted_kernel", "models with a support")
        within: Tensor = kernel.log_prob_within(output, parameters.movedim(2, -1), x, rows, forest)
    else:
        within = reference(output, parameters, x, rows, forest)
    if bool((forest.roots >= 0).all()):
        return within
    return torch.where(rows == FREE, output.log_prob(parameters, x), within)


def reference(output: LogisticMixture, parameters: Tensor, x: Tensor, rows: Tensor, forest: Forest) -> Tensor:
    """Nats within the rows `(N, C, H, W)`, over all levels; zeros where there is no row."""
    is_allowed = torch.zeros(len(forest.starts) - 1, output.levels, dtype=torch.bool, device=parameters.device)
    of_entry = np.repeat(np.arange(len(is_allowed)), np.diff(forest.starts))
    is_allowed[torch.from_numpy(of_entry), torch.from_numpy(forest.values)] = True
    # (N, C, L, H, W); where there is no row every level, so that gradients are numbers there too
    allowed = is_allowed[rows.clamp(min=0)].movedim(-1, 2) | (rows < 0).unsqueeze(2)
    weights = torch.where(allowed, output.log_table(parameters).exp() + FLOOR, 0.0)
    chosen = weights.gather(2, x.to(weights.device).long().unsqueeze(2)).squeeze(2)
    nats = (chosen / weights.sum(2)).log().masked_fill(rows == FREE, 0.0)
    return nats.masked_fill(rows == OUTSIDE, -math.inf)

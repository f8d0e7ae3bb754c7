r"""A mixture of logistics restricted to a support: only some levels can occur; see `pixelrnn.colours.support`.

In float32 on the CPU the sum over the allowed levels, and its gradient, are compiled; elsewhere the same formula is
taken over all levels by torch.
"""

import math

import numpy as np
import torch
from torch import Tensor

from pixelrnn.colours.support import FLOOR, FREE, OUTSIDE, Trie, rows_of
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.outputs.logistic import LogisticMixture

__all__ = ["log_prob_restricted", "reference"]


def log_prob_restricted(output: LogisticMixture, parameters: Tensor, x: Tensor, trie: Trie) -> Tensor:
    """Nats of each value, given that only the levels of its row can occur.

    Args:
        output: The distribution.
        parameters: `(N, C, P, H, W)`.
        x: `(N, C, H, W)` levels.
        trie: Trie of the N images.

    Returns:
        `(N, C, H, W)`; minus infinity for values that cannot occur, and for the channels after them.
    """
    rows = torch.from_numpy(rows_of(trie, x.detach().cpu().numpy())).to(parameters.device)
    if parameters.device.type == "cpu" and parameters.dtype == torch.float32:
        kernel = compiled_module("pixelrnn.outputs.restricted_kernel", "models with a support")
        found: Tensor = kernel.log_prob_restricted(output, parameters.movedim(2, -1), x, rows, trie)
    else:
        found = reference(output, parameters, x, rows, trie)
    if bool((trie.roots >= 0).all()):
        return found
    return torch.where(rows == FREE, output.log_prob(parameters, x), found)


def reference(output: LogisticMixture, parameters: Tensor, x: Tensor, rows: Tensor, trie: Trie) -> Tensor:
    """Nats within the rows `(N, C, H, W)`, over all levels; zeros where there is no row."""
    is_allowed = torch.zeros(len(trie.starts) - 1, output.levels, dtype=torch.bool, device=parameters.device)
    of_entry = np.repeat(np.arange(len(is_allowed)), np.diff(trie.starts))
    is_allowed[torch.from_numpy(of_entry), torch.from_numpy(trie.values)] = True
    # (N, C, L, H, W); where there is no row every level, so that gradients are numbers there too
    allowed = is_allowed[rows.clamp(min=0)].movedim(-1, 2) | (rows < 0).unsqueeze(2)
    weights = torch.where(allowed, output.log_table(parameters).exp() + FLOOR, 0.0)
    chosen = weights.gather(2, x.to(weights.device).long().unsqueeze(2)).squeeze(2)
    nats = (chosen / weights.sum(2)).log().masked_fill(rows == FREE, 0.0)
    return nats.masked_fill(rows == OUTSIDE, -math.inf)

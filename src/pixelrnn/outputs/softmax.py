"""Softmax output: every level has its own logit. Paper: van den Oord et al. 2016, section 3.6."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from pixelrnn.kernels.functions import log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, address, load, pointer, splat, store, view
from pixelrnn.outputs.workspace import Kernel, Output, Workspace, exp_weights, highest_of, nothing

__all__ = ["KERNEL", "Softmax"]


@dataclasses.dataclass(frozen=True)
class Softmax:
    r"""Logits l of L levels: :math:`p(x = v) = e^{l_v} / \sum_w e^{l_w}`.

    Example:
        >>> Softmax(4).log_prob(torch.zeros(1, 1, 4), torch.tensor([[3]])).exp()
        tensor([[0.2500]])
    """

    levels: int
    mixtures = copies = 0

    @property
    def parameters(self) -> int:
        """One logit a level."""
        return self.levels

    @property
    def entries(self) -> int:
        """Of a table: one a level."""
        return self.levels

    def start(self) -> Tensor:
        """All levels equally likely."""
        return torch.zeros(self.levels)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Nats of each value in 0 .. L-1: parameters `(N, C, L, ...)`, `x` `(N, C, ...)`."""
        chosen = parameters.gather(2, x.long().unsqueeze(2)).squeeze(2)
        return chosen - parameters.logsumexp(2)

    def log_table(self, parameters: Tensor) -> Tensor:
        """Nats of all levels, `(N, C, L, ...)`."""
        return parameters.log_softmax(2)


@inner
def _weigh(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    exp_weights(parameters, output.levels, temperature, pointer(workspace.table, 0))


@inner
def _log_prob(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    logits = view(address(parameters), np.float32)
    for lane in range(LANES):
        workspace.chosen[lane] = logits[int(workspace.value[lane]) * LANES + lane]
        workspace.sums[lane] = workspace.total[lane]
    chosen, total = load(pointer(workspace.chosen, 0), 0), log(load(pointer(workspace.sums, 0), 0))
    difference = chosen - highest_of(parameters, output.levels)
    store(pointer(workspace.nats, 0), 0, difference * splat(np.float32(1 / temperature)) - total)


KERNEL = Kernel(_weigh, _log_prob, nothing)

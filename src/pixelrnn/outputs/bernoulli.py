"""Bernoulli output: images of two levels. Paper: van den Oord et al. 2016, section 5.1 (MNIST)."""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelrnn.kernels.functions import exp, log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, address, load, maximum, pointer, splat, store, view
from pixelrnn.outputs.workspace import Kernel, Output, Workspace, nothing

__all__ = ["KERNEL", "Bernoulli"]

_ZERO = np.float32(0)


@dataclasses.dataclass(frozen=True)
class Bernoulli:
    r"""One logit l: :math:`p(x = 1) = \sigma(l)`.

    Example:
        >>> Bernoulli().log_prob(torch.zeros(1, 1, 1), torch.ones(1, 1)).exp()
        tensor([[0.5000]])
    """

    parameters = 1
    entries = levels = 2
    mixtures = copies = 0

    def start(self) -> Tensor:
        """A fair coin."""
        return torch.zeros(1)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Nats of each value in 0, 1: parameters `(N, C, 1, ...)`, `x` `(N, C, ...)`."""
        sign = 2 * x.to(parameters.dtype) - 1
        return F.logsigmoid(sign * parameters.squeeze(2))

    def log_table(self, parameters: Tensor) -> Tensor:
        """Nats of both levels, `(N, C, 2, ...)`."""
        return torch.cat([F.logsigmoid(-parameters), F.logsigmoid(parameters)], dim=2)


@inner
def _weigh(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    table, sharpness = pointer(workspace.table, 0), splat(np.float32(1 / temperature))
    logit = load(parameters, 0)
    highest = maximum(logit, splat(_ZERO))
    store(table, 0, exp((splat(_ZERO) - highest) * sharpness))
    store(table, LANES, exp((logit - highest) * sharpness))


@inner
def _log_prob(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    logits = view(address(parameters), np.float32)
    for lane in range(LANES):
        workspace.chosen[lane] = logits[lane] * workspace.value[lane]
        workspace.sums[lane] = workspace.total[lane]
    chosen, total = load(pointer(workspace.chosen, 0), 0), log(load(pointer(workspace.sums, 0), 0))
    highest = maximum(load(parameters, 0), splat(_ZERO))
    store(pointer(workspace.nats, 0), 0, (chosen - highest) * splat(np.float32(1 / temperature)) - total)


KERNEL = Kernel(_weigh, _log_prob, nothing)

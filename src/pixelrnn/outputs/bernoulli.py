"""Bernoulli output: images of two levels. Paper: van den Oord et al. 2016, section 5.1 (MNIST)."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Bernoulli"]


@dataclasses.dataclass(frozen=True)
class Bernoulli:
    r"""One logit l: :math:`p(x = 1) = \sigma(l)`.

    Example:
        >>> Bernoulli().log_prob(torch.zeros(1, 1, 1), torch.ones(1, 1)).exp()
        tensor([[0.5000]])
    """

    parameters = 1

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

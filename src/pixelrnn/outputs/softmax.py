"""Softmax output: every level has its own logit. Paper: van den Oord et al. 2016, section 3.6."""

import dataclasses

import torch
from torch import Tensor

__all__ = ["Softmax"]


@dataclasses.dataclass(frozen=True)
class Softmax:
    r"""Logits l of L levels: :math:`p(x = v) = e^{l_v} / \sum_w e^{l_w}`.

    Example:
        >>> Softmax(4).log_prob(torch.zeros(1, 1, 4), torch.tensor([[3]])).exp()
        tensor([[0.2500]])
    """

    levels: int

    @property
    def parameters(self) -> int:
        """One logit a level."""
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

"""What every output distribution can do, and how a value is drawn from a table of probabilities.

Shapes: B any leading and trailing dimensions around the parameter dimension, which is dimension 2: parameters
`(N, C, P, ...)`, values `(N, C, ...)`. All logarithms are natural.
"""

from typing import Protocol

from torch import Tensor

__all__ = ["AbstractOutput", "draw"]


class AbstractOutput(Protocol):
    """Distribution of one sub-pixel, given P parameters."""

    @property
    def parameters(self) -> int:
        """Number P of parameters of a sub-pixel."""

    def start(self) -> Tensor:
        """Parameters `(P,)` that an untrained network gives."""

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log probability (density for continuous data) in nats of values `x` `(N, C, ...)`."""

    def sample(self, parameters: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
        """Values `(N, C, ...)` for uniform random numbers in [0, 1) of that shape, by the inverse distribution."""


def draw(log_table: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    r"""Draw from :math:`p(v)^{1/T} / \sum_w p(w)^{1/T}` by inverting the cumulative distribution.

    One uniform number decides one value, so that equal numbers give equal values however the work is grouped.

    Args:
        log_table: `(N, C, L, ...)` log probability of every level.
        uniform: `(N, C, ...)` float64 in [0, 1).
        temperature: T > 0; below 1 sharpens.

    Returns:
        `(N, C, ...)` int64 values in 0 .. L-1.

    Example:
        >>> draw(torch.tensor([0.25, 0.75]).log().view(1, 1, 2), torch.tensor([[0.3]]), 1.0)
        tensor([[1]])
    """
    cumulative = (log_table.double() / temperature).softmax(2).cumsum(2)
    return (uniform.unsqueeze(2) >= cumulative.narrow(2, 0, log_table.shape[2] - 1)).sum(2)

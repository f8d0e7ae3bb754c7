"""What every output distribution can do.

Shapes: the parameter dimension is dimension 2, with any dimensions behind it: parameters `(N, C, P, ...)`, values
`(N, C, ...)`. All logarithms are natural.
"""

from typing import Protocol

from torch import Tensor

__all__ = ["AbstractOutput"]


class AbstractOutput(Protocol):
    """Distribution of one sub-pixel, given P parameters.

    One of discrete values has `log_table(parameters) -> (N, C, L, ...)` too, the nats of all levels, by which values
    are drawn where it has no compiled twin (`pixelrnn.outputs.workspace.Kernel`).
    """

    @property
    def parameters(self) -> int:
        """Number P of parameters of a sub-pixel."""

    def start(self) -> Tensor:
        """Parameters `(P,)` that an untrained network gives."""

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log probability (density for continuous data) in nats of values `x` `(N, C, ...)`."""

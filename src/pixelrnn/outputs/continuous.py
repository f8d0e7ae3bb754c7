r"""Mixture of Gaussians: a density for continuous data. Paper: Uria, Murray, Larochelle, *RNADE*, NeurIPS 2013.

Data that was once integers has no density: a model can grow arbitrarily sharp on it. Add uniform noise of one level's
width first (dequantisation), or use a discrete output.
"""

import dataclasses
import math

import torch
from torch import Tensor

__all__ = ["ContinuousMixture"]

# Narrower than e^-12 no float32 value is resolved near 1; the bound also keeps the density and its gradient finite.
MIN_LOG_SCALE, MAX_LOG_SCALE = -12.0, 12.0


@dataclasses.dataclass(frozen=True)
class ContinuousMixture:
    r"""K Gaussians with weights :math:`\pi_k`, means :math:`\mu_k` and standard deviations :math:`s_k`.

    .. math:: p(x) = \sum_k \frac{\pi_k}{s_k \sqrt{2 \pi}} e^{-(x - \mu_k)^2 / 2 s_k^2}

    Parameters are ordered: K logits of the weights, K means, K logarithms of the standard deviations. Values are used
    as they are: scale data to about -1 .. 1.

    Example:
        >>> ContinuousMixture(1).log_prob(torch.zeros(1, 1, 3), torch.zeros(1, 1)).exp()
        tensor([[0.3989]])
    """

    mixtures: int

    @property
    def parameters(self) -> int:
        """Three a component."""
        return 3 * self.mixtures

    def start(self) -> Tensor:
        """Components of equal weight spread over -1 .. 1, each as wide as the gap between two of them."""
        means = torch.linspace(-1, 1, self.mixtures + 2)[1:-1]
        return torch.cat([torch.zeros(self.mixtures), means, torch.full((self.mixtures,), 2 / self.mixtures).log()])

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log density in nats: parameters `(N, C, 3K, ...)`, `x` `(N, C, ...)`."""
        weights, means, log_scales = parameters.chunk(3, dim=2)  # (N, C, K, ...)
        log_scales = log_scales.clamp(MIN_LOG_SCALE, MAX_LOG_SCALE)
        distance = (x.unsqueeze(2) - means) * torch.exp(-log_scales)
        component = -0.5 * distance**2 - log_scales - 0.5 * math.log(2 * math.pi)
        return (weights.log_softmax(2) + component).logsumexp(2)

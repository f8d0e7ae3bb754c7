r"""Mixture of Gaussians: a density for continuous data. Paper: Uria, Murray, Larochelle, *RNADE*, NeurIPS 2013.

Data that was once integers has no density: a model can grow arbitrarily sharp on it. Add uniform noise of one level's
width first (dequantisation), or use a discrete output.
"""

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from pixelrnn.kernels import scalars
from pixelrnn.kernels.functions import exp, log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, Vector, address, load, maximum, pointer, splat, store, view
from pixelrnn.outputs.mixture import MAX_LOG_SCALE, MIN_LOG_SCALE, log_scale
from pixelrnn.outputs.workspace import LOWEST, Kernel, Output, Workspace, exp_weights, highest_of

__all__ = ["KERNEL", "ContinuousMixture"]

# The scales have the bounds of the logistics. Narrower than e^-12 no float32 value is resolved near 1; the bounds also
# keep the density and its gradient finite.

_ZERO, _HALF, _LOG_SQRT_2PI = np.array([0, 0.5, 0.9189385332046727], np.float32)


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
    levels = copies = 0

    @property
    def parameters(self) -> int:
        """Three a component."""
        return 3 * self.mixtures

    @property
    def entries(self) -> int:
        """Of a table: one a component."""
        return self.mixtures

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


@inner
def _weigh(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    exp_weights(parameters, output.mixtures, temperature, pointer(workspace.table, 0))


@inner
def _refine(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    """Replace the number of a Gaussian by a value of it: what is left of the uniform number decides."""
    count, root = output.mixtures, math.sqrt(temperature)
    for k in range(0, count * LANES, LANES):
        store(pointer(workspace.scale, 0), k, exp(log_scale(parameters, count, k)))
    means = view(address(parameters), np.float32)
    for lane in range(LANES):
        if workspace.is_given[lane]:
            continue
        at = int(workspace.value[lane]) * LANES + lane
        inside = (workspace.target[lane] - workspace.below[lane]) / workspace.table[at]
        inside = min(max(inside, 1e-12), 1 - 1e-12)
        workspace.value[lane] = means[count * LANES + at] + workspace.scale[at] * root * scalars.quantile(inside)


@inner
def _log_component(parameters: Address, count: int, k: int, x: Vector, temperature: float) -> Vector:
    """Logarithm of weight times density of a Gaussian, without the constant."""
    scale = log_scale(parameters, count, k) + splat(np.float32(0.5 * scalars.log(temperature)))
    distance = (x - load(parameters, count * LANES + k)) * exp(splat(_ZERO) - scale)
    logit = load(parameters, k) * splat(np.float32(1 / temperature))
    return logit - distance * distance * splat(_HALF) - scale


@inner
def _log_prob(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    count, sharpness = output.mixtures, splat(np.float32(1 / temperature))
    x = load(pointer(workspace.value, 0), 0)
    highest, above = splat(LOWEST), highest_of(parameters, count) * sharpness
    for k in range(0, count * LANES, LANES):
        highest = maximum(highest, _log_component(parameters, count, k, x, temperature))
    inside, all_weights = splat(_ZERO), splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        inside = inside + exp(_log_component(parameters, count, k, x, temperature) - highest)
        all_weights = all_weights + exp(load(parameters, k) * sharpness - above)
    density = highest - above + log(inside / all_weights) - splat(_LOG_SQRT_2PI)
    store(pointer(workspace.nats, 0), 0, density)


KERNEL = Kernel(_weigh, _log_prob, _refine)

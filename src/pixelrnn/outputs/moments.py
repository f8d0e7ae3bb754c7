r"""What a distribution expects of the surprise at its own values: the mean and the variance of -log p(x).

.. math:: H = -\sum_v p(v) \ln p(v), \qquad V = \sum_v p(v) \ln^2 p(v) - H^2

H is the entropy. Of what has few parameters a level they are sums over the levels by torch. Of a mixture of logistics
on the CPU they are compiled: one cumulative distribution an edge between levels, where it is neither 0 nor 1.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.output import AbstractOutput

__all__ = ["Moments", "SurpriseMap", "surprise_moments"]

AT_ONCE = 2**22  # entries of the tables that are held at once


class Moments(NamedTuple):
    """Mean and variance of the surprise at each sub-pixel's value, by its own distribution.

    Attributes:
        mean: `(N, C, ...)` nats: the entropies H.
        variance: `(N, C, ...)` squared nats: V.
    """

    mean: Tensor
    variance: Tensor


class SurpriseMap(NamedTuple):
    r"""How surprising each sub-pixel is, and how surprising its own distribution expects it to be.

    Given the earlier ones, :math:`-\ln p(x_i) - H_i` has the mean 0 and the variance :math:`V_i`: the sums over images
    from the model are a martingale.

    Attributes:
        log_prob: `(N, C, H, W)` nats: as `log_prob_map` alone.
        mean: `(N, C, H, W)` nats: H, the mean of -log p.
        variance: `(N, C, H, W)` squared nats: V, its variance.
    """

    log_prob: Tensor
    mean: Tensor
    variance: Tensor


def surprise_moments(output: AbstractOutput, parameters: Tensor) -> Moments:
    """The moments of the surprise by distributions of parameters `(N, C, P, ...)`.

    Raises:
        ConfigError: If values are continuous.

    Example:
        >>> from pixelrnn.outputs import Bernoulli
        >>> mean, variance = surprise_moments(Bernoulli(), torch.tensor([0.0, 3.0]).view(1, 1, 1, 2))
        >>> print(mean, variance)
        tensor([[[0.6931, 0.1909]]]) tensor([[[0.0000, 0.4066]]])
    """
    if not getattr(output, "levels", 1):
        raise ConfigError("the expected surprise is a sum over levels, which continuous values do not have")
    is_plain = parameters.device.type == "cpu" and parameters.dtype == torch.float32 and not parameters.requires_grad
    if isinstance(output, LogisticMixture) and is_plain:
        kernel = compiled_module("pixelrnn.outputs.moments_kernel", "the expected surprise of mixtures")
        found: tuple[Tensor, Tensor] = kernel.surprise_moments(output, parameters)
        return Moments(*found)
    return by_table(output, parameters)


def by_table(output: Any, parameters: Tensor) -> Moments:
    """The same, by sums over all levels of so many distributions at a time that their tables fit."""
    count = parameters.shape[2]
    flat = parameters.movedim(2, 1).flatten(2)  # (N, P, D): one channel of many sub-pixels
    parts = torch.split(flat, max(1, AT_ONCE // (count * len(flat))), dim=2)
    found = [_of(output.log_table(part.unsqueeze(1))) for part in parts]
    shape = (*parameters.shape[:2], *parameters.shape[3:])
    mean, variance = (torch.cat([each[of] for each in found], dim=2).reshape(shape) for of in range(2))
    return Moments(mean, variance)


def _of(logs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance by the nats of all levels, `(N, C, L, ...)`."""
    probabilities = logs.exp()
    logs = logs.clamp(min=torch.finfo(logs.dtype).min)  # what cannot be adds nothing
    mean = -(probabilities * logs).sum(2)
    surplus = logs + mean.unsqueeze(2)
    return mean, (probabilities * (surplus * probabilities.sign()) ** 2).sum(2)

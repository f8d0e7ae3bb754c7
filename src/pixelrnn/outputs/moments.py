r"""What a distribution expects of the surprise at its own values, and where in the distribution a value lies.

Mean and variance of -log p(x) are

.. math:: H = -\sum_v p(v) \ln p(v), \qquad V = \sum_v p(v) \ln^2 p(v) - H^2

H is the entropy. A number u, drawn evenly between F(x - 1) and F(x) of the distribution function, is uniform in
[0, 1] for a value x of the distribution. Given x, the first two Legendre polynomials of 2 u - 1 have the means

.. math:: r = a + b - 1, \qquad o = 2 (a^2 + a b + b^2) - 3 (a + b) + 1, \qquad a = F(x - 1), b = F(x)

whose means by the distribution are 0: the components of Neyman's smooth test ("Smooth test for goodness of fit",
Skandinavisk Aktuarietidskrift 1937).

They are sums over all levels by torch; of softmaxes and of mixtures of logistics on the CPU they are compiled.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.output import AbstractOutput
from pixelrnn.outputs.softmax import Softmax

__all__ = ["Moments", "SurpriseMap", "surprise_map", "surprise_moments"]

AT_ONCE = 2**22  # entries of the tables that are held at once


class Moments(NamedTuple):
    """What the distribution of each sub-pixel says of its own surprise, and of a value.

    Attributes:
        mean: `(N, C, ...)` nats: the entropies H.
        variance: `(N, C, ...)` squared nats: V.
        below: `(N, C, ...)`: probabilities of lower values, F(x - 1).
    """

    mean: Tensor
    variance: Tensor
    below: Tensor


class SurpriseMap(NamedTuple):
    r"""How surprising each sub-pixel is, how surprising its own distribution expects it to be, and on which side.

    Given the earlier ones, :math:`-\ln p(x_i) - H_i` has the mean 0 and the variance :math:`V_i`, and ranks and
    outlyingness have the mean 0: all three are martingales over images from the model.

    Attributes:
        log_prob: `(N, C, H, W)` nats: as `log_prob_map` alone.
        mean: `(N, C, H, W)` nats: H, the mean of -log p.
        variance: `(N, C, H, W)` squared nats: V, its variance.
        rank: `(N, C, H, W)`: r, from -1, lower than was expected, to 1, higher; 0 in the middle.
        outlying: `(N, C, H, W)`: o, from -1/2 in the middle to 1 at either end.
    """

    log_prob: Tensor
    mean: Tensor
    variance: Tensor
    rank: Tensor
    outlying: Tensor


def surprise_map(output: AbstractOutput, parameters: Tensor, x: Tensor) -> SurpriseMap:
    """All that is known of values `x` `(N, C, ...)` by distributions of parameters `(N, C, P, ...)`.

    Raises:
        ConfigError: If values are continuous.

    Example:
        >>> from pixelrnn.outputs import Bernoulli
        >>> found = surprise_map(Bernoulli(), torch.tensor([0.0, 3.0]).view(1, 1, 1, 2), torch.tensor([[[0, 1]]]))
        >>> print(found.mean, found.rank)
        tensor([[[0.6931, 0.1909]]]) tensor([[[-0.5000,  0.0474]]])
    """
    nats = output.log_prob(parameters, x)
    mean, variance, below = surprise_moments(output, parameters, x)
    above = below + nats.exp()
    rank, both = below + above - 1, below + above
    outlying = 2 * (below**2 + below * above + above**2) - 3 * both + 1
    return SurpriseMap(nats, mean, variance, rank, outlying)


def surprise_moments(output: AbstractOutput, parameters: Tensor, x: Tensor) -> Moments:
    """The moments of the surprise, and the probabilities of less than `x`; errors as by `surprise_map`."""
    if not getattr(output, "levels", 1):
        raise ConfigError("the expected surprise is a sum over levels, which continuous values do not have")
    is_plain = parameters.device.type == "cpu" and parameters.dtype == torch.float32 and not parameters.requires_grad
    if isinstance(output, LogisticMixture | Softmax) and is_plain:
        kernel = compiled_module("pixelrnn.outputs.moments_kernel", "the expected surprise")
        found: tuple[Tensor, Tensor, Tensor] = kernel.surprise_moments(output, parameters, x)
        return Moments(*found)
    return by_table(output, parameters, x)


def by_table(output: Any, parameters: Tensor, x: Tensor) -> Moments:
    """The same, by sums over all levels of so many distributions at a time that their tables fit."""
    count = max(parameters.shape[2], getattr(output, "levels", 2))
    flat, values = parameters.movedim(2, 1).flatten(2), x.flatten(1)  # (N, P, D), (N, D): one channel of many
    size = max(1, AT_ONCE // (count * len(flat)))
    parts = zip(torch.split(flat, size, dim=2), torch.split(values, size, dim=1), strict=True)
    found = [_of(output.log_table(part.unsqueeze(1)), value.unsqueeze(1)) for part, value in parts]
    shape = (*parameters.shape[:2], *parameters.shape[3:])
    return Moments(*(torch.cat(each, dim=2).reshape(shape) for each in zip(*found, strict=True)))


def _of(logs: Tensor, x: Tensor) -> Moments:
    """By the nats of all levels, `(N, C, L, ...)`, of values `(N, C, ...)`."""
    probabilities = logs.exp()
    logs = logs.clamp(min=torch.finfo(logs.dtype).min)  # what cannot be adds nothing
    mean = -(probabilities * logs).sum(2)
    surplus = logs + mean.unsqueeze(2)
    levels = torch.arange(logs.shape[2], device=logs.device).view(-1, *[1] * (x.dim() - 2))
    below = (probabilities * (levels < x.unsqueeze(2))).sum(2)
    return Moments(mean, (probabilities * (surplus * probabilities.sign()) ** 2).sum(2), below)

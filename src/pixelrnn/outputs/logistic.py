r"""Mixture of discretised logistics: few parameters however many levels, and near levels are known to be near.

Paper: Salimans et al., *PixelCNN++*, ICLR 2017 (arXiv 1701.05517), section 2.1. Differs from it: the channels of a
pixel need no linear coupling here, since each has its own parameters from a network that has seen the earlier ones.
"""

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelrnn.config.architectures import FINE
from pixelrnn.kernels.functions import exp, log, one_minus_exp
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    address,
    choose,
    load,
    maximum,
    minimum,
    pointer,
    splat,
    store,
    view,
)
from pixelrnn.outputs.mixture import MAX_LOG_SCALE, MIN_LOG_SCALE, log_scale
from pixelrnn.outputs.workspace import (
    SMALLEST,
    Kernel,
    Output,
    Workspace,
    highest_of,
    log_prob_of_table,
    nothing,
    sharpen,
)

__all__ = [
    "KERNEL", "LogisticMixture", "decide_on_demand", "is_on_demand", "prepare", "total_weight", "weight_below",
]  # fmt: skip

_ZERO, _HALF, _ONE, _TWO = np.array([0, 0.5, 1, 2], np.float32)


@dataclasses.dataclass(frozen=True)
class LogisticMixture:
    r"""K logistics with weights :math:`\pi_k`, means :math:`\mu_k`, scales :math:`s_k`; levels are spread over [-1, 1].

    .. math::
        p(x) = \sum_k \pi_k \left[\sigma\left(\frac{y + \delta - \mu_k}{s_k}\right)
        - \sigma\left(\frac{y - \delta - \mu_k}{s_k}\right)\right], \quad
        y = \frac{2x}{L - 1} - 1, \quad \delta = \frac{1}{L - 1}

    where the lowest level takes the whole lower tail and the highest the whole upper one, so that the levels sum to 1.

    M copies add :math:`\sum_m \rho_m [x = v_m]`: point masses at levels :math:`v_m`, whose weights sum to 1 together
    with the :math:`\pi_k`.

    Parameters are ordered: K logits of the weights, K means, K logarithms of the scales; M logits of copies, M levels.

    Example:
        >>> output = LogisticMixture(levels=8, mixtures=2)
        >>> output.log_table(torch.randn(1, 1, 6)).exp().sum(2)
        tensor([[1.0000]])
    """

    levels: int
    mixtures: int
    copies: int = 0

    @property
    def parameters(self) -> int:
        """Three a component, two a copy."""
        return 3 * self.mixtures + 2 * self.copies

    @property
    def entries(self) -> int:
        """Of a table: one a level."""
        return self.levels

    def start(self) -> Tensor:
        """Components of equal weight spread over the range, each as wide as the gap between two of them."""
        means = torch.linspace(-1, 1, self.mixtures + 2)[1:-1]
        return torch.cat([torch.zeros(self.mixtures), means, torch.full((self.mixtures,), 1 / self.mixtures).log()])

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Nats of each value in 0 .. L-1: parameters `(N, C, 3K + 2M, ...)`, `x` `(N, C, ...)`."""
        logistics, points, places = torch.split(parameters, [3 * self.mixtures, self.copies, self.copies], dim=2)
        weights, means, log_scales = logistics.chunk(3, dim=2)  # (N, C, K, ...)
        inverse = torch.exp(-log_scales.clamp(MIN_LOG_SCALE, MAX_LOG_SCALE))
        x = x.unsqueeze(2)
        # The upper edge of a level and the lower edge of the next are the same float, so that nothing falls between.
        double = 2 * x.to(parameters.dtype)
        top = self.levels - 1
        upper = ((double + 1) / top - 1 - means) * inverse
        lower = ((double - 1) / top - 1 - means) * inverse
        # sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - e^(a-b)): nothing cancels, however far out a and b lie.
        below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
        inside = below + above + torch.log(-torch.expm1(-2 / top * inverse))
        interval = torch.where(x == 0, below, torch.where(x == top, above, inside))
        if self.copies:
            weights = torch.cat([weights, points], dim=2)
            interval = torch.cat([interval, torch.where(x == places, 0.0, -math.inf)], dim=2)
        return (weights.log_softmax(2) + interval).logsumexp(2)

    def log_table(self, parameters: Tensor) -> Tensor:
        """Nats of all levels, `(N, C, L, ...)`."""
        shape = (parameters.shape[0], parameters.shape[1], *parameters.shape[3:], self.levels)
        levels = torch.arange(self.levels, device=parameters.device).expand(shape)
        return self.log_prob(parameters.unsqueeze(-1), levels).movedim(-1, 2)


@inner
def _logistic(x: Vector) -> Vector:
    """1 / (1 + e^-x), to the last digits of the value however small it is."""
    return splat(_ONE) / (splat(_ONE) + exp(splat(_ZERO) - x))


@inner
def _add_points(output: Output, points: Address, highest: Vector, workspace: Workspace) -> None:
    """Add the point masses to the table: logits, then the levels where they lie."""
    places = view(address(points), np.float32)
    for k in range(0, output.copies * LANES, LANES):
        store(pointer(workspace.chosen, 0), 0, exp(load(points, k) - highest))
        for lane in range(LANES):
            level = int(places[output.copies * LANES + k + lane])
            workspace.table[level * LANES + lane] += workspace.chosen[lane]


@inner
def _weigh(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    table = pointer(workspace.table, 0)
    levels, count, top = output.levels, output.mixtures, np.float32(output.levels - 1)
    points = pointer(parameters, 3 * count * LANES)
    highest = maximum(highest_of(parameters, count), highest_of(points, output.copies))
    for j in range(0, levels * LANES, LANES):
        store(table, j, splat(_ZERO))
    for k in range(0, count * LANES, LANES):
        share = exp(load(parameters, k) - highest)
        mean = load(parameters, count * LANES + k)
        inverse = exp(splat(_ZERO) - log_scale(parameters, count, k))
        width = one_minus_exp(splat(np.float32(2) / top) * inverse)
        for level in range(levels):
            # The upper edge of a level and the lower edge of the next are the same float.
            above = _logistic((mean - splat(np.float32(2 * level - 1) / top - _ONE)) * inverse)
            below = _logistic((splat(np.float32(2 * level + 1) / top - _ONE) - mean) * inverse)
            part = above * below * width
            if level == 0:
                part = below
            if level == levels - 1:
                part = above
            store(table, level * LANES, load(table, level * LANES) + share * part)
    _add_points(output, points, highest, workspace)
    if temperature != 1:
        sharpen(table, levels, temperature)


@inner
def prepare(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Write a mixture's weights, means over scales, inverse scales and weights of copies into `workspace.scale`."""
    count, prepared = output.mixtures, pointer(workspace.scale, 0)
    points = pointer(parameters, 3 * count * LANES)
    highest = maximum(highest_of(parameters, count), highest_of(points, output.copies))
    for k in range(0, count * LANES, LANES):
        inverse = exp(splat(_ZERO) - log_scale(parameters, count, k))
        store(prepared, k, exp(load(parameters, k) - highest))
        store(prepared, count * LANES + k, load(parameters, count * LANES + k) * inverse)
        store(prepared, 2 * count * LANES + k, inverse)
    for k in range(0, output.copies * LANES, LANES):
        store(prepared, 3 * count * LANES + k, exp(load(points, k) - highest))


@inner
def total_weight(output: Output, workspace: Workspace) -> Vector:
    """The weight of all levels; the workspace is prepared."""
    prepared, total = pointer(workspace.scale, 0), splat(_ZERO)
    for k in range(output.mixtures):
        total = total + load(prepared, k * LANES)
    for m in range(3 * output.mixtures, 3 * output.mixtures + output.copies):
        total = total + load(prepared, m * LANES)
    return total


@inner
def weight_below(output: Output, parameters: Address, workspace: Workspace, level: Vector, total: Vector) -> Vector:
    """The weight of all levels below a level; the workspace is prepared."""
    count, prepared, top = output.mixtures, pointer(workspace.scale, 0), np.float32(output.levels - 1)
    edge = (level + level - splat(_ONE)) / splat(top) - splat(_ONE)
    below = splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        mean, inverse = load(prepared, count * LANES + k), load(prepared, 2 * count * LANES + k)
        below = below + load(prepared, k) / (splat(_ONE) + exp(mean - edge * inverse))
    for m in range(output.copies):
        point = load(parameters, (3 * count + output.copies + m) * LANES)
        below = below + choose(point, level, load(prepared, (3 * count + m) * LANES), splat(_ZERO))
    below = choose(level, splat(_HALF), splat(_ZERO), below)
    return choose(splat(top), level, total, below)


@inner
def is_on_demand(output: Output) -> bool:
    """Whether values are decided without a table: it would be long, and nothing is to be cut off or made sharper."""
    temperature, top_p = view(output.settings, np.float64)[0], view(output.settings, np.float64)[1]
    return output.mixtures > 0 and output.levels > FINE and output.top_k == 0 and top_p >= 1 and temperature == 1


@inner
def decide_on_demand(output: Output, parameters: Address, workspace: Workspace, wants_nats: bool) -> None:
    r"""As `pixelrnn.outputs.decide.decide`, without a table, by the closed form of the cumulative weights.

    A number u draws the highest level v below which lies at most the share u of the weights,

    .. math:: \sum_k \pi_k\,\sigma\left(\frac{(2 v - 1) / (L - 1) - 1 - \mu_k}{s_k}\right) \le u,

    by bisection, in as many steps as a level has digits; in float32, so that u counts in steps of :math:`2^{-24}`.
    """
    prepare(output, parameters, workspace)
    total = total_weight(output, workspace)
    for lane in range(LANES):
        workspace.chosen[lane] = workspace.target[lane]
    found = _found(output, parameters, workspace, load(pointer(workspace.chosen, 0), 0) * total, total)
    store(pointer(workspace.given, 0), 0, found)
    for lane in range(LANES):
        if workspace.target[lane] >= 0:
            workspace.value[lane] = workspace.given[lane]
    if wants_nats:
        weight = _weight_at(output, parameters, workspace, load(pointer(workspace.value, 0), 0))
        store(pointer(workspace.nats, 0), 0, log(maximum(weight, splat(SMALLEST))) - log(total))


@inner
def _found(output: Output, parameters: Address, workspace: Workspace, target: Vector, total: Vector) -> Vector:
    """The highest levels with at most a target below them."""
    found, step = splat(_ZERO), 1
    while 2 * step < output.levels:
        step *= 2
    while step > 0:
        middle = found + splat(np.float32(step))
        below = weight_below(output, parameters, workspace, middle, total)
        found = choose(target, below, found, middle)
        step //= 2
    return minimum(found, splat(np.float32(output.levels - 1)))  # a number just below 1 is 1 in float32


@inner
def _weight_at(output: Output, parameters: Address, workspace: Workspace, level: Vector) -> Vector:
    """The weight of one level of each lane, to the last digits however small it is; the workspace is prepared."""
    count, prepared, top = output.mixtures, pointer(workspace.scale, 0), np.float32(output.levels - 1)
    lower = (level + level - splat(_ONE)) / splat(top) - splat(_ONE)
    upper = (level + level + splat(_ONE)) / splat(top) - splat(_ONE)
    weight = splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        mean, inverse = load(parameters, count * LANES + k), load(prepared, 2 * count * LANES + k)
        # As in the table: sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - e^(a-b)).
        above = splat(_ONE) / (splat(_ONE) + exp((lower - mean) * inverse))
        below = splat(_ONE) / (splat(_ONE) + exp((mean - upper) * inverse))
        part = above * below * one_minus_exp(splat(_TWO / top) * inverse)
        part = choose(level, splat(_HALF), below, choose(splat(top - _HALF), level, above, part))
        weight = weight + load(prepared, k) * part
    for m in range(output.copies):
        point = load(parameters, (3 * count + output.copies + m) * LANES)
        distance = maximum(point - level, level - point)
        weight = weight + choose(distance, splat(_HALF), load(prepared, (3 * count + m) * LANES), splat(_ZERO))
    return weight


KERNEL = Kernel(_weigh, log_prob_of_table, nothing)

"""The update rule, the course of its rate over the budget, and the average of the weights."""

import math

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer, RMSprop
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pixelrnn.config import TrainConfig
from pixelrnn.train.muon import BETAS, Muon

__all__ = ["average_into", "build", "learning_rate"]

FIRST = 0.01  # of the peak: the least rate of the warm-up


def build(model: nn.Module, config: TrainConfig) -> Optimizer:
    """The optimiser that a configuration asks for, of the parameters of a model."""
    rate, decay, parameters = _peak(config), config.weight_decay, model.parameters()
    match config.optimiser:
        case "muon":
            hidden = {id(parameter) for parameter in _hidden_matrices(model)}
            matrices = [parameter for parameter in model.parameters() if id(parameter) in hidden]
            others = [parameter for parameter in model.parameters() if id(parameter) not in hidden]
            return Muon(matrices, others, lr=rate, weight_decay=decay)
        case "adam":
            return Adam(parameters, lr=rate, weight_decay=decay)
        case "adamw":
            return AdamW(parameters, lr=rate, weight_decay=decay, betas=BETAS)
        case _:
            return RMSprop(parameters, lr=rate, weight_decay=decay, alpha=0.95)


def _hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """What the networks of a model declare to map features to features."""
    declaring = [module for module in model.modules() if hasattr(module, "hidden_matrices")]
    return [parameter for module in declaring for parameter in module.hidden_matrices()]  # type: ignore[operator]


def learning_rate(config: TrainConfig, fraction: float) -> float:
    r"""Rate after a share of the budget: linear up to the peak, then a half cosine to 0 (or constant).

    Example:
        >>> config = TrainConfig(learning_rate=1.0, warmup=0.5)
        >>> [round(learning_rate(config, share), 3) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
        [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    peak, fraction = _peak(config), min(1.0, fraction)
    if fraction < config.warmup:
        # Not from 0: with a budget of time the first step starts at 0, and would be lost.
        return peak * max(fraction / config.warmup, FIRST)
    if config.decay == "none":
        return peak
    course = (fraction - config.warmup) / (1 - config.warmup)
    return peak * (1 + math.cos(math.pi * course)) / 2


def _peak(config: TrainConfig) -> float:
    assert config.learning_rate is not None  # `TrainConfig.for_architecture` was called
    return config.learning_rate


@torch.no_grad()
def average_into(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    r"""Update an exponential moving average of the weights.

    .. math:: \bar w \leftarrow d \bar w + (1 - d) w, \qquad d = \min(decay, (1 + step) / (10 + step))

    so that the first steps do not weigh on it for long.
    """
    update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
    update(list(average.parameters()), list(model.parameters()), step)

r"""Planning: what to do, by a model of what will be seen.

A next-frame model is a model of images whose context is the frame before and whose label is the action:
:math:`p(x_{t+1} \mid x_t, a_t)`. Frames drawn from it, one after the other, are a rollout; the mean reward of rollouts
says what a sequence of actions is worth; and the best sequence that is found is a plan, of which an agent takes the
first action before it plans again.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.brief import brief
from pixelrnn.config import require_seed
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel

__all__ = ["Dynamics", "Plan", "Search", "cross_entropy_method", "dynamics_of", "random_shooting", "rollout", "worth"]

Array = np.ndarray[Any, np.dtype[Any]]

Dynamics = Callable[[Tensor, Tensor, int], Tensor]
"""From frames `(N, C, H, W)`, actions `(N,)` int64 and a seed to the next frames `(N, C, H, W)`."""

Reward = Callable[[Tensor], Tensor]
"""From frames `(N, C, H, W)` to what each is worth, `(N,)`."""


class Plan(NamedTuple):
    """The best of the sequences of actions that were tried.

    Attributes:
        actions: `(T,)` int64.
        value: Its worth in the rollouts that it was chosen by; of chance, the best of many is too good.
    """

    actions: Tensor
    value: float

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """How plans are searched for.

    Attributes:
        actions: Number of actions.
        horizon: Steps T of a plan.
        sequences: Tried at once.
        rollouts: Number of rollouts of each plan; the more, the less a plan is worth by luck alone.
        discount: Discount of rewards, for each step.
        rounds: Number of rounds of the cross-entropy method.
        elite: Share of the sequences that it learns from.
        smoothing: Share of the old probabilities that it keeps.
    """

    actions: int
    horizon: int
    sequences: int = 128
    rollouts: int = 1
    discount: float = 1.0
    rounds: int = 4
    elite: float = 0.1
    smoothing: float = 0.2

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("actions", "horizon", "sequences", "rollouts", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        if not 0 < self.discount <= 1:
            raise ConfigError(f"discount is {self.discount}; it lies above 0 and up to 1")
        if not 0 < self.elite <= 1:
            raise ConfigError(f"elite is {self.elite}; it lies above 0 and up to 1")
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"smoothing is {self.smoothing}; it is 0 and above, below 1")

    def mean_worth(self, dynamics: Dynamics, reward: Reward, frame: Tensor, actions: Tensor, seed: int) -> Tensor:
        """The mean worth of sequences `(K, T)` in so many rollouts of each; see `worth`."""
        repeated = actions.repeat_interleave(self.rollouts, dim=0)
        values = worth(dynamics, reward, frame, repeated, discount=self.discount, seed=seed)
        return values.view(-1, self.rollouts).mean(1)


def dynamics_of(model: AbstractImageModel, *, temperature: float = 1.0, batch: int = 256) -> Dynamics:
    """The next frames as a next-frame model draws them.

    Args:
        model: Model with a context of the shape of its images, and a label for each action.
        temperature: Temperature of the draws.
        batch: Frames drawn at once.

    Raises:
        ConfigError: If the model is of another kind.
    """
    config = model.config
    if config.context != config.shape or config.classes == 0:
        raise ConfigError(
            f"a next-frame model has the frame before as its context and actions as labels; this one has context "
            f"{config.context} for images {config.shape}, and {config.classes} labels"
        )

    def step(frames: Tensor, actions: Tensor, seed: int) -> Tensor:
        return model.sample(len(frames), label=actions, context=frames, temperature=temperature, seed=seed, batch=batch)

    return step


def rollout(dynamics: Dynamics, frames: Tensor, actions: Tensor, *, seed: int = 0) -> Tensor:
    """Frames drawn one after the other.

    Args:
        dynamics: Dynamics of the frames.
        frames: `(N, C, H, W)`, where the rollouts begin.
        actions: `(N, T)` int64.
        seed: Seed of all draws.

    Returns:
        `(N, T, C, H, W)`: what follows each action.

    Raises:
        DataError: If there are not as many sequences of actions as frames.
    """
    require_seed("seed", seed)
    if actions.ndim != 2 or len(actions) != len(frames):
        raise DataError(f"actions have shape {tuple(actions.shape)}; (N, T) for N = {len(frames)} frames is needed")
    seeds, seen = np.random.SeedSequence(seed).generate_state(actions.shape[1]), []
    for column, own in zip(actions.T, seeds, strict=True):
        frames = dynamics(frames, column, int(own))
        seen.append(frames)
    return torch.stack(seen, dim=1)


def worth(
    dynamics: Dynamics, reward: Reward, frame: Tensor, actions: Tensor, *, discount: float = 1.0, seed: int = 0
) -> Tensor:
    r"""What sequences of actions are worth, by a rollout each.

    .. math:: \sum_{t=1}^{T} \gamma^{t-1} r(x_t)

    Args:
        dynamics: Dynamics of the frames.
        reward: Reward of a frame.
        frame: `(C, H, W)`, where they begin.
        actions: `(K, T)` int64; repeat a sequence to average over rollouts of it.
        discount: gamma.
        seed: Seed of all draws.

    Returns:
        `(K,)` float64.

    Raises:
        DataError: If the shapes do not fit.
    """
    frames = rollout(dynamics, frame[None].expand(len(actions), *frame.shape), actions, seed=seed)
    rewards = reward(frames.flatten(0, 1)).double().reshape(actions.shape)
    return rewards @ discount ** torch.arange(actions.shape[1], dtype=torch.float64)


def random_shooting(dynamics: Dynamics, reward: Reward, frame: Tensor, search: Search, *, seed: int = 0) -> Plan:
    """Try random sequences of actions and take the best.

    Args:
        dynamics: Dynamics of the frames.
        reward: Reward of a frame.
        frame: `(C, H, W)`, what is seen now.
        search: Options of the search.
        seed: Seed of all draws.
    """
    require_seed("seed", seed)
    random = np.random.default_rng([seed, 0])
    tried = torch.from_numpy(random.integers(0, search.actions, (search.sequences, search.horizon)))
    values = search.mean_worth(dynamics, reward, frame, tried, seed)
    best = int(values.argmax())
    return Plan(tried[best], float(values[best]))


def cross_entropy_method(dynamics: Dynamics, reward: Reward, frame: Tensor, search: Search, *, seed: int = 0) -> Plan:
    """Try sequences of actions, and then such as are like the best of them (Rubinstein 1999).

    Each step of a plan has probabilities of its own for the actions. In every round sequences are drawn from them, and
    they move to the frequencies among the elite.

    Args:
        dynamics: Dynamics of the frames.
        reward: Reward of a frame.
        frame: `(C, H, W)`, what is seen now.
        search: Options of the search.
        seed: Seed of all draws.
    """
    require_seed("seed", seed)
    random = np.random.default_rng([seed, 1])
    chances = np.full((search.horizon, search.actions), 1 / search.actions)
    best = Plan(torch.zeros(search.horizon, dtype=torch.int64), -math.inf)
    for number, own in enumerate(np.random.SeedSequence(seed).generate_state(search.rounds)):
        tried = _draw(chances, search.sequences, random)
        values = search.mean_worth(dynamics, reward, frame, tried, int(own))
        order = values.argsort(descending=True, stable=True)
        if number == 0 or float(values[order[0]]) > best.value:
            best = Plan(tried[order[0]], float(values[order[0]]))
        elite = tried[order[: max(1, round(search.elite * search.sequences))]]
        found = torch.nn.functional.one_hot(elite, search.actions).double().mean(0).numpy()
        chances = search.smoothing * chances + (1 - search.smoothing) * found
    return best


def _draw(chances: Array, sequences: int, random: np.random.Generator) -> Tensor:
    """Sequences of actions, `(K, T)`, each step by its own chances."""
    edges = chances.cumsum(1)[:, :-1]  # (T, A - 1)
    numbers = random.random((sequences, len(chances), 1))
    return torch.from_numpy((numbers >= edges).sum(2))

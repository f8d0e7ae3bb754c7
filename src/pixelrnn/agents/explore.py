r"""Exploration: how often something like this frame was seen before, by a density that learns online.

A model that has seen n frames gives a frame x the probability :math:`\rho`, and :math:`\rho'` after learning from it
once. If the model counted, both would follow from one count; so the pseudo-count of x is (Bellemare et al., *Unifying
Count-Based Exploration and Intrinsic Motivation*, NeurIPS 2016, equation 2)

.. math:: \hat N = \frac{\rho (1 - \rho')}{\rho' - \rho} = \frac{1 - \rho'}{e^{PG} - 1},
          \qquad PG = \ln \rho' - \ln \rho

with the prediction gain PG. A network's gains do not fall as fast as those of counts, so they are scaled (Ostrovski et
al., *Count-Based Exploration with Neural Density Models*, ICML 2017; they leave out :math:`\rho'`, which is next to
nothing for images)

.. math:: \hat N = \frac{1 - \rho'}{\exp(c \, n^{-1/2} \max(PG, 0)) - 1},

and an agent is paid :math:`b \, (\hat N + 0.01)^{-1/2}` for what it sees.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.data.contexts import derive
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.scan.pool import Pool

__all__ = ["Novelty", "PseudoCounts", "bonus", "frame_of", "pseudo_count"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_COUNT = 0.01  # beside the pseudo-count in the bonus (Bellemare et al., section 5.1)


class Novelty(NamedTuple):
    """What a frame was to a model that learns online.

    Attributes:
        log_prob: Log probability of the frame before it was learnt, in nats.
        prediction_gain: Nats by which the frame became likelier.
        pseudo_count: Number of times that the frame was seen before, as it were; infinite if it did not become
            likelier.
        bonus: What an agent is paid.
    """

    log_prob: float
    prediction_gain: float
    pseudo_count: float
    bonus: float


def pseudo_count(log_prob: float, log_prob_after: float, *, scale: float = 1.0) -> float:
    """The pseudo-count of the module's formulas, from log probabilities before and after learning.

    Args:
        log_prob: ln rho, nats.
        log_prob_after: ln rho', nats.
        scale: Factor of the prediction gain: 1 for Bellemare et al., c n^(-1/2) for Ostrovski et al.

    Returns:
        0 and above; infinite if the frame did not become likelier.

    Example:
        A model that counts: three of ten frames were this one, then four of eleven.

        >>> round(pseudo_count(math.log(3 / 10), math.log(4 / 11)), 9)
        3.0
    """
    gain = scale * (log_prob_after - log_prob)
    if not gain > 0:
        return math.inf
    # Beyond this the exponential is more than a float holds, and the count nothing.
    return -math.expm1(min(0.0, log_prob_after)) / math.expm1(gain) if gain < 700 else 0.0


def bonus(count: float) -> float:
    """What is paid for a frame that was seen so often: (count + 0.01)^(-1/2)."""
    return 1 / math.sqrt(count + LEAST_COUNT)


class PseudoCounts:
    """A model that learns from frames one at a time, and says how new each was.

    Args:
        model: Model of the frames, with levels; it is trained in place, by RMSProp as in the paper of Ostrovski et al.
        learning_rate: Learning rate of RMSProp.
        gain_scale: c of the module's formulas.
        bonus_scale: b of the module's formulas.

    Raises:
        ConfigError: If the model is continuous or a number is not above 0.

    Example:
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> config = ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=2, layers=1, hidden=8)
        >>> counts = PseudoCounts(ImageModel(config, seed=0))
        >>> frame = torch.zeros(1, 8, 8, dtype=torch.uint8)
        >>> first = counts.observe(frame)
        >>> for _ in range(200):
        ...     later = counts.observe(frame)
        >>> later.pseudo_count > 10 * first.pseudo_count
        True
    """

    def __init__(
        self,
        model: AbstractImageModel,
        *,
        learning_rate: float = 1e-3,
        gain_scale: float = 0.1,
        bonus_scale: float = 1.0,
    ) -> None:
        if model.config.levels == 0:
            raise ConfigError("pseudo-counts need probabilities; a continuous model gives densities")
        for name, value in (
            ("learning_rate", learning_rate), ("gain_scale", gain_scale), ("bonus_scale", bonus_scale)
        ):  # fmt: skip
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} is {value}; it must be above 0 and finite")
        self.model = model
        self.gain_scale, self.bonus_scale = gain_scale, bonus_scale
        self.frames = 0
        self._pool = Pool()
        self._optimiser = torch.optim.RMSprop(model.parameters(), learning_rate, alpha=0.95, eps=1e-4)

    def observe(self, frame: Tensor, label: int | None = None) -> Novelty:
        """Learn from a frame, and say how new it was.

        Args:
            frame: `(C, H, W)` integers as the model takes them.
            label: Label of the frame, if the model knows labels: an action, say.

        Raises:
            DataError: If the frame does not fit the model, or the model produced NaN.
        """
        x = frame[None]
        self._optimiser.zero_grad()
        with self._pool:
            log_prob = self.model.log_prob(x, label)[0]
            (-log_prob / x.numel()).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        with torch.no_grad():
            after = self.model.log_prob(x, label)[0].item()
        before = log_prob.item()
        if not (math.isfinite(before) and math.isfinite(after)):
            raise DataError("the model produced NaN; a smaller learning_rate helps")
        self.frames += 1
        count = pseudo_count(before, after, scale=self.gain_scale / math.sqrt(self.frames))
        return Novelty(before, after - before, count, self.bonus_scale * bonus(count))


def frame_of(observation: Array, *, side: int = 42, levels: int = 8) -> Tensor:
    """An observation as a small grey image of few levels, as density models of Atari games see it.

    Args:
        observation: `(H, W)` or `(H, W, 3)` uint8, at least `side` pixels in both directions.
        side: Side of the frame: the mean of the pixels that fall on each of its own.
        levels: Number of levels of the frame, up to 256.

    Returns:
        `(1, side, side)` uint8.

    Raises:
        DataError: If the observation is no such image.
        ConfigError: If `side` or `levels` is out of range.

    Example:
        >>> frame_of(np.full((210, 160, 3), 255, np.uint8)).unique()
        tensor([7], dtype=torch.uint8)
    """
    if side < 1 or not 2 <= levels <= 256:
        raise ConfigError(f"side is {side}, levels is {levels}; at least 1, and 2 to 256, are allowed")
    if observation.dtype != np.uint8 or observation.ndim not in (2, 3) or observation.shape[2:] not in ((), (3,)):
        raise DataError(
            f"an observation is {observation.dtype} {observation.shape}; uint8 (H, W) or (H, W, 3) is needed"
        )
    values = torch.from_numpy(observation.astype(np.float32))
    if values.ndim == 3:
        values = derive("grey", values.movedim(2, 0)[None])[0, 0]
    if min(values.shape) < side:
        raise DataError(f"an observation has {observation.shape[1]}x{observation.shape[0]} pixels; side is {side}")
    small = torch.nn.functional.adaptive_avg_pool2d(values[None], side)
    return (small * levels / 256).floor().clamp(0, levels - 1).to(torch.uint8)

r"""How much information images hold: a bound from above on the entropy of their source.

For a source with distribution q, the mean code length of its images by a model p is the cross-entropy

.. math:: H(q, p) = -E_q[\log_2 p(x)] = H(q) + KL(q \,\|\, p) \ge H(q),

so what is measured on images that the model was not trained on bounds the entropy rate H(q), in bits an image, from
above; the better the model, the closer. By the chain rule the same holds of each sub-pixel given the earlier ones. Of a
model that is given labels, contexts or the colours of an image, it is all conditional on these.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from pixelrnn.brief import brief
from pixelrnn.config import require_draws
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback
from pixelrnn.scores.score import Images, log_prob_maps

__all__ = ["CodeLengths", "Entropy", "bootstrap", "entropy"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True)
class Entropy:
    """An upper bound on the entropy of a source, estimated.

    Attributes:
        bits: Mean code length of an image.
        interval: Bootstrap confidence interval of that mean.
        confidence: Confidence of the interval.
        draws: Number of draws of the bootstrap.
        seed: Seed of the draws.
        bits_per_dim: The mean for a sub-pixel.
        images: Number of images that were measured.
        position: `(C, H, W)` float64: mean bits of each sub-pixel given the earlier ones; their sum is `bits`.
        position_error: `(C, H, W)`: standard errors of these means.
    """

    bits: float
    interval: tuple[float, float]
    confidence: float
    draws: int
    seed: int
    bits_per_dim: float
    images: int
    position: Array
    position_error: Array

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)


def bootstrap(
    *samples: Array,
    statistic: Callable[..., float] = np.mean,
    confidence: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic (Efron & Tibshirani 1993, chapter 13).

    Args:
        samples: `(N, ...)` each: what was observed; drawn from with replacement, each apart.
        statistic: Statistic of as many samples; the mean of one if not given.
        confidence: Share of the draws that lies within, above 0 and below 1.
        draws: Number of draws.
        seed: Seed of the draws.

    Raises:
        ConfigError: If `confidence` or `draws` is out of range.

    Example:
        >>> bootstrap(np.array([1.0, 2.0, 3.0, 4.0]), seed=0)
        (1.5, 3.5)
    """
    require_draws(confidence, draws)
    random = np.random.default_rng(seed)
    found = [statistic(*(random.choice(sample, len(sample)) for sample in samples)) for _ in range(draws)]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def entropy(
    model: AbstractImageModel,
    images: Images,
    *,
    confidence: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
    batch: int = 64,
    callback: Callback | None = None,
) -> Entropy:
    """Estimate the entropy rate of a source from above, with what each position of the image contributes.

    Args:
        model: Trained on other images of the source.
        images: Images of the source, of one size; independent of each other, or the interval is too narrow.
        confidence: Confidence of the interval.
        draws: Number of draws of the bootstrap.
        seed: Seed of the bootstrap.
        batch: Images computed at once.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.

    Raises:
        DataError: If there are no images, or they differ in size or do not fit the model.
        ConfigError: If the model is continuous, whose densities are no code lengths; if a number is out of range.

    Example:
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> found = entropy(model, torch.randint(0, 2, (50, 1, 4, 4), generator=torch.Generator().manual_seed(0)))
        >>> found.interval[0] < found.bits < found.interval[1]
        True
    """
    lengths = CodeLengths.of(model, images, batch=batch, callback=callback)
    return lengths.entropy(confidence=confidence, draws=draws, seed=seed)


@dataclasses.dataclass(frozen=True)
class CodeLengths:
    """What is needed of images for the entropy of their source; parts of them can be joined.

    Attributes:
        bits: `(N,)`: code length of each image.
        total: `(C, H, W)`: sums over all images of the bits of each sub-pixel.
        squares: The sums of their squares.
    """

    bits: Array
    total: Array
    squares: Array

    @classmethod
    def of(
        cls, model: AbstractImageModel, images: Images, *, batch: int = 64, callback: Callback | None = None
    ) -> Self:
        """Compute them; arguments and errors as for `entropy`."""
        if model.config.levels == 0:
            raise ConfigError("a continuous model gives densities, which are no code lengths; train with levels")
        parts = list[Self]()
        for found in log_prob_maps(model, images, batch=batch, callback=callback):
            bits = -found.double().numpy() / math.log(2)
            parts.append(cls(bits.sum((1, 2, 3)), bits.sum(0), np.square(bits).sum(0)))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The same of the images of all parts; raises `DataError` if they differ in size."""
        if len({part.total.shape for part in parts}) != 1:
            raise DataError("the images differ in size; the entropy of an image is that of images of one size")
        bits = np.concatenate([part.bits for part in parts])
        return cls(bits, np.sum([part.total for part in parts], 0), np.sum([part.squares for part in parts], 0))

    def entropy(self, *, confidence: float = 0.95, draws: int = 2_000, seed: int = 0) -> Entropy:
        """The estimate; arguments and errors as for `entropy`."""
        count = len(self.bits)
        variance = np.maximum(self.squares - self.total**2 / count, 0) / max(1, count - 1)
        interval = bootstrap(self.bits, confidence=confidence, draws=draws, seed=seed)
        mean, errors = float(self.bits.mean()), np.sqrt(variance / count)
        per_dim = mean / self.total.size
        return Entropy(mean, interval, confidence, draws, seed, per_dim, count, self.total / count, errors)

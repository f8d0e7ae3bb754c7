r"""What is unusual among images, by a model of the usual ones.

The likelihood alone is known to fail: a model of one set of images can prefer other, simpler ones (Nalisnick et al.,
*Do Deep Generative Models Know What They Don't Know?*, ICLR 2019). So there are five scores to choose from, each higher
for what is more usual, all but the last in bits for a sub-pixel (C H W of them):

`Likelihood`
    .. math:: s(x) = \log_2 p(x) / CHW

`LikelihoodRatio`, against a model of the background that all images share, trained on perturbed images (Ren et al.,
*Likelihood Ratios for Out-of-Distribution Detection*, NeurIPS 2019, section 3)
    .. math:: s(x) = (\log_2 p(x) - \log_2 p_0(x)) / CHW

`InputComplexity`, against what an ordinary lossless format needs, L(x) bits (Serra et al., *Input Complexity and
Out-of-distribution Detection with Likelihood-based Generative Models*, ICLR 2020, section 4, with the other sign)
    .. math:: s(x) = (\log_2 p(x) + L(x)) / CHW

`Typicality`, how near the code length is to the entropy of the usual images, from either side (Nalisnick et al.,
*Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality*, 2019, section 3, with the other sign)
    .. math:: s(x) = -\left| -\log_2 p(x) / CHW - \hat H \right|

`Surprise`, how near the code length is to what the model itself expects of it, in standard deviations, from either side
of what usual images have, m: a model is not perfect
    .. math:: s(x) = -\left| Z(x) - m \right|, \quad
              Z(x) = \frac{\sum_i -\ln p(x_i \mid x_{<i}) - H_i}{\sqrt{\sum_i V_i}}

with mean :math:`H_i` and variance :math:`V_i` of the surprise at a sub-pixel by its own distribution. Of images from
the model the numerator is a martingale, and Z has mean 0 and, of many sub-pixels, about a standard normal distribution.

The words are those of scikit-learn's detectors: `fit`, `score_samples` and `predict`.
"""

import abc
from typing import Any, NamedTuple, Self

import numpy as np
from torch import Tensor

from pixelrnn.archive.ordinary import file_of, fits
from pixelrnn.config import ModelConfig, require_alpha
from pixelrnn.data.images import ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.plots import MODES, to_image
from pixelrnn.progress import Callback
from pixelrnn.scores.entropy import bootstrap
from pixelrnn.scores.score import Images, Scores, as_set_or_tensor, batches, score, share_below

__all__ = [
    "METHODS",
    "AbstractDetector",
    "AreaUnderCurve",
    "InputComplexity",
    "Likelihood",
    "LikelihoodRatio",
    "Surprise",
    "Typicality",
    "area_under_curve",
    "coded_bits",
    "detector",
    "standardised",
]

LEAST_VARIANCE = 1e-6
"""Squared nats of an image: a value that was all but certain, and is not there, counts a thousandfold."""

Array = np.ndarray[Any, np.dtype[Any]]


class AbstractDetector(abc.ABC):
    """Tells how usual images are.

    Args:
        model: Model of the usual images.
        batch: Images computed at once.
    """

    def __init__(self, model: AbstractImageModel, *, batch: int = 64) -> None:
        self.model, self.batch = model, batch
        self.usual_: Array | None = None

    @abc.abstractmethod
    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        """The score of images whose code lengths are known."""

    def fit(self, images: Images, *, lengths: Scores | None = None, callback: Callback | None = None) -> Self:
        """Learn what scores usual images have: images that the model was not trained on, such as those of validation.

        Args:
            images: Usual ones.
            lengths: What `score` finds of them, if that is known already.
            callback: Callback that is told the progress of each pass through the images.

        Raises:
            DataError: If there are no images, or they do not fit the model.
        """
        self.usual_ = np.sort(self.score_samples(images, lengths=lengths, callback=callback))
        return self

    def score_samples(
        self, images: Images, *, lengths: Scores | None = None, callback: Callback | None = None
    ) -> Array:
        """The score of each image, `(N,)` float64, in bits for a sub-pixel: the higher, the more usual.

        Arguments as for `fit`.

        Raises:
            DataError: If there are no images, or they do not fit the model, or it gives one of them no number.
            ConfigError: If the score needs `fit` first.
        """
        images = as_set_or_tensor(self.model, images)
        lengths = self._lengths(images, lengths, callback)
        if np.isnan(lengths.nats).any():
            raise DataError("the model produced NaN for an image: its training went wrong")
        # What cannot occur is as unusual as can be, whatever it is compared with.
        return np.where(np.isinf(lengths.nats), -np.inf, self._judge(lengths, images, callback))

    def _lengths(self, images: Images, lengths: Scores | None, callback: Callback | None) -> Scores:
        return score(self.model, images, batch=self.batch, callback=callback) if lengths is None else lengths

    def p_values(self, scores: Array) -> Array:
        r"""How likely a usual image is to have a score as low as each of these, `(N,)`.

        .. math:: P = \frac{1 + \#\{i : s_i \le s\}}{1 + n}

        with the scores :math:`s_i` of the n images of `fit`: if an image is as usual as they are, P is at most
        :math:`\alpha` with probability at most :math:`\alpha` (Vovk et al., *Algorithmic Learning in a Random World*,
        2005, section 2.2).

        Raises:
            ConfigError: If there was no `fit`.
            DataError: If a score is NaN.
        """
        usual = self._fitted()
        if np.isnan(scores).any():
            raise DataError("a score is NaN, which is neither usual nor unusual")
        values: Array = (1 + np.searchsorted(usual, scores, "right")) / (1 + len(usual))
        return values

    def predict(self, images: Images, *, alpha: float = 0.05) -> Array:
        """1 for each image that may be usual, -1 where the p-value is at most alpha: that share of usual ones too.

        Raises:
            ConfigError: If `alpha` is not between 0 and 1, or there was no `fit`.
            DataError: As by `score_samples`.
        """
        require_alpha(alpha)
        return np.where(self.p_values(self.score_samples(images)) <= alpha, -1, 1)

    def _fitted(self) -> Array:
        if self.usual_ is None:
            raise ConfigError(f"{type(self).__name__} needs fit(images) with usual images first")
        return self.usual_


class Likelihood(AbstractDetector):
    """The likelihood itself: see the module; fails where unusual images are simpler than the usual ones."""

    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        return -lengths.bits_per_dim


class LikelihoodRatio(AbstractDetector):
    """The likelihood against that of a background model: see the module.

    Args:
        model: Model of the usual images.
        background: Model of the same images with noise in them (`DataConfig.perturb`): what all images have in common.
        batch: Images computed at once.

    Raises:
        ConfigError: If the models are of images of other channels or levels.
    """

    def __init__(self, model: AbstractImageModel, background: AbstractImageModel, *, batch: int = 64) -> None:
        super().__init__(model, batch=batch)
        own, other = model.config, background.config
        if (own.shape[0], own.levels) != (other.shape[0], other.levels):
            raise ConfigError(
                f"the model is of {own.shape[0]} channels and {own.levels} levels, "
                f"the background of {other.shape[0]} and {other.levels}; they must be alike"
            )
        self.background = background

    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        others = score(self.background, images, batch=self.batch, callback=callback)
        with np.errstate(invalid="ignore"):  # of two infinities, which `score_samples` sees to
            difference: Array = others.bits_per_dim - lengths.bits_per_dim
        return difference


class InputComplexity(AbstractDetector):
    """The likelihood against an ordinary lossless format, the smaller of PNG and WebP: see the module.

    Raises:
        ConfigError: If the model is continuous, or of images of two channels, which these formats do not have.
    """

    def __init__(self, model: AbstractImageModel, *, batch: int = 64) -> None:
        super().__init__(model, batch=batch)
        if not self.takes(model.config):
            raise ConfigError(
                f"complexity compares with PNG and WebP; they have no images of {model.config.shape[0]} channels and "
                f"{model.config.levels or 'continuous'} levels"
            )

    @staticmethod
    def takes(config: ModelConfig) -> bool:
        """Whether PNG and WebP have images as a model of this configuration takes them."""
        return 2 <= config.levels <= 256 and config.shape[0] in MODES

    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        coded = [coded_bits(examples.images, self.model.config.levels) for examples in batches(images, self.batch)]
        difference: Array = np.concatenate(coded) / lengths.dims - lengths.bits_per_dim
        return difference


class Typicality(AbstractDetector):
    """How near the code length is to that of usual images: see the module.

    Attributes:
        entropy_: Mean code length, after `fit`, of the usual images in bits for a sub-pixel.
    """

    def fit(self, images: Images, *, lengths: Scores | None = None, callback: Callback | None = None) -> Self:
        """See `AbstractDetector`."""
        self._usual_lengths = usual = self._lengths(images, lengths, callback).bits_per_dim
        if not np.isfinite(usual).all():
            raise DataError("a usual image has probability zero; then there is no typical code length")
        self.entropy_ = float(usual.mean())
        # Each against the mean of the others, as an image that is not among them will be.
        self.usual_ = np.sort(-np.abs(usual - self.entropy_) * (len(usual) / max(1, len(usual) - 1)))
        return self

    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        self._fitted()
        return -np.abs(lengths.bits_per_dim - self.entropy_)

    def p_value_of_batch(self, images: Images, *, draws: int = 2_000, seed: int = 0) -> float:
        r"""How likely as many usual images are to be as far from typical together as these.

        .. math:: \hat\epsilon = \left| \frac1M \sum_m -\log_2 p(x_m) / CHW - \hat H \right|

        against its values for batches of M that are drawn from the images of `fit` with replacement. (The paper takes
        the entropy from training images, and draws from validation images; here both are those of `fit`.) The more
        images, the smaller the deviation that is found.

        Args:
            images: M of them.
            draws: Batches drawn.
            seed: Seed of the draws.

        Returns:
            The share of the draws that are at least as far, themselves counted once: reject below a level of your own.

        Raises:
            ConfigError: If there was no `fit`.
        """
        self._fitted()
        lengths = score(self.model, images, batch=self.batch).bits_per_dim
        distance, random = abs(lengths.mean() - self.entropy_), np.random.default_rng(seed)
        drawn = np.array([random.choice(self._usual_lengths, len(lengths)).mean() for _ in range(draws)])
        return float((1 + (np.abs(drawn - self.entropy_) >= distance).sum()) / (1 + draws))


class Surprise(AbstractDetector):
    """How near the code length is to what the model expects of it: see the module.

    Attributes:
        centre_: Median Z of the usual images, after `fit`.

    Raises:
        ConfigError: If the model is continuous, or a mean of models, when it is asked.
    """

    def _lengths(self, images: Images, lengths: Scores | None, callback: Callback | None) -> Scores:
        if lengths is not None and lengths.variance is not None:
            return lengths
        return score(self.model, images, batch=self.batch, moments=True, callback=callback)

    def fit(self, images: Images, *, lengths: Scores | None = None, callback: Callback | None = None) -> Self:
        """See `AbstractDetector`."""
        usual = standardised(self._lengths(images, lengths, callback))
        if not np.isfinite(usual).all():
            raise DataError("a usual image has probability zero; then there is no telling what to expect")
        self.centre_ = float(np.median(usual))
        self.usual_ = np.sort(-np.abs(usual - self.centre_))
        return self

    def _judge(self, lengths: Scores, images: ImageSet | Tensor, callback: Callback | None) -> Array:
        self._fitted()
        distance: Array = -np.abs(standardised(lengths) - self.centre_)
        return distance


def standardised(lengths: Scores) -> Array:
    """Z of images whose moments are known: see the module; 0 where everything was certain, and so it was."""
    assert lengths.expected is not None
    assert lengths.variance is not None
    values: Array = (lengths.nats - lengths.expected) / np.sqrt(np.maximum(lengths.variance, LEAST_VARIANCE))
    return values


METHODS: dict[str, type[AbstractDetector]] = {
    "likelihood": Likelihood,
    "ratio": LikelihoodRatio,
    "complexity": InputComplexity,
    "typicality": Typicality,
    "surprise": Surprise,
}


def detector(
    method: str, model: AbstractImageModel, background: AbstractImageModel | None = None, *, batch: int = 64
) -> AbstractDetector:
    """A detector by its name.

    Raises:
        ConfigError: If there is no such method, or a background is missing, or given to a method that has none.
    """
    if method not in METHODS:
        raise ConfigError(f"method is {method!r}; {', '.join(METHODS)} are there")
    if (method == "ratio") != (background is not None):
        raise ConfigError(
            "method 'ratio' needs a background model" if background is None else f"method {method!r} has no background"
        )
    return LikelihoodRatio(model, background, batch=batch) if background else METHODS[method](model, batch=batch)


def coded_bits(images: Tensor, levels: int) -> Array:
    """Bits that each image takes as PNG or as lossless WebP, the smaller one, `(N,)` float64.

    Example:
        >>> import torch
        >>> flat, noise = torch.zeros(1, 1, 32, 32), torch.randint(0, 256, (1, 1, 32, 32))
        >>> bool(coded_bits(flat, 256) < coded_bits(noise, 256) / 8)
        True
    """
    sizes = []
    for image in images:
        picture = to_image(image, levels)
        sizes.append(8 * min(len(file_of(picture, name)) for name in ("PNG", "WebP") if fits(picture, name)))
    return np.array(sizes, np.float64)


class AreaUnderCurve(NamedTuple):
    """How well scores tell unusual images from usual ones.

    Attributes:
        area: Probability that a usual image has the higher score, equal ones counting half: 0.5 is chance.
        interval: Bootstrap confidence interval, usual and unusual images drawn apart.
    """

    area: float
    interval: tuple[float, float]


def area_under_curve(
    usual: Array, unusual: Array, *, confidence: float = 0.95, draws: int = 1_000, seed: int = 0
) -> AreaUnderCurve:
    r"""Area under the ROC curve (the Mann-Whitney statistic), with a bootstrap interval.

    .. math:: \frac{1}{n m} \sum_{i,j} [s_i > t_j] + \tfrac12 [s_i = t_j]

    Args:
        usual: `(n,)` scores of usual images.
        unusual: `(m,)` scores of unusual images.
        confidence: Confidence of the interval.
        draws: Number of draws of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        DataError: If one of them is empty, or holds NaN.
        ConfigError: If `confidence` or `draws` is out of range.

    Example:
        >>> area_under_curve(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0])).area
        0.9166666666666666
    """
    if len(usual) == 0 or len(unusual) == 0:
        raise DataError(f"{len(usual)} usual and {len(unusual)} unusual images; at least one of each is needed")
    if np.isnan(usual).any() or np.isnan(unusual).any():
        raise DataError("a score is NaN, which is neither usual nor unusual")
    interval = bootstrap(usual, unusual, statistic=_area, confidence=confidence, draws=draws, seed=seed)
    return AreaUnderCurve(_area(usual, unusual), interval)


def _area(usual: Array, unusual: Array) -> float:
    return float(share_below(usual, unusual).mean())

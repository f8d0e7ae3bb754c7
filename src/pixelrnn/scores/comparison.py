"""Images beside usual ones: all that is told of each by one method."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from pixelrnn.errors import ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.scores.anomaly import InputComplexity, detector
from pixelrnn.scores.score import Images, Scores, exact_score, score

__all__ = ["COLUMNS", "Comparison", "compared", "usual_method"]

Array = np.ndarray[Any, np.dtype[Any]]

COLUMNS = ("score", "p_value", "rank", "nats", "bits_per_dim")


class Comparison:
    """Tells of images how likely they are, and how unusual that makes them beside others.

    Args:
        model: Model of the usual images.
        method: One of `pixelrnn.scores.anomaly.METHODS`, or `auto`: see `usual_method`.
        background: Background model, of the method `ratio`.
        exact: Compute likelihoods by `pixelrnn.scores.score.exact_score`.
        batch: Images computed at once.

    Raises:
        ConfigError: If there is no such method, or it does not suit the model, or cannot be exact.

    Example:
        >>> import torch
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> comparison = Comparison(model, "typicality").fit(model.sample(20, seed=0))
        >>> table = comparison.table(model.sample(3, seed=1))
        >>> [(name, table[name].shape) for name in ("score", "p_value", "nats")]
        [('score', (3,)), ('p_value', (3,)), ('nats', (3,))]
    """

    def __init__(
        self,
        model: AbstractImageModel,
        method: str = "auto",
        background: AbstractImageModel | None = None,
        *,
        exact: bool = False,
        batch: int = 64,
    ) -> None:
        self.model, self.batch, self.exact = model, batch, exact
        self.method = usual_method(model, background) if method == "auto" else method
        if exact and self.method in ("surprise", "ratio"):
            raise ConfigError(f"method {self.method} has no exact numbers; likelihood, complexity and typicality have")
        self.detector = detector(self.method, model, background, batch=batch)
        self.reference: Scores | None = None

    def fit(self, usual: Images, callback: Callback | None = None) -> Self:
        """Learn how likely usual images are; they must not be ones that the model was trained on.

        Raises:
            DataError: If there are none, or they do not fit the model.
        """
        self.reference = self._lengths(usual, callback)
        self.detector.fit(usual, lengths=self.reference, callback=callback)
        return self

    def table(
        self, images: Images, callback: Callback | None = None, *, lengths: Scores | None = None
    ) -> dict[str, Array]:
        """What is told of each image.

        Args:
            images: Images, as for `pixelrnn.scores.score.score`.
            callback: Callback that is told the progress.
            lengths: What `score` finds of them, if that is known already.

        Returns:
            `COLUMNS`, each `(N,)` float64: the score, higher for what is more usual; how often a usual image has one as
            low; the share of usual images that are less likely; and how likely the image is.

        Raises:
            DataError: If there are none, or they do not fit the model.
            ConfigError: If there was no `fit`.
        """
        if self.reference is None:
            raise ConfigError("fit with usual images first")
        lengths = self._lengths(images, callback) if lengths is None else lengths
        scores = self.detector.score_samples(images, lengths=lengths, callback=callback)
        ranks = lengths.rank_within(self.reference)
        values = (scores, self.detector.p_values(scores), ranks, lengths.nats, lengths.bits_per_dim)
        return dict(zip(COLUMNS, values, strict=True))

    def _lengths(self, images: Images, callback: Callback | None) -> Scores:
        if self.exact:
            return exact_score(self.model, images, batch=self.batch, callback=callback)
        expects = self.method == "surprise"
        return score(self.model, images, batch=self.batch, moments=expects, callback=callback)


def compared(
    comparisons: Mapping[str, Comparison], images: Images, callback: Callback | None = None
) -> dict[str, Array]:
    """What several models tell of the same images.

    Args:
        comparisons: Of each model by its name, with usual images.
        images: Images, as for `pixelrnn.scores.score.score`.
        callback: Callback that is told the progress.

    Returns:
        `COLUMNS` as of `Comparison.table`; if there are several, each is called `model:column`.
    """
    report, found = Reporter(callback), dict[str, Array]()
    for number, (name, comparison) in enumerate(comparisons.items()):
        share = report.part(number / len(comparisons), (number + 1) / len(comparisons))
        of = f"{name}:" if len(comparisons) > 1 else ""
        table = comparison.table(images, None if callback is None else share.forward)
        found |= {of + column: values for column, values in table.items()}
    return found


def usual_method(model: AbstractImageModel, background: AbstractImageModel | None) -> str:
    """The method that suits a model: ratio with a background; else complexity, or typicality where that cannot be."""
    if background is not None:
        return "ratio"
    return "complexity" if InputComplexity.takes(model.config) else "typicality"

"""Samples by their numbers, as engines call for them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pixelrnn.config import Sampling
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.scale.batch import Batch, column_of
from pixelrnn.scale.loading import loaded

__all__ = ["Sampler"]

Array = np.ndarray[Any, np.dtype[Any]]


class Sampler:
    """Draws the images of a batch of numbers: image i is that of `model.sample` with the same seed, anywhere.

    Args:
        model: A model, or its name or folder, as for `Scorer`.
        sampling: Seed, temperature, and what else is chosen of drawing.
        label: Label of all images, for a model that knows labels; else the column `label` says which each has.
        size: Height and width; those of the training images if not given.
        threads: Threads of this process; as they are if not given.

    Example:
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> images = Sampler(model, Sampling(seed=1))({"number": np.array([2, 0])})["image"]
        >>> bool((images[0] == model.sample(3, seed=1)[2].numpy()).all())
        True
    """

    def __init__(
        self,
        model: AbstractImageModel | str | Path,
        sampling: Sampling | None = None,
        *,
        label: int | None = None,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
    ) -> None:
        self.model, self.sampling = model, sampling or Sampling()
        self.label, self.size, self.threads = label, size, threads
        self._loaded: AbstractImageModel | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: of a model that has a name, that name."""
        return self.__dict__ | {"_loaded": None}

    def __call__(self, batch: Batch) -> dict[str, Array]:
        """Draw images.

        Args:
            batch: Rows with a `number`, from 0, and a `label` where the model knows labels and none is given for all.

        Returns:
            All columns, and `image`: `(n, C, H, W)`.

        Raises:
            ConfigError: If there is no column of numbers, or as by `model.sample`.
        """
        numbers = column_of(batch, ("number",))
        if self._loaded is None:
            self._loaded = loaded(self.model, self.threads)
        model, columns = self._loaded, {name: np.asarray(values) for name, values in batch.items()}
        label: int | torch.Tensor | None = self.label
        if label is None and model.config.classes and "label" in columns:
            label = torch.from_numpy(columns["label"].astype(np.int64))
        images = model.sample(
            columns[numbers].tolist(), label=label, size=self.size, **dataclasses.asdict(self.sampling)
        )
        return columns | {"image": images.numpy()}

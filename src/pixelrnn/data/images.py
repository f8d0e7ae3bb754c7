"""Sets of images as a model takes them: the three splits of a source."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelrnn.config import DataConfig
from pixelrnn.data.pixels import AbstractPixels
from pixelrnn.data.quantise import Quantiser

__all__ = ["Data", "ImageSet"]


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images of one split, read when they are asked for.

    Args:
        pixels: Where the values lie.
        positions: Which images of `pixels` belong to this set.
        quantiser: From source values to model values.
        patch: Height and width of the random patches to cut; whole images if None.
        patches: Patches of each image.
        seed: Seed of the patches.
        labels: Label of every image of `pixels`, if there are any.
        is_fixed: Whether every draw is the same (evaluation) or each draw is fresh (training).
    """

    pixels: AbstractPixels
    positions: NDArray[np.int64]
    quantiser: Quantiser
    patch: tuple[int, int] | None = None
    patches: int = 1
    seed: int = 0
    labels: NDArray[np.int64] | None = None
    is_fixed: bool = True

    def __len__(self) -> int:
        """Number of images, or of patches."""
        return len(self.positions) * self.patches

    def batch(self, items: Sequence[int], draw: int = 0) -> Tensor:
        """Some images.

        Args:
            items: Their numbers, 0 .. len-1.
            draw: Number of the draw for what is random; ignored by a fixed set.

        Returns:
            `(N, C, H, W)` uint8 levels, or float32 for continuous data.
        """
        draw = 0 if self.is_fixed else draw + 1
        positions = [int(self.positions[item // self.patches]) for item in items]
        images = []
        for item, position, values in zip(items, positions, self.pixels.read(positions), strict=True):
            # The fixed draw belongs to the whole image; everything else is cheaper on the patch alone.
            early = self.patch is not None and self.quantiser.binarize != "fixed"
            values = self._cut(values, item, draw) if early else values
            image = self.quantiser(values, self.pixels.offset(position), item, draw)
            images.append(image if self.patch is None or early else self._cut(image, item, draw))
        return torch.from_numpy(np.stack(images))

    def label(self, items: Sequence[int]) -> Tensor:
        """Labels `(N,)` int64 of some images of a set that has labels."""
        assert self.labels is not None
        return torch.from_numpy(self.labels[self.positions[np.asarray(items) // self.patches]])

    def spaced(self, n: int) -> "ImageSet":
        """A set of at most n of the images, evenly spaced, so that sorted classes all have their share."""
        return dataclasses.replace(self, positions=spaced(self.positions, n))

    def _cut(self, image: NDArray[np.generic], item: int, draw: int) -> NDArray[np.generic]:
        assert self.patch is not None
        height, width = self.patch
        stream = np.random.Generator(np.random.Philox(key=self.seed, counter=[1, 0, item, draw]))
        top = stream.integers(image.shape[1] - height + 1)
        left = stream.integers(image.shape[2] - width + 1)
        return image[:, top : top + height, left : left + width]


def spaced(positions: NDArray[np.int64], n: int | None) -> NDArray[np.int64]:
    """At most n of the positions, evenly spaced."""
    count = len(positions)
    return positions if n is None or n >= count else positions[np.arange(n) * count // n]


@dataclasses.dataclass(frozen=True)
class Data:
    """The splits of a source.

    Attributes:
        train: Images to learn from; random draws and patches are fresh each epoch.
        valid: Images to select by; all draws fixed.
        test: Images to report on; all draws fixed.
        whole: All images of the source in order; all draws fixed.
        levels: Values of a sub-pixel; 0 for continuous data.
        shape: Channels, height and width.
        summary: One line of what was found.
        protocol: One line of how images became values and splits.
        skipped: Files that could not be read, with the reason.
        label_names: Name of each label.
        has_splits: Whether the source itself separates test images from training images.
        source: What was read.
        config: How it was read.
    """

    train: ImageSet
    valid: ImageSet
    test: ImageSet
    whole: ImageSet
    levels: int
    shape: tuple[int, int, int]
    summary: str
    protocol: str
    skipped: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    has_splits: bool = False
    source: str = ""
    config: DataConfig = dataclasses.field(default_factory=DataConfig)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)}

    @property
    def dims(self) -> int:
        """Sub-pixels of an image."""
        return math.prod(self.shape)

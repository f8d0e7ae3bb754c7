"""Which images a command measures."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from pixelrnn.cli.sources import load_as_trained
from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.runs.run import Run

__all__ = ["Choice"]

Split = Literal["auto", "train", "valid", "test", "all"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """Which images are measured, and how they are read where that differs from training."""

    split: Split = "auto"
    """auto: test images of the run's own source or of a source with splits, else all."""

    batch: int = 64
    """Images computed at once."""

    limit: int | None = None
    """Use at most this many images, evenly spaced."""

    packed: tuple[int, int] | None = None
    """Height and width of the images in bit-packed arrays, if not as in training."""

    source_levels: int | None = None
    """Values that an array's sub-pixels can take, if not as in training."""

    bits: int | None = None
    """8: take the upper 8 bits of files with more, for a model of 8."""

    clip_range: bool = False
    """Take the nearest level for values beyond those that the model knows; else they are an error."""

    skip_bad: bool = False
    """Skip, count and list files that cannot be read."""

    without_labels: bool = False
    """Measure images without their labels, with a model that was trained with --label-dropout."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        for name in ("batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")

    @property
    def about(self) -> dict[str, Any]:
        """What of it changes what is measured."""
        return {
            "split": self.split,
            "packed": self.packed,
            "levels": self.source_levels,
            "bits": self.bits,
            "clip": self.clip_range,
            "labels": not self.without_labels,
        }

    def reads_alone(self, run: "Run", source: str) -> bool:
        """Whether each image of a source can be read without the others: nothing is drawn, no split is."""
        from pixelrnn.app.images import is_own

        data = run.data
        is_plain = data.binarize in ("none", "threshold") and run.model.levels != 0 and not self.source_levels
        is_all = self.split == "all" or (self.split == "auto" and not is_own(run, source))
        return is_plain and is_all and self.limit is None and self.packed is None

    def load(
        self, run: "Run", source: str | None, *, are_whole: bool = False, shard: Shard | None = None
    ) -> tuple["Data", str, "ImageSet"]:
        """The data of a source, or else of the run, and of them what is to be measured, with its name.

        Args:
            run: Run of the model.
            source: Source of the images; None for that of the run.
            are_whole: Measure whole images, of any size, where the model was trained on patches of them.
            shard: Part of them that is measured.

        Raises:
            EmptyError: If no image is in the part.
        """
        if self.without_labels and not run.model.classes:
            raise ConfigError("--without-labels is given, but the model has no labels (it was trained without)")
        loaded = load_as_trained(
            run,
            source,
            packed=self.packed,
            limit=self.limit,
            skip_bad=self.skip_bad or None,
            source_levels=self.source_levels,
            bits=self.bits,
            clip_range=self.clip_range or None,
            labels=False if self.without_labels else None,
            are_whole=are_whole,
            # Splits that are drawn are drawn among all images.
            shard=shard if self.split in ("auto", "all") else None,
        )
        data, split = loaded.data if shard is None else loaded.data.of_shard(shard), self.split
        if split == "auto":
            split = "test" if loaded.is_own or data.has_splits else "all"
        return data, split, {"train": data.train, "valid": data.valid, "test": data.test, "all": data.whole}[split]

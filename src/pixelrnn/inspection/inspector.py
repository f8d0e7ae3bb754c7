"""Finds images in which something is unusual, and where: by a model, and usual images to compare with."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from PIL import Image, ImageOps
from scipy import stats
from torch import Tensor

from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.config import require_alpha
from pixelrnn.data.images import ImageSet
from pixelrnn.data.quantise import enlarged
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.inspection.calibration import Calibration
from pixelrnn.inspection.gumbel import p_value_of, threshold_of
from pixelrnn.inspection.regions import Region, mask_of, regions_of
from pixelrnn.inspection.windows import Readings, readings_of
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.orders import list_orders
from pixelrnn.model.pictures import Pictures, as_tensor
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs import files
from pixelrnn.scores.score import surprise_maps

__all__ = ["FalseAlarms", "Inspected", "Inspection", "Inspector"]

Array = np.ndarray[Any, np.dtype[Any]]

Inspected: TypeAlias = ImageSet | Pictures | Sequence[Pictures]
"""Images of any size: a set, a tensor, an array, PIL images, or a list of these."""

ALPHA = 0.01
NEAR = 0.5  # below the highest exceedance: what is marked where no window is above the threshold by itself
SHARE = 0.6  # of what a region reaches above the threshold: what its pixels reach at least
AROUND = 0.4  # of what the highest one reaches: what it lifts the pixels around it by, at most
FORMAT = "pixelrnn threshold 3"


class _Seen(NamedTuple):
    """What a model says of an image, of which size, so many times larger than what the model read."""

    readings: Readings
    size: tuple[int, int]
    reduction: int


class FalseAlarms(NamedTuple):
    """How many usual images are rejected.

    Attributes:
        rate: Their share, of those of `fit`, each compared with the others.
        interval: Confidence interval of the share (Clopper and Pearson, 1934).
    """

    rate: float
    interval: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found in an image; pixels are those of the image before it was shrunk.

    Attributes:
        is_usual: The verdict: whether the p-value is above alpha.
        p_value: How often a usual image is as unusual, in a window or all together.
        highest: What the p-value is of: see `Calibration.judge`.
        threshold: What it is above if the image is rejected.
        readings: What the model says of the pixels that it read, in each of its orders.
        calibration: What the windows are compared with.
        size: Height and width of the image.
        reduction: Side of the squares of its pixels that the model read as one.
    """

    is_usual: bool
    p_value: float
    highest: float
    threshold: float
    readings: Readings
    calibration: Calibration
    size: tuple[int, int]
    reduction: int = 1

    @functools.cached_property
    def exceedance(self) -> Array:
        """`(H, W)` float32: where it is unusual; see `Calibration.exceedance`."""
        return enlarged(self.calibration.exceedance(self.readings), self.reduction, self.size)

    @functools.cached_property
    def mask(self) -> Array:
        """`(H, W)` bool: the pixels above the threshold, or the highest where none is; see `regions.mask_of`."""
        if self.is_usual:
            return np.zeros(self.size, np.bool_)
        highest = float(self.exceedance[np.isfinite(self.exceedance)].max(initial=-math.inf))
        threshold = min(max(self.threshold, AROUND * highest), max(highest, float(self.exceedance.max())) - NEAR)
        return mask_of(self.exceedance, threshold, SHARE)

    @functools.cached_property
    def regions(self) -> tuple[Region, ...]:
        """The connected parts of `mask`, the most unusual first."""
        return () if self.is_usual else tuple(regions_of(self.exceedance, self.mask, p_value_of))

    def __repr__(self) -> str:
        """The verdict, and how many regions there are."""
        verdict = "usual" if self.is_usual else f"unusual, {len(self.regions)} regions"
        return f"Inspection({verdict}, p-value {self.p_value:.3g})"


class Inspector:
    """Tells images in which something is unusual, and where.

    Args:
        model: Model of usual images, of levels.
        alpha: Share of usual images that may be rejected.
        batch: Images computed at once.
        shrink: How many times smaller the model reads images, as in its training (`DataConfig.shrink`): arrays and PIL
            images are given as they are.

    Raises:
        ConfigError: If `alpha` is not between 0 and 1 or `shrink` not at least 1, or the model cannot say what it
            expects.

    Example:
        >>> from pixelrnn import load_data, load_model
        >>> data = load_data("digits")
        >>> from pixelrnn import build_model, ModelConfig
        >>> model = build_model(ModelConfig(**data.model_fields, layers=1, hidden=4), seed=0)
        >>> inspector = Inspector(model, alpha=0.05).fit(data.valid)
        >>> len(inspector.predict(data.test.batch(range(3))))
        3
    """

    def __init__(self, model: AbstractImageModel, *, alpha: float = ALPHA, batch: int = 64, shrink: int = 1) -> None:
        require_alpha(alpha)
        if shrink < 1:
            raise ConfigError(f"shrink is {shrink}; at least 1 is needed")
        self.model, self.alpha, self.batch, self.shrink = model, alpha, batch, shrink
        self.calibration_: Calibration | None = None

    def fit(self, usual: Inspected, *, callback: Callback | None = None) -> Self:
        """Learn how surprising usual images are: images that the model was not trained on, such as those of validation.

        Args:
            usual: Images of any size: a set, which says what `shrink` is; a tensor, an array, PIL images, or a list of
                these.
            callback: Callback that is told the progress.

        Raises:
            DataError: If they are fewer than ten, or do not fit the model.
        """
        if isinstance(usual, ImageSet):
            self.shrink = usual.shrink
        self.calibration_ = Calibration.of([each.readings for each in self._look(usual, callback)])
        return self

    def predict(self, images: Inspected, *, callback: Callback | None = None) -> list[Inspection]:
        """What is found in each image; arguments and errors as for `fit`."""
        return list(self.inspect(images, callback=callback))

    def inspect(self, images: Inspected, *, callback: Callback | None = None) -> Iterator[Inspection]:
        """The same one by one."""
        calibration = self._fitted()
        threshold = threshold_of(self.alpha)
        for readings, size, reduction in self._look(images, callback):
            highest = calibration.judge(readings)
            is_usual, p_value = highest <= threshold, p_value_of(highest)
            yield Inspection(is_usual, p_value, highest, threshold, readings, calibration, size, reduction)

    def score_samples(self, images: Inspected) -> Array:
        """How usual each image is, `(N,)`: the natural logarithm of its p-value."""
        return np.log(np.maximum([each.p_value for each in self.inspect(images)], np.finfo(np.float64).tiny))

    def false_alarms(self, confidence: float = 0.95) -> FalseAlarms:
        """How many of the images of `fit` are rejected at alpha, each compared with the others."""
        calibration = self._fitted()
        reached = calibration.reached
        count, rejected = len(reached), int((reached > threshold_of(self.alpha)).sum())
        tail = (1 - confidence) / 2
        low = stats.beta.ppf(tail, rejected, count - rejected + 1) if rejected else 0.0
        high = stats.beta.ppf(1 - tail, rejected + 1, count - rejected) if rejected < count else 1.0
        return FalseAlarms(rejected / count, (float(low), float(high)))

    @property
    def fingerprint(self) -> str:
        """Sixteen letters that stand for the model, what `fit` learnt, and alpha."""
        tensors, rest = self._fitted().to_tensors()
        found = hashlib.blake2b(fingerprint(self.model), digest_size=8)
        found.update(files.json_text([self.alpha, rest]).encode())
        for name, tensor in tensors.items():
            found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write what `fit` learnt, alpha, and which model it is of."""
        tensors, rest = self._fitted().to_tensors()
        about = {"format": FORMAT, "alpha": self.alpha, "shrink": self.shrink, **rest}
        about["model"] = fingerprint(self.model).hex()
        files.write_tensors(Path(path), tensors, about)

    @classmethod
    def load(cls, path: str | Path, model: AbstractImageModel, *, batch: int = 64) -> Self:
        """Read what `save` wrote, for the same model.

        Raises:
            RunError: If it is no such file, or of another model.
        """
        tensors, about = files.read_tensors(Path(path))
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise RunError(f"{path} is no threshold file; `Inspector.save` and `pixelrnn calibrate` write them")
        if about.get("model") != fingerprint(model).hex():
            raise RunError(f"{path} is of another model, or of this one with other weights; calibrate again")
        try:
            inspector = cls(model, alpha=float(about["alpha"]), batch=batch, shrink=int(about["shrink"]))
            inspector.calibration_ = Calibration.from_tensors(tensors, about)
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise RunError(f"{path} is damaged ({error})") from error
        return inspector

    def _look(self, images: Inspected, callback: Callback | None) -> Iterator[_Seen]:
        """What the model says of each image, whatever they are."""
        parts: list[Any] = [_alone(one) for one in images] if isinstance(images, list | tuple) else [images]
        report = Reporter(callback)
        for number, part in enumerate(parts):
            told = report.part(number / len(parts), (number + 1) / len(parts)).forward
            read, sizes, reduction = self._read(part)
            orders = list_orders(self.model.config)
            maps = surprise_maps(self.model, read, orders=orders, batch=self.batch, callback=told)
            found = (readings for each in maps for readings in readings_of(each))
            for readings, size in zip(found, sizes, strict=True):
                yield _Seen(readings, size, reduction)

    def _read(self, images: ImageSet | Pictures) -> tuple[ImageSet | Tensor, Iterable[tuple[int, int]], int]:
        """Images as the model reads them, the size of each, and how many times larger that is."""
        if isinstance(images, ImageSet):
            if images.shrink != self.shrink:
                raise ConfigError(f"the images are read with shrink {images.shrink}; the inspector has {self.shrink}")
            return images, map(images.original_size, range(len(images))), images.reduction
        if isinstance(images, Image.Image):
            upright = ImageOps.exif_transpose(images)
            return as_tensor(self.model.config, upright, self.shrink), [(upright.height, upright.width)], self.shrink
        whole_images = as_tensor(self.model.config, images)
        *_, height, width = 0, 0, *whole_images.shape  # what is no image is refused with the others
        sizes = [(height, width)] * len(whole_images)
        return as_tensor(self.model.config, whole_images, self.shrink), sizes, self.shrink

    def _fitted(self) -> Calibration:
        if self.calibration_ is None:
            raise ConfigError("Inspector needs fit(images) with usual images first, or load")
        return self.calibration_


def _alone(image: Any) -> Pictures:
    """One image of a list as a batch of one."""
    return image if isinstance(image, Image.Image) else image[None]

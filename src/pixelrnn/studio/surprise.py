"""Where in a picture its bits are, by one model or two; and how that compares with pictures that the model draws."""

import functools
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.large import bands
from pixelrnn.progress import Callback, Progress, StoppedError
from pixelrnn.scores.anomaly import InputComplexity, coded_bits
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import Picture, Pictures, as_base64, as_number
from pixelrnn.studio.places import rows_seen
from pixelrnn.studio.shelf import Shelf

__all__ = ["Surprises"]

Array = np.ndarray[Any, np.dtype[Any]]

LARGE = 1_000_000  # sub-pixels of a picture that is computed in bands
BAND = 1_500_000  # sub-pixels of a band: some seconds
STEPS, INFINITE = 64, 2**16 - 1  # parts of a bit in which those of a band are told, and the number for infinity
DRAWN = 64  # pictures of a model that others are compared with
MOST_DRAWN = 4_096  # sub-pixels of one of these


class _Drawn(NamedTuple):
    """What is known of pictures that a model drew: their bits, and those of their ordinary files if it has such."""

    bits: Array
    coded: Array | None


class Surprises:
    """Bits of pictures, and of what models draw, which is drawn once.

    Args:
        shelf: The models.
        pictures: The pictures.
    """

    def __init__(self, shelf: Shelf, pictures: Pictures) -> None:
        self.shelf, self.pictures, self._lock = shelf, pictures, threading.Lock()
        self._drawn = weakref.WeakKeyDictionary[AbstractImageModel, dict[int | None, _Drawn]]()

    def look(self, asked: Asked) -> Work:
        """The bits of all pixels of a picture, by a model, and by another if one is named."""
        names, picture = [asked.text("model")], self.pictures.find(asked.text("picture"))
        names += [asked.text("against")] if asked.has("against") else []

        def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
            models = [self.shelf.model(name) for name in names]
            for name, model in zip(names, models, strict=True):
                _require_same_values(models[0], model, name)
            found = []
            for number, model in enumerate(models):
                if callback(Progress(fraction=number / len(models))):
                    raise StoppedError
                reach = rows_seen(model)
                if reach is None or picture.x.numel() <= LARGE:
                    found.append(self._found(model, picture, callback))
                else:
                    tell = functools.partial(_send_band, job, number)
                    found.append(_of_bands(model, picture, reach, tell, callback))
            return [{"type": "done", "found": found}]

        return work

    @torch.no_grad()
    def _found(self, model: AbstractImageModel, picture: Picture, callback: Callback) -> dict[str, Any]:
        """By one model: the bits of each pixel, how many more they are than was expected, and their sum."""
        label = picture.label if model.config.classes else None
        moments = None
        if model.config.levels and not model.description:  # a mean of models does not know
            moments = model.log_prob_map(picture.x[None], label=label, moments=True)
        if moments is None or model.config.orders > 1:  # of which moments have the mean of the maps, not the mean's map
            bits = _bits(model.log_prob_map(picture.x[None], label=label))
        else:
            bits = _bits(moments.log_prob)
        total = float(bits.sum())
        found: dict[str, Any] = {"bits": as_base64(bits.numpy().astype(np.float32)), "total": as_number(total)}
        found["expected"] = None
        if moments is not None:
            expected = (moments.mean[0].double().sum(0) / math.log(2)).float()
            found["expected"] = as_base64(expected.numpy())
        coded = _coded(picture.x[None], model)
        if coded is not None:
            found["coded"] = float(coded[0])
        if tuple(picture.x.shape) == tuple(model.config.shape) and picture.x.numel() <= MOST_DRAWN:
            drawn = self._of_drawn(model, label, callback)
            found |= {"drawn": DRAWN, "asOdd": int((drawn.bits >= total).sum())}
            if coded is not None and drawn.coded is not None:
                found["asOddForTheirSize"] = int((drawn.bits - drawn.coded >= total - coded[0]).sum())
        return found

    def _of_drawn(self, model: AbstractImageModel, label: int | None, callback: Callback) -> _Drawn:
        """The bits of pictures of a label that a model draws, and those that they take as ordinary files."""
        with self._lock:
            known = self._drawn.setdefault(model, {})
            if label in known:
                return known[label]
        images = model.sample(DRAWN, label=label, seed=0, callback=callback)
        bits = (-model.log_prob(images, label=label) / math.log(2)).double().numpy()
        found = _Drawn(bits, _coded(images, model))
        with self._lock:
            self._drawn.setdefault(model, {})[label] = found
        return found


def _send_band(job: Job, number: int, top: int, bits: Tensor) -> None:
    """The bits of some rows of a picture, by one of the models: in steps of a bit, the largest number for infinity."""
    steps = torch.where(bits.isinf(), INFINITE, (bits * STEPS).round().clamp(0, INFINITE - 1))
    content = as_base64(steps.numpy().astype(np.uint16))
    job.send({"type": "band", "model": number, "top": top, "steps": STEPS, "bits": content})


@torch.no_grad()
def _of_bands(
    model: AbstractImageModel, picture: Picture, reach: int, tell: Callable[[int, Tensor], None], callback: Callback
) -> dict[str, Any]:
    """By one model, of a large picture, band by band, each told as it is known; all wait their turn between two."""
    label, height, total = picture.label if model.config.classes else None, picture.x.shape[1], 0.0
    for top, seen in bands(height, BAND // picture.x[:, 0].numel(), reach):
        if callback(Progress(fraction=top / height)):
            raise StoppedError
        bits = _bits(model.log_prob_map(picture.x[None, :, seen], label=label))[top - seen.start :]
        total += float(bits.sum())
        tell(top, bits)
    return {"bits": None, "expected": None, "total": as_number(total)}


def _coded(images: Tensor, model: AbstractImageModel) -> Array | None:
    """Bits of images as ordinary files; None where they are none for pictures."""
    return coded_bits(images, model.config.levels) if InputComplexity.takes(model.config) else None


def _bits(nats: Tensor) -> Tensor:
    """`(H, W)`, the channels added up."""
    return -nats[0].double().sum(0) / math.log(2)


def _require_same_values(first: AbstractImageModel, other: AbstractImageModel, name: str) -> None:
    """Refuse two models of different values: the same picture has other bits for each."""
    one, two = ((config.shape[0], config.levels) for config in (first.config, other.config))
    if one != two:
        raise ConfigError(
            f"{name} is of {two[0]} channels of {two[1]} levels, the first model of {one[0]} of {one[1]}; "
            "they cannot be compared"
        )

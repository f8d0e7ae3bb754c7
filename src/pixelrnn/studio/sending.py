"""Pixels on their way to a page, while images are drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from pixelrnn.model.base import AbstractImageModel
from pixelrnn.plots import to_bytes
from pixelrnn.progress import Callback, Progress
from pixelrnn.studio.jobs import Job
from pixelrnn.studio.pictures import as_base64
from pixelrnn.studio.places import places_in_order

__all__ = ["Sent", "first_event"]


def first_event(model: AbstractImageModel, orders: Tensor, size: Sequence[int]) -> dict[str, Any]:
    """The event that comes before all pixels."""
    every = sorted(set(orders.tolist()))
    places = [places_in_order(model, (size[0], size[1]), order).amax(0).numpy().astype(np.int32) for order in every]
    return {
        "type": "start",
        "shape": [len(orders), model.config.shape[0], *size],
        "orders": [every.index(order) for order in orders.tolist()],
        "places": [as_base64(each) for each in places],
    }


class Sent:
    """A callback that sends pixels as they are drawn, each once.

    Args:
        job: Whom to tell.
        callback: Callback that is called as well.
        model: Whose images they are.
        first: The event before all others.
    """

    def __init__(self, job: Job, callback: Callback, model: AbstractImageModel, first: dict[str, Any]) -> None:
        self.job, self.callback, self.levels, self.first = job, callback, model.config.levels, first
        self._shown = np.full(first["shape"], -1, np.int16)
        self._ancestry = list[dict[str, Any]]()
        self._particles, self._share = 0, 0.0

    def follow(self, particles: int, share: float) -> None:
        """Tell of the particles of the first image as well, so many, whenever they are chosen among.

        It is among those that are completed in the first share of the work.
        """
        self._particles, self._share = particles, share

    def __call__(self, at: Progress) -> bool:
        """Tell what is new."""
        if at.resampled is not None and self._particles and at.fraction <= self._share:
            pixel, parents = at.resampled[0], at.resampled[1][: self._particles].tolist()
            if parents != list(range(self._particles)):  # others may have been chosen among
                self._ancestry.append({"pixel": pixel, "parents": parents})
        if at.drawn is not None:
            drawn = at.drawn
            self.job.tell(lambda: self._event(drawn, at.fraction))
        return bool(self.callback(at))

    def rest(self, images: Tensor) -> list[dict[str, Any]]:
        """The last pixels."""
        return [self._event(lambda: images, 1.0)]

    def _event(self, drawn: Callable[[], Tensor], fraction: float) -> dict[str, Any]:
        """Pixels whose shown values are new: their numbers in all images, and these values, pixel by pixel."""
        values = drawn()
        shown = to_bytes(values, self.levels).astype(np.int16)
        if self.levels:
            shown[(values < 0).numpy()] = -1
        pixels, before = (each.transpose(0, 2, 3, 1).reshape(-1, each.shape[1]) for each in (shown, self._shown))
        is_new = np.flatnonzero((pixels != before).any(1) & (pixels >= 0).all(1))
        self._shown = shown
        ancestry, self._ancestry = self._ancestry, []
        event = {
            "type": "drawn",
            "fraction": fraction,
            "pixels": as_base64(is_new.astype(np.uint32)),
            "values": as_base64(pixels[is_new].astype(np.uint8)),
            "ancestry": ancestry,
        }
        first, self.first = self.first, {}
        return {**first, "drawn": event} if first else event

"""Drawing for a page: images pixel by pixel while they are drawn, and again from a value that was changed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.completion import Effort, PartlyKnown, fill_in_orders
from pixelrnn.model.condition import check_condition
from pixelrnn.progress import Callback, Progress, Reporter
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import Picture, Pictures, as_base64, plain
from pixelrnn.studio.places import places_in_order, require_single_values
from pixelrnn.studio.shelf import Shelf

__all__ = ["draw", "redraw"]

MOST_IMAGES, MOST_SIDE = 256, 2_048


def draw(shelf: Shelf, pictures: Pictures, asked: Asked) -> Work:
    """New images, as `pixelrnn sample` draws them."""
    name, sampling, number = asked.text("model"), asked.sampling(), asked.whole("n", 1, MOST_IMAGES)
    sides = (asked.whole("height", 1, MOST_SIDE), asked.whole("width", 1, MOST_SIDE)) if asked.has("height") else None

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model = shelf.model(name)
        label = _label(model, asked, number)
        orders = model.draw_orders(range(number), sampling.seed)
        if asked.has("order"):
            orders = model.orders(asked.whole("order", 0, model.config.orders - 1), number)
        size = sides or model.config.shape[1:]
        sent = _Sent(job, callback, model, _first(model, orders, size))
        images = model.sample(
            number,
            label=label,
            order=orders if model.config.orders > 1 else None,
            size=size,
            **dataclasses.asdict(sampling),
            callback=sent,
        )
        labels = [None] * number if label is None else label.tolist()
        every = [
            Picture(*each, sampling.seed, index)
            for index, each in enumerate(zip(images.cpu(), labels, orders.tolist(), strict=True))
        ]
        return [*sent.rest(images.cpu()), {"type": "done", "pictures": [pictures.add(each) for each in every]}]

    return work


def redraw(shelf: Shelf, pictures: Pictures, asked: Asked) -> Work:
    """A picture with another value of one sub-pixel: all that comes after it is drawn again, by the same numbers.

    So only what the value changes is changed, unless another seed is asked for.
    """
    name, sampling, picture = asked.text("model"), asked.sampling(), pictures.find(asked.text("picture"))
    channels, height, width = picture.x.shape
    place = (
        asked.whole("channel", 0, channels - 1),
        asked.whole("row", 0, height - 1),
        asked.whole("column", 0, width - 1),
    )

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model = shelf.model(name)
        require_single_values(model)
        value = asked.whole("value", 0, model.config.levels - 1)
        before = places_in_order(model, (height, width), picture.order)
        known = before <= before[place]
        x = picture.x.clone()
        x[place] = value
        orders = torch.tensor([picture.order])
        sent = _Sent(job, callback, model, _first(model, orders, (height, width)))
        label = None if picture.label is None else torch.tensor([picture.label])
        given = check_condition(model.config, Condition(label), 1, (height, width))
        found = fill_in_orders(
            model,
            PartlyKnown(x[None], known[None], given),
            orders,
            Effort(sampling, numbers=[picture.number]),
            Reporter(sent),
        )
        image = found.images.cpu()
        kept = pictures.add(dataclasses.replace(picture, x=image[0], seed=sampling.seed))
        return [*sent.rest(image), {"type": "done", "pictures": [kept]}]

    return work


def _label(model: AbstractImageModel, asked: Asked, number: int) -> Tensor | None:
    """The labels of all images: one, or all in turn where none is chosen."""
    classes = model.config.classes
    if not classes:
        return None
    if asked.has("label"):
        return torch.full((number,), asked.whole("label", -1, classes - 1))
    return torch.arange(number) * classes // number


def _first(model: AbstractImageModel, orders: Tensor, size: tuple[int, int]) -> dict[str, Any]:
    """The event that comes before all pixels."""
    every = sorted(set(orders.tolist()))
    places = [places_in_order(model, size, order).amax(0).numpy().astype(np.int32) for order in every]
    return {
        "type": "start",
        "shape": [len(orders), model.config.shape[0], *size],
        "orders": [every.index(order) for order in orders.tolist()],
        "places": [as_base64(each) for each in places],
    }


class _Sent:
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

    def __call__(self, at: Progress) -> bool:
        """Tell what is new."""
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
        shown = plain(values, self.levels).astype(np.int16)
        if self.levels:
            shown[(values < 0).numpy()] = -1
        pixels, before = (each.transpose(0, 2, 3, 1).reshape(-1, each.shape[1]) for each in (shown, self._shown))
        is_new = np.flatnonzero((pixels != before).any(1) & (pixels >= 0).all(1))
        self._shown = shown
        event = {
            "type": "drawn",
            "fraction": fraction,
            "pixels": as_base64(is_new.astype(np.uint32)),
            "values": as_base64(pixels[is_new].astype(np.uint8)),
        }
        first, self.first = self.first, {}
        return {**first, "drawn": event} if first else event

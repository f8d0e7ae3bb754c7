"""Drawing for a page: images pixel by pixel while they are drawn, and again from a value that was changed."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.completion import Effort, PartlyKnown, fill_in_orders
from pixelrnn.model.condition import check_condition
from pixelrnn.progress import Callback, Reporter
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import Picture, Pictures, known_of
from pixelrnn.studio.places import places_in_order, require_few, require_single_values
from pixelrnn.studio.sending import Sent, first_event
from pixelrnn.studio.shelf import Shelf

__all__ = ["draw", "redraw"]

MOST_IMAGES, MOST_SIDE = 256, 2_048
MOST_VALUES = 16_000_000  # of all images together


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
        require_few(number * model.config.shape[0] * size[0] * size[1], MOST_VALUES)
        sent = Sent(job, callback, model, first_event(model, orders, size))
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

    So only what the value changes is changed, unless another seed is asked for. What is said to be known stays, and is
    taken into account by particles.
    """
    name, sampling, picture = asked.text("model"), asked.sampling(), pictures.find(asked.text("picture"))
    channels, height, width = picture.x.shape
    particles = asked.particles(1)
    stays = known_of(picture, asked.content("known")) if asked.has("known") else None
    place = (
        asked.whole("channel", 0, channels - 1),
        asked.whole("row", 0, height - 1),
        asked.whole("column", 0, width - 1),
    )

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model = shelf.model(name)
        require_single_values(model)
        model.orders(picture.order, 1)
        model.checked(picture.x[None], Condition(None if picture.label is None else torch.tensor([picture.label])))
        value = asked.whole("value", 0, model.config.levels - 1)
        before = places_in_order(model, (height, width), picture.order)
        known = before <= before[place]
        if stays is not None:
            known = known | stays
        require_few(particles * picture.x.numel(), MOST_VALUES)
        x = picture.x.clone()
        x[place] = value
        orders = torch.tensor([picture.order])
        sent = Sent(job, callback, model, first_event(model, orders, (height, width)))
        label = None if picture.label is None else torch.tensor([picture.label])
        given = check_condition(model.config, Condition(label), 1, (height, width))
        found = fill_in_orders(
            model,
            PartlyKnown(x[None], known[None], given),
            orders,
            Effort(sampling, particles, numbers=[picture.number]),
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

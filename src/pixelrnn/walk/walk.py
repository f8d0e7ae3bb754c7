"""Walking images: sampling, completing and scoring differ only in which values are known beforehand."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.progress import Reporter
from pixelrnn.walk.protocol import AbstractFace, Array, Batch

__all__ = ["Begun", "Stops", "walk"]


class Stops(NamedTuple):
    """Where a walk asks which images go on.

    Attributes:
        places: Numbers of sub-pixels in raster order, before which it asks.
        choose: Given such a number, the `(n)` numbers of the images that take the places of all, with everything that
            was drawn; None to go on with each.
    """

    places: frozenset[int]
    choose: Callable[[int], Array | None]


class Begun(NamedTuple):
    """A walk that has gone some way.

    Attributes:
        state: State of all images.
        steps: How many steps of the schedule are done.
    """

    state: Any
    steps: int


def walk(
    face: AbstractFace,
    images: Batch,
    *,
    uniform: Callable[[range], Array] | None = None,
    stops: Stops | None = None,
    begun: Begun | None = None,
    batch: int = 256,
    report: Reporter | None = None,
) -> None:
    """Visit the sub-pixels of images in order and fill in the values that are not known.

    What an image becomes depends on its own values and uniform numbers only, bit by bit, whatever the other images, the
    batch, the threads and the processor.

    Args:
        face: Made for the height and width of the images.
        images: Changed in place.
        uniform: Gives the numbers, as in `Batch.uniform`, of a range of the images, where `images` has none.
        stops: Where to ask which images go on; then all are walked in one batch.
        begun: What is done already, by a schedule that can stop; then all are walked in one batch.
        batch: Images walked at once; memory grows with it, and each thread needs some.
        report: Reporter that is told the finished share after every row.

    Raises:
        ValueError: If the images do not fit the face.

    Example:
        >>> from pixelrnn import ImageModel
        >>> face = ImageModel(ModelConfig(shape=(1, 2, 2), levels=2, layers=1, hidden=2), seed=0).face((2, 2))
        >>> values = np.zeros((3, 1, 2, 2), np.float32)
        >>> nats = np.zeros_like(values)
        >>> walk(face, Batch(values, is_known=np.ones(values.shape, np.uint8), log_prob=nats))
        >>> bool((nats < 0).all())
        True
    """
    count, report = len(images.values), report or Reporter()
    places = frozenset[int]() if stops is None else stops.places
    unit, line, total = schedule = face.schedule(must_stop=bool(places) or begun is not None)
    every = {*range(line, total, line), total, *(place // unit for place in places if 0 < place < unit * total)}
    done = 0 if begun is None else begun.steps
    ends = sorted(end for end in every if end > done)
    for start in range(0, count, batch):
        members = range(start, min(start + batch, count))
        part = images.part(slice(start, members.stop))
        if uniform is not None:
            part = dataclasses.replace(part, uniform=np.ascontiguousarray(uniform(members), np.float64))
        face.require(part)
        state = face.state(len(members)) if begun is None else begun.state
        for first, end in zip([done, *ends], ends, strict=False):
            if stops is not None and first and first * unit in places:
                chosen = stops.choose(first * unit)
                if chosen is not None:
                    part.values[:] = part.values[chosen]
                    # A support is not chosen anew: walks of one image have the same.
                    condition = part.condition.map(operator.itemgetter(chosen))
                    part = dataclasses.replace(part, condition=condition)
                    state = face.gather(state, chosen)
            face.advance(state, part, schedule, first, end)
            if end % line == 0 or end == total:
                report((start + len(members) * end / total) / count)

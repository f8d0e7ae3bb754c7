"""Completing for a page: pictures that people bring, and what is painted out of them drawn again."""

import dataclasses
import io
import math
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pixelrnn.data.picture import UnreadableError, picture_of
from pixelrnn.data.single import image_of, whole_image
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.large import ALIGN
from pixelrnn.plots import to_bytes
from pixelrnn.progress import Callback
from pixelrnn.runs.run import Run
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import Picture, Pictures, as_base64, as_number, known_of
from pixelrnn.studio.places import require_few, rows_seen
from pixelrnn.studio.sending import Sent, first_event
from pixelrnn.studio.shelf import Shelf, takes_any_size

__all__ = ["complete", "read_picture"]

MOST_PIXELS = 16_000_000  # of a picture that is taken as it is
LARGE, MOST_COMPLETED = 100_000, 4_000_000  # pixels of a picture of which a window is completed, and of any
MOST_READ = 60_000_000  # of one that is made smaller
MOST_IMAGES = 64
BATCH = 64  # particles of all images that are drawn at once: the first image is seen early
MOST_FOLLOWED = 256  # particles whose fate is told
MOST_VALUES = 50_000_000  # of the particles of all completions


def read_picture(shelf: Shelf, pictures: Pictures, content: bytes, asked: Asked) -> dict[str, Any]:
    """Take the picture of a file, as the model reads it: of its size, but for models of any size."""
    name = asked.text("model")
    about = Run.open(shelf.folder(name))
    config = about.model
    is_free = takes_any_size(about)
    picture = _decoded(content, MOST_PIXELS if is_free else MOST_READ)
    options = about.data if is_free else whole_image(about.data, config.shape[1:])
    x = image_of(picture, options, channels=config.shape[0], levels=config.levels, name="the picture")
    least = -1 if config.label_dropout > 0 else 0
    label = asked.whole("label", least, config.classes - 1) if config.classes and asked.has("label") else None
    held = Picture(x, label if label is not None else (0 if config.classes else None))
    return {"picture": pictures.add(held), **shown(held, config.levels)}


def _decoded(content: bytes, most: int) -> Image.Image:
    """The picture of a file, whose size is looked at before anything is decoded."""
    try:
        with Image.open(io.BytesIO(content)) as head:
            width, height = head.size
        if width * height > most:
            raise DataError(f"the picture has {width}x{height} pixels; {most:,} at most are taken")
        return picture_of(content)
    except (UnreadableError, OSError, Image.DecompressionBombError) as error:
        said = "it is no picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"the picture cannot be used: {said}") from error


def shown(picture: Picture, levels: int) -> dict[str, Any]:
    """What a page shows of a picture."""
    return {"shape": list(picture.x.shape), "values": as_base64(to_bytes(picture.x, levels).transpose(1, 2, 0))}


def complete(shelf: Shelf, pictures: Pictures, asked: Asked) -> Work:
    """What is not known of a picture, drawn a few times, given what is."""
    name, sampling, picture = asked.text("model"), asked.sampling(), pictures.find(asked.text("picture"))
    number, particles = asked.whole("n", 1, MOST_IMAGES), asked.particles(64)
    known = known_of(picture, asked.content("known"))
    if bool(known.all()):
        raise ConfigError("nothing is missing; paint over what is to be drawn again")

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model = shelf.model(name)
        window = _window(model, known)
        part = picture.x[(..., *window)]
        require_few(number * particles * part.numel(), MOST_VALUES)
        first = first_event(model, torch.zeros(number, dtype=torch.long), part.shape[1:])
        sent = Sent(job, callback, model, first | {"window": [side.start for side in window]})
        if model.config.orders == model.config.scales == 1 and particles <= MOST_FOLLOWED:
            sent.follow(particles, min(1.0, max(1, BATCH // particles) / number))
        found = model.complete(
            part.expand(number, -1, -1, -1),
            known[window],
            label=picture.label,
            particles=particles,
            batch=BATCH,
            **dataclasses.asdict(sampling),
            callback=sent,
        )
        images = found.images.cpu()
        whole = picture.x.repeat(number, 1, 1, 1)
        whole[(..., *window)] = images.to(whole.dtype)
        every = [dataclasses.replace(picture, x=x, seed=sampling.seed, number=index) for index, x in enumerate(whole)]
        bits = [as_number(each / math.log(2)) for each in found.log_known.tolist()]
        names = [pictures.add(each) for each in every]
        is_whole = part.shape == picture.x.shape
        return [*sent.rest(images), {"type": "done", "pictures": names, "bitsOfKnown": bits if is_whole else None}]

    return work


def _window(model: AbstractImageModel, known: Tensor) -> tuple[slice, slice]:
    """Rows and columns that matter to what is not known of a picture: all of it, unless it is large.

    A pixel sees so many rows above it, and columns to both sides. Those that see an unknown one are not farther from
    it than that, and what they see not farther than twice that: all others are as likely whatever is drawn.
    """
    height, width = known.shape
    if known.numel() > MOST_COMPLETED:
        raise DataError(f"the picture has {known.numel():,} pixels; of up to {MOST_COMPLETED:,} parts are completed")
    reach = rows_seen(model)
    if reach is None or known.numel() <= LARGE:
        return slice(0, height), slice(0, width)
    rows, columns = (torch.nonzero(~known.all(side))[:, 0] for side in (1, 0))
    top, left = int(rows[0]) - reach, int(columns[0]) - 2 * reach
    bottom, right = int(rows[-1]) + 1 + reach, int(columns[-1]) + 1 + 2 * reach
    return (
        slice(max(0, top) // ALIGN * ALIGN, min(height, bottom)),
        slice(max(0, left) // ALIGN * ALIGN, min(width, right)),
    )

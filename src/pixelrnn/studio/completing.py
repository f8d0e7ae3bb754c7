"""Completing for a page: pictures that people bring, and what is painted out of them drawn again."""

import dataclasses
import io
import math
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pixelrnn.data.picture import UnreadableError, picture_of
from pixelrnn.data.single import image_of, whole_image
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.plots import to_bytes
from pixelrnn.progress import Callback
from pixelrnn.runs.run import Run
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import Picture, Pictures, as_base64
from pixelrnn.studio.places import require_few
from pixelrnn.studio.sending import Sent, first_event
from pixelrnn.studio.shelf import Shelf, takes_any_size

__all__ = ["complete", "read_picture"]

MOST_PIXELS = 4_000_000  # of a picture that is taken as it is
MOST_READ = 60_000_000  # of one that is made smaller
MOST_IMAGES, MOST_PARTICLES = 64, 4_096
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
    number, particles = asked.whole("n", 1, MOST_IMAGES), asked.whole("particles", 1, MOST_PARTICLES, 64)
    known = _known(asked.content("known"), picture)
    require_few(number * particles * picture.x.numel(), MOST_VALUES)

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model = shelf.model(name)
        sent = Sent(job, callback, model, first_event(model, torch.zeros(number, dtype=torch.long), known.shape))
        if model.config.orders == 1 and particles <= MOST_FOLLOWED:
            sent.follow(particles)
        found = model.complete(
            picture.x.expand(number, -1, -1, -1),
            known,
            label=picture.label,
            particles=particles,
            **dataclasses.asdict(sampling),
            callback=sent,
        )
        images = found.images.cpu()
        every = [dataclasses.replace(picture, x=x, seed=sampling.seed, number=index) for index, x in enumerate(images)]
        bits = [each / math.log(2) if math.isfinite(each) else None for each in found.log_known.tolist()]
        return [
            *sent.rest(images),
            {"type": "done", "pictures": [pictures.add(each) for each in every], "bitsOfKnown": bits},
        ]

    return work


def _known(content: bytes, picture: Picture) -> Tensor:
    height, width = picture.x.shape[1:]
    if len(content) != height * width:
        raise ConfigError(f"known has {len(content):,} values; {height}x{width} are needed")
    known = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(height, width) != 0)
    if bool(known.all()):
        raise ConfigError("nothing is missing; paint over what is to be drawn again")
    return known

"""What 'How it works' shows: masks, orders and receptive fields, taken from the package's own networks."""

import dataclasses
import functools
import threading
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.config import ModelConfig
from pixelrnn.config.architectures import ARCHITECTURES
from pixelrnn.errors import ConfigError
from pixelrnn.local.geometry import LAG
from pixelrnn.masks import causal_mask, groups
from pixelrnn.model.image import ImageModel
from pixelrnn.model.multiscale import build_model
from pixelrnn.model.receptive import receptive_fields
from pixelrnn.progress import Callback
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import as_base64
from pixelrnn.studio.places import places_in_order
from pixelrnn.studio.shelf import Shelf

__all__ = ["fields", "plans"]

CHANNELS, KERNEL = 3, 5  # of the masks that are shown
SIDE = 32  # of the picture whose orders are shown
UNTRAINED = ModelConfig(shape=(1, 21, 21), levels=256, layers=6, hidden=8, output="logistic-mixture", mixtures=2)
MEASURED = 3  # images at which a network is measured
MOST_PIXELS = 64**2  # of an image of a model that is measured
CORNERS = ("upper left", "upper right", "lower left", "lower right")
ORDERS = [f"{lines} from the {corner}" for lines in ("rows", "columns") for corner in CORNERS]

_samples, _lock = weakref.WeakKeyDictionary[ImageModel, Tensor](), threading.Lock()


@functools.cache
def plans() -> dict[str, Any]:
    """Masks of both types, for each colour of the output and of the input, and the orders in which pixels come."""
    of = groups(CHANNELS, CHANNELS)
    masks = {kind: causal_mask(kind, of, of, KERNEL, KERNEL).int().tolist() for kind in ("A", "B")}
    walks = [(name, _places(order, orders=8)) for order, name in enumerate(ORDERS)]
    walks += [("small images first (Multi-Scale)", _places(0, scales=4)), ("rows side by side (local)", _front())]
    return {
        "masks": masks,
        "kernel": KERNEL,
        "walks": [{"name": name, "places": as_base64(places.numpy().astype(np.int32))} for name, places in walks],
        "side": SIDE,
        "architectures": list(ARCHITECTURES),
    }


def _places(order: int, *, orders: int = 1, scales: int = 1) -> Tensor:
    """When each pixel is drawn in an order, by a model of so many orders and scales, whatever else it is."""
    shape = (1, SIDE, SIDE)
    config = ModelConfig(architecture="pixelcnn", shape=shape, layers=1, hidden=1, orders=orders, scales=scales)
    return places_in_order(build_model(config, seed=0), (SIDE, SIDE), order)[0]


def _front() -> Tensor:
    """The step in which a local network computes each pixel: a row is so many columns behind the one above."""
    return LAG * torch.arange(SIDE)[:, None] + torch.arange(SIDE)


def fields(shelf: Shelf, asked: Asked) -> Work:
    """The receptive field of a pixel in every layer, of an architecture or of a trained model."""
    name, row, column = asked.text("of"), asked.whole("row", 0, MOST_PIXELS), asked.whole("column", 0, MOST_PIXELS)

    def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
        model, images = _untrained(name) if name in ARCHITECTURES else _trained(shelf, name)
        found = receptive_fields(model, images, row, column)
        layers = len(getattr(model.network, "depths", ()))
        return [
            {
                "type": "done",
                "size": list(images.shape[2:]),
                "layers": [*_names(layers), "the output"],
                "fields": [as_base64(each.numpy().astype(np.float32)) for each in found],
            }
        ]

    return work


def _names(layers: int) -> list[str]:
    return ["the first convolution", *(f"layer {number}" for number in range(1, layers))][:layers]


@functools.lru_cache(maxsize=16)
def _untrained(architecture: str) -> tuple[ImageModel, Tensor]:
    """A network as it begins, which shows what it can see rather than what it has learned to look at."""
    model = build_model(dataclasses.replace(UNTRAINED, architecture=architecture), seed=0)
    assert isinstance(model, ImageModel)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, UNTRAINED.levels, (MEASURED, *UNTRAINED.shape), generator=generator, dtype=torch.uint8)
    return model.requires_grad_(False), images


def _trained(shelf: Shelf, name: str) -> tuple[ImageModel, Tensor]:
    """A model, and images that it draws."""
    model = shelf.model(name)
    if not isinstance(model, ImageModel):
        raise ConfigError("of models of several scales, and of means of models, no fields are measured yet")
    height, width = model.config.shape[1:]
    if height * width > MOST_PIXELS:
        raise ConfigError(
            f"images of {height}x{width} pixels are too large for this figure; {MOST_PIXELS:,} pixels at most"
        )
    with _lock:
        if model not in _samples:
            label = 0 if model.config.classes else None
            _samples[model] = model.sample(MEASURED, label=label, seed=0, size=(height, width))
        return model, _samples[model]

"""Pictures that a page speaks of: what was drawn, and what people brought, by a name that stands for their values."""

import base64
import dataclasses
import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.studio.held import Held

__all__ = ["Picture", "Pictures", "as_base64", "as_number", "known_of"]

MOST_BYTES = 256_000_000  # of all pictures; the oldest are forgotten


@dataclasses.dataclass(frozen=True)
class Picture:
    """Levels of an image, and how it was drawn.

    Attributes:
        x: `(C, H, W)`.
        label: Number of its label, if it has one.
        order: Order in which it was drawn.
        seed: Seed and number by which it was drawn: its random numbers.
        number: The same.
    """

    x: Tensor
    label: int | None = None
    order: int = 0
    seed: int = 0
    number: int = 0

    @property
    def name(self) -> str:
        """Letters that stand for all of it."""
        about = (*self.x.shape, self.label, self.order, self.seed, self.number)
        found = hashlib.blake2b(repr(about).encode(), digest_size=12)
        found.update(self.x.contiguous().numpy().tobytes())
        return found.hexdigest()


class Pictures:
    """The pictures of all pages, by their names."""

    def __init__(self) -> None:
        self._held = Held[Picture](MOST_BYTES, "this picture is not in memory any more; draw it again")

    def add(self, picture: Picture) -> str:
        """Keep a picture; returns its name."""
        picture = dataclasses.replace(picture, x=picture.x.clone())  # not a view of all that were drawn with it
        name = picture.name
        self._held.add(name, picture, picture.x.numel() * picture.x.element_size())
        return name

    def find(self, name: str) -> Picture:
        """A picture; raises `DataError` if it is not there (any more)."""
        return self._held.find(name)


def as_base64(values: "np.ndarray[Any, Any] | bytes") -> str:
    """Bytes, or those of an array, as text, as JSON carries them."""
    content = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    return base64.b64encode(content).decode()


def as_number(value: float) -> float | None:
    """A number as JSON has it; None if it is infinite."""
    return float(value) if math.isfinite(value) else None


def known_of(picture: Picture, content: bytes) -> Tensor:
    """Which pixels of a picture are known, `(H, W)`, by a byte for each: 0 is unknown."""
    height, width = picture.x.shape[1:]
    if len(content) != height * width:
        raise ConfigError(f"known has {len(content):,} values; {height}x{width} are needed")
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(height, width) != 0)

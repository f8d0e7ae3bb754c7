"""Regions of an image as a user names them: a side, or a box."""

import dataclasses
import re
from typing import TYPE_CHECKING

from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Region"]

SIDES = ("top", "bottom", "left", "right")


@dataclasses.dataclass(frozen=True)
class Region:
    """A part of an image: `top`, `bottom`, `left`, `right` (half, or `:N` pixels), or `box:TOP,LEFT,HEIGHT,WIDTH`."""

    text: str
    side: str | None
    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, field: str) -> "Region":
        """Read a region, which the messages call by the name of the field that it is of.

        Raises:
            ConfigError: If it is none.
        """
        if match := re.fullmatch(r"(top|bottom|left|right)(?::(\d+))?", text):
            return cls(text, match[1], (int(match[2]),) if match[2] else ())
        if match := re.fullmatch(r"box:(\d+),(\d+),(\d+),(\d+)", text):
            numbers = tuple(map(int, match.groups()))
            if min(numbers[2:]) < 1:
                raise ConfigError(f"`{field}` is {text!r}; height and width of a box are at least 1")
            return cls(text, None, numbers)
        raise ConfigError(
            f"`{field}` is {text!r}; {', '.join(SIDES)} (each with :PIXELS) or box:TOP,LEFT,HEIGHT,WIDTH are allowed"
        )

    def mask(self, height: int, width: int) -> "Tensor":
        """The region in an image, `(H, W)` bool.

        Raises:
            ConfigError: If it reaches beyond the image.
        """
        import torch

        mask = torch.zeros(height, width, dtype=torch.bool)
        if self.side is None:
            top, left, rows, columns = self.numbers
            if top + rows > height or left + columns > width:
                raise ConfigError(f"{self.text} reaches beyond the image of {height}x{width}")
            mask[top : top + rows, left : left + columns] = True
            return mask
        length = height if self.side in ("top", "bottom") else width
        count = self.numbers[0] if self.numbers else length // 2
        if count > length:
            raise ConfigError(f"{self.text} reaches beyond the image of {height}x{width}")
        first = slice(0, count) if self.side in ("top", "left") else slice(length - count, length)
        mask[(first,) if self.side in ("top", "bottom") else (slice(None), first)] = True
        return mask

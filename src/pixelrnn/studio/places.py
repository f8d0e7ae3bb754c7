"""When each value of an image is drawn, and whether one can be chosen by itself."""

import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.image import ImageModel
from pixelrnn.model.large import rows_above
from pixelrnn.model.orders import turn

__all__ = ["places_in_order", "require_few", "require_single_values", "rows_seen"]


def require_few(values: int, most: int) -> None:
    """Refuse work that would take more memory than there may be."""
    if values > most:
        raise ConfigError(f"that makes {values:,} values in all; {most:,} at most are drawn at once")


def require_single_values(model: AbstractImageModel) -> None:
    """Refuse models whose values cannot be chosen one by one."""
    if model.config.levels == 0:
        raise ConfigError("values of this model are continuous; there are no bars to choose from")
    if model.config.colours != "rgb":
        raise ConfigError(f"this model is of planes of {model.config.colours}, not of single colours")


def rows_seen(model: AbstractImageModel) -> int | None:
    """How many rows above it a pixel sees, and columns to both sides; None if all, or those below in some orders."""
    return rows_above(model.network) if isinstance(model, ImageModel) and model.config.orders == 1 else None


def places_in_order(model: AbstractImageModel, size: tuple[int, int], order: int) -> Tensor:
    """When each sub-pixel is drawn, `(C, H, W)` int64: 0 first; all that is not drawn has the place -1."""
    numbers = torch.arange(model.config.shape[0] * size[0] * size[1]).view(1, model.config.shape[0], *size)
    in_order = model.in_order(turn(numbers, order))[0]
    places = torch.full((numbers.numel(),), -1)
    places[in_order] = torch.arange(len(in_order))
    return places.view(numbers.shape[1:])

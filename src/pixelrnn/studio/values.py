"""The value under the pointer: its exact distribution, given all that the model saw of the picture."""

import math
import threading
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.image import ImageModel
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.pictures import Picture, Pictures
from pixelrnn.studio.places import places_in_order, require_single_values
from pixelrnn.studio.shelf import Shelf

__all__ = ["Values"]

KEPT = 24  # pictures whose parameters are remembered
MOST = 30_000_000  # parameters of one that is
MOST_AT_ALL = 60_000_000  # of one that is looked at


class Values:
    """Distributions of single values; of a picture that is asked of again nothing is computed twice."""

    def __init__(self, shelf: Shelf, pictures: Pictures) -> None:
        self.shelf, self.pictures = shelf, pictures
        self._found, self._lock = OrderedDict[tuple[str, str], Tensor](), threading.Lock()

    def at(self, asked: Asked) -> dict[str, Any]:
        """What the model expects of each channel of a pixel, and what it is.

        Returns:
            For each channel the probabilities of all levels, the value, its surprise and what was expected of it in
            bits; and how many sub-pixels came before the first one.
        """
        name, key = asked.text("model"), asked.text("picture")
        picture = self.pictures.find(key)
        channels, height, width = picture.x.shape
        row, column = asked.whole("row", 0, height - 1), asked.whole("column", 0, width - 1)
        model = self.shelf.model(name)
        require_single_values(model)
        if not isinstance(model, ImageModel):
            raise ConfigError("models of several scales have no value under the pointer yet")
        parameters = self._parameters(name, key, model, picture)[..., row : row + 1, column : column + 1]
        logs = model.output.log_table(parameters)[0, :, :, 0, 0].double()  # type: ignore[attr-defined]
        values = picture.x[:, row, column].long()
        bits = -logs / math.log(2)
        expected = (logs.exp() * bits.nan_to_num(posinf=0.0)).sum(1)
        places = places_in_order(model, (height, width), picture.order)[:, row, column]
        return {
            "seen": int(places.min()),
            "channels": [
                {
                    "probabilities": logs[channel].exp().tolist(),
                    "value": int(values[channel]),
                    "bits": float(bits[channel, values[channel]]),
                    "expected": float(expected[channel]),
                }
                for channel in range(channels)
            ],
        }

    @torch.no_grad()
    def _parameters(self, name: str, key: str, model: ImageModel, picture: Picture) -> Tensor:
        """Parameters of all distributions of a picture, `(1, C, P, H, W)`."""
        with self._lock:
            if (name, key) in self._found:
                self._found.move_to_end((name, key))
                return self._found[name, key]
        if picture.x.numel() * model.output.parameters > MOST_AT_ALL:
            raise DataError("this picture is too large to tell the distributions of its values")
        found: Tensor = model(picture.x[None], label=picture.label, order=picture.order)
        if found.numel() <= MOST:
            with self._lock:
                self._found[name, key] = found
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
        return found

"""The value under the pointer: its exact distribution, given all that the model saw of the picture."""

import math
from typing import Any

import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.orders import read_in_orders, turn
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.held import Held
from pixelrnn.studio.jobs import Turns
from pixelrnn.studio.pictures import Picture, Pictures, as_number
from pixelrnn.studio.places import places_in_order, require_single_values
from pixelrnn.studio.shelf import Shelf

__all__ = ["Values"]

MOST = 60_000_000  # parameters of all pictures that are remembered, and of one that is looked at


class Values:
    """Distributions of single values; of a picture that is asked of again nothing is computed twice.

    Args:
        shelf: The models.
        pictures: The pictures.
        turns: Whose turn it is to use all processors.
    """

    def __init__(self, shelf: Shelf, pictures: Pictures, turns: Turns) -> None:
        self.shelf, self.pictures, self.turns = shelf, pictures, turns
        self._found = Held[list[Tensor]](MOST)

    def at(self, asked: Asked) -> dict[str, Any]:
        """What the model expects of each channel of a pixel, and what it is.

        Returns:
            For each channel the probabilities of all levels, the value, its surprise in bits (None if it is infinite)
            and what was expected of it; and how many sub-pixels came before the first one.
        """
        name, key = asked.text("model"), asked.text("picture")
        picture = self.pictures.find(key)
        channels, height, width = picture.x.shape
        row, column = asked.whole("row", 0, height - 1), asked.whole("column", 0, width - 1)
        model = self.shelf.model(name)
        require_single_values(model)
        if model.description:
            raise ConfigError("means of models have no value under the pointer yet")
        read = turn(torch.arange(height * width).view(height, width), picture.order)  # as the order reads it
        down, right = divmod(int((read.flatten() == row * width + column).nonzero()), read.shape[1])
        stages = zip(model.stages, self._parameters(key, model, picture), strict=True)
        drawing = ((stage, found, step) for (stage, step), found in stages if down % step == right % step == 0)
        stage, found, step = next(drawing)  # the smallest image that has the pixel draws it
        parameters = found[..., down // step, None, right // step, None]
        logs = stage.output.log_table(parameters)[0, :, :, 0, 0].double()
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
                    "bits": as_number(bits[channel, values[channel]]),
                    "expected": float(expected[channel]),
                }
                for channel in range(channels)
            ],
        }

    def _parameters(self, key: str, model: AbstractImageModel, picture: Picture) -> list[Tensor]:
        """Parameters of all distributions of a picture, `(1, C, P, H, W)` for each scale; one who asks computes all.

        Their rows and columns are those of the order in which it was drawn.
        """
        if (found := self._found.get((model, key))) is not None:
            return found
        with self.turns:
            if (found := self._found.get((model, key))) is None:
                found = _compute(model, picture)
                self._found.add((model, key), found, sum(each.numel() for each in found))
            return found


@torch.no_grad()
def _compute(model: AbstractImageModel, picture: Picture) -> list[Tensor]:
    if sum(picture.x.numel() * stage.output.parameters // step**2 for stage, step in model.stages) > MOST:
        raise DataError("this picture is too large to tell the distributions of its values")
    label = None if picture.label is None or not model.config.classes else torch.tensor([picture.label])
    x, given = model.checked(picture.x[None], Condition(label))
    ((_, read, own),) = read_in_orders(model.config, x, given, model.orders(picture.order, 1))
    images = [read[..., ::step, ::step] for _, step in model.stages]
    stages = zip(model.stages, images, [None, *images], strict=False)  # each is given the image of the one before
    return [stage.parameters_as_read(image, own._replace(context=before)) for (stage, _), image, before in stages]

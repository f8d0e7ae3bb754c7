"""The network of the paper around a stack: stack (image -> features) and head (features -> output parameters).

A context image goes through a network of its own first. Knows nothing of probabilities: what the parameters mean is
decided in `pixelrnn.outputs`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.masks import groups
from pixelrnn.nn.condition import ContextNetwork, GateCondition
from pixelrnn.nn.conv import MaskedConv2d, pointwise
from pixelrnn.nn.lowering import conv, target_of
from pixelrnn.walk.program import Program, Writer

__all__ = ["Network"]


class Network(nn.Module):
    """Maps scaled images to the parameters of every sub-pixel's distribution.

    The head is the paper's (section 3.5, table 1): ReLU - 1x1 - ReLU - 1x1, both under mask B.

    Args:
        config: Sizes.
        start: `(P,)` biases that the last layer starts from, the same for every channel.
        stack: Module from images to 2h features; has a `lower` as `ResidualStack` has.

    Example:
        >>> from pixelrnn.nn.pixelcnn import PixelCNNLayer
        >>> from pixelrnn.nn.residual import ResidualStack
        >>> config = ModelConfig(shape=(3, 5, 5), layers=1, hidden=6)
        >>> Network(config, torch.zeros(4), ResidualStack(config, PixelCNNLayer))(torch.zeros(2, 3, 5, 5)).shape
        torch.Size([2, 3, 4, 5, 5])
    """

    stack: Any

    def __init__(self, config: ModelConfig, start: Tensor, stack: nn.Module) -> None:
        super().__init__()
        channels = config.shape[0]
        features = groups(2 * config.hidden, channels)
        width = groups(config.head or 2 * config.hidden, channels)
        self.stack = stack
        self.head = pointwise(features, width)
        self.last = pointwise(width, groups(channels, channels).repeat_interleave(len(start)))
        self.context = ContextNetwork(config) if config.context else None
        self.channels = channels
        with torch.no_grad():
            self.last.bias.copy_(start.repeat(channels))

    def forward(self, x: Tensor, condition: Condition = Condition()) -> Tensor:  # noqa: B008
        """Map images to parameters.

        Args:
            x: `(N, C, H, W)` floats.
            condition: Condition of the images; the context `(N, Cc, Hc, Wc)` in floats.

        Returns:
            `(N, C, P, H, W)`.
        """
        features = None if condition.context is None or self.context is None else self.context(condition.context)
        x = self.last(self.head(self.stack(x, condition._replace(context=features)).relu()).relu_())
        return x.view(x.shape[0], self.channels, -1, *x.shape[2:])

    @torch.no_grad()
    def lower(self, size: tuple[int, int]) -> Program:
        """The same for the walk, for images of a height and a width."""
        writer = Writer(self.channels, *size)
        context = None if self.context is None else self.context.lower(writer)
        image = writer.map(groups(self.channels, self.channels), rows=4, left=3, right=3)
        first, features = self.stack.lower(writer, image, context)
        positive, head = writer.map(features.groups), target_of(writer, self.head)
        parameters = target_of(writer, self.last)
        writer.relu(positive, features)
        conv(writer, self.head, positive, head)
        writer.relu(head, head)
        conv(writer, self.last, head, parameters)
        return writer.finish(first, image, parameters)

    @property
    def depths(self) -> list[nn.Module]:
        """The layers whose features are handed on, in order; see `pixelrnn.model.receptive`."""
        layers: list[nn.Module] = self.stack.depths
        return layers

    def rows_above(self) -> int | None:
        """How many rows above it a pixel sees; None if all."""
        rows: int | None = self.stack.rows_above() if self.context is None else None
        return rows

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The weights that map features to features, which Muon's steps suit.

        Not those that read images or give the output, nor what labels and contexts add: there AdamW does better.
        """
        of_conditions = {
            id(parameter)
            for module in self.stack.layers.modules()
            if isinstance(module, GateCondition)
            for parameter in module.parameters()
        }
        return [
            parameter
            for parameter in self.stack.layers.parameters()
            if parameter.ndim >= 2 and len(parameter) > 1 and id(parameter) not in of_conditions
        ]

    def multiplications(self) -> int:
        """How many weights are multiplied with something for every pixel."""
        masked = [int(module.mask.sum().item()) for module in self.modules() if isinstance(module, MaskedConv2d)]
        others = [module for module in self.stack.modules() if not isinstance(module, MaskedConv2d | GateCondition)]
        free = [parameter for module in others for parameter in module.parameters(recurse=False)]
        return sum(masked) + sum(int(parameter.numel()) for parameter in free if parameter.ndim > 1)

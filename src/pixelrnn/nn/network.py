"""From a configuration to a network: the only factory of the parallel face.

But for the local one (`local.py`) a network is a stack (image -> features) and a head (features -> parameters of the
output distribution); a context image goes through a network of its own first. Knows nothing of probabilities: what the
parameters mean is decided in `pixelrnn.outputs`.
"""

import torch
from torch import Tensor, nn

from pixelrnn.config import ModelConfig
from pixelrnn.local.network import LocalNetwork
from pixelrnn.masks import groups
from pixelrnn.nn.condition import Condition, ContextNetwork
from pixelrnn.nn.conv import pointwise
from pixelrnn.nn.gated import GatedStack
from pixelrnn.nn.residual import ResidualStack

__all__ = ["Network", "build"]


def build(config: ModelConfig, start: Tensor) -> "Network | LocalNetwork":
    """The network of a configuration, whose parameters are about `start`, `(P,)`, before it has learned anything."""
    return LocalNetwork(config) if config.architecture == "local" else Network(config, start)


class Network(nn.Module):
    """Maps scaled images to the parameters of every sub-pixel's distribution.

    The head is the paper's (section 3.5, table 1): ReLU - 1x1 - ReLU - 1x1, both under mask B.

    Args:
        config: What to build.
        start: `(P,)` biases that the last layer starts from, the same for every channel.

    Example:
        >>> config = ModelConfig(architecture="pixelcnn", shape=(3, 5, 5), layers=1, hidden=6)
        >>> Network(config, torch.zeros(4))(torch.zeros(2, 3, 5, 5)).shape
        torch.Size([2, 3, 4, 5, 5])
    """

    def __init__(self, config: ModelConfig, start: Tensor) -> None:
        super().__init__()
        channels = config.shape[0]
        features = groups(2 * config.hidden, channels)
        width = groups(config.head or 2 * config.hidden, channels)
        self.stack = GatedStack(config) if config.architecture == "gated-pixelcnn" else ResidualStack(config)
        self.head = pointwise(features, width)
        self.last = pointwise(width, groups(channels, channels).repeat_interleave(len(start)))
        self.context = ContextNetwork(config) if config.context else None
        self.channels = channels
        with torch.no_grad():
            self.last.bias.copy_(start.repeat(channels))

    def forward(self, x: Tensor, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Map images to parameters.

        Args:
            x: `(N, C, H, W)` floats.
            label: `(N,)` int64, -1 for an image without one.
            context: `(N, Cc, Hc, Wc)` floats.

        Returns:
            `(N, C, P, H, W)`.
        """
        features = None if context is None or self.context is None else self.context(context)
        x = self.last(self.head(self.stack(x, Condition(label, features)).relu()).relu_())
        return x.view(x.shape[0], self.channels, -1, *x.shape[2:])

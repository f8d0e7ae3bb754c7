"""The architectures: for each name what builds its network, and what its raster face is made of."""

import dataclasses
from collections.abc import Callable

from torch import Tensor, nn

from pixelrnn.config import ModelConfig
from pixelrnn.config.architectures import ARCHITECTURES, ArchitectureTraits
from pixelrnn.errors import ConfigError
from pixelrnn.local.network import LocalNetwork
from pixelrnn.nn.diagonal_bilstm import DiagonalBiLSTM
from pixelrnn.nn.gated import GatedStack
from pixelrnn.nn.network import Network
from pixelrnn.nn.pixelcnn import PixelCNNLayer
from pixelrnn.nn.residual import ResidualStack
from pixelrnn.nn.row_lstm import RowLSTM

__all__ = ["Architecture", "Build", "architecture_of", "register_architecture"]

Build = Callable[[ModelConfig, Tensor], nn.Module]
"""Makes a network from a configuration and the `(P,)` parameters that an untrained one gives."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """How models of an architecture are made.

    Attributes:
        build: Function that builds the network.
        face: Module of the raster face: its `lower` makes a program of a network, its `Face` walks with it.
    """

    build: Build
    face: str = "pixelrnn.walk.face"


def _residual(layer: Callable[[ModelConfig], nn.Module]) -> Build:
    return lambda config, start: Network(config, start, ResidualStack(config, layer))


_architectures: dict[str, Architecture] = {
    "diagonal-bilstm": Architecture(_residual(DiagonalBiLSTM)),
    "row-lstm": Architecture(_residual(RowLSTM)),
    "pixelcnn": Architecture(_residual(PixelCNNLayer)),
    "gated-pixelcnn": Architecture(lambda config, start: Network(config, start, GatedStack(config))),
    "local": Architecture(lambda config, start: LocalNetwork(config), "pixelrnn.local.face"),
}


def architecture_of(config: ModelConfig) -> Architecture:
    """The architecture that a configuration names."""
    return _architectures[config.architecture]


def register_architecture(
    name: str,
    build: Build,
    *,
    learning_rate: float = 4e-3,
    takes_labels: bool = False,
    takes_context: bool = False,
) -> None:
    r"""Make an architecture known by a name, wherever one is named: `ModelConfig`, the command line, a saved model.

    A network is a module that maps scaled images `(N, C, H, W)` (levels spread over -1 .. 1) and a
    `pixelrnn.condition.Condition` to the parameters `(N, C, P, H, W)` of every sub-pixel's distribution. Those of
    sub-pixel i may depend on :math:`x_{<i}` and the condition only; `pixelrnn.masks` makes masks for that. It may have
    any height and width.

    Without more it has likelihoods, training, samples and completions, the latter by rerunning it for every sub-pixel.
    What a network may have besides:

    - `lower(size)`: a `pixelrnn.walk.program.Program`; then samples are fast and archives possible;
    - `hidden_matrices()`: the parameters that Muon's steps suit (AdamW takes all others);
    - `multiplications()`: weights multiplied for every pixel, which `pixelrnn bench` counts;
    - `rows_above()`: how many rows above it a pixel sees, if not all; then images of any height are computed in bands;
    - layers `torch.nn.Dropout`: `TrainConfig.dropout` sets their rate.

    Args:
        name: Small letters, digits and hyphens.
        build: `build(config, start)` gives a new network; `start` are parameters `(P,)` that an untrained one should
            give. It draws its first weights from torch's global generator.
        learning_rate: Highest rate of a training, if none is given.
        takes_labels: Whether it looks at `condition.label`.
        takes_context: Whether it looks at `condition.context`, `(N, Cc, Hc, Wc)` floats; then it can have several
            scales too.

    Raises:
        ConfigError: If the name is taken, or is no name.

    Example:
        >>> from pixelrnn import ImageModel
        >>> class Constant(torch.nn.Module):
        ...     def __init__(self, config, start):
        ...         super().__init__()
        ...         self.start = torch.nn.Parameter(start.repeat(config.shape[0], 1))
        ...
        ...     def forward(self, x, condition):
        ...         return self.start[None, :, :, None, None].expand(len(x), -1, -1, *x.shape[2:])
        >>> register_architecture("constant", Constant)
        >>> model = ImageModel(ModelConfig(architecture="constant", shape=(1, 2, 2), levels=2), seed=0)
        >>> round(model.log_prob(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)).exp().item(), 9)
        0.0625
    """
    if name in ARCHITECTURES:
        raise ConfigError(f"architecture {name!r} is known already; choose another name")
    if not name.replace("-", "").isalnum() or name != name.lower():
        raise ConfigError(f"{name!r} is no name of an architecture; small letters, digits and hyphens are allowed")
    ARCHITECTURES[name] = ArchitectureTraits(
        learning_rate=learning_rate, takes_labels=takes_labels, takes_context=takes_context, has_connections=False
    )
    _architectures[name] = Architecture(build)

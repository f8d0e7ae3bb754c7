"""p(value | parameters) of one sub-pixel: the distributions that a network can end in.

All have the methods of `pixelrnn.outputs.output.AbstractOutput`; `build` makes the one that a configuration names.
"""

from collections.abc import Callable

from pixelrnn.config.architectures import MOST_LEVELS, OUTPUTS, OutputTraits
from pixelrnn.config.model import ModelConfig
from pixelrnn.errors import ConfigError
from pixelrnn.outputs.bernoulli import Bernoulli
from pixelrnn.outputs.continuous import ContinuousMixture
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.output import AbstractOutput
from pixelrnn.outputs.softmax import Softmax

__all__ = [
    "AbstractOutput",
    "Bernoulli",
    "ContinuousMixture",
    "LogisticMixture",
    "Softmax",
    "build",
    "register_output",
]

_outputs: dict[str, Callable[[ModelConfig], AbstractOutput]] = {
    "bernoulli": lambda config: Bernoulli(),
    "softmax": lambda config: Softmax(config.levels),
    "logistic-mixture": lambda config: LogisticMixture(config.levels, config.mixtures, config.copies),
    "continuous-mixture": lambda config: ContinuousMixture(config.mixtures),
}


def build(config: ModelConfig) -> AbstractOutput:
    """The output distribution that a configuration asks for.

    Example:
        >>> build(ModelConfig(levels=2))
        Bernoulli()
    """
    return _outputs[config.resolved_output](config)


def register_output(
    name: str, build: Callable[[ModelConfig], AbstractOutput], *, least: int = 2, most: int = MOST_LEVELS
) -> None:
    r"""Make an output known by a name, wherever one is named: `ModelConfig`, the command line, a saved model.

    Args:
        name: Small letters, digits and hyphens.
        build: Makes the output of a configuration; see `pixelrnn.outputs.output.AbstractOutput` for what it has to do.
            Values are drawn by its `log_table`, in torch.
        least: Levels that it takes at least.
        most: Levels that it takes at most.

    Raises:
        ConfigError: If the name is taken, or is no name, or the levels are none.

    Example:
        >>> class Geometric:
        ...     parameters = 1
        ...
        ...     def start(self):
        ...         return torch.zeros(1)
        ...
        ...     def log_table(self, parameters):  # p(x) is in proportion to e^(-x softplus(a))
        ...         rate = torch.nn.functional.softplus(parameters)
        ...         levels = torch.arange(4, dtype=rate.dtype).view(4, *(1,) * (rate.dim() - 3))
        ...         return (-rate * levels).log_softmax(2)
        ...
        ...     def log_prob(self, parameters, x):
        ...         return self.log_table(parameters).gather(2, x.long().unsqueeze(2)).squeeze(2)
        >>> register_output("geometric", lambda config: Geometric(), least=4, most=4)
        >>> build(ModelConfig(levels=4, output="geometric")).log_table(torch.zeros(1, 1, 1)).exp().sum().item()
        1.0
    """
    if name in OUTPUTS or name == "auto":
        raise ConfigError(f"output {name!r} is known already; choose another name")
    if not name.replace("-", "").isalnum() or name != name.lower():
        raise ConfigError(f"{name!r} is no name of an output; small letters, digits and hyphens are allowed")
    if not 2 <= least <= most <= MOST_LEVELS:
        raise ConfigError(f"least is {least}, most is {most}; 2 to {MOST_LEVELS} levels are allowed")
    OUTPUTS[name] = OutputTraits(least, most)
    _outputs[name] = build

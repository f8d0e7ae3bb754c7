"""p(value | parameters) of one sub-pixel: the distributions that a network can end in.

All have the methods of `pixelrnn.outputs.output.AbstractOutput`; `build` picks one from a configuration.
"""

from pixelrnn.config import ModelConfig
from pixelrnn.outputs.bernoulli import Bernoulli
from pixelrnn.outputs.continuous import ContinuousMixture
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.output import AbstractOutput
from pixelrnn.outputs.softmax import Softmax

__all__ = ["AbstractOutput", "Bernoulli", "ContinuousMixture", "LogisticMixture", "Softmax", "build"]


def build(config: ModelConfig) -> AbstractOutput:
    """The output distribution that a configuration asks for.

    Example:
        >>> build(ModelConfig(levels=2))
        Bernoulli()
    """
    match config.resolved_output:
        case "bernoulli":
            return Bernoulli()
        case "softmax":
            return Softmax(config.levels)
        case "logistic-mixture":
            return LogisticMixture(config.levels, config.mixtures, config.copies)
        case _:
            return ContinuousMixture(config.mixtures)

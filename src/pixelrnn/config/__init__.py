"""What can be chosen: frozen dataclasses that are the command line, its help, the library's arguments and the JSON.

Knows nothing of torch, so that `pixelrnn --help` and usage errors answer at once. Every field is validated when
the object is made; the docstring under a field is the help of its option.
"""

from pixelrnn.config.checks import (
    require_alpha,
    require_draws,
    require_run,
    require_seed,
    require_source,
    usable_cores,
)
from pixelrnn.config.data import IMAGE_SUFFIXES, ContextKind, DataConfig
from pixelrnn.config.fields import Config, from_json, to_json
from pixelrnn.config.model import Architecture, Colours, ModelConfig, OutputName
from pixelrnn.config.sampling import Sampling
from pixelrnn.config.shard import Shard
from pixelrnn.config.train import TrainConfig
from pixelrnn.config.writing import Writing

__all__ = [
    "IMAGE_SUFFIXES",
    "Architecture",
    "Colours",
    "Config",
    "ContextKind",
    "DataConfig",
    "ModelConfig",
    "OutputName",
    "Sampling",
    "Shard",
    "TrainConfig",
    "Writing",
    "from_json",
    "require_alpha",
    "require_draws",
    "require_run",
    "require_seed",
    "require_source",
    "to_json",
    "usable_cores",
]

"""Image models with exact probability, after *Pixel Recurrent Neural Networks* (van den Oord et al., 2016).

Public names are imported when they are first used, so that the command line starts without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pixelrnn.config import DataConfig, ModelConfig, TrainConfig
from pixelrnn.errors import ConfigError, DataError, PixelRNNError, RunError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet, load_data
    from pixelrnn.model import ImageModel
    from pixelrnn.train import Evaluation, Progress, Run, evaluate, fit

__all__ = [
    "ConfigError",
    "Data",
    "DataConfig",
    "DataError",
    "Evaluation",
    "ImageModel",
    "ImageSet",
    "ModelConfig",
    "PixelRNNError",
    "Progress",
    "Run",
    "RunError",
    "TrainConfig",
    "evaluate",
    "fit",
    "load_data",
]

__version__ = "0.1.0"

_LAZY = {
    "ImageModel": "pixelrnn.model",
    **dict.fromkeys(("Data", "ImageSet", "load_data"), "pixelrnn.data"),
    **dict.fromkeys(("Evaluation", "Progress", "Run", "evaluate", "fit"), "pixelrnn.train"),
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'pixelrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""Image models with exact probability, after *Pixel Recurrent Neural Networks* (van den Oord et al., 2016).

Public names are imported when they are first used, so that the command line starts without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pixelrnn.errors import ArchiveError, ConfigError, DataError, PixelRNNError, RunError
from pixelrnn.progress import Progress

if TYPE_CHECKING:
    from pixelrnn.codec import Codec
    from pixelrnn.colours.support import Support
    from pixelrnn.config import DataConfig, ModelConfig, TrainConfig
    from pixelrnn.data import Data, ImageSet, load_data
    from pixelrnn.inspection.inspector import Inspector
    from pixelrnn.model.architectures import register_architecture
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.model.completion import Completion
    from pixelrnn.model.image import ImageModel
    from pixelrnn.model.loading import load_model
    from pixelrnn.model.mean import mean_model
    from pixelrnn.model.multiscale import MultiScaleModel, build_model
    from pixelrnn.model.upscale import upscale
    from pixelrnn.outputs import register_output
    from pixelrnn.runs.card import push_to_hub
    from pixelrnn.runs.run import Run
    from pixelrnn.scale.compressor import Compressor
    from pixelrnn.scale.sampler import Sampler
    from pixelrnn.scale.scorer import Scorer
    from pixelrnn.train import Classification, Evaluation, classify, evaluate, fit, fit_scales

__all__ = [
    "AbstractImageModel",
    "ArchiveError",
    "Classification",
    "Codec",
    "Completion",
    "Compressor",
    "ConfigError",
    "Data",
    "DataConfig",
    "DataError",
    "Evaluation",
    "ImageModel",
    "ImageSet",
    "Inspector",
    "ModelConfig",
    "MultiScaleModel",
    "PixelRNNError",
    "Progress",
    "Run",
    "RunError",
    "Sampler",
    "Scorer",
    "Support",
    "TrainConfig",
    "build_model",
    "classify",
    "evaluate",
    "fit",
    "fit_scales",
    "load_data",
    "load_model",
    "mean_model",
    "push_to_hub",
    "register_architecture",
    "register_output",
    "upscale",
]

__version__ = "0.1.0"

_LAZY = {
    **dict.fromkeys(("DataConfig", "ModelConfig", "TrainConfig"), "pixelrnn.config"),
    "AbstractImageModel": "pixelrnn.model.base",
    "Completion": "pixelrnn.model.completion",
    "Inspector": "pixelrnn.inspection.inspector",
    "ImageModel": "pixelrnn.model.image",
    **dict.fromkeys(("MultiScaleModel", "build_model"), "pixelrnn.model.multiscale"),
    "mean_model": "pixelrnn.model.mean",
    "Codec": "pixelrnn.codec",
    "load_model": "pixelrnn.model.loading",
    "register_architecture": "pixelrnn.model.architectures",
    "register_output": "pixelrnn.outputs",
    "push_to_hub": "pixelrnn.runs.card",
    "Support": "pixelrnn.colours.support",
    "upscale": "pixelrnn.model.upscale",
    **dict.fromkeys(("Data", "ImageSet", "load_data"), "pixelrnn.data"),
    "Run": "pixelrnn.runs.run",
    **{name: f"pixelrnn.scale.{name.lower()}" for name in ("Compressor", "Sampler", "Scorer")},
    **dict.fromkeys(("Classification", "Evaluation"), "pixelrnn.train"),
    **dict.fromkeys(("classify", "evaluate", "fit", "fit_scales"), "pixelrnn.train"),
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'pixelrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

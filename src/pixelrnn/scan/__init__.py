"""The two recurrent layers of the paper: Row LSTM and Diagonal BiLSTM, by whatever implementation is fastest.

`PIXELRNN_SCAN` chooses: `reference` (plain torch), `cpu` (compiled, float32 on the CPU only) or `auto`, the default:
compiled where it can be.
"""

import functools
import os
from types import ModuleType

import torch
from torch import Tensor

from pixelrnn.compiled.announce import announced
from pixelrnn.errors import ConfigError
from pixelrnn.scan import reference
from pixelrnn.scan.weights import Weights

__all__ = ["Weights", "diagonal_bilstm", "row_lstm"]

CHOICES = ("auto", "cpu", "reference")


def row_lstm(x: Tensor, skips: Tensor | None, weights: Weights, *, is_residual: bool) -> tuple[Tensor, Tensor | None]:
    """New features and sum of skip connections of a Row LSTM layer: see `pixelrnn.scan.reference.row_lstm`."""
    out: tuple[Tensor, Tensor | None]
    out = _implementation(x, weights).row_lstm(x, skips, weights, is_residual=is_residual)
    return out


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """The same of a Diagonal BiLSTM layer: see `pixelrnn.scan.reference.diagonal_bilstm`."""
    out: tuple[Tensor, Tensor | None]
    out = _implementation(x, weights).diagonal_bilstm(x, skips, weights, is_residual=is_residual)
    return out


def _implementation(x: Tensor, weights: Weights) -> ModuleType:
    choice = os.environ.get("PIXELRNN_SCAN", "auto")
    if choice not in CHOICES:
        raise ConfigError(f"PIXELRNN_SCAN is {choice!r}; one of {', '.join(CHOICES)} is allowed")
    tensors = [tensor for tensor in (x, *weights) if tensor is not None]
    can_compile = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
    if choice == "cpu" and not can_compile:
        raise ConfigError(f"PIXELRNN_SCAN is 'cpu', which takes float32 on the CPU; this is {x.dtype} on {x.device}")
    if choice == "reference" or not can_compile:
        return reference
    return _compiled()


@functools.cache
def _compiled() -> ModuleType:
    with announced("the recurrences"):
        from pixelrnn.scan import cpu
    return cpu

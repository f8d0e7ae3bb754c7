"""The two recurrent layers of the paper: Row LSTM and Diagonal BiLSTM, by whatever implementation is fastest.

`PIXELRNN_SCAN` chooses: `reference` (plain torch), `cpu` (compiled, float32 on the CPU only) or `auto`, the default:
compiled where it can be. The compiled layers can be differentiated once, by `backward` or `torch.autograd.grad`; for
double gradients and for `torch.func` choose the reference.
"""

import os
from types import ModuleType

import torch
from torch import Tensor

from pixelrnn.announce import compiled_module
from pixelrnn.errors import ConfigError
from pixelrnn.scan import reference
from pixelrnn.scan.weights import Weights

__all__ = ["Weights", "diagonal_bilstm", "row_lstm"]

CHOICES = ("auto", "cpu", "reference")


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """New features and sum of skip connections of a Row LSTM layer: see `pixelrnn.scan.reference.row_lstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, *weights)
    out = implementation.row_lstm(x, skips, weights, context, is_residual=is_residual)
    return out


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """The same of a Diagonal BiLSTM layer: see `pixelrnn.scan.reference.diagonal_bilstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, *weights)
    out = implementation.diagonal_bilstm(x, skips, weights, context, is_residual=is_residual)
    return out


def _implementation(*tensors: Tensor | None) -> ModuleType:
    choice = os.environ.get("PIXELRNN_SCAN", "auto")
    if choice not in CHOICES:
        raise ConfigError(f"PIXELRNN_SCAN is {choice!r}; one of {', '.join(CHOICES)} is allowed")
    unfit = [
        tensor
        for tensor in tensors
        if tensor is not None and (tensor.device.type, tensor.dtype) != ("cpu", torch.float32)
    ]
    if choice == "cpu" and unfit:
        found = f"{unfit[0].dtype} on {unfit[0].device}"
        raise ConfigError(f"PIXELRNN_SCAN is 'cpu', which takes float32 on the CPU; this is {found}")
    if choice == "reference" or unfit:
        return reference
    return compiled_module("pixelrnn.scan.cpu", "the recurrences")

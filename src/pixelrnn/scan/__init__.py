"""The two recurrent layers of the paper: Row LSTM and Diagonal BiLSTM, by whatever implementation is fastest.

`PIXELRNN_SCAN` chooses: `reference` (plain torch), `cpu` (compiled, float32 on the CPU only), `cuda` (compiled, on
CUDA) or `auto`, the default: compiled where it can be. The compiled layers can be differentiated once, by `backward` or
`torch.autograd.grad`; for double gradients and for `torch.func` choose the reference.
"""

import importlib.util
import os
from types import ModuleType

import torch
from torch import Tensor

from pixelrnn.announce import compiled_module
from pixelrnn.errors import ConfigError
from pixelrnn.scan import reference
from pixelrnn.scan.weights import Weights

__all__ = ["Weights", "diagonal_bilstm", "row_lstm"]

CHOICES = ("auto", "cpu", "cuda", "reference")
TILE = 32, 1024  # most units, and most numbers, in a tile of the CUDA kernels; larger ones take minutes to compile


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """New features and sum of skip connections of a Row LSTM layer: see `pixelrnn.scan.reference.row_lstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, weights, x.shape[3])
    out = implementation.row_lstm(x, skips, weights, context, is_residual=is_residual)
    return out


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """The same of a Diagonal BiLSTM layer: see `pixelrnn.scan.reference.diagonal_bilstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, weights, x.shape[2])
    out = implementation.diagonal_bilstm(x, skips, weights, context, is_residual=is_residual)
    return out


def _implementation(
    x: Tensor, skips: Tensor | None, context: Tensor | None, weights: Weights, lines: int
) -> ModuleType:
    choice = os.environ.get("PIXELRNN_SCAN", "auto")
    if choice not in CHOICES:
        raise ConfigError(f"PIXELRNN_SCAN is {choice!r}; one of {', '.join(CHOICES)} is allowed")
    if choice == "reference":
        return reference
    tensors = [tensor for tensor in (x, skips, context, *weights) if tensor is not None]
    if all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors) and choice != "cuda":
        return compiled_module("pixelrnn.scan.cpu", "the recurrences")
    if choice == "cpu":
        raise ConfigError(f"PIXELRNN_SCAN is 'cpu', which takes float32 on the CPU; {_found(tensors)}")
    if all(tensor.is_cuda and tensor.dtype != torch.float64 for tensor in tensors) and _is_tile(weights, lines):
        return importlib.import_module("pixelrnn.scan.cuda")
    if choice == "cuda":
        raise ConfigError(
            f"PIXELRNN_SCAN is 'cuda', which takes up to {TILE[0]} units, {TILE[1]} for the cells of a front together, "
            f"in single or lower precision, and the package triton; {_found(tensors)}, {weights.up.shape[1]} units"
        )
    return reference


def _found(tensors: list[Tensor]) -> str:
    return "this is " + ", ".join(sorted({f"{tensor.dtype} on {tensor.device}" for tensor in tensors}))


def _is_tile(weights: Weights, lines: int) -> bool:
    """Whether the CUDA kernels can be had, and are made for a layer of this size."""
    units, lines = (max(16, 1 << (size - 1).bit_length()) for size in (weights.up.shape[1], lines))
    return units <= TILE[0] and units * lines <= TILE[1] and importlib.util.find_spec("triton") is not None

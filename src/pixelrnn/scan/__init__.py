"""The two recurrent layers of the paper: Row LSTM and Diagonal BiLSTM, by whatever implementation is fastest.

`PIXELRNN_SCAN` chooses: `reference` (plain torch), `cpu` (compiled, float32 on the CPU only), `cuda` (compiled, on
CUDA) or `auto`, the default: compiled where it can be. The compiled layers can be differentiated once, by `backward` or
`torch.autograd.grad`; for double gradients and for `torch.func` choose the reference.
"""

import importlib
import os
from types import ModuleType

import torch
from torch import Tensor

from pixelrnn.errors import ConfigError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.scan import reference, tiles
from pixelrnn.scan.weights import Weights

__all__ = ["Weights", "diagonal_bilstm", "row_lstm"]

CHOICES = ("auto", "cpu", "cuda", "reference")


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """New features and sum of skip connections of a Row LSTM layer: see `pixelrnn.scan.reference.row_lstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, weights, tiles.of_rows(x, weights.up.shape[1]))
    out = implementation.row_lstm(x, skips, weights, context, is_residual=is_residual)
    return out


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """The same of a Diagonal BiLSTM layer: see `pixelrnn.scan.reference.diagonal_bilstm`."""
    out: tuple[Tensor, Tensor | None]
    implementation = _implementation(x, skips, context, weights, tiles.of_diagonals(x, weights.up.shape[1]))
    out = implementation.diagonal_bilstm(x, skips, weights, context, is_residual=is_residual)
    return out


def _implementation(
    x: Tensor, skips: Tensor | None, context: Tensor | None, weights: Weights, tile: tiles.Tile
) -> ModuleType:
    choice = os.environ.get("PIXELRNN_SCAN", "auto")
    if choice not in CHOICES:
        raise ConfigError(f"PIXELRNN_SCAN is {choice!r}; one of {', '.join(CHOICES)} is allowed")
    if choice == "reference":
        return reference
    tensors = [tensor for tensor in (x, skips, context, *weights) if tensor is not None]
    found = ", ".join(sorted({f"{tensor.dtype} on {tensor.device}" for tensor in tensors}))
    if choice != "cuda" and all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors):
        return compiled_module("pixelrnn.scan.cpu", "the recurrences")
    if choice == "cpu":
        raise ConfigError(f"PIXELRNN_SCAN is 'cpu', which takes float32 on the CPU; this is {found}")
    if all(tensor.is_cuda and tensor.dtype != torch.float64 for tensor in tensors):
        reason = tiles.why_no_kernels(tile)
        if reason is None:
            return importlib.import_module("pixelrnn.scan.cuda")
    else:
        reason = found
    if choice == "cuda":
        raise ConfigError(f"PIXELRNN_SCAN is 'cuda', which takes single or lower precision on CUDA; this is {reason}")
    return reference

r"""What the compiled kernels of both recurrent layers share: sizes, places, and the projection back to the features.

Maps are channels-last and flat; F features and P units are padded with zeros to a multiple of `LANES`:

- x, out, d_x, d_out: `(N, H, W, F)`; hidden, d_hidden: `(N, H, W, P)`
- saved: the cells, `(N, H, W, 5P)` for each direction
- weight: from all that a cell reads to its gates, `(inputs, 4P)`, and bias `(4P)`, for each direction
- up: `(P, F)` and up_bias: `(F)`

Backward kernels take `weight` and `up` transposed, and add to gradients of the weights of which each task has its own.
"""

from typing import Any, NamedTuple

from numba import njit

from pixelrnn.compiled.product import Matrix, product
from pixelrnn.compiled.vectors import Address, accumulate, pointer

__all__ = ["Gradients", "Layer", "project", "project_backward", "unpack", "unpack_gradients"]


class Layer(NamedTuple):
    """Sizes, and addresses as integers, of a layer; `saved` is 0 if nothing is to be saved."""

    images: int
    block: int
    rows: int
    columns: int
    features: int
    units: int
    taps: int
    width: int
    is_residual: int
    x: int
    weight: int
    bias: int
    up: int
    up_bias: int
    hidden: int
    out: int
    saved: int


class Gradients(NamedTuple):
    """Addresses of the gradients as integers; `d_hidden` is 0 if there is none."""

    d_out: int
    d_hidden: int
    d_x: int
    d_weight: int
    d_bias: int
    d_up: int
    d_up_bias: int


@njit
def unpack(n: Any) -> Layer:
    """The layer that a task's integers describe."""
    return Layer(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15], n[16]
    )


@njit
def unpack_gradients(n: Any) -> Gradients:
    """The gradients that a backward task's integers describe, behind those of the layer."""
    return Gradients(n[17], n[18], n[19], n[20], n[21], n[22], n[23])


@njit
def project(layer: Layer, start: int, pixels: int) -> None:
    """Compute `out` from `hidden` for some pixels: up h + bias, and x if the layer is residual."""
    features, units = layer.features, layer.units
    out = Matrix(pointer(layer.out, start * features), features, 1)
    hidden = Matrix(pointer(layer.hidden, start * units), units, 1)
    up = Matrix(pointer(layer.up, 0), features, 1)
    product(Matrix(pointer(layer.up_bias, 0), 0, 1), out, hidden, up, pixels, features, units)
    if layer.is_residual:
        accumulate(out.at, pointer(layer.x, start * features), pixels * features)


@njit
def project_backward(layer: Layer, gradients: Gradients, d_states: Address, start: int, pixels: int, task: int) -> None:
    """Add the gradient of the hidden states of some pixels to `d_states`, and those of up and its bias to their own."""
    features, units = layer.features, layer.units
    d_out = Matrix(pointer(gradients.d_out, start * features), features, 1)
    to = Matrix(d_states, units, 1)
    product(to, to, d_out, Matrix(pointer(layer.up, 0), units, 1), pixels, units, features)
    if gradients.d_hidden:
        accumulate(d_states, pointer(gradients.d_hidden, start * units), pixels * units)
    hidden = Matrix(pointer(layer.hidden, start * units), 1, units)
    to = Matrix(pointer(gradients.d_up, task * units * features), features, 1)
    product(to, to, hidden, d_out, units, features, pixels)
    d_bias = pointer(gradients.d_up_bias, task * features)
    for pixel in range(pixels):
        accumulate(d_bias, pointer(d_out.at, pixel * features), features)

r"""What the compiled kernels of both recurrent layers share: sizes, places, and the projections of the hidden states.

Maps are channels-last and flat; F features and P units are padded with zeros to a multiple of `LANES`:

- x, out, skips, skips_out and their gradients: `(N, H, W, F)`
- hidden: the states, `(N, H, W, P)`
- saved: what a kernel keeps of the cells
- weight: from all that a cell reads to its gates, `(inputs, 4P)`, and bias `(4P)`, for each direction
- up, skip: `(P, F)` and up_bias: `(F)`

Backward kernels take `weight`, `up` and `skip` transposed, and add to gradients of the weights, of which each task has
its own.
"""

from typing import Any, NamedTuple

from numba import njit

from pixelrnn.compiled.product import Matrix, product
from pixelrnn.compiled.vectors import Address, accumulate, pointer

__all__ = ["Gradients", "Layer", "project", "project_backward", "unpack", "unpack_gradients"]


class Layer(NamedTuple):
    """Sizes, and addresses as integers, of a layer; `saved` is 0 if nothing is saved, `skip` if it has none."""

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
    skip: int
    skips: int
    hidden: int
    out: int
    skips_out: int
    saved: int


class Gradients(NamedTuple):
    """Addresses of the gradients as integers; `d_skips` is 0 if there is none."""

    d_out: int
    d_skips: int
    d_x: int
    d_weight: int
    d_bias: int
    d_up: int
    d_up_bias: int
    d_skip: int


@njit
def unpack(n: Any) -> Layer:
    """The layer that a task's integers describe."""
    return Layer(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9],
        n[10], n[11], n[12], n[13], n[14], n[15], n[16], n[17], n[18], n[19],
    )  # fmt: skip


@njit
def unpack_gradients(n: Any) -> Gradients:
    """The gradients that a backward task's integers describe, behind those of the layer."""
    return Gradients(n[20], n[21], n[22], n[23], n[24], n[25], n[26], n[27])


@njit
def project(layer: Layer, start: int, pixels: int) -> None:
    """Compute `out` and `skips_out` from `hidden` for some pixels.

    out = up h + bias (+ x, if the layer is residual), skips_out = skip h + skips.
    """
    features, units = layer.features, layer.units
    hidden = Matrix(pointer(layer.hidden, start * units), units, 1)
    out, up = Matrix(pointer(layer.out, start * features), features, 1), Matrix(pointer(layer.up, 0), features, 1)
    product(Matrix(pointer(layer.up_bias, 0), 0, 1), out, hidden, up, pixels, features, units)
    if layer.is_residual:
        accumulate(out.at, pointer(layer.x, start * features), pixels * features)
    if layer.skip:
        skips = Matrix(pointer(layer.skips, start * features), features, 1)
        out = Matrix(pointer(layer.skips_out, start * features), features, 1)
        product(skips, out, hidden, Matrix(pointer(layer.skip, 0), features, 1), pixels, features, units)


@njit
def project_backward(
    layer: Layer, gradients: Gradients, states: Address, d_states: Address, start: int, pixels: int, task: int
) -> None:
    """Add the gradient of the hidden states of some pixels to `d_states`, and those of the projections to their own."""
    features, units = layer.features, layer.units
    hidden = Matrix(states, 1, units)
    to_states = Matrix(d_states, units, 1)
    d_out = Matrix(pointer(gradients.d_out, start * features), features, 1)
    product(to_states, to_states, d_out, Matrix(pointer(layer.up, 0), units, 1), pixels, units, features)
    to = Matrix(pointer(gradients.d_up, task * units * features), features, 1)
    product(to, to, hidden, d_out, units, features, pixels)
    d_bias = pointer(gradients.d_up_bias, task * features)
    for pixel in range(pixels):
        accumulate(d_bias, pointer(d_out.at, pixel * features), features)
    if gradients.d_skips:
        d_skips = Matrix(pointer(gradients.d_skips, start * features), features, 1)
        product(to_states, to_states, d_skips, Matrix(pointer(layer.skip, 0), units, 1), pixels, units, features)
        to = Matrix(pointer(gradients.d_skip, task * units * features), features, 1)
        product(to, to, hidden, d_skips, units, features, pixels)

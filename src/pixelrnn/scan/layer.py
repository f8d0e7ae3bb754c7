r"""What the compiled kernels of both recurrent layers share: sizes, places, and the projections of the hidden states.

Maps are channels-last and flat; F features and P units are padded with zeros to a multiple of `LANES`:

- x, out, skips, skips_out and their gradients: `(N, H, W, F)`
- hidden: the states, `(N, H, W, P)`
- saved: what a kernel keeps of the cells
- context: the context map, `(N, H, W, E)`, if there is one
- weight: from all that a cell reads to its gates, `(inputs, 4P)`, for each direction; the context comes last
- bias: `(4P)` for each direction, the same for all images or, `bias_distance` floats apart, for each
- up, skip: `(P, F)` and up_bias: `(F)`

Backward kernels take `weight`, `up` and `skip` transposed, and add to gradients of the weights, of which each task has
its own, and of the biases, of which each image has.
"""

from typing import Any, NamedTuple

from numba import njit

from pixelrnn.kernels.product import Matrix, product
from pixelrnn.kernels.vectors import Address, accumulate, pointer

__all__ = [
    "Gradients",
    "Layer",
    "add_context",
    "context_backward",
    "project",
    "project_backward",
    "unpack",
    "unpack_gradients",
]


class Layer(NamedTuple):
    """Sizes, and addresses as integers, of a layer; 0 for `saved`, `skip` and `context` where there is none."""

    images: int
    block: int
    rows: int
    columns: int
    features: int
    units: int
    taps: int
    width: int
    is_residual: int
    context_features: int
    bias_distance: int
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
    context: int


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
    d_context: int


@njit
def unpack(n: Any) -> Layer:
    """The layer that a task's integers describe."""
    return Layer(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9],
        n[10], n[11], n[12], n[13], n[14], n[15], n[16], n[17], n[18], n[19], n[20], n[21], n[22],
    )  # fmt: skip


@njit
def unpack_gradients(n: Any) -> Gradients:
    """The gradients that a backward task's integers describe, behind those of the layer."""
    return Gradients(n[23], n[24], n[25], n[26], n[27], n[28], n[29], n[30], n[31])


@njit
def add_context(layer: Layer, gates: Matrix, weight: Matrix, pixel: int) -> None:
    """Add what the context gives to the gates of the row that starts at a pixel."""
    if layer.context:
        features = layer.context_features
        context = Matrix(pointer(layer.context, pixel * features), features, 1)
        product(gates, gates, context, weight, layer.columns, 4 * layer.units, features)


@njit
def context_backward(
    layer: Layer, gradients: Gradients, d_gates: Matrix, weight: Matrix, d_weight: Matrix, pixel: int
) -> None:
    """Add to the gradients of the context of the row that starts at a pixel, and of its weights."""
    if layer.context:
        features, gates = layer.context_features, 4 * layer.units
        to = Matrix(pointer(gradients.d_context, pixel * features), features, 1)
        product(to, to, d_gates, weight, layer.columns, features, gates)
        context = Matrix(pointer(layer.context, pixel * features), 1, features)
        product(d_weight, d_weight, context, d_gates, features, gates, layer.columns)


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

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

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.product import Matrix, product
from pixelrnn.kernels.record import Float32, reader
from pixelrnn.kernels.spans import accumulate
from pixelrnn.kernels.vectors import Address, pointer

__all__ = [
    "Backward",
    "Gradients",
    "Layer",
    "Work",
    "add_context",
    "context_backward",
    "project",
    "project_backward",
    "read_backward",
    "read_layer",
]


class Layer(NamedTuple):
    """The record of a layer: sizes and maps; 0 for `saved`, `skip`, `skips` and `context` where there is none."""

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
    x: Float32
    weight: Float32
    bias: Float32
    up: Float32
    up_bias: Float32
    skip: Float32
    skips: Float32
    hidden: Float32
    out: Float32
    skips_out: Float32
    saved: Float32
    context: Float32


class Gradients(NamedTuple):
    """The record of the gradients; 0 for `d_skips` and `d_context` where there is none."""

    d_out: Float32
    d_skips: Float32
    d_x: Float32
    d_weight: Float32
    d_bias: Float32
    d_up: Float32
    d_up_bias: Float32
    d_skip: Float32
    d_context: Float32


class Work(NamedTuple):
    """What a task computes: addresses of the records of a layer and of its gradients; 0 if there are none."""

    layer: int
    gradients: int


class Backward(NamedTuple):
    """A backward task: a layer, its gradients, and which of the gradients of the weights are the task's own."""

    layer: Layer
    gradients: Gradients
    task: int


_read_work, _read_layer, _read_gradients = reader(Work), reader(Layer), reader(Gradients)


@inner
def read_layer(integers: Any) -> Layer:
    """The layer of a task."""
    layer: Layer = _read_layer(_read_work(integers).layer)
    return layer


@inner
def read_backward(integers: Any, task: int) -> Backward:
    """The layer and the gradients of a backward task."""
    work = _read_work(integers)
    return Backward(_read_layer(work.layer), _read_gradients(work.gradients), task)


@inner
def add_context(layer: Layer, gates: Matrix, weight: Matrix, pixel: int) -> None:
    """Add what the context gives to the gates of the row that starts at a pixel."""
    if layer.context:
        features = layer.context_features
        context = Matrix(pointer(layer.context, pixel * features), features, 1)
        product(gates, gates, context, weight, layer.columns, 4 * layer.units, features)


@inner
def context_backward(work: Backward, d_gates: Matrix, weight: Matrix, d_weight: Matrix, pixel: int) -> None:
    """Add to the gradients of the context of the row that starts at a pixel, and of its weights."""
    layer, gradients = work.layer, work.gradients
    if layer.context:
        features, gates = layer.context_features, 4 * layer.units
        to = Matrix(pointer(gradients.d_context, pixel * features), features, 1)
        product(to, to, d_gates, weight, layer.columns, features, gates)
        context = Matrix(pointer(layer.context, pixel * features), 1, features)
        product(d_weight, d_weight, context, d_gates, features, gates, layer.columns)


@inner
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


@inner
def project_backward(work: Backward, states: Address, d_states: Address, start: int, pixels: int) -> None:
    """Add the gradient of the hidden states of some pixels to `d_states`, and those of the projections to their own."""
    layer, gradients, task = work
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

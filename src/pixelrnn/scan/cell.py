r"""One LSTM update and its gradient, compiled: loops over the units of a cell.

The gates i, f, o, g are four stretches of `units` floats, first pre-activations, then activations as `cell_forward`
leaves them and the backward pass reads them. `units` is a multiple of `LANES`; arguments are addresses.
"""

from typing import NamedTuple

import numpy as np

from pixelrnn.kernels.functions import sigmoid, tanh
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, load, splat, store

__all__ = ["CellGradients", "cell_backward", "cell_forward", "recall_memory", "recall_state"]

_ONE = np.float32(1)


@inner
def cell_forward(gates: Address, before: Address, memory: Address, state: Address, units: int) -> None:
    """Turn pre-activations into activations in place; compute memory and hidden state.

    Args:
        gates: Pre-activations of i, f, o, g.
        before: Previous memory.
        memory: The new memory c goes here.
        state: The hidden state goes here.
        units: Number of units.
    """
    for j in range(0, units, LANES):
        i, f = sigmoid(load(gates, j)), sigmoid(load(gates, units + j))
        o, g = sigmoid(load(gates, 2 * units + j)), tanh(load(gates, 3 * units + j))
        c = f * load(before, j) + i * g
        store(gates, j, i)
        store(gates, units + j, f)
        store(gates, 2 * units + j, o)
        store(gates, 3 * units + j, g)
        store(memory, j, c)
        store(state, j, o * tanh(c))


@inner
def recall_memory(gates: Address, before: Address, memory: Address, units: int) -> None:
    """Compute the memory again from activations and the previous memory: the same bits."""
    for j in range(0, units, LANES):
        c = load(gates, units + j) * load(before, j) + load(gates, j) * load(gates, 3 * units + j)
        store(memory, j, c)


@inner
def recall_state(gates: Address, memory: Address, tanh_c: Address, state: Address, units: int) -> None:
    """Compute tanh c and the hidden state again, which is cheaper than to keep them."""
    for j in range(0, units, LANES):
        t = tanh(load(memory, j))
        store(tanh_c, j, t)
        store(state, j, load(gates, 2 * units + j) * t)


class CellGradients(NamedTuple):
    """Where the gradients of a cell are.

    Attributes:
        d_state: Gradient of the hidden state.
        d_memory: Gradient of the memory; becomes that of the previous memory.
        d_gates: Those of the pre-activations go here,
        d_bias: and are added here.
    """

    d_state: Address
    d_memory: Address
    d_gates: Address
    d_bias: Address


@inner
def cell_backward(gates: Address, before: Address, tanh_c: Address, gradients: CellGradients, units: int) -> None:
    """Gradients of the pre-activations and of the previous memory, from those of the state and of the memory.

    Args:
        gates: Activations, as `cell_forward` left them.
        before: Previous memory.
        tanh_c: Hyperbolic tangent of the memory, from `recall_state`.
        gradients: Gradients of the state and the memory, and those to be computed.
        units: Number of units.
    """
    d_state, d_memory, d_gates, d_bias = gradients
    one = splat(_ONE)
    for j in range(0, units, LANES):
        i, f = load(gates, j), load(gates, units + j)
        o, g = load(gates, 2 * units + j), load(gates, 3 * units + j)
        t, dh = load(tanh_c, j), load(d_state, j)
        dc = load(d_memory, j) + dh * o * (one - t * t)
        di = dc * g * i * (one - i)
        df = dc * load(before, j) * f * (one - f)
        do = dh * t * o * (one - o)
        dg = dc * i * (one - g * g)
        store(d_memory, j, dc * f)
        store(d_gates, j, di)
        store(d_gates, units + j, df)
        store(d_gates, 2 * units + j, do)
        store(d_gates, 3 * units + j, dg)
        store(d_bias, j, load(d_bias, j) + di)
        store(d_bias, units + j, load(d_bias, units + j) + df)
        store(d_bias, 2 * units + j, load(d_bias, 2 * units + j) + do)
        store(d_bias, 3 * units + j, load(d_bias, 3 * units + j) + dg)

r"""One LSTM update and its gradient, compiled: loops over the units of a cell.

A cell is five stretches of `units` floats: the activations of the gates i, f, o, g and the memory c, as `cell_forward`
leaves them and the backward pass reads them. `units` is a multiple of `LANES`; arguments are addresses.
"""

import numpy as np
from numba import njit

from pixelrnn.compiled.functions import sigmoid, tanh
from pixelrnn.compiled.vectors import LANES, Address, load, splat, store

__all__ = ["cell_backward", "cell_forward", "recall"]

_ONE = np.float32(1)


@njit
def cell_forward(cell: Address, memory: Address, state: Address, units: int) -> None:
    """Turn pre-activations into activations in place; write the memory behind them, and the hidden state.

    Args:
        cell: Pre-activations of i, f, o, g, and room for c.
        memory: Previous memory.
        state: The hidden state goes here.
        units: Number of units.
    """
    for j in range(0, units, LANES):
        i, f = sigmoid(load(cell, j)), sigmoid(load(cell, units + j))
        o, g = sigmoid(load(cell, 2 * units + j)), tanh(load(cell, 3 * units + j))
        c = f * load(memory, j) + i * g
        store(cell, j, i)
        store(cell, units + j, f)
        store(cell, 2 * units + j, o)
        store(cell, 3 * units + j, g)
        store(cell, 4 * units + j, c)
        store(state, j, o * tanh(c))


@njit
def recall(cell: Address, tanh_c: Address, state: Address, units: int) -> None:
    """Compute tanh c and the hidden state of a cell again, which is cheaper than to keep them."""
    for j in range(0, units, LANES):
        t = tanh(load(cell, 4 * units + j))
        store(tanh_c, j, t)
        store(state, j, load(cell, 2 * units + j) * t)


@njit
def cell_backward(
    cell: Address,
    memory: Address,
    tanh_c: Address,
    d_state: Address,
    d_memory: Address,
    d_gates: Address,
    d_bias: Address,
    units: int,
) -> None:
    """Gradients of the pre-activations and of the previous memory, from those of the state and of the memory.

    Args:
        cell: The cell, as `cell_forward` left it.
        memory: Previous memory.
        tanh_c: From `recall`.
        d_state: Gradient of the hidden state.
        d_memory: Gradient of the memory; becomes that of the previous memory.
        d_gates: The gradients of the pre-activations go here,
        d_bias: and are added here.
        units: Number of units.
    """
    one = splat(_ONE)
    for j in range(0, units, LANES):
        i, f = load(cell, j), load(cell, units + j)
        o, g = load(cell, 2 * units + j), load(cell, 3 * units + j)
        t, dh = load(tanh_c, j), load(d_state, j)
        dc = load(d_memory, j) + dh * o * (one - t * t)
        di = dc * g * i * (one - i)
        df = dc * load(memory, j) * f * (one - f)
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

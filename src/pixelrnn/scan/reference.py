r"""The recurrent layers in plain torch: the definition that every faster implementation is held against.

A layer is a recurrence on the features of a pixel, and the projections of its hidden states back to the features and to
the skip connections. Gates are stacked in the order input, forget, output, candidate:

.. math::
    (i, f, o) = \sigma(\cdot), \quad g = \tanh(\cdot), \quad
    c = f \odot c_{prev} + i \odot g, \quad h = o \odot \tanh c

Paper: van den Oord et al. 2016, equation 3 and section 3.3. All states before the first pixel are zero. It knows
nothing of masks: hidden states of earlier pixels are free to use, and the weights from the input are masked already.

Shapes: N images, F features, H rows, W columns, h hidden units, 4h gates.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelrnn.scan.weights import Weights

__all__ = ["add_directions", "diagonal_bilstm", "diagonal_gates", "project", "row_gates", "row_lstm"]


def _cell(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """One LSTM update; `gates` ends in 4h features, `memory` in h. Returns hidden state and memory."""
    hidden = memory.shape[-1]
    sigmoids, candidate = torch.split(gates, [3 * hidden, hidden], dim=-1)
    i, f, o = torch.sigmoid(sigmoids).chunk(3, dim=-1)
    memory = f * memory + i * torch.tanh(candidate)
    return o * torch.tanh(memory), memory


def row_lstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    r"""Scan the rows from top to bottom, all columns of a row at once.

    .. math::
        gates_r = K^{is} * x_r + K^{ss} * h_{r-1} + b + K^{context} e_r, \qquad c_{prev} = c_{r-1},
        y_r = K^{up} h_r \; (+ x_r), \qquad s_r \leftarrow s_r + K^{skip} h_r

    with :math:`K^{is}` a convolution that ends at the pixel and :math:`K^{ss}` one centred on it, along the row above.

    Args:
        x: `(N, F, H, W)` features.
        skips: `(N, F, H, W)` sum of the skip connections of the layers below; None if there are none.
        weights: Weights of the layer; with `skip` if there are skip connections, with `context` if there is a context
            map.
        context: `(N, c, H, W)` context map e, if there is one.
        is_residual: Whether x is added to the projection.

    Returns:
        The new features y and the new sum of the skip connections s.

    Example:
        >>> weights = Weights(*map(torch.zeros, [(4, 2, 2), (4,), (4, 1, 3), (2, 1), (2,)]))
        >>> row_lstm(torch.zeros(1, 2, 3, 5), None, weights, is_residual=True)[0].shape
        torch.Size([1, 2, 3, 5])
    """
    states = _scan_rows(row_gates(x, weights, context), weights.state)
    return project(x, skips, states, weights, is_residual)


def row_gates(x: Tensor, weights: Weights, context: Tensor | None) -> Tensor:
    """What the gates of a Row LSTM are without any states, `(N, 4h, H, W)`."""
    taps = weights.input.shape[2]
    return _conditions(weights, context, F.conv2d(F.pad(x, (taps - 1, 0)), weights.input[:, :, None]))


def _conditions(weights: Weights, context: Tensor | None, gates: Tensor) -> Tensor:
    """Gates `(N, ..., H, W)` with what they get whatever x is: the bias, and what the context map adds."""
    gates = gates + weights.bias.reshape(-1, gates.shape[1], 1, 1)
    if context is None or weights.context is None:
        return gates
    return gates + F.conv2d(context, weights.context.reshape(gates.shape[1], -1, 1, 1))


def project(
    x: Tensor, skips: Tensor | None, states: Tensor, weights: Weights, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    """What a layer returns, from its hidden states `(N, h, H, W)`."""
    up = F.conv2d(states, weights.up[:, :, None, None], weights.up_bias)
    if skips is not None and weights.skip is not None:
        skips = skips + F.conv2d(states, weights.skip[:, :, None, None])
    return (x + up if is_residual else up), skips


def _scan_rows(gates: Tensor, weight: Tensor) -> Tensor:
    """Hidden states `(N, h, H, W)` from the input-to-state term `(N, 4h, H, W)`."""
    images, _, _, columns = gates.shape
    hidden, reach = weight.shape[1], weight.shape[2] // 2
    matrix = weight.permute(2, 1, 0).reshape(-1, 4 * hidden)  # (K h, 4h)
    state = gates.new_zeros(images, columns, hidden)
    memory = state
    states = []
    for row in gates.permute(2, 0, 3, 1).unbind(0):  # (N, W, 4h)
        padded = F.pad(state, (0, 0, reach, reach))
        window = torch.cat([padded[:, k : k + columns] for k in range(2 * reach + 1)], dim=-1)  # (N, W, K h)
        state, memory = _cell(row + window @ matrix, memory)
        states.append(state)
    return torch.stack(states, dim=2).permute(0, 3, 2, 1)  # from (N, W, H, h)


@functools.lru_cache(maxsize=64)
def _diagonal_order(rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor, list[int]]:
    """Order in which the two directions visit the pixels, and its inverse.

    Returns the raster index of the n-th cell for each direction `(2, HW)`, the place of each raster index in that
    order `(2, HW)`, and the number of cells of each diagonal.
    """
    # Kept for later calls, which may need gradients: never made as inference tensors.
    with torch.inference_mode(False):
        return _make_diagonal_order(rows, columns, device)


def _make_diagonal_order(rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor, list[int]]:
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    order = torch.argsort((row + column).flatten(), stable=True)
    mirrored = order // columns * columns + (columns - 1 - order % columns)
    both = torch.stack([order, mirrored])
    sizes = torch.bincount((row + column).flatten()).tolist()
    return both.to(device), torch.argsort(both, dim=1).to(device), sizes


def diagonal_bilstm(
    x: Tensor, skips: Tensor | None, weights: Weights, context: Tensor | None = None, *, is_residual: bool
) -> tuple[Tensor, Tensor | None]:
    r"""Scan the diagonals from the top left corner and, mirrored, from the top right corner.

    .. math::
        gates_{r,c} = K^{is} x_{r,c} + K^{left} h_{r,c-1} + K^{up} h_{r-1,c} + b + K^{context} e_{r,c}, \qquad
        c_{prev} = c_{r,c-1}

    for the first direction; the second runs from right to left: :math:`h_{r,c+1}` takes the place of
    :math:`h_{r,c-1}`. Its states see the future of their own row, so they are shifted down by one row before they are
    added to those of the first: the sum is h. Then :math:`y_{r,c} = K^{up} h_{r,c} \; (+ x_{r,c})` and
    :math:`s_{r,c} \leftarrow s_{r,c} + K^{skip} h_{r,c}`.

    This is the paper's column-wise 2x1 convolution on the skewed map (section 3.2), without the skewing: cells are
    visited in diagonal order, so that nothing is computed for padding.

    Args:
        x: `(N, F, H, W)` features.
        skips: `(N, F, H, W)` sum of the skip connections of the layers below; None if there are none.
        weights: Weights of the layer; with `skip` if there are skip connections, with `context` if there is a context
            map.
        context: `(N, c, H, W)` context map e, if there is one.
        is_residual: Whether x is added to the projection.

    Returns:
        The new features y and the new sum of the skip connections s.

    Example:
        >>> weights = Weights(*map(torch.zeros, [(2, 4, 2), (2, 4), (2, 4, 2), (2, 1), (2,)]))
        >>> diagonal_bilstm(torch.zeros(1, 2, 3, 5), None, weights, is_residual=True)[0].shape
        torch.Size([1, 2, 3, 5])
    """
    states = add_directions(*_scan_diagonals(diagonal_gates(x, weights, context), weights.state).unbind(1))
    return project(x, skips, states, weights, is_residual)


def diagonal_gates(x: Tensor, weights: Weights, context: Tensor | None) -> Tensor:
    """What the gates of both directions are without any states, `(N, 2, 4h, H, W)`."""
    gates = _conditions(weights, context, F.conv2d(x, weights.input.flatten(0, 1)[:, :, None, None]))
    return gates.view(len(x), 2, -1, *x.shape[2:])


def add_directions(left_to_right: Tensor, right_to_left: Tensor) -> Tensor:
    """The sum of the states of both directions, the second moved down by one row: it knows the future of its own."""
    return left_to_right + F.pad(right_to_left, (0, 0, 1, -1))


def _scan_diagonals(gates: Tensor, weight: Tensor) -> Tensor:
    """Hidden states of both directions `(N, 2, h, H, W)` from their input-to-state terms `(N, 2, 4h, H, W)`."""
    images, _, _, rows, columns = gates.shape
    hidden = weight.shape[2] // 2
    order, place, sizes = _diagonal_order(rows, columns, gates.device)
    cells = gates.flatten(3).permute(1, 3, 0, 2)  # (2, HW, N, 4h)
    cells = torch.stack([cells[0].index_select(0, order[0]), cells[1].index_select(0, order[1])])
    matrix = weight.transpose(1, 2)  # (2, 2h, 4h)

    states: list[Tensor] = []
    state = memory = gates.new_zeros(2, 0, images, hidden)
    for diagonal, cell in enumerate(torch.split(cells, sizes, dim=1)):  # (2, R, N, 4h), R rows crossed
        # The diagonal crosses rows max(0, d-W+1) .. min(d, H-1). A new last row has no left neighbour; the first row
        # of the image has no upper one; once the first row has ended, its last state is an upper neighbour only.
        starts = diagonal < rows
        ended = diagonal >= columns
        end = state.shape[1]
        left = F.pad(state[:, 1:end] if ended else state, (0, 0, 0, 0, 0, int(starts)))
        above = F.pad(state[:, : end if starts else end - 1], (0, 0, 0, 0, 0 if ended else 1, 0))
        previous = F.pad(memory[:, 1:end] if ended else memory, (0, 0, 0, 0, 0, int(starts)))
        inputs = torch.cat([left, above], dim=-1)  # (2, R, N, 2h)
        update = torch.baddbmm(cell.flatten(1, 2), inputs.flatten(1, 2), matrix)
        state, memory = _cell(update.view_as(cell), previous)
        states.append(state)
    visited = torch.cat(states, dim=1)  # (2, HW, N, h)
    raster = torch.stack([visited[0].index_select(0, place[0]), visited[1].index_select(0, place[1])])
    return raster.permute(2, 0, 3, 1).reshape(images, 2, hidden, rows, columns)

r"""The recurrences as Triton kernels: one program walks one image, in one direction, from its first cell to its last.

The cells of a front (a row, or a diagonal) are computed at once, one in each line of a tile; states of the front before
come from registers where they stay in their line, else from memory, behind a barrier.

Maps are channels-last, D directions (1 or 2) of h units beside one another:

- gates: pre-activations, `(N, H, W, D, 4h)`, the four gates i, f, o, g of a unit in a row; as read, without what the
  states add; `saved` with it
- memory, states: `(N, H, W, D, h)`; d_states is overwritten
- weight: from the states to the gates, `(D, K, h, 4h)`

Constants are one tuple, in the order of `cuda._Constants`: `HIDDEN` is h, `UNITS` and `LINES` are those of the tile
(`tiles.py`), `TAPS` is K, `PRECISION` that of the products; `SAVES` says whether a forward pass keeps `saved` and
`memory`.
"""

import triton
import triton.language as tl

__all__ = ["diagonal_backward", "diagonal_forward", "row_backward", "row_forward"]


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _activations(update):
    """i, f, o, g `(lines, units)` from the pre-activations `(lines, 4 units)`."""
    even, odd = tl.split(tl.reshape(update, (update.shape[0], update.shape[1] // 4, 2, 2)))
    i, o = tl.split(even)
    f, g = tl.split(odd)
    return tl.sigmoid(i), tl.sigmoid(f), tl.sigmoid(o), _tanh(g)


@triton.jit
def _cell_forward(update, memory):
    i, f, o, g = _activations(update)
    memory = f * memory + i * g
    return o * _tanh(memory), memory


@triton.jit
def _cell_backward(update, before, memory, d_state, d_memory):
    """Gradients of the pre-activations and of the memory before."""
    i, f, o, g = _activations(update)
    t = _tanh(memory)
    d_memory += d_state * o * (1 - t * t)
    d_i, d_f = d_memory * g * i * (1 - i), d_memory * before * f * (1 - f)
    d_o, d_g = d_state * t * o * (1 - o), d_memory * i * (1 - g * g)
    d_update = tl.join(tl.join(d_i, d_o), tl.join(d_f, d_g))
    return tl.reshape(d_update, update.shape), d_memory * f


@triton.jit
def _load(map, places, is_there, width: tl.constexpr, padded: tl.constexpr):
    """The features of some places, a line for each; zeros where there are none."""
    features = tl.arange(0, padded)[None, :]
    return tl.load(map + places[:, None] * width + features, is_there[:, None] & (features < width), other=0.0)


@triton.jit
def _store(map, places, is_there, value, width: tl.constexpr, padded: tl.constexpr):
    features = tl.arange(0, padded)[None, :]
    tl.store(map + places[:, None] * width + features, value, is_there[:, None] & (features < width))


@triton.jit
def _weights(weight, index, HIDDEN: tl.constexpr, UNITS: tl.constexpr):
    """Matrix number `index` of the weights, `(units, 4 units)`."""
    units = tl.arange(0, UNITS)
    return _load(weight, index * HIDDEN + units, units < HIDDEN, 4 * HIDDEN, 4 * UNITS)


@triton.jit
def _diagonal(number, image, direction, ROWS: tl.constexpr, COLUMNS: tl.constexpr, LINES: tl.constexpr):
    """The cells of a diagonal, one in each row: their places, whether they are there, and how far they are in the row.

    The second direction counts columns from the right.
    """
    rows = tl.arange(0, LINES)
    columns = number - rows
    there = (rows < ROWS) & (columns >= 0) & (columns < COLUMNS)
    across = tl.where(direction == 0, columns, COLUMNS - 1 - columns)
    return ((image * ROWS + rows) * COLUMNS + across) * 2 + direction, there, columns


@triton.jit
def diagonal_forward(gates, saved, weight, memory, states, CONSTANTS: tl.constexpr):
    """Memory and states of the Diagonal BiLSTM from the input-to-state terms; `saved` with `SAVES`."""
    ROWS: tl.constexpr = CONSTANTS[0]
    COLUMNS: tl.constexpr = CONSTANTS[1]
    HIDDEN: tl.constexpr = CONSTANTS[2]
    UNITS: tl.constexpr = CONSTANTS[3]
    LINES: tl.constexpr = CONSTANTS[4]
    PRECISION: tl.constexpr = CONSTANTS[6]
    SAVES: tl.constexpr = CONSTANTS[7]
    image, direction = tl.program_id(0).to(tl.int64), tl.program_id(1)
    from_side = _weights(weight, direction * 2, HIDDEN, UNITS)
    from_above = _weights(weight, direction * 2 + 1, HIDDEN, UNITS)
    rows = tl.arange(0, LINES)
    state = tl.zeros((LINES, UNITS), tl.float32)
    cell = tl.zeros((LINES, UNITS), tl.float32)
    places, there, _ = _diagonal(0, image, direction, ROWS, COLUMNS, LINES)
    ahead = _load(gates, places, there, 4 * HIDDEN, 4 * UNITS)
    for number in range(ROWS + COLUMNS - 1):
        places, there, _ = _diagonal(number, image, direction, ROWS, COLUMNS, LINES)
        above = _load(states, places - 2 * COLUMNS, there & (rows > 0), HIDDEN, UNITS)
        update = tl.dot(state, from_side, ahead, input_precision=PRECISION)
        # Those of the next diagonal arrive while this one is computed.
        next_places, next_there, _ = _diagonal(number + 1, image, direction, ROWS, COLUMNS, LINES)
        ahead = _load(gates, next_places, next_there, 4 * HIDDEN, 4 * UNITS)
        update = tl.dot(above, from_above, update, input_precision=PRECISION)
        state, cell = _cell_forward(update, cell)
        # Where no cell is, its neighbours find zeros.
        state, cell = tl.where(there[:, None], state, 0.0), tl.where(there[:, None], cell, 0.0)
        _store(states, places, there, state, HIDDEN, UNITS)
        if SAVES:
            _store(saved, places, there, update, 4 * HIDDEN, 4 * UNITS)
            _store(memory, places, there, cell, HIDDEN, UNITS)
        tl.debug_barrier()


@triton.jit
def diagonal_backward(saved, weight, memory, d_states, d_gates, CONSTANTS: tl.constexpr):
    """Gradients of the pre-activations from those of the states."""
    ROWS: tl.constexpr = CONSTANTS[0]
    COLUMNS: tl.constexpr = CONSTANTS[1]
    HIDDEN: tl.constexpr = CONSTANTS[2]
    UNITS: tl.constexpr = CONSTANTS[3]
    LINES: tl.constexpr = CONSTANTS[4]
    PRECISION: tl.constexpr = CONSTANTS[6]
    image, direction = tl.program_id(0).to(tl.int64), tl.program_id(1)
    to_side = tl.trans(_weights(weight, direction * 2, HIDDEN, UNITS))
    to_above = tl.trans(_weights(weight, direction * 2 + 1, HIDDEN, UNITS))
    rows, beside = tl.arange(0, LINES), tl.where(direction == 0, -2, 2)
    d_state = tl.zeros((LINES, UNITS), tl.float32)
    d_memory = tl.zeros((LINES, UNITS), tl.float32)
    for step in range(ROWS + COLUMNS - 1):
        number = ROWS + COLUMNS - 2 - step
        places, there, columns = _diagonal(number, image, direction, ROWS, COLUMNS, LINES)
        update = _load(saved, places, there, 4 * HIDDEN, 4 * UNITS)
        cell = _load(memory, places, there, HIDDEN, UNITS)
        before = _load(memory, places + beside, there & (columns > 0), HIDDEN, UNITS)
        d_state += _load(d_states, places, there, HIDDEN, UNITS)
        d_update, d_memory = _cell_backward(update, before, cell, d_state, d_memory)
        d_update, d_memory = tl.where(there[:, None], d_update, 0.0), tl.where(there[:, None], d_memory, 0.0)
        _store(d_gates, places, there, d_update, 4 * HIDDEN, 4 * UNITS)
        d_state = tl.dot(d_update, to_side, input_precision=PRECISION)
        d_above = _load(d_states, places - 2 * COLUMNS, there & (rows > 0), HIDDEN, UNITS)
        d_above = tl.dot(d_update, to_above, d_above, input_precision=PRECISION)
        _store(d_states, places - 2 * COLUMNS, there & (rows > 0), d_above, HIDDEN, UNITS)
        tl.debug_barrier()


@triton.jit
def row_forward(gates, saved, weight, memory, states, CONSTANTS: tl.constexpr):
    """Memory and states of the Row LSTM from the input-to-state terms; `saved` with `SAVES`."""
    ROWS: tl.constexpr = CONSTANTS[0]
    COLUMNS: tl.constexpr = CONSTANTS[1]
    HIDDEN: tl.constexpr = CONSTANTS[2]
    UNITS: tl.constexpr = CONSTANTS[3]
    LINES: tl.constexpr = CONSTANTS[4]
    TAPS: tl.constexpr = CONSTANTS[5]
    PRECISION: tl.constexpr = CONSTANTS[6]
    SAVES: tl.constexpr = CONSTANTS[7]
    image, columns = tl.program_id(0).to(tl.int64), tl.arange(0, LINES)
    cell = tl.zeros((LINES, UNITS), tl.float32)
    there = columns < COLUMNS
    ahead = _load(gates, image * ROWS * COLUMNS + columns, there, 4 * HIDDEN, 4 * UNITS)
    for row in range(ROWS):
        places = (image * ROWS + row) * COLUMNS + columns
        update = ahead
        ahead = _load(gates, places + COLUMNS, there & (row + 1 < ROWS), 4 * HIDDEN, 4 * UNITS)
        for tap in tl.static_range(TAPS):
            source = columns + tap - TAPS // 2
            is_there = (source >= 0) & (source < COLUMNS) & (row > 0)
            state = _load(states, places - COLUMNS + tap - TAPS // 2, is_there, HIDDEN, UNITS)
            update = tl.dot(state, _weights(weight, tap, HIDDEN, UNITS), update, input_precision=PRECISION)
        state, cell = _cell_forward(update, cell)
        _store(states, places, there, state, HIDDEN, UNITS)
        if SAVES:
            _store(saved, places, there, update, 4 * HIDDEN, 4 * UNITS)
            _store(memory, places, there, cell, HIDDEN, UNITS)
        tl.debug_barrier()


@triton.jit
def row_backward(saved, weight, memory, d_states, d_gates, CONSTANTS: tl.constexpr):
    """Gradients of the pre-activations from those of the states."""
    ROWS: tl.constexpr = CONSTANTS[0]
    COLUMNS: tl.constexpr = CONSTANTS[1]
    HIDDEN: tl.constexpr = CONSTANTS[2]
    UNITS: tl.constexpr = CONSTANTS[3]
    LINES: tl.constexpr = CONSTANTS[4]
    TAPS: tl.constexpr = CONSTANTS[5]
    PRECISION: tl.constexpr = CONSTANTS[6]
    image, columns = tl.program_id(0).to(tl.int64), tl.arange(0, LINES)
    d_memory = tl.zeros((LINES, UNITS), tl.float32)
    there = columns < COLUMNS
    for step in range(ROWS):
        row = ROWS - 1 - step
        places = (image * ROWS + row) * COLUMNS + columns
        update = _load(saved, places, there, 4 * HIDDEN, 4 * UNITS)
        cell = _load(memory, places, there, HIDDEN, UNITS)
        before = _load(memory, places - COLUMNS, there & (row > 0), HIDDEN, UNITS)
        d_state = _load(d_states, places, there, HIDDEN, UNITS)
        for tap in tl.static_range(TAPS):
            target = columns - tap + TAPS // 2
            is_there = (target >= 0) & (target < COLUMNS) & (step > 0)
            d_update = _load(d_gates, places + COLUMNS - tap + TAPS // 2, is_there, 4 * HIDDEN, 4 * UNITS)
            to_state = tl.trans(_weights(weight, tap, HIDDEN, UNITS))
            d_state = tl.dot(d_update, to_state, d_state, input_precision=PRECISION)
        d_update, d_memory = _cell_backward(update, before, cell, d_state, d_memory)
        _store(d_gates, places, there, d_update, 4 * HIDDEN, 4 * UNITS)
        tl.debug_barrier()

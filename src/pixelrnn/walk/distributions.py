r"""The distribution of a sub-pixel in the compiled walk: from parameters to weights, a value and its probability.

The same formulas as `pixelrnn.outputs`, for a block of images at once. A distribution becomes a table of weights, in
proportion to the probabilities of the levels (of a continuous one: of its components); one uniform number inverts its
cumulative sum, taken in float64 in the order of the table. So a value depends on the parameters and that number only.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from pixelrnn.colours.support import FREE
from pixelrnn.kernels import scalars
from pixelrnn.kernels.functions import exp, log, one_minus_exp
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    address,
    load,
    maximum,
    minimum,
    pointer,
    splat,
    store,
    view,
)
from pixelrnn.outputs.logistic import MAX_LOG_SCALE

__all__ = [
    "KINDS",
    "Output",
    "Room",
    "choose",
    "compiled",
    "decide",
    "highest_of",
    "make_room",
    "prepare",
    "sharpen",
    "temperature_of",
    "weigh",
]

KINDS = ("bernoulli", "softmax", "logistic-mixture", "continuous-mixture")
_BERNOULLI, _SOFTMAX, _LOGISTIC, _CONTINUOUS = range(4)

# Division by zero gives what IEEE 754 says, instead of an exception that nobody could catch.
compiled = njit(error_model="numpy")

_ZERO, _HALF, _ONE = np.array([0, 0.5, 1], np.float32)
_LOWEST = np.float32(-3.0e38)
_SMALLEST = np.float32(1.2e-38)  # about the smallest normal float
_SCALE_BOUND = np.float32(MAX_LOG_SCALE)
_LOG_SQRT_2PI = np.float32(0.9189385332046727)


class Output(NamedTuple):
    """What the distributions are, and how values are drawn: `settings` is the address of temperature and top p."""

    kind: int
    levels: int
    mixtures: int
    copies: int
    parameters: int
    top_k: int
    settings: int


class Room(NamedTuple):
    """Memory for one block of images.

    Attributes:
        table: Weights of the levels, or of the components; entry e of lane l at e LANES + l.
        scale: Standard deviations of the components; or what `prepare` makes of a mixture.
        total: Sum of the weights of each lane.
        target: The uniform number of each lane, negative where the value is given; then that share of the total.
        below: Sum of the weights before the entry chosen.
        reached: Sum of the weights up to the entry chosen.
        value: What is given, then what is decided.
        given: What is given.
        is_given: Whether it is.
        chosen: Logit or weight of the value.
        sums: The total in float32.
        nats: Its log probability.
        rows: Of each lane's tree, if not all levels can occur; see `confine.py`.
        entries: Weights of the entries of one row.
        below_entry: Their lower edges.
        above_entry: Their upper edges.
    """

    table: Any
    scale: Any
    total: Any
    target: Any
    below: Any
    reached: Any
    value: Any
    given: Any
    is_given: Any
    chosen: Any
    sums: Any
    nats: Any
    rows: Any
    entries: Any
    below_entry: Any
    above_entry: Any


@compiled
def make_room(output: Output) -> Room:
    """Memory for the tables of an output."""
    entries = output.mixtures if output.kind == _CONTINUOUS else output.levels
    table, scale = (
        np.empty(entries * LANES, np.float32),
        np.empty(max(entries, 3 * output.mixtures + output.copies) * LANES, np.float32),
    )
    total, target, below, reached = np.zeros((4, LANES), np.float64)
    value, given, chosen, sums, nats = np.zeros((5, LANES), np.float32)
    is_given, rows = np.zeros(LANES, np.bool_), np.full(LANES, FREE, np.int64)
    of_row, below_entry, above_entry = np.empty((3, (output.levels // LANES + 1) * LANES), np.float32)
    return Room(
        table, scale, total, target, below, reached, value, given, is_given, chosen, sums, nats,
        rows, of_row, below_entry, above_entry,
    )  # fmt: skip


@compiled
def highest_of(parameters: Address, count: int) -> Vector:
    """The highest of the first parameters of each lane; about the lowest float if there are none."""
    highest = splat(_LOWEST)
    for j in range(0, count * LANES, LANES):
        highest = maximum(highest, load(parameters, j))
    return highest


@compiled
def _softmax_weights(parameters: Address, count: int, sharpness: Vector, table: Address) -> None:
    """Weights exp((l - max l) / T) of logits."""
    highest = highest_of(parameters, count)
    for j in range(0, count * LANES, LANES):
        store(table, j, exp((load(parameters, j) - highest) * sharpness))


@compiled
def _log_scale(parameters: Address, count: int, k: int) -> Vector:
    """Logarithm of the scale of component k / LANES of a mixture, within its bounds."""
    log_scale = load(parameters, 2 * count * LANES + k)
    return minimum(maximum(log_scale, splat(-_SCALE_BOUND)), splat(_SCALE_BOUND))


@compiled
def _logistic(x: Vector) -> Vector:
    """1 / (1 + e^-x), to the last digits of the value however small it is."""
    return splat(_ONE) / (splat(_ONE) + exp(splat(_ZERO) - x))


@compiled
def _add_points(output: Output, points: Address, highest: Vector, room: Room) -> None:
    """Add the point masses to the table: logits, then the levels where they lie."""
    places = view(address(points), np.float32)
    for k in range(0, output.copies * LANES, LANES):
        store(pointer(room.chosen, 0), 0, exp(load(points, k) - highest))
        for lane in range(LANES):
            level = int(places[output.copies * LANES + k + lane])
            room.table[level * LANES + lane] += room.chosen[lane]


@compiled
def _logistic_weights(parameters: Address, output: Output, room: Room) -> None:
    """Weights of the levels under a mixture of discretised logistics and points; see `pixelrnn.outputs.logistic`."""
    table = pointer(room.table, 0)
    levels, count, top = output.levels, output.mixtures, np.float32(output.levels - 1)
    points = pointer(parameters, 3 * count * LANES)
    highest = maximum(highest_of(parameters, count), highest_of(points, output.copies))
    for j in range(0, levels * LANES, LANES):
        store(table, j, splat(_ZERO))
    for k in range(0, count * LANES, LANES):
        share = exp(load(parameters, k) - highest)
        mean = load(parameters, count * LANES + k)
        inverse = exp(splat(_ZERO) - _log_scale(parameters, count, k))
        width = one_minus_exp(splat(np.float32(2) / top) * inverse)
        for level in range(levels):
            # The upper edge of a level and the lower edge of the next are the same float.
            above = _logistic((mean - splat(np.float32(2 * level - 1) / top - _ONE)) * inverse)
            below = _logistic((splat(np.float32(2 * level + 1) / top - _ONE) - mean) * inverse)
            part = above * below * width
            if level == 0:
                part = below
            if level == levels - 1:
                part = above
            store(table, level * LANES, load(table, level * LANES) + share * part)
    _add_points(output, points, highest, room)


@compiled
def prepare(output: Output, parameters: Address, room: Room) -> None:
    """Write into `room.scale` shares, means over scales and inverse scales of a mixture, and shares of its copies."""
    count, prepared = output.mixtures, pointer(room.scale, 0)
    points = pointer(parameters, 3 * count * LANES)
    highest = maximum(highest_of(parameters, count), highest_of(points, output.copies))
    for k in range(0, count * LANES, LANES):
        inverse = exp(splat(_ZERO) - _log_scale(parameters, count, k))
        store(prepared, k, exp(load(parameters, k) - highest))
        store(prepared, count * LANES + k, load(parameters, count * LANES + k) * inverse)
        store(prepared, 2 * count * LANES + k, inverse)
    for k in range(0, output.copies * LANES, LANES):
        store(prepared, 3 * count * LANES + k, exp(load(points, k) - highest))


@compiled
def sharpen(table: Address, count: int, sharpness: Vector) -> None:
    """Raise weights to the power 1/T, the highest becoming 1; those below the normal floats count as the smallest."""
    highest = maximum(highest_of(table, count), splat(_SMALLEST))
    for j in range(0, count * LANES, LANES):
        weight = maximum(load(table, j) / highest, splat(_SMALLEST))
        store(table, j, exp(log(weight) * sharpness))


@compiled
def weigh(output: Output, parameters: Address, room: Room, temperature: float) -> None:
    """Fill the table of weights."""
    table, sharpness = pointer(room.table, 0), splat(np.float32(1 / temperature))
    if output.kind == _BERNOULLI:
        logit = load(parameters, 0)
        highest = maximum(logit, splat(_ZERO))
        store(table, 0, exp((splat(_ZERO) - highest) * sharpness))
        store(table, LANES, exp((logit - highest) * sharpness))
    elif output.kind == _SOFTMAX:
        _softmax_weights(parameters, output.levels, sharpness, table)
    elif output.kind == _LOGISTIC:
        _logistic_weights(parameters, output, room)
        if temperature != 1:
            sharpen(table, output.levels, sharpness)
    else:
        _softmax_weights(parameters, output.mixtures, sharpness, table)


@compiled
def _restrict(output: Output, room: Room, top_p: float) -> None:
    """Set all weights to 0 but the `top_k` highest (0: all) and the fewest that make up `top_p`; equals stay."""
    entries = len(room.table) // LANES
    for lane in range(LANES):
        ordered = np.sort(room.table[lane::LANES])[::-1]
        lowest = ordered[output.top_k - 1] if 0 < output.top_k <= entries else ordered[-1]
        if top_p < 1:
            wanted, reached, place = top_p * ordered.astype(np.float64).sum(), 0.0, 0
            while place < entries - 1 and reached + ordered[place] < wanted:
                reached += ordered[place]
                place += 1
            lowest = max(lowest, ordered[place])
        for entry in range(lane, len(room.table), LANES):
            if room.table[entry] < lowest:
                room.table[entry] = 0


@compiled
def _invert(room: Room) -> None:
    """The entry whose stretch of the cumulative weights holds `target` times their sum, and what lies below it.

    Entries of weight 0 are never chosen.
    """
    table, target, below, reached, value = room.table, room.target, room.below, room.reached, room.value
    for lane in range(LANES):
        target[lane] *= room.total[lane]
        reached[lane] = 0
    for entry in range(len(table) // LANES):
        for lane in range(LANES):
            weight = np.float64(table[entry * LANES + lane])
            is_open = (weight > 0) & (reached[lane] <= target[lane])
            below[lane] = reached[lane] if is_open else below[lane]
            value[lane] = entry if is_open else value[lane]
            reached[lane] += weight if is_open else 0.0


@compiled
def _draw_components(output: Output, parameters: Address, room: Room, temperature: float) -> None:
    """Replace the number of a Gaussian by a value of it: what is left of the uniform number decides."""
    count, root = output.mixtures, math.sqrt(temperature)
    for k in range(0, count * LANES, LANES):
        store(pointer(room.scale, 0), k, exp(_log_scale(parameters, count, k)))
    means = view(address(parameters), np.float32)
    for lane in range(LANES):
        if room.is_given[lane]:
            continue
        at = int(room.value[lane]) * LANES + lane
        inside = (room.target[lane] - room.below[lane]) / room.table[at]
        inside = min(max(inside, 1e-12), 1 - 1e-12)
        room.value[lane] = means[count * LANES + at] + room.scale[at] * root * scalars.quantile(inside)


@compiled
def _log_component(parameters: Address, count: int, k: int, x: Vector, temperature: float) -> Vector:
    """Logarithm of weight times density of a Gaussian, without the constant."""
    log_scale = _log_scale(parameters, count, k) + splat(np.float32(0.5 * scalars.log(temperature)))
    distance = (x - load(parameters, count * LANES + k)) * exp(splat(_ZERO) - log_scale)
    logit = load(parameters, k) * splat(np.float32(1 / temperature))
    return logit - distance * distance * splat(_HALF) - log_scale


@compiled
def _log_density(output: Output, parameters: Address, room: Room, temperature: float) -> Vector:
    count, sharpness = output.mixtures, splat(np.float32(1 / temperature))
    x = load(pointer(room.value, 0), 0)
    highest, above = splat(_LOWEST), highest_of(parameters, count) * sharpness
    for k in range(0, count * LANES, LANES):
        highest = maximum(highest, _log_component(parameters, count, k, x, temperature))
    inside, all_weights = splat(_ZERO), splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        inside = inside + exp(_log_component(parameters, count, k, x, temperature) - highest)
        all_weights = all_weights + exp(load(parameters, k) * sharpness - above)
    return highest - above + log(inside / all_weights) - splat(_LOG_SQRT_2PI)


@compiled
def _log_probability(output: Output, parameters: Address, room: Room, temperature: float, is_restricted: bool) -> None:
    """Nats of the values of all lanes.

    Those of a logistic mixture and of restricted distributions come from the table: not below about -88.
    """
    nats, sharpness = pointer(room.nats, 0), splat(np.float32(1 / temperature))
    if output.kind == _CONTINUOUS:
        store(nats, 0, _log_density(output, parameters, room, temperature))
        return
    is_from_table = is_restricted or output.kind == _LOGISTIC
    logits = view(address(parameters), np.float32)
    for lane in range(LANES):
        level = int(room.value[lane])
        if is_from_table:
            room.chosen[lane] = room.table[level * LANES + lane]
        elif output.kind == _BERNOULLI:
            room.chosen[lane] = logits[lane] * room.value[lane]
        else:
            room.chosen[lane] = logits[level * LANES + lane]
        room.sums[lane] = room.total[lane]
    chosen, total = load(pointer(room.chosen, 0), 0), log(load(pointer(room.sums, 0), 0))
    if is_from_table:
        store(nats, 0, log(maximum(chosen, splat(_SMALLEST))) - total)
    elif output.kind == _BERNOULLI:
        store(nats, 0, (chosen - maximum(load(parameters, 0), splat(_ZERO))) * sharpness - total)
    else:
        store(nats, 0, (chosen - highest_of(parameters, output.levels)) * sharpness - total)


@compiled
def decide(output: Output, parameters: Address, room: Room, wants_nats: bool) -> None:
    """Leave in `room.value` a value of each lane, and in `room.nats` its log probability.

    Where `room.target` is not negative it is the uniform number that draws the value, elsewhere the value is given.
    """
    weigh(output, parameters, room, temperature_of(output))
    choose(output, parameters, room, wants_nats)


@compiled
def temperature_of(output: Output) -> Any:
    """Colder than this the likeliest value is certain anyway, and 1/T is no float32."""
    return max(view(output.settings, np.float64)[0], 1e-30)


@compiled
def choose(output: Output, parameters: Address, room: Room, wants_nats: bool) -> None:
    """As `decide`, of a table that is there."""
    temperature, top_p = temperature_of(output), view(output.settings, np.float64)[1]
    is_restricted = output.top_k > 0 or top_p < 1
    if is_restricted:
        _restrict(output, room, top_p)
    room.total[:] = 0
    for entry in range(0, len(room.table), LANES):
        for lane in range(LANES):
            room.total[lane] += room.table[entry + lane]
    for lane in range(LANES):
        room.given[lane] = room.value[lane]
        room.is_given[lane] = room.target[lane] < 0
    _invert(room)
    if output.kind == _CONTINUOUS:
        _draw_components(output, parameters, room, temperature)
    for lane in range(LANES):
        if room.is_given[lane]:
            room.value[lane] = room.given[lane]
    if wants_nats:
        _log_probability(output, parameters, room, temperature, is_restricted)

"""What the compiled twins of the outputs share: a record of the distribution, and memory for a block of images.

A distribution becomes a table of weights, in proportion to the probabilities of the levels (of a continuous one: of its
components). A block of images has one in each lane of a vector.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.functions import exp, log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Float64
from pixelrnn.kernels.vectors import LANES, Address, Vector, load, maximum, pointer, splat, store

__all__ = [
    "SMALLEST",
    "Kernel",
    "Output",
    "Workspace",
    "exp_weights",
    "highest_of",
    "log_prob_of_table",
    "make_workspace",
    "nothing",
    "sharpen",
]

# Division by zero gives what IEEE 754 says, instead of an exception that nobody could catch.

LOWEST = np.float32(-3.0e38)
SMALLEST = np.float32(1.2e-38)  # about the smallest normal float


class Output(NamedTuple):
    """A distribution, and how values are drawn from it.

    Attributes:
        kind: Number of the output.
        entries: Number of entries of a table.
        levels: Number of values; 0 for continuous data.
        mixtures: Components of a mixture.
        copies: Point masses of a mixture.
        parameters: Number of parameters of a sub-pixel.
        top_k: Only so many of the likeliest values can be drawn; 0: all.
        settings: Address of the temperature and of top p.
    """

    kind: int
    entries: int
    levels: int
    mixtures: int
    copies: int
    parameters: int
    top_k: int
    settings: Float64


class Kernel(NamedTuple):
    """The compiled twin of an output: functions of (output, parameters, workspace, temperature).

    Attributes:
        weigh: Fills the table of weights.
        log_prob: Writes the log probabilities of the values, in nats, where no value is excluded.
        refine: Replaces the number of an entry by a value, where the entries are no levels.
    """

    weigh: Callable[..., None]
    log_prob: Callable[..., None]
    refine: Callable[..., None]


class Workspace(NamedTuple):
    """Memory for one block of images.

    Attributes:
        table: Weights of the levels, or of the components; entry e of lane l at e LANES + l.
        scale: Standard deviations of the components; or what `logistic.prepare` makes of a mixture.
        total: Sum of the weights of each lane.
        target: The uniform number of each lane, negative where the value is given; then that share of the total.
        below: Sum of the weights before the entry chosen.
        reached: Sum of the weights up to the entry chosen.
        value: What is given, then what is decided.
        given: What is given.
        is_given: Whether it is.
        chosen: Logit or weight of the value.
        sums: The total in float32.
        nats: Log probability of the value.
        rows: Row of each lane in the trie, where not all levels can occur.
        entries: Weights of the entries of one row.
        below_entry: Lower edges of the entries of one row.
        above_entry: Upper edges of the entries of one row.
        code: What the intervals of an entropy coder are computed from; see `intervals.py`.
        of_one: The same of one lane, in all.
        lane: int32: number of each lane.
        found: int32: values.
        lower: int32: where their intervals begin.
        upper: int32: where these end.
        slot: int32: numbers of which each lies in the interval that is looked for.
        edges: int32: edges of values.
        image: Number of the image of each lane.
        coded: Lanes whose values are coded, in order.
        row_sums: int64: sums of the weights of the entries of one row before each, and of all.
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
    code: Any
    of_one: Any
    lane: Any
    found: Any
    lower: Any
    upper: Any
    slot: Any
    edges: Any
    image: Any
    coded: Any
    row_sums: Any


@inner
def make_workspace(output: Output) -> Workspace:
    """Memory for the tables of an output."""
    table, scale = (
        np.empty(output.entries * LANES, np.float32),
        np.empty(max(output.entries, 3 * output.mixtures + output.copies) * LANES, np.float32),
    )
    total, target, below, reached = np.zeros((4, LANES), np.float64)
    value, given, chosen, sums, nats = np.zeros((5, LANES), np.float32)
    is_given, rows = np.zeros(LANES, np.bool_), np.full(LANES, FREE, np.int64)
    of_row, below_entry, above_entry = np.empty((3, (output.levels // LANES + 1) * LANES), np.float32)
    of_mixture = (3 * output.mixtures + 2 * output.copies) * LANES
    code, of_one = np.empty(max(output.levels * LANES, of_mixture), np.float32), np.empty(of_mixture, np.float32)
    lane, found, lower, upper, slot, edges = np.zeros((6, LANES), np.int32)
    lane[:], image, coded = np.arange(LANES), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    return Workspace(
        table, scale, total, target, below, reached, value, given, is_given, chosen, sums, nats,
        rows, of_row, below_entry, above_entry, code, of_one, lane, found, lower, upper, slot, edges, image, coded,
        np.empty(output.levels + 1, np.int64),
    )  # fmt: skip


@inner
def highest_of(parameters: Address, count: int) -> Vector:
    """The highest of the first parameters of each lane; about the lowest float if there are none."""
    highest = splat(LOWEST)
    for j in range(0, count * LANES, LANES):
        highest = maximum(highest, load(parameters, j))
    return highest


@inner
def exp_weights(parameters: Address, count: int, temperature: float, table: Address) -> None:
    """Weights exp((l - max l) / T) of logits."""
    highest, sharpness = highest_of(parameters, count), splat(np.float32(1 / temperature))
    for j in range(0, count * LANES, LANES):
        store(table, j, exp((load(parameters, j) - highest) * sharpness))


@inner
def sharpen(table: Address, count: int, temperature: float) -> None:
    """Raise weights to the power 1/T, the highest becoming 1; those below the normal floats count as the smallest."""
    highest, sharpness = maximum(highest_of(table, count), splat(SMALLEST)), splat(np.float32(1 / temperature))
    for j in range(0, count * LANES, LANES):
        weight = maximum(load(table, j) / highest, splat(SMALLEST))
        store(table, j, exp(log(weight) * sharpness))


@inner
def log_prob_of_table(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    """Write the log probabilities of the values by the table: not below about -88."""
    for lane in range(LANES):
        workspace.chosen[lane] = workspace.table[int(workspace.value[lane]) * LANES + lane]
        workspace.sums[lane] = workspace.total[lane]
    chosen = maximum(load(pointer(workspace.chosen, 0), 0), splat(SMALLEST))
    store(pointer(workspace.nats, 0), 0, log(chosen) - log(load(pointer(workspace.sums, 0), 0)))


@inner
def nothing(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
    """Leave everything as it is: entries are levels."""

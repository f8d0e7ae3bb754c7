r"""A value of a sub-pixel and its probability, compiled: the one place where a distribution meets a random number.

The same formulas as the torch side of each output, for a block of images at once. One uniform number inverts the
cumulative sum of the table, taken in float64 in the order of the table: so a value depends on the parameters and that
number only.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pixelrnn.config.sampling import Sampling
from pixelrnn.kernels.inner import inner, named
from pixelrnn.kernels.record import Record
from pixelrnn.kernels.vectors import LANES, Address, view
from pixelrnn.outputs import bernoulli, continuous, logistic, softmax
from pixelrnn.outputs.logistic import decide_on_demand, is_on_demand
from pixelrnn.outputs.output import AbstractOutput
from pixelrnn.outputs.workspace import Kernel, Output, Workspace, log_prob_of_table

__all__ = ["Distribution", "choose", "decide", "temperature_of", "weigh"]

KERNELS: dict[type, Kernel] = {
    bernoulli.Bernoulli: bernoulli.KERNEL,
    softmax.Softmax: softmax.KERNEL,
    logistic.LogisticMixture: logistic.KERNEL,
    continuous.ContinuousMixture: continuous.KERNEL,
}
"""The outputs that have a compiled twin; their places are the kinds of the records."""

PLAIN = Sampling()


@dataclasses.dataclass(frozen=True)
class Distribution:
    """How the parameters of a sub-pixel are to be read, and values to be drawn.

    Attributes:
        output: One that has a compiled twin.
        sampling: Temperature, top k and top p.
    """

    output: AbstractOutput
    sampling: Sampling = PLAIN

    @staticmethod
    def takes(output: AbstractOutput) -> bool:
        """Whether an output has a compiled twin."""
        return type(output) in KERNELS

    @property
    def levels(self) -> int:
        """Number of values; 0 for continuous data."""
        return int(self.output.levels)  # type: ignore[attr-defined]

    @functools.cached_property
    def record(self) -> Record:
        """What compiled code is told."""
        output, sampling = self.output, self.sampling
        return Record(
            Output,
            kind=list(KERNELS).index(type(output)),
            **{name: getattr(output, name) for name in ("entries", "levels", "mixtures", "copies", "parameters")},
            top_k=sampling.top_k or 0,
            settings=np.array([sampling.temperature, sampling.top_p]),
        )


def _by_kind(what: str, kind: int = 0) -> Callable[..., None]:
    """The function of an output's kind, of those of all outputs."""
    function = getattr(list(KERNELS.values())[kind], what)
    if kind + 1 == len(KERNELS):
        return function  # type: ignore[no-any-return]
    others = _by_kind(what, kind + 1)

    def chosen(output: Output, parameters: Address, workspace: Workspace, temperature: float) -> None:
        if output.kind == kind:
            function(output, parameters, workspace, temperature)
        else:
            others(output, parameters, workspace, temperature)

    return inner(named(chosen, f"{what}_{kind}"))  # type: ignore[no-any-return]


weigh, _log_prob, _refine = map(_by_kind, Kernel._fields)


@inner
def temperature_of(output: Output) -> Any:
    """Colder than this the likeliest value is certain anyway, and 1/T is no float32."""
    return max(view(output.settings, np.float64)[0], 1e-30)


@inner
def _restrict(output: Output, workspace: Workspace, top_p: float) -> None:
    """Set all weights to 0 but the `top_k` highest (0: all) and the fewest that make up `top_p`; equals stay."""
    entries = len(workspace.table) // LANES
    for lane in range(LANES):
        ordered = np.sort(workspace.table[lane::LANES])[::-1]
        lowest = ordered[output.top_k - 1] if 0 < output.top_k <= entries else ordered[-1]
        if top_p < 1:
            wanted, reached, place = top_p * ordered.astype(np.float64).sum(), 0.0, 0
            while place < entries - 1 and reached + ordered[place] < wanted:
                reached += ordered[place]
                place += 1
            lowest = max(lowest, ordered[place])
        for entry in range(lane, len(workspace.table), LANES):
            if workspace.table[entry] < lowest:
                workspace.table[entry] = 0


@inner
def _invert(workspace: Workspace) -> None:
    """The entry whose stretch of the cumulative weights holds `target` times their sum, and what lies below it.

    Entries of weight 0 are never chosen.
    """
    table, target, value = workspace.table, workspace.target, workspace.value
    below, reached = workspace.below, workspace.reached
    for lane in range(LANES):
        target[lane] *= workspace.total[lane]
        reached[lane] = 0
    for entry in range(len(table) // LANES):
        for lane in range(LANES):
            weight = np.float64(table[entry * LANES + lane])
            is_open = (weight > 0) & (reached[lane] <= target[lane])
            below[lane] = reached[lane] if is_open else below[lane]
            value[lane] = entry if is_open else value[lane]
            reached[lane] += weight if is_open else 0.0


@inner
def choose(output: Output, parameters: Address, workspace: Workspace, wants_nats: bool) -> None:
    """As `decide`, of a table that is there."""
    temperature, top_p = temperature_of(output), view(output.settings, np.float64)[1]
    is_restricted = output.top_k > 0 or top_p < 1
    if is_restricted:
        _restrict(output, workspace, top_p)
    workspace.total[:] = 0
    for entry in range(0, len(workspace.table), LANES):
        for lane in range(LANES):
            workspace.total[lane] += workspace.table[entry + lane]
    for lane in range(LANES):
        workspace.given[lane] = workspace.value[lane]
        workspace.is_given[lane] = workspace.target[lane] < 0
    _invert(workspace)
    _refine(output, parameters, workspace, temperature)
    for lane in range(LANES):
        if workspace.is_given[lane]:
            workspace.value[lane] = workspace.given[lane]
    if wants_nats and is_restricted:
        log_prob_of_table(output, parameters, workspace, temperature)
    elif wants_nats:
        _log_prob(output, parameters, workspace, temperature)


@inner
def decide(output: Output, parameters: Address, workspace: Workspace, wants_nats: bool) -> None:
    """Leave in `workspace.value` a value of each lane, and in `workspace.nats` its log probability.

    Where `workspace.target` is not negative it is the uniform number that draws the value; elsewhere it is given.
    """
    if is_on_demand(output):
        decide_on_demand(output, parameters, workspace, wants_nats)
        return
    weigh(output, parameters, workspace, temperature_of(output))
    choose(output, parameters, workspace, wants_nats)

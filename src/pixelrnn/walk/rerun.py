"""The raster face of any causal network: it is run again for every sub-pixel. Slow, and right.

What is not visited yet is zero for the network, so that nothing of it can be seen by mistake. Values are decided by the
same compiled code as in every walk; an output without a compiled twin gives the probabilities of all levels. As torch
computes the parameters, the last bits depend on the machine.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.errors import ConfigError
from pixelrnn.kernels import threads
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.record import Float32, Float64, Record, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, padded, pointer, view
from pixelrnn.outputs import AbstractOutput, Softmax
from pixelrnn.outputs.decide import Distribution, decide, weigh
from pixelrnn.outputs.quantise import write_pmf
from pixelrnn.outputs.workspace import Output, make_workspace
from pixelrnn.walk.protocol import Answer, Array, Batch, Schedule, Taken, require_fitting

__all__ = ["Face", "Rerun"]


@dataclasses.dataclass(frozen=True)
class Rerun:
    """A network that is run for the parameters of one sub-pixel.

    Attributes:
        config: Configuration of the model.
        network: Network, as `pixelrnn.register_architecture` describes it.
        output: Output of the model.
    """

    config: ModelConfig
    network: nn.Module
    output: AbstractOutput

    @torch.no_grad()
    def parameters(self, values: Array, condition: Condition, place: tuple[int, int, int]) -> Tensor:
        """The parameters `(N, P)` of a sub-pixel (channel, row, column) of images whose later values are 0."""
        weights = next(self.network.parameters())
        x = torch.from_numpy(values).to(weights)
        if self.config.levels:
            x = 2 * x / (self.config.levels - 1) - 1
        given = condition.map(lambda part: torch.from_numpy(np.ascontiguousarray(part)).to(weights.device))
        if given.context is not None:
            given = given._replace(context=given.context.to(weights))
        channel, row, column = place
        found: Tensor = self.network(x, given)[:, channel, :, row, column]
        return found

    def of_twin(self, parameters: Tensor) -> Array:
        """The parameters of the compiled twin that decides: of the output's own, or logits of all levels."""
        if not Distribution.takes(self.output):
            parameters = self.output.log_table(parameters[:, None])[:, 0]  # type: ignore[attr-defined]
        found: Array = parameters.float().cpu().contiguous().numpy()
        return found


class _Call(NamedTuple):
    """The record of a sub-pixel of N images: an `Output`, its parameters, and what is known and wanted.

    Attributes:
        output: Address of the record.
        images: N.
        parameters: `(N, P)`.
        target: `(N)` uniform numbers, negative where the value is given.
        values: `(N)` given values; then what is decided.
        nats: `(N)`, to be filled; 0 if they are not wanted.
        pmf: `(N, levels)`, to be filled instead of deciding; 0 if it is not wanted.
    """

    output: int
    images: int
    parameters: Float32
    target: Float64
    values: Float32
    nats: Float32
    pmf: Float64


_read_call, _read_output = reader(_Call), reader(Output)


@callback(TASK)
def _decide_block(block: int, integers: Any) -> None:
    """Decide a value, or write the pmf, for each image of a block."""
    call = _read_call(integers)
    output = _read_output(call.output)
    workspace, count = make_workspace(output), output.parameters
    parameters, target = view(call.parameters, np.float32), view(call.target, np.float64)
    values, nats = view(call.values, np.float32), view(call.nats, np.float32)
    of_lanes = np.zeros(count * LANES, np.float32)
    first = block * LANES
    lanes = min(LANES, call.images - first)
    for lane in range(lanes):
        for number in range(count):
            of_lanes[number * LANES + lane] = parameters[(first + lane) * count + number]
    if call.pmf:
        weigh(output, pointer(of_lanes, 0), workspace, 1.0)
        write_pmf(workspace, call.pmf + 8 * first * output.levels, lanes)
    else:
        for lane in range(LANES):
            workspace.target[lane], workspace.value[lane] = 0.5, 0
            if lane < lanes:
                workspace.target[lane], workspace.value[lane] = target[first + lane], values[first + lane]
        decide(output, pointer(of_lanes, 0), workspace, call.nats != 0)
        for lane in range(lanes):
            values[first + lane] = workspace.value[lane]
            if call.nats:
                nats[first + lane] = workspace.nats[lane]
    of_lanes[0] = 0  # Numba frees an array after the last line that names it.


@functools.cache
def _warn(architecture: str, output: str) -> None:
    logging.getLogger("pixelrnn").warning(
        "%s with %s has no compiled walk: the network is run again for every sub-pixel", architecture, output
    )


@dataclasses.dataclass(frozen=True)
class Face:
    """See `pixelrnn.walk.protocol.AbstractFace`.

    Attributes:
        program: The network.
        distribution: Distribution of a sub-pixel.
        size: Height and width.
    """

    program: Rerun
    distribution: Distribution
    size: tuple[int, int]

    def __post_init__(self) -> None:
        """Say that this takes long, once; refuse an output whose values cannot be drawn."""
        config, output = self.program.config, self.distribution.output
        if not Distribution.takes(output) and not hasattr(output, "log_table"):
            raise ConfigError(f"output {config.resolved_output!r} has no log_table, by which values could be drawn")
        _warn(config.architecture, config.resolved_output)

    @functools.cached_property
    def _twin(self) -> Distribution:
        """The distribution that has a compiled twin."""
        if Distribution.takes(self.distribution.output):
            return self.distribution
        return dataclasses.replace(self.distribution, output=Softmax(self.program.config.levels))

    def require(self, batch: Batch) -> None:
        """Refuse a batch that does not fit."""
        config, output = self.program.config, self._twin.output
        if batch.parameters is not None:
            raise ValueError("parameters are wanted of a network that has no lowering")
        has_one = config.context is not None and batch.condition.context is not None
        context = batch.condition.context.shape[1:] if has_one else config.context
        shape = config.shape[0], *self.size
        require_fitting(batch, Taken(shape, self._twin.levels, output.parameters, config.label_rows, context, False))

    def schedule(self, *, must_stop: bool) -> Schedule:
        """Steps are sub-pixels."""
        channels = self.program.config.shape[0]
        return Schedule(1, self.size[1] * channels, self.size[0] * self.size[1] * channels)

    def state(self, images: int) -> Array:
        """Images as far as they were visited, zeros elsewhere."""
        return np.zeros((images, self.program.config.shape[0], *self.size), np.float32)

    def gather(self, state: Array, chosen: Array) -> Array:
        """The images that are chosen."""
        gathered: Array = state[chosen]
        return gathered

    def advance(self, state: Array, batch: Batch, schedule: Schedule, first: int, end: int) -> None:
        """Visit some sub-pixels."""
        for visit in range(first, end):
            place = self._place(visit)
            here = (slice(None), *place)
            values = np.ascontiguousarray(batch.values[here])
            is_known = np.zeros(len(values), np.bool_) if batch.is_known is None else batch.is_known[here] != 0
            uniform = 0.5 if batch.uniform is None else batch.uniform[:, place[1], place[2], place[0]]
            nats = None if batch.log_prob is None else np.zeros(len(values), np.float32)
            target = np.where(is_known, -1.0, uniform)
            self._decide(state, batch.condition, place, target=target, values=values, nats=nats)
            batch.values[here] = state[here] = values
            if batch.log_prob is not None and nats is not None:
                batch.log_prob[here] = nats

    def ask(self, batch: Batch, answer: Answer, report: Callable[[int], None]) -> None:
        """Visit all sub-pixels, of all images at once."""
        values, numbers = batch.values, np.arange(len(batch.values))
        state, pmf = self.state(len(values)), np.zeros((len(values), self._twin.levels))
        for visit in range(self.schedule(must_stop=False).total):
            place = self._place(visit)
            here = (slice(None), *place)
            if batch.is_known is None or not batch.is_known[(0, *place)]:
                self._decide(state, batch.condition, place, pmf=pmf)
                values[here] = answer(values[here], pmf, numbers)
            state[here] = values[here]
            report(len(values))

    def memory(self, images: int) -> int:
        """Of images, and a pmf for each."""
        config = self.program.config
        return 4 * images * config.shape[0] * self.size[0] * self.size[1] + 8 * images * config.levels

    def at_once(self, most: int) -> int:
        """As many as are allowed."""
        return most

    def _place(self, visit: int) -> tuple[int, int, int]:
        """Channel, row and column of a sub-pixel."""
        channels = self.program.config.shape[0]
        pixel = visit // channels
        return visit % channels, pixel // self.size[1], pixel % self.size[1]

    def _decide(self, state: Array, condition: Condition, place: tuple[int, int, int], **arrays: Array | None) -> None:
        parameters = self.program.of_twin(self.program.parameters(state, condition, place))
        call = Record(_Call, output=self._twin.record, images=len(state), parameters=parameters, **arrays)
        threads.run(_decide_block, padded(len(state)) // LANES, call.integers)

"""Walking images: sampling, completing and scoring differ only in which values are known beforehand.

Coding asks from outside, sub-pixel by sub-pixel, what a value is (`ask`).
"""

import dataclasses
from collections.abc import Callable, Collection

import numpy as np

from pixelrnn.colours.support import Forest
from pixelrnn.config import OutputName
from pixelrnn.kernels import threads
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.kernels.vectors import LANES, padded
from pixelrnn.local.program import LocalProgram
from pixelrnn.walk.distributions import KINDS, Output
from pixelrnn.walk.engine import advance, gather, tabulate
from pixelrnn.walk.program import Array, Program
from pixelrnn.walk.state import Walk

__all__ = ["Distribution", "ask", "walk"]

Answer = Callable[[Array, Array, Array], Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the parameters of a sub-pixel are to be read, and values to be drawn.

    Attributes:
        output: One of the outputs of `pixelrnn.outputs`.
        parameters: Number of parameters of a sub-pixel.
        levels: Number of values; 0 for continuous data.
        mixtures: Components of a mixture.
        copies: Point masses of a mixture.
        temperature: T > 0: probabilities are raised to the power 1/T.
        top_k: Only so many of the likeliest values can be drawn; 0: all.
        top_p: Only the likeliest values that together have this probability can be drawn.
    """

    output: OutputName
    parameters: int
    levels: int
    mixtures: int
    copies: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def walk(
    program: Program | LocalProgram,
    distribution: Distribution,
    values: Array,
    *,
    label: Array | None = None,
    context: Array | None = None,
    support: Forest | None = None,
    is_known: Array | None = None,
    uniform: Callable[[range], Array] | None = None,
    log_prob: Array | None = None,
    parameters: Array | None = None,
    batch: int = 256,
    callback: Callable[[float], None] | None = None,
    stops: Collection[int] = (),
    choose: Callable[[int], Array | None] | None = None,
) -> None:
    """Visit the sub-pixels of images in order and fill in the values that are not known.

    What an image becomes depends on its own values and uniform numbers only, bit by bit, whatever the other images, the
    batch, the threads and the processor.

    Args:
        program: Made for the height and width of the images.
        distribution: Of a sub-pixel.
        values: `(N, C, H, W)` float32, levels as they are; changed in place.
        label: `(N)` int64, -1 for none; needed if the network knows labels.
        context: `(N, Cc, Hc, Wc)` float32 as the network reads it, if it has one.
        support: The rows of levels that can occur in each image, of a local network.
        is_known: `(N, C, H, W)` uint8: where `values` are given; nowhere if not given.
        uniform: Gives the float64 numbers in [0, 1), `(n, H, W, C)`, that draw the values of a range of images; not
            needed if everything is known.
        log_prob: `(N, C, H, W)` float32, to be filled with the log probability in nats of each value given the earlier
            ones; that of a logistic mixture, or with `top_k` or `top_p`, is never below about -88.
        parameters: `(N, C, P, H, W)` float32, to be filled with the parameters of each sub-pixel.
        batch: Images walked at once; memory grows with it, and each thread needs some.
        callback: Called with the finished share, 0 .. 1, after every row. What it raises ends the walk.
        stops: Numbers of sub-pixels before which the walk asks
        choose: which images go on: of a batch, the `(n)` numbers of those that take the places of all, with everything
            that was drawn; None to go on with each.

    Example:
        >>> from pixelrnn.nn.network import Network
        >>> from pixelrnn.walk import compile_network
        >>> network = Network(ModelConfig(shape=(1, 2, 2), levels=2, layers=1, hidden=2), torch.zeros(1))
        >>> coin = Distribution(output="bernoulli", parameters=1, levels=2, mixtures=0)
        >>> values = np.zeros((3, 1, 2, 2), np.float32)
        >>> known = np.ones(values.shape, np.uint8)
        >>> nats = np.zeros_like(values)
        >>> walk(compile_network(network, 2, 2), coin, values, is_known=known, log_prob=nats)
        >>> bool((nats < 0).all())
        True
    """
    _check(program, distribution, values, label, context, is_known, uniform, log_prob, parameters)
    _check_support(distribution, support, len(values))
    images, channels, rows, columns = values.shape
    # What is counted: sub-pixels of a raster; for a local network steps of a front, which are pixels if it must stop.
    unit, line, total = 1, columns * channels, rows * columns * channels
    if isinstance(program, LocalProgram):
        unit, line = channels, columns if stops else program.lag
        total = line * (rows - 1) + columns
    ends = sorted({*range(line, total, line), total, *(stop // unit for stop in stops if 0 < stop < unit * total)})
    for start in range(0, images, batch):
        members = range(start, min(start + batch, images))
        numbers = None if uniform is None else np.ascontiguousarray(uniform(members), np.float64)
        assert numbers is None or numbers.shape == (len(members), rows, columns, channels)
        optional = (is_known, log_prob, parameters, label, context)
        known, nats, found, labels, contexts = (None if a is None else a[start : members.stop] for a in optional)
        states, values_of = program.states(len(members), rows, columns), values[start : members.stop]
        for first, end in zip([0, *ends], ends, strict=False):
            if first and first * unit in stops and choose is not None and (chosen := choose(first * unit)) is not None:
                values_of[:] = values_of[chosen]
                labels = None if labels is None else labels[chosen]
                states = states[chosen] if isinstance(program, LocalProgram) else _gather(program, states, chosen)
            arrays = (states, values_of, known, numbers, nats, found, labels, contexts)
            of_batch = None if support is None else support.of(np.asarray(members))
            _advance(program, distribution, (first, end), line, arrays, of_batch)
            if callback is not None and (end % line == 0 or end == total):
                callback((start + len(members) * end / total) / images)


def ask(
    program: Program | LocalProgram,
    distribution: Distribution,
    values: Array,
    answer: Answer,
    *,
    label: Array | None = None,
    context: Array | None = None,
    support: Forest | None = None,
    is_given: Array | None = None,
    callback: Callable[[int], None] | None = None,
) -> None:
    """Visit the sub-pixels of images, and have each value answered, given its distribution.

    A network walks all images at once, sub-pixel by sub-pixel. A local one takes the sub-pixels of a front together,
    and asks for each level in two steps, which sixteen it is among and which of these; within a support, in one.

    The distributions depend on the values before only, bit by bit, whatever the other images and the processor. The
    calling thread works alone, so that several may.

    Args:
        program: Made for the height and width of the images.
        distribution: Of a sub-pixel, discrete, as it is (temperature 1).
        values: `(N, C, H, W)` float32, levels as they are; changed in place.
        answer: Called with the values of M sub-pixels, `(M)`, the shares of these, float64 `(M, values)` (see
            `tables.py`), and the numbers `(M)` of their images; returns the values `(M)`. Where only one level can
            occur it is not called.
        label: As for `walk`.
        context: As for `walk`.
        support: As for `walk`.
        is_given: `(C, H, W)` bool: where `values` are given, and not asked for.
        callback: Called now and then with the number of sub-pixels visited since; what it raises ends the walk.
    """
    images, channels, rows, columns = values.shape
    assert distribution.levels > 0
    given = np.zeros(values.shape[1:], np.bool_) if is_given is None else is_given
    _check(program, distribution, values, label, context, np.ones(values.shape, np.uint8), None, None, None)
    _check_support(distribution, support, images)
    settings = np.array([1.0, 1.0])
    if isinstance(program, LocalProgram):
        assert is_given is None
        output = _output(distribution, settings)
        questions = compiled_module("pixelrnn.local.coding", "coding by local models")
        questions.ask_front(program, output, values, answer, label=label, support=support, callback=callback)
        return
    assert support is None
    numbers = np.arange(images)
    shares = np.zeros((images, distribution.levels))
    states = program.states(images, rows, columns)
    arrays = (states, values, None, None, None, None, label, context)
    integers = _integers(program, distribution, settings, (0, 0), arrays, 0)
    first_visit, place = Walk._fields.index("first_visit"), _place(shares)
    for visit in range(rows * columns * channels):
        row, column, channel = visit // channels // columns, visit // channels % columns, visit % channels
        is_asked = not given[channel, row, column]
        integers[first_visit], integers[-1] = visit, place if is_asked else 0
        threads.run(tabulate, padded(images) // LANES, integers, is_alone=True)
        if is_asked:
            values[:, channel, row, column] = answer(values[:, channel, row, column], shares, numbers)
        if callback is not None:
            callback(images)


def _check(
    program: Program | LocalProgram,
    distribution: Distribution,
    values: Array,
    label: Array | None,
    context: Array | None,
    is_known: Array | None,
    uniform: Callable[[range], Array] | None,
    log_prob: Array | None,
    parameters: Array | None,
) -> None:
    """The engine trusts its addresses: what does not fit must not get there."""
    images, channels, rows, columns = values.shape
    context_shape: tuple[int, ...] = ()
    if isinstance(program, LocalProgram):
        assert channels == program.sizes.channels
        assert context is None
    else:
        assert (rows if program.rows == 0 else program.rows, program.columns) == (rows, columns)
        assert channels == program.bounds.shape[1] - 1
        assert (context is None) == (program.context < 0)
        context_shape = program.context_shape
    found = (images, channels, distribution.parameters, rows, columns)
    for array, shape, dtype in (
        (values, values.shape, np.float32),
        (label, (images,), np.int64),
        (context, (images, *context_shape), np.float32),
        (is_known, values.shape, np.uint8),
        (log_prob, values.shape, np.float32),
        (parameters, found, np.float32),
    ):
        assert array is None or (array.shape == shape and array.dtype == dtype and array.flags.c_contiguous)
    assert uniform is not None or (is_known is not None and bool(is_known.all()))
    assert (label is None) == (program.classes == 0)
    assert label is None or bool(((label >= -1) & (label < program.classes)).all())
    if is_known is not None and distribution.levels:
        given = values[is_known != 0]
        assert bool(((given >= 0) & (given < distribution.levels)).all())


def _check_support(distribution: Distribution, support: Forest | None, images: int) -> None:
    if support is None:
        return
    roots, starts, levels, following = support
    assert all(array.dtype == np.int64 and array.flags.c_contiguous for array in support)
    assert roots.shape == (images,)
    assert levels.shape == following.shape == (starts[-1],)
    assert bool(((levels >= 0) & (levels < distribution.levels)).all())
    assert bool((roots < len(starts) - 1).all() and (following < len(starts) - 1).all() and (np.diff(starts) > 0).all())


def _advance(
    program: Program | LocalProgram,
    distribution: Distribution,
    visits: tuple[int, int],
    line: int,
    arrays: tuple[Array | None, ...],
    support: Forest | None,
) -> None:
    """Some sub-pixels of a batch, or steps of a front with a lag of a line, on all threads."""
    settings = np.array([distribution.temperature, distribution.top_p], np.float64)
    if isinstance(program, LocalProgram):
        front = compiled_module("pixelrnn.local.front", "the walk of local models")
        front.advance(program, _output(distribution, settings), (line, *visits), arrays, support)
        return
    assert support is None
    integers = _integers(program, distribution, settings, visits, arrays)
    values = arrays[1]
    assert values is not None
    threads.run(advance, padded(len(values)) // LANES, integers)


def _integers(
    program: Program,
    distribution: Distribution,
    settings: Array,
    visits: tuple[int, int],
    arrays: tuple[Array | None, ...],
    *more: int,
) -> Array:
    """What the engine is told; `arrays` in the order of `state.Walk`, the values second."""
    values = arrays[1]
    assert values is not None
    tables = (program.weights, program.instructions, program.maps, program.bounds, program.passes)
    integers = (
        *(*values.shape, *visits),
        *(*map(_place, tables), len(program.passes)),
        *(_place(program.labelled), len(program.labelled)),
        *(_place(program.context_layers), len(program.context_layers), program.context),
        *(*program.pixel, program.floats, program.image, program.parameters),
        *map(_place, arrays),
        *_output(distribution, settings),
    )
    assert len(integers) == len(Walk._fields) + len(Output._fields)
    return np.array((*integers, *more), np.int64)


def _output(distribution: Distribution, settings: Array) -> Output:
    """What the compiled functions are told of a distribution; the settings are temperature and top p."""
    return Output(
        kind=KINDS.index(distribution.output),
        levels=distribution.levels,
        mixtures=distribution.mixtures,
        copies=distribution.copies,
        parameters=distribution.parameters,
        top_k=distribution.top_k,
        settings=_place(settings),
    )


def _gather(program: Program, states: Array, chosen: Array) -> Array:
    """The states of the chosen images, each in the place of one."""
    origins = np.zeros(padded(len(chosen)), np.int64)
    origins[: len(chosen)] = chosen
    new = np.empty_like(states)
    integers = np.array([_place(new), _place(states), _place(origins), program.floats], np.int64)
    threads.run(gather, len(origins) // LANES, integers)
    return new


def _place(array: Array | None) -> int:
    """Address of an array; 0 for none."""
    return 0 if array is None else array.ctypes.data

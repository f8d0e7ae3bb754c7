"""Intervals of values: they never overlap nor leave a gap, every value has one, and they are as wide as it is likely."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.rans import WHOLE
from pixelrnn.kernels.record import reader
from pixelrnn.kernels.vectors import LANES, pointer
from pixelrnn.outputs.bernoulli import Bernoulli
from pixelrnn.outputs.decide import Distribution, weigh
from pixelrnn.outputs.intervals import find, find_one, interval, is_mixture, ready
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.softmax import Softmax
from pixelrnn.outputs.workspace import Output, make_workspace

_read = reader(Output)


@inner
def _readied(output, parameters):
    """A workspace that holds the distributions of `parameters`."""
    workspace = make_workspace(output)
    if not is_mixture(output):
        weigh(output, pointer(parameters, 0), workspace, 1.0)
    ready(output, pointer(parameters, 0), workspace)
    return workspace


@outer
def _intervals(integers, parameters, values, found):
    """Of values `(n, LANES)` the intervals `(n, LANES, 2)`, all of one distribution a lane."""
    output = _read(integers)
    workspace = _readied(output, parameters)
    for number in range(len(values)):
        workspace.found[:] = values[number]
        interval(output, workspace)
        found[number, :, 0], found[number, :, 1] = workspace.lower, workspace.upper
    parameters[0] = parameters[0]


@outer
def _found(integers, parameters, slots, values, one_by_one):
    """The values `(n, LANES)` in whose intervals `(n, LANES, 2)` numbers lie."""
    output = _read(integers)
    workspace = _readied(output, parameters)
    for number in range(len(slots)):
        workspace.slot[:] = slots[number]
        if one_by_one:
            for lane in range(LANES):
                find_one(output, workspace, lane)
        else:
            find(output, workspace)
        values[number, :, 0] = workspace.found
        values[number, :, 1], values[number, :, 2] = workspace.lower, workspace.upper
    parameters[0] = parameters[0]


def all_of(output, parameters, values):
    """Intervals `(n, lanes, 2)` of values `(n)` of distributions with parameters `(P, lanes)`."""
    record = Distribution(output).record
    wide = np.zeros((len(parameters), LANES), np.float32)
    wide[:, : parameters.shape[1]] = parameters
    given = np.repeat(np.asarray(values, np.int64)[:, None], LANES, axis=1)
    found = np.zeros((len(given), LANES, 2), np.int64)
    _intervals(record.integers, wide.reshape(-1), given, found)
    return found[:, : parameters.shape[1]]


def values_of(output, parameters, slots):
    record = Distribution(output).record
    wide = np.zeros((len(parameters), LANES), np.float32)
    wide[:, : parameters.shape[1]] = parameters
    given = np.zeros((len(slots), LANES), np.int64)
    given[:, : parameters.shape[1]] = slots
    found, one_by_one = np.zeros((2, *given.shape, 3), np.int64)
    _found(record.integers, wide.reshape(-1), given, found, False)
    _found(record.integers, wide.reshape(-1), given, one_by_one, True)
    assert np.array_equal(found, one_by_one)
    return found[:, : parameters.shape[1], 0]


def require_partition(output, parameters):
    """One interval behind the other from 0 to T, none empty."""
    levels = np.arange(output.levels)
    if output.levels > 1000:  # some of them, in a row
        random = np.random.default_rng(0)
        starts = random.integers(0, output.levels - 20, 12)
        levels = np.unique(np.concatenate([[0, output.levels - 1], *(range(s, s + 20) for s in starts)]))
    found = all_of(output, parameters, levels)
    assert (found[..., 1] > found[..., 0]).all()
    neighbours = np.diff(levels) == 1
    assert (found[1:, :, 0][neighbours] == found[:-1, :, 1][neighbours]).all()
    assert (found[1:, :, 0] >= found[:-1, :, 1]).all()
    assert (found[0, :, 0] == 0).all()
    assert (found[-1, :, 1] == WHOLE).all()
    return levels, found


def mixture(levels, logits, means, scales, copies=()):
    """Parameters `(P, 1)`: K logits, means and logarithms of scales, then logits of copies and levels."""
    points, places = zip(*copies, strict=True) if copies else ((), ())
    flat = np.array([*logits, *means, *scales, *points, *places], np.float32)
    return LogisticMixture(levels, len(logits), len(points)), flat[:, None]


extreme = st.floats(-1e6, 1e6, width=32) | st.floats(-3, 3, width=32)


@settings(max_examples=60)
@given(
    st.sampled_from([2, 3, 17, 256, 65536]),
    st.lists(st.tuples(extreme, extreme, st.floats(-40, 40, width=32)), min_size=1, max_size=6),
    st.lists(st.tuples(extreme, st.integers(0, 1)), max_size=3),
    st.integers(0, 2**32),
)
def test_mixtures_are_partitions(levels, components, copies, seed):
    """Of scales far beyond what a network gives, of means outside, of weights that vanish."""
    random = np.random.default_rng(seed)
    copies = [(logit, int(random.integers(levels))) for logit, _ in copies]
    output, parameters = mixture(levels, *zip(*components, strict=True), copies)
    require_partition(output, parameters)
    slots = np.concatenate([[0, WHOLE - 1], random.integers(0, WHOLE, 30)])[:, None]
    found = values_of(output, parameters, slots)
    edges = all_of(output, parameters, found[:, 0])
    assert (edges[:, 0, 0] <= slots[:, 0]).all()
    assert (slots[:, 0] < edges[:, 0, 1]).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 2, 4, 6, 7])
def test_what_is_no_number_leaves_a_partition(bad, place):
    output, parameters = mixture(17, [0, 1], [0, 0.5], [-1, -2], [(0.5, 3)])
    parameters[place] = bad
    if place == 7:
        parameters[place] = 3  # levels of copies are the image's own
    require_partition(output, parameters)
    for other in (Softmax(9), Bernoulli()):
        values = np.zeros((other.parameters, 1), np.float32)
        values[0] = bad
        require_partition(other, values)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_tables_are_partitions(levels):
    output = Bernoulli() if levels == 2 else Softmax(levels)
    random = np.random.default_rng(levels)
    for scale in (0.1, 3, 60):
        parameters = (random.normal(0, scale, (output.parameters, 5))).astype(np.float32)
        _, found = require_partition(output, parameters)
        exact = output.log_table(torch.from_numpy(parameters.T[:, None])).exp()[:, 0].double().numpy().T
        wide = (found[..., 1] - found[..., 0]) / WHOLE
        np.testing.assert_allclose(wide, exact, rtol=1e-3, atol=4e-7)
        assert np.array_equal(values_of(output, parameters, found[3 % levels, :, 0][None])[0], np.full(5, 3 % levels))


@pytest.mark.parametrize(
    ("levels", "mixtures", "most"), [(256, 6, 2e-4), (256, 10, 2e-4), (65536, 6, 2e-4), (17, 3, 2e-4)]
)
def test_files_are_as_long_as_the_values_are_unlikely(levels, mixtures, most):
    """Of values that come from the distributions: the loss against -log2 p is at most 0.02%."""
    random = np.random.default_rng(levels + mixtures)
    bits = exact = 0.0
    for _ in range(40):
        logits = random.normal(0, 1.5, (mixtures, LANES))
        means = random.uniform(-0.8, 0.8, (1, LANES)) + random.normal(0, 0.05, (mixtures, LANES))
        scales = random.uniform(-5.5, -1.5, (mixtures, LANES))
        parameters = np.concatenate([logits, means, scales]).astype(np.float32)
        output = LogisticMixture(levels, mixtures)
        k = np.array([random.choice(mixtures, 200, p=np.exp(w) / np.exp(w).sum()) for w in logits.T])
        u = random.uniform(size=k.shape)
        lanes = np.arange(LANES)[:, None]
        y = means[k, lanes] + np.exp(scales[k, lanes]) * np.log(u / (1 - u))
        values = np.clip(np.rint((y + 1) / 2 * (levels - 1)), 0, levels - 1).astype(np.int64)
        wide = torch.from_numpy(parameters.T[:, None]).double()  # (lanes, 1, P)
        for column in values.T:
            x = torch.from_numpy(column)[:, None]
            exact -= output.log_prob(wide, x).sum().item() / math.log(2)
            record = Distribution(output).record
            found = np.zeros((1, LANES, 2), np.int64)
            _intervals(record.integers, parameters.reshape(-1).copy(), column[None].copy(), found)
            bits -= np.log2((found[0, :, 1] - found[0, :, 0]) / WHOLE).sum()
    assert bits / exact - 1 < most
    assert bits / exact - 1 > -1e-3


def test_copies_are_steps():
    output, parameters = mixture(256, [0.0], [0.0], [-1.0], [(5.0, 30), (4.0, 31)])
    found = all_of(output, parameters, np.arange(256))
    wide = (found[:, 0, 1] - found[:, 0, 0]) / WHOLE
    weights = np.exp([0.0, 5.0, 4.0]) / np.exp([0.0, 5.0, 4.0]).sum()
    assert wide[30] == pytest.approx(weights[1], abs=0.002)
    assert wide[31] == pytest.approx(weights[2], abs=0.002)
    assert wide[32] < 0.001

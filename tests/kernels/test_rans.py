"""The entropy coder: every symbol comes back, streams are as long as their intervals say, damage is bounded."""

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.rans import LOWEST, WHOLE, Coding, encode, slot_of, take
from pixelrnn.kernels.record import Record, reader

_read = reader(Coding)


@outer
def decoded(integers, edges, symbols):
    """Take symbols out of a stream, all of one distribution whose edges are given."""
    coding = _read(integers)
    for number in range(len(symbols)):
        slot = slot_of(coding, 0)
        symbol = np.searchsorted(edges, slot, side="right") - 1
        symbols[number] = symbol
        take(coding, edges[symbol], edges[symbol + 1] - edges[symbol])


def edges_of(pmf):
    """Edges as wide as the probabilities, each at least 1."""
    levels = len(pmf)
    edges = np.floor(np.concatenate([[0], np.cumsum(pmf)]) * (WHOLE - levels)).astype(np.int64) + np.arange(levels + 1)
    edges[-1] = WHOLE
    return edges


def coded(edges, symbols, count):
    intervals = np.stack([edges[symbols], edges[symbols + 1] - edges[symbols]], axis=1).astype(np.uint32)
    states, words = np.full(count, LOWEST, np.uint64), np.empty(2 * len(symbols) + 1, np.uint16)
    place = encode(intervals, states, words)
    return intervals, states, words[place:].copy()


def again(edges, length, states, words):
    states, place, symbols = states.copy(), np.zeros(2, np.int64), np.empty(length, np.int64)
    record = Record(Coding, states=states, number_of_states=len(states), words=words, length=len(words), place=place)
    decoded(record.integers, edges, symbols)
    return symbols, states, int(place[1])


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
    st.integers(0, 3000),
    st.sampled_from([1, 2, 5, 16]),
    st.integers(0, 2**32),
)
def test_all_symbols_come_back(weights, length, count, seed):
    """Whatever is likely: also what is not likely at all."""
    pmf = np.array(weights, float) / max(1, sum(weights))
    edges, random = edges_of(pmf), np.random.default_rng(seed)
    symbols = random.integers(0, len(pmf), length)
    _, states, words = coded(edges, symbols, count)
    found, left, used = again(edges, length, states, words)
    assert np.array_equal(found, symbols)
    assert (left == LOWEST).all()
    assert used == len(words)


@pytest.mark.parametrize("levels", [2, 3, 17, 256, 4096, 65536])
def test_sizes_are_those_of_the_intervals_and_of_another_coder(levels):
    random, length = np.random.default_rng(levels), 200_000
    pmf = random.dirichlet(np.full(levels, 0.5))
    edges, symbols = edges_of(pmf), random.choice(levels, length, p=pmf)
    intervals, _, words = coded(edges, symbols, 1)
    bits = -np.log2(intervals[:, 1] / WHOLE).sum()
    assert 16 * len(words) <= bits * (1 + 1e-6) + 16
    assert 16 * len(words) + 64 >= bits
    if levels <= 4096:  # whose probabilities have 24 bits
        oracle = constriction.stream.queue.RangeEncoder()
        oracle.encode(symbols.astype(np.int32), constriction.stream.model.Categorical(pmf, perfect=False))
        assert 16 * len(words) + 64 <= 1.0002 * 32 * len(oracle.get_compressed()) + 64


@given(st.binary(max_size=60), st.integers(1, 16), st.integers(0, 300))
def test_noise_decodes_to_something(noise, count, length):
    """Within memory and time, and hardly ever to an end where a stream ends."""
    words = np.frombuffer(noise[: len(noise) // 2 * 2], np.uint16)
    random = np.random.default_rng(len(noise))
    states = random.integers(LOWEST, 2**63, count, dtype=np.uint64)
    edges = edges_of(random.dirichlet(np.ones(9)))
    symbols, left, used = again(edges, length, states, words)
    assert ((symbols >= 0) & (symbols < 9)).all()
    assert ((left >= LOWEST) & (left < 2**63)).all()
    assert 0 <= used <= 2 * length


def test_states_that_are_none_do_no_harm():
    edges = edges_of(np.full(4, 0.25))
    for state in (0, 1, 2**64 - 1):
        symbols, _, _ = again(edges, 50, np.full(2, state, np.uint64), np.zeros(3, np.uint16))
        assert ((symbols >= 0) & (symbols < 4)).all()

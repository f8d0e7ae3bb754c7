"""The entropy coder: every symbol comes back, streams are as long as their intervals say, damage is bounded."""

import zlib

import constriction
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelrnn.codec import streams
from pixelrnn.codec.varints import Writer
from pixelrnn.errors import ArchiveError
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.rans import LOWEST, OF_A_STATE, STATES, WHOLE, Coding, slot_of, take
from pixelrnn.kernels.record import reader

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


def coded(edges, symbols, checksum=7):
    intervals = np.stack([edges[symbols], edges[symbols + 1] - edges[symbols]], axis=1).astype(np.uint32)
    return intervals, streams.write(intervals, checksum)


def again(edges, length, stream):
    coding, symbols = streams.read(stream), np.empty(length, np.int64)
    decoded(coding.integers, edges, symbols)
    return symbols, coding


@pytest.fixture(params=[2**15, 0], ids=["one", "several"])
def several(request, monkeypatch):
    """One state, or several from the first symbol on."""
    monkeypatch.setattr(streams, "SEVERAL", request.param)
    return request.param == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
    st.integers(0, 3000),
    st.integers(0, 2**32),
)
def test_all_symbols_come_back(several, weights, length, seed):
    """Whatever is likely: also what is not likely at all."""
    pmf = np.array(weights, float) / max(1, sum(weights))
    edges, random = edges_of(pmf), np.random.default_rng(seed)
    symbols = random.integers(0, len(pmf), length)
    intervals, stream = coded(edges, symbols, seed % 2**32)
    found, coding = again(edges, length, stream)
    assert np.array_equal(found, symbols)
    streams.finish(coding, seed % 2**32)
    bits = -np.log2(intervals[:, 1] / WHOLE).sum()
    assert 8 * len(stream) <= bits + (8 * 40 if stream[0] > 1 else 8 * 11)
    assert stream[0] == (STATES if several and bits > 2000 else stream[0])
    with pytest.raises(ArchiveError, match="other values than were coded"):
        streams.finish(coding, seed % 2**32 ^ 1)


@pytest.mark.parametrize("levels", [2, 3, 17, 256, 4096, 65536])
def test_sizes_are_those_of_the_intervals_and_of_another_coder(levels):
    random, length = np.random.default_rng(levels), 200_000
    pmf = random.dirichlet(np.full(levels, 0.5))
    edges, symbols = edges_of(pmf), random.choice(levels, length, p=pmf)
    intervals, stream = coded(edges, symbols)
    bits = -np.log2(intervals[:, 1] / WHOLE).sum()
    assert bits <= 8 * len(stream) <= bits * (1 + 1e-6) + 8 * 40
    if levels <= 4096:  # whose probabilities have 24 bits
        oracle = constriction.stream.queue.RangeEncoder()
        oracle.encode(symbols.astype(np.int32), constriction.stream.model.Categorical(pmf, perfect=False))
        assert 8 * len(stream) <= 1.0002 * 32 * len(oracle.get_compressed()) + 8 * 40


@given(st.binary(max_size=60), st.booleans(), st.integers(0, 300), st.integers(0, 400))
def test_noise_decodes_to_something(noise, has_several, side_by_side, length):
    """Within memory and time, and hardly ever to an end where a stream ends."""
    random = np.random.default_rng(len(noise))
    states = random.integers(LOWEST, 2**63, STATES if has_several else 1, dtype=np.uint64)
    writer = Writer()
    writer.varints((len(states), *([side_by_side] if has_several else [])))
    edges = edges_of(random.dirichlet(np.ones(9)))
    symbols, coding = again(edges, length, bytes(writer.bytes) + states.astype("<u8").tobytes() + noise)
    assert ((symbols >= 0) & (symbols < 9)).all()
    assert (coding.states < 2**63).all()
    assert coding.place[0] == length
    assert 0 <= coding.place[1] <= 2 * length
    assert 0 <= coding.place[2] <= 2 * length + OF_A_STATE + 1
    with pytest.raises(ArchiveError):
        streams.finish(coding, 0)


@pytest.mark.parametrize("stream", [b"", b"\x02" + bytes(90), b"\x01" + bytes(20), b"\x01" + b"\xff" * 8, b"\x10\x05"])
def test_what_begins_otherwise_is_refused(stream):
    with pytest.raises(ArchiveError):
        streams.read(stream)


def test_damage_of_the_states_is_found():
    """In them are the words of the last symbols: these come out as others, or as none."""
    random, edges = np.random.default_rng(0), edges_of(np.full(4, 0.25))
    symbols = random.integers(0, 4, 2 * 10**5)
    _, stream = coded(edges, symbols, zlib.crc32(symbols))
    assert stream[0] == STATES
    for place in range(4, 4 + 8 * STATES, 5):
        damaged = bytearray(stream)
        damaged[place] ^= 4
        with pytest.raises(ArchiveError):  # noqa: PT012
            found, coding = again(edges, len(symbols), bytes(damaged))
            streams.finish(coding, zlib.crc32(found))
    found, coding = again(edges, len(symbols) - 500, stream)
    assert np.array_equal(found, symbols[:-500])
    with pytest.raises(ArchiveError, match="a stream holds what no image can give"):
        streams.finish(coding, zlib.crc32(symbols))

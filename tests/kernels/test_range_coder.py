"""The range coder against the library whose streams it reads: bytes are the same, whatever is coded."""

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelrnn.kernels.range_coder import WORD, decode_all, decode_rows, decoder, encode_all, encoder, finish

Categorical = constriction.stream.model.Categorical


def words_of(oracle):
    return oracle.get_compressed().astype(WORD).tobytes()


@given(st.integers(2, 300), st.integers(0, 400), st.floats(0.01, 3), st.integers(0, 2**32))
def test_bytes_are_those_of_the_library(levels, length, spread, seed):
    """And it decodes ours: of the same pmf for all symbols, as weights have."""
    random = np.random.default_rng(seed)
    pmf = random.dirichlet(np.full(levels, spread)) + 1e-12
    symbols = random.choice(levels, length, p=pmf / pmf.sum()) if seed % 2 else random.integers(0, levels, length)
    oracle = constriction.stream.queue.RangeEncoder()
    oracle.encode(symbols.astype(np.int32), Categorical(pmf, perfect=False))
    coder = encoder(length)
    encode_all(coder.integers, pmf, symbols)
    ours = finish(coder)
    assert words_of(oracle).startswith(ours)
    assert len(words_of(oracle)) - len(ours) <= WORD.itemsize  # it gives out one word of zeros more at times
    theirs = constriction.stream.queue.RangeDecoder(np.frombuffer(ours, WORD).astype(np.uint32))
    assert length == 0 or np.array_equal(theirs.decode(Categorical(pmf, perfect=False), length), symbols)
    again, found = decoder(ours), np.empty(length, np.int64)
    assert decode_all(again.integers, pmf, found)
    assert np.array_equal(found, symbols)


@given(st.integers(2, 40), st.integers(1, 200), st.integers(0, 2**32))
def test_streams_of_a_pmf_for_each_symbol_are_read(levels, length, seed):
    """As of images in version 1: probabilities are multiples of 2^-24, and can be 0."""
    random = np.random.default_rng(seed)
    edges = np.floor(random.dirichlet(np.full(levels, 0.1), length).cumsum(1) * 2**24)
    edges[:, -1] = 2**24
    pmf = np.diff(edges, axis=1, prepend=0) / 2**24
    symbols, oracle = random.integers(0, levels, length), constriction.stream.queue.RangeEncoder()
    oracle.encode(symbols.astype(np.int32), Categorical(perfect=False), pmf)
    coder, found = decoder(words_of(oracle)), np.empty(length, np.int64)
    assert decode_rows(coder.integers, pmf[: length // 2], found[: length // 2])
    assert decode_rows(coder.integers, pmf[length // 2 :], found[length // 2 :])
    assert np.array_equal(found, symbols)


@given(st.binary(max_size=80), st.integers(2, 20))
def test_of_noise_both_say_the_same(noise, levels):
    noise = noise[: len(noise) // 4 * 4]
    pmf, length = np.random.default_rng(levels).dirichlet(np.ones(levels)), 40
    theirs = constriction.stream.queue.RangeDecoder(np.frombuffer(noise, WORD).astype(np.uint32))
    coder, found = decoder(noise), np.empty(length, np.int64)
    is_whole = decode_all(coder.integers, pmf, found)
    try:
        expected = theirs.decode(Categorical(pmf, perfect=False), length)
    except AssertionError:
        assert not is_whole
    else:
        assert is_whole
        assert np.array_equal(found, expected)


def test_a_number_beyond_all_intervals_is_no_symbol():
    coder = decoder(b"\xff" * 8)
    assert not decode_all(coder.integers, np.full(3, 1 / 3), np.empty(2, np.int64))


@pytest.mark.parametrize("ones", [1, 2, 5])
def test_an_overflow_goes_through_all_words(ones):
    """A range that lies across a boundary of words, until its upper part is taken."""
    pmf = np.array([1 / 2, 1 / 2])
    for length in range(1, 200):
        symbols = np.array([0] + [1] * (32 * ones + length) + [1, 0, 1])
        coder = encoder(len(symbols))
        encode_all(coder.integers, pmf, symbols)
        again, found = decoder(finish(coder)), np.empty(len(symbols), np.int64)
        assert decode_all(again.integers, pmf, found)
        assert np.array_equal(found, symbols)

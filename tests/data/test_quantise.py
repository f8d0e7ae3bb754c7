"""From source values to model values."""

import numpy as np
import pytest

from pixelrnn import DataError
from pixelrnn.data import load_data
from pixelrnn.data.quantise import Quantiser, fixed_bits
from tests.conftest import DATA


def quantise(values, source_levels, levels, binarize="none", **place):
    quantiser = Quantiser(source_levels, levels, binarize, seed=7)
    return quantiser(np.asarray(values, dtype=np.uint8), **{"offset": 0, "item": 0, "draw": 0, **place})


@pytest.mark.parametrize("levels", [2, 3, 8, 17, 255])
def test_floor_quantisation(levels):
    values = np.arange(256)
    assert quantise(values, 256, levels).tolist() == [value * levels // 256 for value in values]


def test_threshold_is_at_half():
    assert quantise([0, 127, 128, 255], 256, 2, "threshold").tolist() == [0, 0, 1, 1]
    assert quantise([0, 8, 9, 16], 17, 2, "threshold").tolist() == [0, 0, 1, 1]


def test_fixed_is_numpy_s_stream_over_the_whole_source():
    values = np.random.default_rng(0).integers(0, 256, (10, 1, 3, 5), dtype=np.uint8)
    expected = np.random.Generator(np.random.PCG64(7)).random(values.shape) < values / 255
    for n, image in enumerate(values):
        assert np.array_equal(quantise(image, 256, 2, "fixed", offset=15 * n, item=99, draw=n), expected[n])


def test_dynamic_is_fresh_each_draw_with_the_right_mean():
    grey = np.full((100, 100), 64)
    first = quantise(grey, 256, 2, "dynamic", item=3, draw=1)
    assert np.array_equal(first, quantise(grey, 256, 2, "dynamic", item=3, draw=1))
    assert not np.array_equal(first, quantise(grey, 256, 2, "dynamic", item=3, draw=2))
    assert not np.array_equal(first, quantise(grey, 256, 2, "dynamic", item=4, draw=1))
    assert abs(first.mean() - 64 / 255) < 0.02
    assert quantise([0, 255], 256, 2, "dynamic").tolist() == [0, 1]


def test_dequantisation_stays_within_its_level():
    values = quantise(np.arange(256), 256, 0)
    assert values.dtype == np.float32
    assert (
        np.floor((values + 1) * 128).clip(0, 255) == np.arange(256)
    ).mean() > 0.99  # float32 may round up at an edge
    assert values.min() >= -1
    assert values.max() <= 1


def test_training_draws_change_with_the_epoch_and_evaluation_draws_do_not():
    data = load_data("digits", binarize="dynamic")
    assert not np.array_equal(data.train.batch(range(50), 0), data.train.batch(range(50), 1))
    assert np.array_equal(data.test.batch(range(50), 0), data.test.batch(range(50), 1))


def test_arrays_of_fewer_levels_say_so(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (20, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "x.npy", bits)
    with pytest.raises(
        DataError, match=r"0 \.\. 1 only; as bytes they would become 0 \.\. 0 of 2 levels .*`source_levels` 2"
    ):
        load_data(tmp_path / "x.npy", levels=2)
    assert load_data(tmp_path / "x.npy", levels=256).levels == 256
    assert load_data(tmp_path / "x.npy", levels=2, source_levels=256).whole.batch(range(20)).max() == 0
    np.save(tmp_path / "dark.npy", 100 * bits)
    assert load_data(tmp_path / "dark.npy", levels=128).whole.batch(range(20)).max() == 50
    data = load_data(tmp_path / "x.npy", source_levels=2)
    assert data.levels == 2
    assert np.array_equal(data.whole.batch(range(20)).numpy()[:, 0], bits)
    np.save(tmp_path / "z.npy", bits + 7)
    with pytest.raises(DataError, match=r"holds values 7 \.\. 8; 0 \.\. 7 are allowed"):
        load_data(tmp_path / "z.npy", source_levels=8)
    np.save(tmp_path / "y.npy", bits.astype(bool))
    assert load_data(tmp_path / "y.npy").levels == 2


def test_floats_are_kept(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 4, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    data = load_data(tmp_path / "x.npy", levels=0)
    assert data.levels == 0
    assert np.array_equal(data.whole.batch(range(20)).numpy()[:, 0], values)


@pytest.mark.skipif(
    not (DATA / "mnist.npz").exists(), reason="needs mnist.npz and mnist_binarized.npz in the folder PIXELRNN_DATA"
)
def test_the_fixed_binarisation_of_mnist_is_remade_bit_for_bit(tmp_path):
    from pixelrnn.data.binarize import binarize

    counts = binarize(str(DATA / "mnist.npz"), tmp_path / "b.npz", seed=20160125, valid=10_000)
    assert counts == {"train": 50_000, "valid": 10_000, "test": 10_000}
    with np.load(tmp_path / "b.npz") as ours, np.load(DATA / "mnist_binarized.npz") as theirs:
        assert all(np.array_equal(ours[name], theirs[name]) for name in counts)


def test_a_stretch_of_the_stream_alone():
    values = np.full(1000, 100, dtype=np.uint8)
    whole = fixed_bits(values, 256, seed=3, offset=0)
    assert np.array_equal(fixed_bits(values[300:400], 256, seed=3, offset=300), whole[300:400])

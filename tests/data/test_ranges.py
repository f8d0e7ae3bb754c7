"""Integers that are no bytes: measured, said, kept with the model, and never shifted away."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import DataError, load_data, load_model
from pixelrnn.app.images import load_as_trained
from pixelrnn.data.ranges import Range
from pixelrnn.data.stack import read_stack
from pixelrnn.runs.run import Run
from tests.cli.test_cli import run


def camera(images=40, seed=0):
    """Of 12 bits, with an offset, in steps of 4."""
    return (400 + 4 * np.random.default_rng(seed).integers(0, 900, (images, 9, 8))).astype(np.uint16)


def saved(path, array):
    np.save(path, array)
    return path


def test_what_occurs_is_measured_and_said(tmp_path):
    array = camera()
    data = load_data(saved(tmp_path / "a.npy", array))
    lowest, highest = int(array.min()), int(array.max())
    assert (data.config.offset, data.config.step) == (lowest, 4)
    assert data.levels == data.config.source_levels == (highest - lowest) // 4 + 1
    used = len(np.unique(array))
    assert data.summary == (
        f"40 images, 9x8 grey, values {lowest} .. {highest:,} in steps of 4, {used} of {data.levels} occur (12 bits)"
    )
    found = data.whole.batch(range(40))
    assert found.dtype == torch.int32
    np.testing.assert_array_equal(found[:, 0].numpy() * 4 + lowest, array)
    np.testing.assert_array_equal(data.whole.original(3)[0].numpy() * 4 + lowest, array[3])


def test_all_splits_have_one_range(tmp_path):
    array = camera()
    np.savez(tmp_path / "a.npz", train=np.minimum(array, 2000), test=np.maximum(array, 1000))
    data = load_data(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.test.batch(range(40))[:, 0] * 4 + data.config.offset, np.maximum(array, 1000))


def test_bytes_are_bytes_and_what_is_said_counts(tmp_path):
    array = camera()
    small = saved(tmp_path / "small.npy", (array // 16).clip(0, 255))
    assert load_data(small).config.source_levels is None
    assert load_data(small).whole.batch([0]).dtype == torch.uint8
    deep = saved(tmp_path / "deep.npy", array)
    given = load_data(deep, source_levels=65536)
    assert (given.levels, given.config.offset, given.config.step) == (65536, 0, 1)
    np.testing.assert_array_equal(given.whole.batch(range(40))[:, 0], array)
    coarse = load_data(deep, source_levels=4096, levels=256)
    assert coarse.whole.batch([0]).dtype == torch.uint8
    np.testing.assert_array_equal(coarse.whole.batch(range(40))[:, 0], array // 16)
    cut = load_data(deep, size=(4, 4), crop="random", patches=2, shrink=2)
    assert cut.train.batch([0, 1]).shape == (2, 1, 2, 2)
    bits = load_data(deep, source_levels=4096, binarize="threshold").whole.batch(range(40))
    np.testing.assert_array_equal(bits[:, 0], array >= 2048)


def test_what_is_beyond_is_named_or_clipped(tmp_path):
    array = camera()
    path = saved(tmp_path / "a.npy", array)
    options = {"offset": 500, "step": 4, "source_levels": 700}
    with pytest.raises(DataError, match=r"image \d+ holds the value \d+; 500 \.\. 3296 in steps of 4 are allowed"):
        load_data(path, **options).whole.batch(range(40))
    clipped = load_data(path, **options, clip_range=True).whole.batch(range(40))
    np.testing.assert_array_equal(clipped[:, 0] * 4 + 500, array.clip(500, 3296))
    with pytest.raises(DataError, match=r"holds the value \d+; 401 .* in steps of 4 are allowed \(`clip_range` takes"):
        load_data(path, offset=401, step=4, source_levels=900).whole.batch([0])
    with pytest.raises(DataError, match=r"holds values -7 \.\. -7; 0 \.\. 255 are allowed \(`offset` -7 makes levels"):
        load_data(saved(tmp_path / "b.npy", np.full((3, 4, 4), -7)))
    negative = saved(tmp_path / "c.npy", array.astype(np.int32) - 2000)
    signed = load_data(negative, offset=-2000, source_levels=4096)
    np.testing.assert_array_equal(signed.whole.batch(range(40))[:, 0], array)
    measured = load_data(negative, offset=-2000)  # up to the highest, in steps that have both
    assert (measured.config.step, measured.levels) == (4, int(array.max()) // 4 + 1)
    np.testing.assert_array_equal(measured.whole.batch(range(40))[:, 0] * 4, array)
    with pytest.raises(DataError, match=r"c\.npy: holds values -.*; `offset` -\d+ makes levels of them"):
        load_data(negative, offset=-100)
    assert load_data(saved(tmp_path / "f.npy", array), step=4).config.step == 4
    wide = np.zeros((3, 4, 4), np.int64)
    wide[0, 0, 0], wide[1, 0, 0] = 100_000, 99_999
    with pytest.raises(DataError, match=r"values 0 .. 100,000, 3 of 100,001 .*; models have up to 65,536 levels"):
        load_data(saved(tmp_path / "d.npy", wide))
    np.savez(tmp_path / "e.npz", train=array, train_context=array)
    with pytest.raises(DataError, match="contexts are of images of bytes, or fewer levels; these are uint16"):
        load_data(tmp_path / "e.npz", context="given")


def test_a_range():
    assert Range.of([np.full((2, 3), 9)]) == (9, 9, 1, 1)
    assert Range.of([]) == (0, 0, 1, 0)
    assert Range.of([np.array([[-8, 0]]), np.array([[40]])]).summary == (
        "values -8 .. 40 in steps of 8, 3 of 7 occur (6 bits)"
    )


@pytest.mark.parametrize(
    "words", [["--architecture", "local", "--adaptive", "--fits", 2], ["--architecture", "row-lstm"]]
)
def test_a_model_is_of_the_range_and_keeps_it(words, tmp_path, capsys):
    path, folder = saved(tmp_path / "a.npy", camera()), tmp_path / "run"
    assert run("train", path, *words, "--layers", 1, "--hidden", 4, "--steps", 2, "--out", folder) == 0
    kept = Run.open(folder)
    data = load_data(path)
    assert (kept.data.offset, kept.data.step, kept.data.source_levels) == (data.config.offset, 4, data.levels)
    assert kept.model.levels == data.levels
    capsys.readouterr()
    assert run("evaluate", folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["bits_per_dim"] < 16
    assert run("sample", folder, "-n", 2, "--size", 9, 8, "--seed", 3, "--out", tmp_path / "s") == 0
    drawn = load_model(folder).sample(2, size=(9, 8), seed=3).numpy()
    for number in range(2):
        found = read_stack((tmp_path / "s" / f"seed-3-00000{number}.tif").read_bytes()).values[0]
        np.testing.assert_array_equal(found, drawn[number] * 4 + data.config.offset)
        shown = np.asarray(Image.open(tmp_path / "s" / f"seed-3-00000{number}.png"))
        assert (shown.min(), shown.max()) == (0, 255)
    assert run("sample", folder, "-n", 1, "--size", 9, 8, "--overwrite", "--out", tmp_path / "s") == 0
    assert not (tmp_path / "s" / "seed-3-000000.tif").exists()
    assert run("score", folder, "--csv", tmp_path / "scores.csv") == 0
    assert run("entropy", folder) == 0
    other = saved(tmp_path / "b.npy", camera(4, 1) // 4 * 4)
    loaded = load_as_trained(kept, str(other), clip_range=True).data
    assert loaded.whole.batch(range(4)).max() < data.levels
    capsys.readouterr()
    beyond = camera(4, 1)
    beyond[0, 0, 0] = 60_000
    assert run("evaluate", folder, saved(tmp_path / "c.npy", beyond)) == 2
    assert "image 0 holds the value 60000" in capsys.readouterr().err

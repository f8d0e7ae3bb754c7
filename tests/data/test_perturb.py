"""Noise in the images that a background model learns from."""

import numpy as np
import pytest

from pixelrnn import ConfigError, load_data


def changed(clean, noisy):
    """Where the pixels of whole images differ."""
    count = len(clean)
    return (clean.batch(range(count)) != noisy.batch(range(count))).any(1)


def test_a_share_of_the_pixels_is_noise():
    clean, noisy = load_data("digits"), load_data("digits", perturb=0.3)
    share = changed(clean.train, noisy.train).float().mean().item()
    assert share == pytest.approx(0.3 * 16 / 17, abs=0.01)  # a level can be drawn again
    found = noisy.train.batch(range(len(noisy.train)))[changed(clean.train, noisy.train)[:, None]]
    counts = np.bincount(found.numpy().ravel(), minlength=17)
    assert counts.min() > 0.5 * counts.mean()
    assert changed(clean.valid, noisy.valid).any()
    assert not changed(clean.test, noisy.test).any()
    assert not changed(clean.whole, noisy.whole).any()
    assert "30% of the pixels noise" in noisy.protocol


def test_each_epoch_has_its_own_noise_and_validation_none_but_one():
    data = load_data("digits", perturb=0.3)
    first, again, later = (data.train.batch(range(50), draw) for draw in (0, 0, 1))
    assert (first == again).all()
    assert (first != later).any()
    assert (data.valid.batch(range(50), 0) == data.valid.batch(range(50), 1)).all()


def test_whole_pixels_change(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 16, 16, 3), 128, np.uint8))
    data = load_data(tmp_path / "a.npy", perturb=0.5)
    is_noise = data.train.batch(range(4)) != 128
    assert (is_noise.any(1) == is_noise.float().mean(1).ge(2 / 3)).float().mean() > 0.99


def test_what_is_refused():
    with pytest.raises(ConfigError, match=r"perturb is 1\.5; it is a share, 0 to 1"):
        load_data("digits", perturb=1.5)
    with pytest.raises(ConfigError, match="images with levels 0 have none"):
        load_data("digits", perturb=0.1, levels=0)

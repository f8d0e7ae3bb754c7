"""Images that are read smaller: means of squares of pixels, before anything else is made of the values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import DataConfig, load_data
from pixelrnn.data.quantise import shrunk
from pixelrnn.data.single import read_image, read_mask
from pixelrnn.errors import ConfigError

RNG = np.random.default_rng(0)


def means(image: np.ndarray, side: int) -> np.ndarray:
    """The same by loops."""
    rows, columns = (range(0, length, side) for length in image.shape[1:])
    return np.array(
        [[[plane[r : r + side, c : c + side].astype(float).mean() for c in columns] for r in rows] for plane in image]
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(12):
        Image.fromarray(RNG.integers(0, 256, (9, 14), np.uint8)).save(tmp_path / f"{number:02}.png")
    return tmp_path


@pytest.mark.parametrize("side", [2, 3, 5, 20])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_are_means_of_squares_also_where_these_are_cut(side: int, dtype: type) -> None:
    image = RNG.integers(0, 256, (3, 7, 11)).astype(dtype)
    found, wanted = shrunk(image, side), means(image, side)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.floor(wanted + 0.5) if dtype == np.uint8 else wanted, rtol=1e-6)


def test_means_are_taken_before_levels(pictures: Path) -> None:
    data = load_data(pictures, shrink=2, levels=16)
    whole = load_data(pictures)
    assert data.shape == (1, 5, 7)
    for item in range(len(data.whole)):
        wanted = np.floor(means(whole.whole.batch([item])[0].numpy(), 2) + 0.5) // 16
        np.testing.assert_array_equal(data.whole.batch([item])[0].numpy(), wanted)
        assert torch.equal(data.whole.original(item), whole.whole.batch([item])[0])
    assert "means of 2x2 pixels" in data.protocol


def test_patches_are_cut_before(pictures: Path) -> None:
    """They are patches of the shrunk image, with its squares."""
    data = load_data(pictures, size=6, crop="random", patches=3, shrink=2)
    assert data.shape == (1, 3, 3)
    for item in range(len(data.test)):
        patch = data.test.batch([item])[0, 0].numpy()
        whole = shrunk(data.test.original(item).numpy(), 2)[0]
        places = np.lib.stride_tricks.sliding_window_view(whole, (3, 3))
        assert (places == patch).all((2, 3)).any()
    aligned = load_data(pictures, size=6, crop="random", patches=3, shrink=2, align=3)
    large = load_data(pictures, size=6, crop="random", patches=3, align=6)
    for item in range(len(aligned.test)):
        wanted = shrunk(large.test.batch([item])[0].numpy(), 2)
        np.testing.assert_array_equal(aligned.test.batch([item])[0].numpy(), wanted)
    assert data.uncut().whole.shape(0) == (1, 5, 7)


def test_every_second_of_the_means_can_be_kept(pictures: Path) -> None:
    both, means_only = load_data(pictures, shrink=2, subsample=2), load_data(pictures, shrink=2)
    assert both.shape == (1, 3, 4)
    np.testing.assert_array_equal(both.whole.batch([0]), means_only.whole.batch([0])[..., ::2, ::2])


def test_single_files_and_masks_are_shrunk_alike(pictures: Path, tmp_path: Path) -> None:
    config = DataConfig(shrink=3)
    path = pictures / "00.png"
    found = read_image(path, config, channels=1, levels=256)
    np.testing.assert_array_equal(found, load_data(pictures, shrink=3).whole.batch([0])[0])
    mask = np.zeros((9, 14), np.uint8)
    mask[:3, :4] = 255  # one square, and a column of the next, which is mixed with what is missing
    Image.fromarray(mask).save(tmp_path / "mask.png")
    known = read_mask(tmp_path / "mask.png", path, config)
    assert known.tolist() == [[column == 0 and row == 0 for column in range(5)] for row in range(3)]
    mask[:] = 255
    mask[0, 0] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", path, DataConfig(shrink=7)).tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shrink": 0}, "shrink is 0; at least 1"),
        ({"shrink": 2, "binarize": "fixed"}, "shrink gives means; binarize 'fixed' draws bits"),
        ({"shrink": 2, "context": "given"}, "context 'given' is not shrunk"),
        (
            {"shrink": 2, "size": (4, 7), "crop": "random"},
            r"size is \(4, 7\); of patches of images made 2 times smaller",
        ),
    ],
)
def test_what_cannot_be_shrunk_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**fields)


def test_a_file_is_read_by_a_run_of_aligned_patches(tmp_path):
    """Where patches begin says nothing of a picture as a whole."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    config = DataConfig(size=8, crop="random", align=4, shrink=2)
    found = read_image(tmp_path / "x.png", config, channels=1, levels=256)
    np.testing.assert_array_equal(found[0], shrunk(pixels[None], 2)[0])

"""What cannot be used is refused in one line that says what and where."""

import numpy as np
import pytest
from PIL import Image

from pixelrnn import DataConfig, DataError
from pixelrnn.data import load_data
from pixelrnn.data.binarize import binarize
from pixelrnn.data.single import read_image
from tests.data.test_sources import write_idx
from tests.pictures import picture


def refuse(message, source, **fields):
    with pytest.raises(DataError, match=message) as caught:
        load_data(source, **fields)
    assert "\n" not in str(caught.value)


def test_unknown_source(tmp_path):
    refuse("nowhere: no such file or folder", "nowhere")
    (tmp_path / "x.docx").write_bytes(b"")
    refuse(r"x\.docx: not a kind of source that is known", tmp_path / "x.docx")


def test_empty_folder(tmp_path):
    refuse(rf"{tmp_path} holds no images \(PNG, JPEG, BMP, WebP, TIFF\)", tmp_path)


def test_unreadable_files_are_named(tmp_path):
    for n in range(3):
        picture(seed=n).save(tmp_path / f"{n}.png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    refuse(r"1\.png cannot be used: .*`skip_bad` skips, counts and lists such files", tmp_path)
    data = load_data(tmp_path, skip_bad=True)
    assert data.summary == "2 images, 2 RGB, 1 unreadable (listed)"
    assert "1.png" in data.skipped[0]
    (tmp_path / "2.png").write_bytes(b"not a png")
    refuse(r"2\.png cannot be used: not an image that is known", tmp_path)
    (tmp_path / "0.png").write_bytes(b"")
    refuse(r"holds no images .* that can be read, of 3 files", tmp_path, skip_bad=True)


def test_modes_without_an_8_bit_form(tmp_path):
    Image.new("F", (5, 5)).save(tmp_path / "x.tif")
    refuse(r"x\.tif cannot be used: its mode 'F' \(32-bit grey\) has no 8-bit form", tmp_path, bits=8)
    refuse(r"x\.tif cannot be used: its values are float32; integers of up to 16 bits are read", tmp_path)


def test_a_single_image_has_the_channels_and_levels_of_files(tmp_path):
    picture().save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x\.png: image files have 1, 3 or 4 channels; 2 are needed"):
        read_image(tmp_path / "x.png", DataConfig(), channels=2, levels=256)
    with pytest.raises(DataError, match=r"x\.png: image files have 256 levels; 300 are needed"):
        read_image(tmp_path / "x.png", DataConfig(), channels=3, levels=300)


def test_mixed_sizes(tmp_path):
    picture(size=(4, 5)).save(tmp_path / "a.png")
    picture(size=(6, 5)).save(tmp_path / "b.png")
    refuse(r"images differ in size: a\.png has 4x5 pixels, b\.png has 6x5; give `size`", tmp_path)


def test_patches_larger_than_an_image(tmp_path):
    picture(size=(6, 5)).save(tmp_path / "a.png")
    refuse(r"a\.png cannot be used: its 6x5 pixels are less than a patch of 9x9", tmp_path, size=9, crop="random")
    np.save(tmp_path / "x.npy", np.zeros((3, 5, 6), np.uint8))
    refuse("image 0 is 6x5 pixels, less than a patch of 9x9", tmp_path / "x.npy", size=9, crop="random")


def test_arrays(tmp_path):
    path = tmp_path / "x.npy"
    for array, message in [
        (np.zeros((3, 5), np.uint8), r"shape \(3, 5\); if these are bit-packed images give `packed`"),
        (np.zeros((3, 9, 9, 9), np.uint8), r"shape \(3, 9, 9, 9\); \(N, H, W\), \(N, H, W, C\) or"),
        (np.full((3, 4, 4), -1), r"holds values -1 \.\. -1; 0 \.\. 255 are allowed"),
        (np.zeros((3, 4, 4)), "float64 values are continuous data; give `levels` 0, or integers 0 .. 255"),
        (np.zeros((3, 4, 4), complex), "complex128 values; integers 0 .. 255, booleans or floats"),
        (np.zeros((0, 4, 4), np.uint8), "all holds no images"),
    ]:
        np.save(path, array)
        refuse(message, path)
    np.save(path, np.full((3, 4, 4), np.nan))
    refuse("holds values that are not finite", path, levels=0)
    np.save(path, np.zeros((3, 4, 4)))
    refuse("float64 values are continuous data", path, binarize="threshold")
    np.save(path, np.zeros((3, 4, 4), np.uint8))
    refuse(r"uint8 \(3, 4, 4\) does not hold bit-packed 4x4 images, which are uint8 \(N, 2\)", path, packed=(4, 4))
    path.write_bytes(b"\x93NUMPY broken")
    refuse("not readable as a NumPy array", path)
    with path.open("wb") as file:
        np.savez(file, np.zeros((3, 4, 4), np.uint8))
    refuse("holds several NumPy arrays; name it .npz", path)
    np.save(path, np.zeros((3, 4, 4), np.uint8))
    path.rename(tmp_path / "x.npz")
    refuse("not readable as NumPy arrays", tmp_path / "x.npz")
    np.save(path, np.zeros((0, 4, 4), np.uint8))
    refuse("holds no images", path, size=8)
    np.savez(tmp_path / "y.npz", all=np.zeros((3, 4, 4), np.uint8), labels=np.array([0, 1, 10**9]))
    refuse("a label is 1000000000; labels are numbered from 0, up to 65535", tmp_path / "y.npz", labels=True)


def test_arrays_that_cannot_be_fitted(tmp_path):
    np.save(tmp_path / "f.npy", np.zeros((6, 4, 4), np.float32))
    refuse(
        "floats and bit-packed arrays are not resized: they are 4x4, size is 8x8", tmp_path / "f.npy", size=8, levels=0
    )
    np.save(tmp_path / "two.npy", np.zeros((6, 2, 4, 9), np.uint8))
    refuse("images of 2 channels cannot be resized or converted", tmp_path / "two.npy", size=8)
    np.savez(tmp_path / "x.npz", train=np.zeros((6, 4, 4), np.uint8), test=np.zeros((6, 4, 4), bool))
    refuse("the splits differ in shape or in levels", tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", train=np.zeros((6, 4, 4), np.uint8), test=np.zeros((6, 4, 5), np.uint8))
    refuse("the splits differ in shape or in levels", tmp_path / "y.npz")
    refuse("digits: has 17 levels; 256 are more than there are", "digits", levels=256)


def test_files_beside_the_splits(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        picture().save(tmp_path / name / "a.png")
    picture().save(tmp_path / "logo.png")
    refuse(r"logo\.png lies outside the folders train, valid and test beside it", tmp_path)


def test_pickled_arrays_are_not_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refuse("not readable as a NumPy array", tmp_path / "x.npy")


def test_npz(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.zeros((3, 4, 4), np.uint8), b=np.zeros(3))
    refuse("holds a, b; keys train/valid/test or a single array are needed", path)
    np.savez(path, train=np.zeros((3, 4, 4), np.uint8), train_labels=np.zeros(2, int))
    refuse(r"labels of 'train' are int64 \(2,\); 3 integers are needed", path, labels=True)
    np.savez(path, train=np.zeros((3, 4, 4), np.uint8), train_labels=np.array([0, -1, 2]))
    refuse("labels of 'train' go down to -1", path, labels=True)
    np.savez(path, train=np.zeros((3, 4, 4), np.uint8))
    refuse("no labels for 'train'", path, labels=True)
    path.write_bytes(b"PK\x03\x04 broken")
    refuse("not readable as NumPy arrays", path)


def test_idx(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    write_idx(path, np.zeros((2, 3, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    refuse("holds 17 values, its header says 18", path)
    path.write_bytes(path.read_bytes()[:9])
    refuse("the IDX header is cut short", path)
    path.write_bytes(b"\x00\x00\x0d\x03")
    refuse("not an IDX file of unsigned bytes", tmp_path)
    path.rename(tmp_path / "photos-ubyte")
    refuse("none named train-images", tmp_path)


def test_binarize_needs_both_splits(tmp_path):
    with pytest.raises(DataError, match="grey images with splits train and test are needed"):
        binarize("digits", tmp_path / "x.npz", seed=0, valid=3)
    np.savez(tmp_path / "y.npz", train=np.zeros((3, 4, 4), np.uint8), test=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(DataError, match="3 training images; validation takes 3"):
        binarize(str(tmp_path / "y.npz"), tmp_path / "x.npz", seed=0, valid=3)
    assert not (tmp_path / "x.npz").exists()

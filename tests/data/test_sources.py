"""Every kind of source, and the line of what was found."""

import gzip
import io
import sys
import tarfile
import types
import zipfile
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from pixelrnn import ConfigError, DataConfig, DataError
from pixelrnn.data import load_data
from tests.pictures import picture, saved


def as_png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for n in range(8):
        picture(seed=n).save(tmp_path / f"{n}.png")
    return tmp_path


def values(images):
    """All images of a set as one array."""
    return images.batch(range(len(images))).numpy()


def test_digits():
    data = load_data("digits", labels=True)
    assert (data.shape, data.levels, len(data.whole)) == ((1, 8, 8), 17, 1797)
    assert values(data.whole).max() == 16
    assert data.whole.examples(range(10)).condition.label.tolist() == list(range(10))


def test_a_folder_is_read_recursively_in_the_order_of_names(folder):
    (folder / "below").mkdir()
    picture(seed=99).save(folder / "below" / "a.bmp")
    picture(seed=98).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("not an image")
    data = load_data(folder)
    assert data.summary == "9 images, 9 RGB"
    assert np.array_equal(values(data.whole)[0], np.asarray(picture(seed=0)).transpose(2, 0, 1))
    assert np.array_equal(values(data.whole)[-1], np.asarray(picture(seed=99)).transpose(2, 0, 1))


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "webp", "tiff"])
def test_image_formats(tmp_path, extension):
    for n in range(3):
        picture(seed=n).save(tmp_path / f"{n}.{extension}")
    assert load_data(tmp_path).summary == "3 images, 3 RGB"


def test_the_line_of_what_was_found(tmp_path):
    for n, mode in enumerate(["RGB", "RGB", "RGB", "L", "1", "RGBA", "P", "LA"]):
        picture(mode, seed=n).save(tmp_path / f"{n}.png")
    Image.fromarray(np.full((5, 6), 40_000, dtype=np.uint16)).save(tmp_path / "8.png")
    picture("CMYK").save(tmp_path / "9.jpg")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(
        DataError, match=r"8\.png has more than 8 bits a value, and .* has not; `bits` 8 takes the upper 8"
    ):
        load_data(tmp_path, skip_bad=True)
    data = load_data(tmp_path, skip_bad=True, bits=8)
    kinds = ["2 grey -> RGB", "1 16-bit grey -> RGB", "1 CMYK -> RGB", "1 palette -> RGB"]
    kinds += [f"1 {kind} -> RGB (transparency over white)" for kind in ("RGBA", "grey+alpha")]
    first, most, *rest, last = data.summary.split(", ")
    assert (first, most, last) == ("10 images", "3 RGB", "1 unreadable (listed)")
    assert sorted(rest) == sorted(kinds)
    assert len(data.skipped) == 1
    assert "broken.png" in data.skipped[0]
    assert (values(data.whole)[8] == 40_000 >> 8).all()


@pytest.mark.parametrize(("channels", "count"), [("grey", 1), ("rgb", 3), ("rgba", 4)])
def test_channels_can_be_chosen(folder, channels, count):
    assert load_data(folder, channels=channels).shape == (count, 5, 6)


def test_all_grey_images_stay_grey(tmp_path):
    for n in range(3):
        picture("L", seed=n).save(tmp_path / f"{n}.png")
    assert load_data(tmp_path).shape == (1, 5, 6)


def test_transparency_is_laid_over_white(tmp_path):
    for n in range(3):
        Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / f"{n}.png")
    assert (values(load_data(tmp_path).whole) == 255).all()
    assert (values(load_data(tmp_path, channels="rgba").whole) == 0).all()


def test_a_palette_with_transparency(tmp_path):
    for n in range(3):
        image = Image.new("P", (2, 2), 0)
        image.putpalette([255, 0, 0, 0, 255, 0])
        image.putpixel((0, 0), 1)
        image.save(tmp_path / f"{n}.png", transparency=0)
    whole = values(load_data(tmp_path).whole)
    assert whole[0, :, 0, 0].tolist() == [0, 255, 0]
    assert whole[0, :, 1, 1].tolist() == [255, 255, 255]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    for n in range(3):
        picture(seed=n).save(tmp_path / f"{n}.png", exif=exif)
    assert load_data(tmp_path).shape == (3, 6, 5)


def test_size_resizes_and_cuts_the_middle(tmp_path):
    for n, size in enumerate([(20, 10), (10, 30), (8, 8)]):
        picture(size=size, seed=n).save(tmp_path / f"{n}.png")
    assert load_data(tmp_path, size=8).shape == (3, 8, 8)
    assert load_data(tmp_path, size=(4, 6)).shape == (3, 4, 6)
    stripes = Image.new("RGB", (16, 8), "black")
    stripes.paste("white", (4, 0, 12, 8))
    stripes.save(tmp_path / "0.png")
    assert (values(load_data(tmp_path, size=8).whole)[0] == 255).all()


def test_random_patches(tmp_path):
    for n in range(4):
        picture(size=(12, 10), seed=n).save(tmp_path / f"{n}.png")
    data = load_data(tmp_path, size=4, crop="random", patches=5)
    assert (data.shape, len(data.train), len(data.whole)) == ((3, 4, 4), 10, 20)
    items = range(10)
    train = data.train
    assert np.array_equal(train.batch(items, 1), train.batch(items, 1))
    assert not np.array_equal(train.batch(items, 1), train.batch(items, 2))
    assert np.array_equal(data.whole.batch(items, 1), data.whole.batch(items, 2)), "evaluation patches stay"
    patch = data.whole.batch([0])[0].numpy()
    original = np.asarray(picture(size=(12, 10), seed=0)).transpose(2, 0, 1)
    places = [(top, left) for top in range(7) for left in range(9)]
    assert any(np.array_equal(original[:, top : top + 4, left : left + 4], patch) for top, left in places)


def test_sub_folders_as_labels(tmp_path):
    for n, name in enumerate(["cat", "dog", "cat", "ant/red"]):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        picture(seed=n).save(tmp_path / name / f"{n}.png")
    data = load_data(tmp_path, labels=True)
    assert data.label_names == ("ant/red", "cat", "dog")
    assert data.whole.examples(range(4)).condition.label.tolist() == [0, 1, 1, 2]
    picture().save(tmp_path / "lost.png")
    with pytest.raises(DataError, match=r"lost\.png lies in no sub-folder that could be its label"):
        load_data(tmp_path, labels=True)


def members(tmp_path):
    counts = {"train": 6, "val": 2, "test": 3}
    names = [f"set/{split}/{kind}/{n}.png" for split, count in counts.items() for n in range(count) for kind in "ab"]
    return [(name, as_png(picture(seed=n))) for n, name in enumerate(sorted(names))]


def archives(tmp_path):
    files = members(tmp_path)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    for extension, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tar.xz", "w:xz")):
        with tarfile.open(tmp_path / f"x.{extension}", mode) as archive:
            for name, content in files:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("extension", ["zip", "tar", "tar.gz", "tar.xz"])
def test_archives_are_read_in_place_with_their_splits(tmp_path, extension):
    archives(tmp_path)
    data = load_data(tmp_path / f"x.{extension}", labels=True)
    assert [len(data.train), len(data.valid), len(data.test)] == [12, 4, 6]
    assert data.has_splits
    assert data.label_names == ("a", "b")
    assert data.protocol == "256 levels; splits of the source"
    order = {name: n for n, (name, _) in enumerate(members(tmp_path))}
    first = np.asarray(picture(seed=order["set/train/a/0.png"])).transpose(2, 0, 1)
    assert np.array_equal(data.train.batch([0])[0], first)


@pytest.mark.parametrize(("extension", "message"), [("zip", "damaged zip archive"), ("tar.gz", "4.png cannot be used")])
def test_archives_that_are_cut_off(tmp_path, extension, message):
    archives(tmp_path)
    whole = (tmp_path / f"x.{extension}").read_bytes()
    (tmp_path / f"x.{extension}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / f"x.{extension}")


def test_a_tar_archive_that_is_cut_off_within_a_head(tmp_path):
    """Which ends an archive without a word by the library that reads it."""
    archives(tmp_path)
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        heads = [member.offset for member in archive]
    whole = gzip.decompress((tmp_path / "x.tar.gz").read_bytes())
    (tmp_path / "x.tar").write_bytes(whole[: heads[1] + 100])
    with pytest.raises(DataError, match=r"x\.tar: damaged tar archive \(unexpected end of data\)"):
        load_data(tmp_path / "x.tar")


def test_a_damaged_tar_archive(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="damaged tar archive"):
        load_data(tmp_path / "x.tar.gz")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 5, 6), (1, 5, 6)),
        ((9, 5, 6, 3), (3, 5, 6)),
        ((9, 3, 5, 6), (3, 5, 6)),
        ((9, 4, 5, 3), (4, 5, 3)),
        ((9, 1, 1, 7), (1, 1, 7)),
    ],
)
def test_npy_layouts(tmp_path, shape, expected):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert load_data(tmp_path / "x.npy").shape == expected


def test_npz_with_splits_and_labels(tmp_path):
    arrays = {"train": np.zeros((6, 4, 4), np.uint8), "test": np.full((3, 4, 4), 9, np.uint8)}
    labels = {"train_labels": np.arange(6), "test_labels": np.arange(3)}
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    data = load_data(tmp_path / "x.npz", labels=True)
    assert data.summary == "9 images (train 6, test 3), 4x4 grey"
    assert (values(data.test) == 9).all()
    assert data.test.examples(range(3)).condition.label.tolist() == [0, 1, 2]
    assert data.protocol == "256 levels; valid drawn with seed 0"


def test_npz_with_a_single_array(tmp_path):
    np.savez(tmp_path / "x.npz", pictures=np.zeros((6, 4, 4), np.uint8))
    assert load_data(tmp_path / "x.npz").summary == "6 images, 4x4 grey"


def test_bit_packed_arrays(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (20, 5, 7), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train=np.packbits(bits.reshape(20, -1), axis=1))
    data = load_data(tmp_path / "x.npz", packed=(5, 7))
    assert data.levels == 2
    assert np.array_equal(values(data.whole)[:, 0], bits)


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_files(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 5), dtype=np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.arange(7, dtype=np.uint8))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images[:2])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(2, dtype=np.uint8))
    data = load_data(tmp_path, labels=True)
    assert data.summary == "9 images (train 7, test 2), 4x5 grey"
    assert np.array_equal(values(data.test)[:, 0], images[:2])
    assert data.test.examples(range(2)).condition.label.tolist() == [0, 1]
    assert np.array_equal(values(load_data(tmp_path / "train-images-idx3-ubyte").whole)[:, 0], images)


class ClassLabel:
    names = ("no", "yes")


class Rows(list):
    """A stand-in for a split of the optional package, with the parts of its interface that are used."""

    features: ClassVar = {"image": type("Image", (), {})(), "label": ClassLabel()}
    _fingerprint = "abc"

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)

    def cast_column(self, column, feature):
        assert (column, feature) == ("image", "files")
        return self


def package(load):
    """A stand-in for the package."""
    return types.SimpleNamespace(load_dataset=load, Image=lambda decode: "decoded" if decode else "files")


def test_hub_data_sets(monkeypatch, tmp_path):
    picture(seed=0).save(tmp_path / "0.png")
    files = [{"bytes": saved(picture(seed=n)), "path": None} for n in range(6)]
    files[0] = {"bytes": None, "path": str(tmp_path / "0.png")}
    rows = Rows({"image": file, "label": n % 2} for n, file in enumerate(files))
    module = package(lambda name: {"train": rows, "test": Rows(rows[:2])})
    monkeypatch.setitem(sys.modules, "datasets", module)
    data = load_data("hf:someone/something", labels=True)
    assert [len(data.train) + len(data.valid), len(data.test)] == [6, 2]
    assert data.label_names == ("no", "yes")
    assert sorted(np.asarray(data.test.examples(range(2)).condition.label).tolist()) == [0, 1]


def test_one_sub_folder_is_a_label_too(tmp_path):
    (tmp_path / "cat").mkdir()
    for n in range(3):
        picture(seed=n).save(tmp_path / "cat" / f"{n}.png")
    assert load_data(tmp_path, labels=True).label_names == ("cat",)


def test_arrays_are_resized_and_converted(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 8, 10), dtype=np.uint8))
    data = load_data(tmp_path / "x.npy", size=4, channels="rgb")
    assert data.shape == (3, 4, 4)
    whole = values(data.whole)
    assert np.array_equal(whole[:, 0], whole[:, 2])
    digits = load_data("digits", size=16)
    assert digits.shape == (1, 16, 16)
    assert values(digits.whole).max() <= 16


def test_hub_data_sets_need_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:a/b needs the datasets package: pip install 'pixelrnn\[datasets\]'"):
        load_data("hf:a/b")


def test_missing_splits_are_drawn_by_seed(folder):
    data = load_data(folder, valid_fraction=0.25, test_fraction=0.25)
    parts = [set(images.positions.tolist()) for images in (data.train, data.valid, data.test)]
    assert [len(part) for part in parts] == [4, 2, 2]
    assert set.union(*parts) == set(range(8))
    again = load_data(folder, valid_fraction=0.25, test_fraction=0.25)
    assert np.array_equal(again.test.positions, data.test.positions)
    other = [load_data(folder, valid_fraction=0.25, test_fraction=0.25, split_seed=seed).test for seed in range(1, 4)]
    assert any(not np.array_equal(images.positions, data.test.positions) for images in other)
    assert data.protocol == "256 levels; valid and test drawn with seed 0"


def test_limit_takes_evenly_spaced_images():
    data = load_data("digits", limit=10)
    assert [len(data.train), len(data.valid), len(data.test), len(data.whole)] == [10, 10, 10, 10]
    assert data.whole.positions.tolist() == [n * 1797 // 10 for n in range(10)]


def test_config_and_fields_are_one():
    assert load_data("digits", DataConfig(limit=3), levels=2).levels == 2


def test_images_come_with_their_colours_if_asked():
    data = load_data("digits", levels=4, support=True)
    images, (_, _, supports, *_) = data.train.examples([3, 1, 3])
    assert [None if support is None else support.colours.tolist() for support in supports] == [
        np.unique(image).reshape(-1, 1).tolist() if len(np.unique(image)) < 4 else None for image in images
    ]
    assert "given the colours of each image" in data.protocol
    assert load_data("digits").train.examples([0]).condition.support is None
    with pytest.raises(ConfigError, match="support is set, of colours that are the same each time; binarize 'dynamic'"):
        load_data("digits", binarize="dynamic", support=True)


def test_of_several_pages_the_first_is_taken_and_told(tmp_path):
    pages = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (7, 8, 9)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.png")
    data = load_data(tmp_path)
    assert "1 grey (first of several pages)" in data.summary
    assert set(data.whole.batch(range(2)).unique().tolist()) == {7}


def test_suffixes_in_capitals(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 4), np.uint8))
    (tmp_path / "x.npy").rename(tmp_path / "X.NPY")
    assert len(load_data(tmp_path / "X.NPY").whole) == 3


class Unlabelled(list):
    features: ClassVar = {"text": type("Value", (), {})()}


def failing(name):
    raise ConnectionError("no\n  network")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (failing, r"hf:a/b cannot be loaded \(no network\)"),
        (lambda name: {"train": Unlabelled()}, "hf:a/b has no image column; its columns are text"),
    ],
)
def test_hub_data_sets_that_have_no_images(monkeypatch, load, message):
    monkeypatch.setitem(sys.modules, "datasets", package(load))
    with pytest.raises(DataError, match=message):
        load_data("hf:a/b")


def test_labels_of_a_hub_data_set_have_names(monkeypatch):
    rows = Rows([{"image": {"bytes": saved(picture()), "path": None}, "label": -1}])
    monkeypatch.setitem(sys.modules, "datasets", package(lambda name: {"train": rows}))
    with pytest.raises(DataError, match="hf:a/b: row 0 of train has label -1, which has no name"):
        load_data("hf:a/b", labels=True)

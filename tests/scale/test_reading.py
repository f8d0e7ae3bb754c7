"""Sources in pieces, each of which any process can read: files, tar archives, Parquet, by path or URL."""

import pickle
import tarfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from pixelrnn import load_data
from pixelrnn.config import DataConfig, ModelConfig
from pixelrnn.data.files import Folder
from pixelrnn.errors import DataError
from pixelrnn.scale import reading as reading_module
from pixelrnn.scale.batch import Picture
from pixelrnn.scale.columns import Figures
from pixelrnn.scale.parts import BAD, REASON
from pixelrnn.scale.reading import files_below, reading_of, rows_of_images
from tests.pictures import png


def rows_of(reading):
    """All rows of a reading, each piece of which has been sent to another process."""
    batches = [batch for piece in reading.pieces for batch in pickle.loads(pickle.dumps(piece)).batches()]
    return {
        str(name): cell
        for batch in batches
        for name, cell in zip(batch["name"], batch.get("bytes") or batch["image"], strict=True)
    }


def content_of(folder):
    return {name: (folder / name).read_bytes() for name in Folder(folder).names}


def tar_of(folder, path, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name in sorted(content_of(folder)):
            archive.add(folder / name, name)
    return path


def parquet_of(folder, path, **options):
    rows = [{"bytes": content, "path": name} for name, content in content_of(folder).items()]
    pyarrow.parquet.write_table(pyarrow.table({"image": rows, "other": range(len(rows))}), path, **options)
    return path


@pytest.mark.parametrize("kind", ["path", "url"])
def test_a_folder_is_read_in_pieces(kind, digits, monkeypatch):
    monkeypatch.setattr(reading_module, "ROWS", 7)
    monkeypatch.setattr(reading_module, "LEAST_PIECES", 1)
    source = digits / "new"
    reading = reading_of(str(source) if kind == "path" else source.as_uri())
    assert len(reading.pieces) == 5
    assert rows_of(reading) == content_of(source)
    assert sorted(reading.names) == sorted(content_of(source))
    done = reading.names[:8]
    assert rows_of(reading.without(done)).keys() == content_of(source).keys() - set(done)


@pytest.mark.parametrize("name", ["digits.tar", "digits.tar.gz"])
@pytest.mark.parametrize("kind", ["path", "url"])
def test_a_tar_archive_has_the_names_of_its_members(kind, name, digits, tmp_path):
    path = tar_of(digits / "new", tmp_path / name, "w:gz" if name.endswith("gz") else "w")
    assert rows_of(reading_of(str(path) if kind == "path" else path.as_uri())) == content_of(digits / "new")


@pytest.mark.parametrize("kind", ["path", "url"])
def test_shards_of_a_folder_come_before_the_names_of_members(kind, digits, tmp_path):
    (tmp_path / "s" / "below").mkdir(parents=True)
    tar_of(digits / "new", tmp_path / "s" / "00.tar")
    tar_of(digits / "usual", tmp_path / "s" / "below" / "01.tar")
    wanted = {f"00.tar/{name}": content for name, content in content_of(digits / "new").items()}
    wanted |= {f"below/01.tar/{name}": content for name, content in content_of(digits / "usual").items()}
    source = tmp_path / "s"
    assert rows_of(reading_of(str(source) if kind == "path" else source.as_uri())) == wanted


def test_shares_of_a_tar_archive_are_all_of_it_once(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(reading_module, "BATCH", 3)
    reading = reading_of(str(tar_of(digits / "new", tmp_path / "a.tar")))
    assert reading.split(1) is reading.pieces
    assert reading.total is None
    shares = [[name for batch in piece.batches() for name in batch["name"]] for piece in reading.split(4)]
    assert len(shares) == 4
    assert min(map(len, shares)) >= 6
    assert sorted(name for share in shares for name in share) == sorted(content_of(digits / "new"))


def test_parquet_is_read_by_groups_of_rows(digits, tmp_path):
    path = parquet_of(digits / "new", tmp_path / "a.parquet", row_group_size=11)
    reading = reading_of(str(path))
    assert len(reading.pieces) == 3
    assert reading.total == 30
    found = rows_of(reading)
    assert [*found] == [f"a.parquet:{row}" for row in range(30)]
    assert [cell["bytes"] for cell in found.values()] == [*content_of(digits / "new").values()]
    named = pyarrow.table({"bytes": [*content_of(digits / "new").values()], "id": range(100, 130)})
    pyarrow.parquet.write_table(named, tmp_path / "b.parquet")
    assert [*rows_of(reading_of((tmp_path / "b.parquet").as_uri()))] == [str(number) for number in range(100, 130)]
    assert len(rows_of(reading_of(str(tmp_path)))) == 60
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet has no column image or bytes or .*; its columns are text"):
        reading_of(str(tmp_path))


def test_one_file_and_what_is_read_in_one_place(digits, tmp_path):
    one = digits / "new" / "1.png"
    for source in (str(one), one.as_uri()):
        assert rows_of(reading_of(source)) == {"1.png": one.read_bytes()}
        assert not reading_of(source).without(["1.png"]).pieces
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 4), np.uint8))
    assert reading_of(str(tmp_path / "a.npy")) is None
    assert reading_of(str(tmp_path)) is None  # nor is this one for workers
    for split in ("train", "test"):
        (tmp_path / "splits" / split).mkdir(parents=True)
        (tmp_path / "splits" / split / "a.png").write_bytes(one.read_bytes())
    assert reading_of(str(tmp_path / "splits")) is None


def test_what_is_not_there_is_said(tmp_path):
    (tmp_path / "none").mkdir()
    for source in (str(tmp_path / "none"), (tmp_path / "none").as_uri()):
        with pytest.raises(DataError, match="none holds no images, tar archives or Parquet files"):
            reading_of(source)
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        reading_of((tmp_path / "nowhere").as_uri())
    with pytest.raises(DataError, match=r"none holds no files"):
        files_below((tmp_path / "none").as_uri())
    with pytest.raises(DataError, match=r"nowhere cannot be listed \("):
        files_below((tmp_path / "nowhere").as_uri())
    with pytest.raises(DataError, match=r"odd://a cannot be read \("):
        reading_of("odd://a?key=secret")
    (tmp_path / "a.parquet").write_bytes(b"none")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read \("):
        reading_of(str(tmp_path / "a.parquet"))


def test_urls_need_pyarrow(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.fs", None)
    with pytest.raises(DataError, match=r"x is read by pyarrow: pip install 'pixelrnn\[ray\]'"):
        reading_of((tmp_path / "x").as_uri())


def test_a_source_that_changes_while_it_is_read_ends_nothing(digits, tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (source / name).write_bytes((digits / "new" / "1.png").read_bytes())
    reading = reading_of(str(source))
    (source / "a.png").unlink()
    (source / "b.png").write_bytes(b"other")
    found = rows_of(reading)
    assert "No such file" in found["a.png"].error
    assert found["b.png"].error.startswith("changed while it was read, from ")
    assert isinstance(found["c.png"], bytes)
    tar = tar_of(digits / "new", tmp_path / "a.tar")
    reading = reading_of(str(tar))
    tar.write_bytes(tar.read_bytes()[:20_000])
    found = rows_of(reading)
    assert 1 < len(found) < 31
    assert "damaged tar archive" in found[str(tar)].error
    parquet = parquet_of(digits / "new", tmp_path / "a.parquet", row_group_size=10)
    reading = reading_of(str(parquet))
    parquet.write_bytes(parquet.read_bytes()[:3_000])
    found = rows_of(reading)
    assert [*found] == ["a.parquet:0", "a.parquet:10", "a.parquet:20"]
    assert all(cell.error.startswith("and what follows: ") for cell in found.values())


def test_images_that_are_here_already(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_module, "ROWS", 50)
    data = load_data("digits", labels=True)
    reading = rows_of_images(data, data.test)
    found = rows_of(reading)
    assert [*found] == [data.name(data.test, item) for item in range(len(data.test))]
    np.testing.assert_array_equal(np.stack([*found.values()]), data.test.batch(range(len(data.test))).numpy())
    labels = [label for piece in reading.pieces for batch in piece.batches() for label in batch["label"]]
    assert labels == data.test.examples(range(len(data.test))).condition.label.tolist()
    np.save(tmp_path / "colours.npy", np.zeros((9, 3, 4, 4), np.uint8))
    grey = load_data(tmp_path / "colours.npy", context="grey")
    with pytest.raises(DataError, match="images with contexts are not shared out by an engine"):
        rows_of_images(grey, grey.test)


def figures_of(batch, labels=None, **fields):
    seen = []

    def columns(images):
        seen.append(len(images))
        label = images.examples(range(len(images))).condition.label
        sums = images.batch(range(len(images))).sum((1, 2, 3)).numpy()
        return {"sum": sums} | ({} if label is None else {"label": label.numpy()})

    config = ModelConfig(**{"shape": (1, 4, 4), "levels": 256, "layers": 1, "hidden": 2} | fields)
    found = [*Figures(columns, config, DataConfig(), labels)(batch)]
    return found, seen


def test_figures_are_of_some_pictures_at_a_time_and_say_what_is_bad(monkeypatch):
    monkeypatch.setattr("pixelrnn.scale.columns.MOST_VALUES", 40)
    cells = [png(np.full(size, value, np.uint8)) for value, size in enumerate([(4, 4), (4, 4), (2, 3), (4, 4), (9, 9)])]
    cells += [b"none", Picture(None, "gone")]
    found, seen = figures_of({"name": list("abcdefg"), "bytes": cells})
    sums = {
        name: int(total)
        for columns in found
        if "sum" in columns
        for name, total in zip(columns["name"], columns["sum"], strict=True)
    }
    assert sums == {"a": 0, "b": 16, "c": 12, "d": 48, "e": 324}
    assert len(seen) > 2
    bad = {
        name: reason
        for columns in found
        if BAD in columns
        for name, reason in zip(columns[BAD], columns[REASON], strict=True)
    }
    assert bad == {"f": "the picture cannot be used: not an image that is known", "g": "gone"}


def test_labels_are_those_of_the_rows_or_of_folders():
    cells = [png(np.full((4, 4), value, np.uint8)) for value in range(3)]
    names = ["x/cat/1.png", "dog/2.png", "3.png"]
    found, _ = figures_of({"name": names, "bytes": cells}, ["cat", "dog"], classes=2)
    assert found[0]["label"].tolist() == [0, 1]
    assert found[1][REASON].tolist() == ["lies in no folder called by a label (cat, dog)"]
    found, _ = figures_of({"name": names, "bytes": cells, "label": [1, 1, 0]}, ["cat", "dog"], classes=2)
    assert found[0]["label"].tolist() == [1, 1, 0]

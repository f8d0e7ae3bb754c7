"""The decoded cache: used again, renewed when files change, built once by several processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrnn import DataError
from pixelrnn.data import cache, load_data
from tests.data.test_sources import values
from tests.pictures import picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXELRNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    for n in range(6):
        picture(seed=n).save(tmp_path / "images" / f"{n}.png")
    return tmp_path / "images"


def entries(folder):
    return [path for path in (folder.parent / "cache").iterdir() if path.is_dir()]


def test_files_are_decoded_once(folder, monkeypatch):
    first = values(load_data(folder).whole)
    monkeypatch.setattr(cache, "decode", lambda *_: pytest.fail("decoded again"))
    assert np.array_equal(values(load_data(folder).whole), first)
    assert len(entries(folder)) == 1


def test_it_is_a_memory_map(folder):
    images = load_data(folder).whole
    assert isinstance(images.pixels.flat, np.memmap)


def test_changed_files_and_options_are_decoded_anew(folder):
    load_data(folder)
    picture(seed=77).save(folder / "0.png")
    assert np.array_equal(values(load_data(folder).whole)[0], np.asarray(picture(seed=77)).transpose(2, 0, 1))
    load_data(folder, size=4)
    assert len(entries(folder)) == 3


def test_a_failed_build_leaves_nothing(folder):
    (folder / "3.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"3\.png cannot be used"):
        load_data(folder)
    assert entries(folder) == []


@pytest.mark.parametrize("name", ["pixels.bin", "index.json"])
def test_a_damaged_entry_is_made_anew(folder, name):
    first = values(load_data(folder).whole)
    (entries(folder)[0] / name).unlink()
    (folder.parent / "cache" / (entries(folder)[0].name + ".half")).mkdir()
    assert np.array_equal(values(load_data(folder).whole), first)
    assert len(entries(folder)) == 1, "and what a killed process left is gone"


@pytest.mark.parametrize("name", ["pixels.bin", "index.json"])
def test_an_entry_that_was_cut_off_is_made_anew(folder, name):
    first = values(load_data(folder).whole)
    path = entries(folder)[0] / name
    path.write_bytes(path.read_bytes()[:10])
    assert np.array_equal(values(load_data(folder).whole), first)
    path.write_bytes(b"[]")
    assert np.array_equal(values(load_data(folder).whole), first)


@pytest.mark.parametrize("how", ["no folder", "no home"])
def test_without_a_cache_images_are_decoded_each_time(folder, how, monkeypatch, caplog):
    first = values(load_data(folder).whole)
    cache._warn.cache_clear()
    if how == "no folder":
        monkeypatch.setenv("PIXELRNN_CACHE", "/dev/null/cache")
    else:
        monkeypatch.delenv("PIXELRNN_CACHE")
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home directory")))
    assert np.array_equal(values(load_data(folder).whole), first)
    assert np.array_equal(values(load_data(folder).whole), first)
    assert len(caplog.records) == 1
    said = "decoded images cannot be kept for the next time"
    assert said in caplog.text
    assert "PIXELRNN_CACHE names another folder for them" in caplog.text


def test_a_full_disk_is_named(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "decode", full)
    with pytest.raises(
        DataError, match=r"the cache of decoded images cannot be used .*No space left.*; PIXELRNN_CACHE names another"
    ):
        load_data(folder)


def test_progress_is_reported(folder):
    shares = []
    load_data(folder, callback=lambda at: shares.append(at.fraction))
    assert shares[-1] == 1
    assert shares == sorted(shares)


def test_two_processes_build_it_at_once(folder):
    for n in range(200):
        Image.new("RGB", (64, 64), (n, n, n)).save(folder / f"more{n:03d}.png")
    load = f"load_data({str(folder)!r}, size=8)"
    code = f"from pixelrnn.data import load_data; print({load}.whole.batch(range(206)).sum().item())"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) for _ in range(2)]
    sums = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sums[0] == sums[1]
    assert len(entries(folder)) == 1
    assert [path for path in Path(folder.parent / "cache").iterdir() if path.suffix not in ("", ".lock")] == []

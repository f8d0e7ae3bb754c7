"""Files that appear whole: what a reader sees while another process replaces them."""

import os
import threading

import pytest
import torch

from pixelrnn import RunError
from pixelrnn.runs.files import atomic_write, read_tensors, write_tensors, write_text


def test_a_file_that_is_replaced_while_it_is_read_is_one_of_the_two(tmp_path):
    """Their headers differ in length and their values in content: a mixture of both would show."""
    path, stop = tmp_path / "x.safetensors", threading.Event()
    versions = [(torch.full((2000,), float(n)), "about" * (1 + 7 * n)) for n in range(2)]
    write_tensors(path, {"x": versions[0][0]}, versions[0][1])

    def replace():
        n = 0
        while not stop.is_set():
            n = 1 - n
            write_tensors(path, {"x": versions[n][0]}, versions[n][1])

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        seen = [0, 0]
        while min(seen) < 500:
            tensors, about = read_tensors(path)
            version = next(n for n in range(2) if versions[n][1] == about)
            assert torch.equal(tensors["x"], versions[version][0])
            seen[version] += 1
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"])
def test_damaged_files_are_named(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RunError, match="damaged or not a safetensors file"):
        read_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_takes_the_place_of_none(has_links, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    atomic_write(path, lambda temporary: temporary.write_text("first"), is_new=True)
    with pytest.raises(RunError, match=r"a cannot be written \(File exists\)"):
        atomic_write(path, lambda temporary: temporary.write_text("second"), is_new=True)
    assert path.read_text() == "first"
    atomic_write(path, lambda temporary: temporary.write_text("third"))
    assert path.read_text() == "third"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_files_are_replaced(make, tmp_path):
    make(tmp_path / "a")
    with pytest.raises(RunError, match="a is no regular file, and is not replaced"):
        atomic_write(tmp_path / "a", lambda temporary: temporary.write_text("x"))
    assert not (tmp_path / "a").is_file()


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
def test_who_may_read_a_file(tmp_path):
    path = tmp_path / "x.txt"
    before = os.umask(0o077)
    try:
        write_text(path, "mine")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o640)
        write_text(path, "my group's")
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["a." + "x" * 253, "1. " + "\u4e00" * 80 + ".txt"])
def test_the_longest_names(tmp_path, name):
    write_text(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"

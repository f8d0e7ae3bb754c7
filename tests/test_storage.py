"""Files that appear whole: what a reader sees while another process replaces them."""

import threading

import pytest
import torch

from pixelrnn import RunError
from pixelrnn.storage import read_tensors, write_tensors


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

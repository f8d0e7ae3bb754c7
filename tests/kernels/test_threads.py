"""Tasks: each number once, on as many threads as torch may use, from several Python threads at once."""

import threading
from concurrent.futures import ThreadPoolExecutor as Pool

import numpy as np
import pytest
import torch
from numba import cfunc

from pixelrnn.kernels import threads


@cfunc(threads.TASK)
def count(number, integers):
    """Add 1 at a place of an array whose address is in the integers, after some work."""
    total = 0
    for k in range(integers[1]):
        total += k % 3
    integers[2 + number] += 1 + 0 * total


@pytest.fixture(params=["OpenMP", "Python"], autouse=True)
def kind(request, monkeypatch):
    if request.param == "Python":
        monkeypatch.setattr(threads, "_parallel", None)
    elif threads._parallel is None:
        pytest.skip("torch's OpenMP library is not one that is known here")


@pytest.mark.parametrize("allowed", [1, 2, 7])
@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_each_number_once(allowed, number):
    before = torch.get_num_threads()
    torch.set_num_threads(allowed)
    try:
        integers = np.zeros(2 + number, np.int64)
        integers[1] = 1000
        threads.run(count, number, integers)
    finally:
        torch.set_num_threads(before)
    assert (integers[2:] == 1).all()


def test_several_runs_at_once():
    arrays = [np.zeros(402, np.int64) for _ in range(8)]

    def work(integers):
        torch.set_num_threads(2)
        integers[1] = 10_000
        threads.run(count, 400, integers)

    workers = [threading.Thread(target=work, args=(integers,)) for integers in arrays]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((integers[2:] == 1).all() for integers in arrays)


@pytest.mark.parametrize("allowed", [1, 2, 5])
def test_as_many_threads_as_torch_may_use(monkeypatch, kind, allowed):
    asked = []
    monkeypatch.setattr(threads, "ThreadPoolExecutor", lambda number: asked.append(number + 1) or Pool(number))
    if threads._parallel is not None:
        parallel = threads._parallel

        def recorded(function, data, number, flags):
            asked.append(number)
            parallel(function, data, number, flags)

        monkeypatch.setattr(threads, "_parallel", recorded)
    before = torch.get_num_threads()
    torch.set_num_threads(allowed)
    try:
        threads.run(count, 100, np.zeros(102, np.int64))
    finally:
        torch.set_num_threads(before)
    assert asked == ([] if allowed == 1 else [allowed])

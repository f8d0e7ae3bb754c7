"""Compiled tasks on the threads of torch.

A task is the address of a compiled function of a number and of an array of integers. It is called once for each number
below a count, on as many threads as `torch.set_num_threads` allows; a thread that is free takes the next number. Where
torch's OpenMP library can be found, its threads are used: threads of our own would share the processor with its threads
that wait for torch's next operation, which halved the speed. Otherwise Python's are.

A child that was forked after such a run has no threads but its own, which `pixelrnn.model.base` sees to.
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixelrnn.kernels.kept import callback

__all__ = ["TASK", "run"]

INTEGERS = types.CPointer(types.intp)
TASK = types.void(types.intp, INTEGERS)
"""Signature of a task: its number, and the integers that all tasks of a run share."""


@intrinsic
def _take(context: Any, counter: Any) -> Any:
    """The value of a counter, which is one more afterwards, whoever else takes from it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.intp(INTEGERS), generate


@intrinsic
def _call(context: Any, task: Any, number: Any, integers: Any) -> Any:
    """Call the task at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        task, number, integers = arguments
        integer = ir.IntType(64)
        function = ir.FunctionType(ir.VoidType(), [integer, integer.as_pointer()])
        pointer = builder.inttoptr(integers, integer.as_pointer())
        builder.call(builder.inttoptr(task, function.as_pointer()), [number, pointer])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


@callback(types.void(INTEGERS))
def _work(shared: Any) -> None:
    """Take numbers until there are none: `shared` holds the next one, their count, the task and its integers."""
    number = _take(shared)
    while number < shared[1]:
        _call(shared[2], number, shared[3])
        number = _take(shared)


def _openmp() -> Any:
    """`GOMP_parallel(function, data, threads, flags)` of the OpenMP library that torch has loaded, if it has it."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("*omp*")):
        try:
            function = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):  # not loaded, not a library, another OpenMP, or a system without RTLD_NOLOAD
            continue
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        return function
    return None


_parallel = _openmp()


def run(task: Any, count: int, integers: "np.ndarray[Any, np.dtype[np.int64]]", *, is_alone: bool = False) -> None:
    """Call a task with the numbers 0 .. count - 1 and wait for all of them. Several Python threads may do so at once.

    Args:
        task: Compiled by `numba.cfunc(TASK)`.
        count: Number of numbers.
        integers: What all calls get: sizes and addresses of memory that is kept until the end.
        is_alone: Use the calling thread only.
    """
    shared = np.array([0, count, task.address, integers.ctypes.data], np.int64)
    threads = torch.get_num_threads() if count > 1 and not is_alone else 1
    if threads > 1 and _parallel is not None:
        # As many as torch asks for, even if there are fewer tasks: OpenMP would end the others and start them again.
        _parallel(_work.address, shared.ctypes.data, threads, 0)
        return
    pointer = shared.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    if threads == 1:
        _work.ctypes(pointer)
        return
    threads = min(threads, count)
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(_work.ctypes, pointer) for _ in range(threads - 1)]
        _work.ctypes(pointer)
        for other in others:
            other.result()

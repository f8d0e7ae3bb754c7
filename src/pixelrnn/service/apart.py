"""A function in a process of its own: what answers requests, and what computes, do not wait for each other's Python."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from pixelrnn.kernels.memory import keep_freed_memory

__all__ = ["Apart"]

_call: Callable[[Any], Any]  # in the process


class Apart:
    """Calls a function in another process, which is started anew if it is lost.

    Args:
        call: The function, which is sent there once.
        warm: What it is called with as soon as it is there, so that all is compiled.
    """

    def __init__(self, call: Callable[[Any], Any], warm: Any) -> None:
        self._given, self._warm, self._lock = call, warm, threading.Lock()
        self._pool = self._started()

    def __call__(self, argument: Any) -> Any:
        """What the function gives; raises what it raises."""
        pool = self._pool
        try:
            return pool.submit(_apply, argument).result()
        except BrokenProcessPool:  # killed, by a system without memory, say: another one tries it once
            with self._lock:
                if self._pool is pool:
                    self._pool = self._started()
            return self._pool.submit(_apply, argument).result()

    def close(self) -> None:
        """End the process when what was asked is done."""
        self._pool.shutdown()

    def _started(self) -> ProcessPoolExecutor:
        arguments = (self._given, torch.get_num_threads())
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, arguments)
        pool.submit(_apply, self._warm).result()
        return pool


def _begin(call: Callable[[Any], Any], threads: int) -> None:
    global _call
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for all processes of a terminal; the other one ends this
    torch.set_num_threads(threads)
    keep_freed_memory()
    _call = call


def _apply(argument: Any) -> Any:
    return _call(argument)

"""The processes that train together under `torchrun`: who am I, and sums over all.

With one process every function is free. Gradients are summed by one `all_reduce` of a flat vector after the backward
pass, so accumulation and uneven shares need no special case, and each process makes the same update.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch import distributed as dist

from pixelrnn.errors import PixelRNNError

__all__ = ["broadcast", "joined", "on_first", "rank", "sum_over_processes", "world"]


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
        # A process that leaves while others still talk takes them with it; the last word may still be on its way.
        dist.barrier()
        time.sleep(0.5)
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process; 0 is the one that writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def sum_over_processes(tensor: Tensor, device: torch.device) -> Tensor:
    """The sum of the tensor over all processes, which work on `device`."""
    if world() == 1:
        return tensor
    # NCCL sums on the device only.
    shared = tensor.to(device) if device.type == "cuda" else tensor
    dist.all_reduce(shared)
    return shared


def broadcast(value: object) -> object:
    """The value that process 0 has."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def on_first(action: Callable[[], object]) -> None:
    """Let process 0 do something while the others wait; a user's error that it raises is raised by all of them."""
    problem: object = None
    if rank() == 0:
        try:
            action()
        except PixelRNNError as error:
            problem = error
    problem = broadcast(problem)
    if isinstance(problem, PixelRNNError):
        raise problem

"""The processes that train together under `torchrun`: who am I, and sums over all.

With one process every function is free. Gradients are summed by one `all_reduce` of a flat vector after the backward
pass, so accumulation and uneven shares need no special case, and each process makes the same update.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["barrier", "broadcast", "joined", "rank", "sum_over_processes", "world"]


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process; 0 is the one that writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def sum_over_processes(tensor: Tensor) -> Tensor:
    """Replace the tensor by its sum over all processes."""
    if world() > 1:
        dist.all_reduce(tensor)
    return tensor


def broadcast(value: object) -> object:
    """The value that process 0 has."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier() -> None:
    """Wait for all processes."""
    if world() > 1:
        dist.barrier()

"""Memory that a process keeps."""

import contextlib
import ctypes

__all__ = ["keep_freed_memory"]


def keep_freed_memory() -> None:
    """Let the allocator of glibc keep what is freed, where that is the one in use.

    Otherwise it returns the large maps of a training step to the system after each step, which then clears the same
    memory again: a third of the time at large batches. A library must not choose that for its host; a command may.
    """
    trim_threshold, mmap_max = -1, -4  # of mallopt(3)
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_max, 0)

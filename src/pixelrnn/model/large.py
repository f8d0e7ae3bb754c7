"""Likelihoods of images that are too large for all of a network's features at once.

Where a pixel sees so many rows above it and no more, they are computed in bands of rows, each with what it sees of the
one above: exactly the same. A recurrence sees everything, and needs all of the image: whether there is memory for that
is found out beforehand.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from pixelrnn.config import ModelConfig
from pixelrnn.errors import DataError

__all__ = ["ALIGN", "AT_ONCE", "bands", "free_memory", "in_bands", "needed_memory", "require_memory", "rows_above"]

AT_ONCE = 2**21  # sub-pixels of an image that is computed at once: a gigabyte or two
ALIGN = 8  # rows that bands begin at multiples of: what depends on places has periods of 1, 2 or 8
PER_FEATURE = (
    12  # floats for each pixel and feature h at the peak, measured: of recurrent layers, whatever their number
)


def rows_above(network: nn.Module) -> int | None:
    """How many rows above it a pixel sees; None if all, or if the network does not tell."""
    rows: int | None = network.rows_above() if hasattr(network, "rows_above") else None  # type: ignore[operator]
    return rows


def in_bands(height: int, width: int, above: int, compute: Callable[[slice], Tensor]) -> Tensor:
    """What `compute` gives for rows of images `(N, C, H, W)`, from bands of about `AT_ONCE` pixels in all.

    Args:
        height: Number of rows H.
        width: Sub-pixels in a row.
        above: Number of rows above it that a pixel sees.
        compute: Gives the result `(N, C, h, W)` for a slice of h rows as if there were none above.

    Example:
        >>> image = torch.arange(50.0).view(1, 1, 50, 1)
        >>> bool((in_bands(50, AT_ONCE // 9, 0, lambda rows: image[:, :, rows] + 1) == image + 1).all())
        True
    """
    parts = [
        compute(seen)[:, :, top - seen.start :] for top, seen in bands(height, AT_ONCE // width - aligned(above), above)
    ]
    return torch.cat(parts, dim=2)


def bands(height: int, rows: int, above: int) -> Iterator[tuple[int, slice]]:
    """Bands of about so many rows: where each begins, and all rows that it is computed from.

    Args:
        height: Number of rows of the image.
        rows: Number of rows of a band; fewer, so that all begin at multiples of `ALIGN`, but not none.
        above: Number of rows above it that a pixel sees.

    Example:
        >>> list(bands(20, 15, 3))
        [(0, slice(0, 8, None)), (8, slice(0, 16, None)), (16, slice(8, 24, None))]
    """
    step = max(1, rows // ALIGN) * ALIGN
    for top in range(0, height, step):
        yield top, slice(max(0, top - aligned(above)), top + step)


def aligned(rows: int) -> int:
    """So many rows or a few more: a multiple of `ALIGN`."""
    return -(-rows // ALIGN) * ALIGN


def needed_memory(config: ModelConfig, parameters: int, size: tuple[int, int]) -> int:
    """Bytes, about, that a recurrent network takes for an image of a height and width, with its P parameters."""
    channels = config.shape[0]
    return 4 * math.prod(size) * (PER_FEATURE * config.hidden + 2 * channels * parameters)


def require_memory(config: ModelConfig, parameters: int, size: tuple[int, int]) -> None:
    """Refuse an image that there is no memory for; raises `DataError`."""
    needed, free = needed_memory(config, parameters, size), free_memory()
    if needed > free:
        raise DataError(
            f"an image of {size[1]}x{size[0]} pixels takes about {needed / 2**30:.1f} GiB of memory with this model, "
            f"which sees all of it at once, and {free / 2**30:.1f} GiB are free; models that see a few "
            "rows (pixelcnn, gated-pixelcnn, local; without contexts) take any size"
        )


def free_memory() -> float:
    """Bytes that this process may still take, as far as the system tells."""
    return max(0.0, min(_limits(), default=math.inf))


def _limits() -> Iterator[float]:
    """What the machine, the control group and the limits of the process leave."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        yield 1024 * int(re.findall(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))[0])
    with contextlib.suppress(OSError, ValueError, IndexError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text(encoding="ascii"))
        cached = int(re.findall(r"inactive_file (\d+)", (group / "memory.stat").read_text(encoding="ascii"))[0])
        yield most - int((group / "memory.current").read_text(encoding="ascii")) + cached
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # which not every system has

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            yield most - pages * resource.getpagesize()

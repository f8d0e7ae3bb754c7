"""Programs of a network, made once for each size and weights: for sampling, planning and coding alike."""

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pixelrnn.errors import RunError

__all__ = ["Programs", "require_finite"]

MOST = 32  # kept at once; each has a copy of the weights


def require_finite(network: nn.Module) -> None:
    """Refuse weights of which one is not finite: what would be drawn says nothing.

    Raises:
        RunError: If there is one.
    """
    if odd := [name for name, parameter in network.named_parameters() if not parameter.isfinite().all()]:
        raise RunError(f"{odd[0]} of the model holds numbers that are not finite: its training went wrong")


class Programs:
    """Keeps what was made of a network; several threads may use it at once. A copy of it begins empty."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], tuple[bytes, Any]] = {}
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Programs":
        return Programs()

    def __reduce__(self) -> tuple[Any, ...]:
        return Programs, ()

    def find(self, network: nn.Module, size: tuple[int, int], make: Callable[[], Any]) -> Any:
        """The program of a network for images of a size; made if there is none of these very weights."""
        digest = _digest(network)
        with self._lock:
            known, program = self._kept.get(size, (b"", None))
        if known == digest:
            return program
        require_finite(network)
        program = make()
        with self._lock:
            self._kept.pop(size, None)
            while len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[size] = digest, program
        return program


@torch.no_grad()
def _digest(network: nn.Module) -> bytes:
    """What tells weights from others: their bytes, whoever changed them and however."""
    found = hashlib.blake2b(digest_size=16)
    for parameter in network.parameters():
        found.update(parameter.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.digest()

"""Memory that the steps of a training use again and again.

What a recurrent layer keeps for its backward pass is large, and memory that is new to the process costs more time than
what is computed in it.
"""

from contextvars import ContextVar, Token
from typing import Any

import torch
from torch import Tensor

__all__ = ["Pool", "buffer"]

_current: ContextVar["Pool | None"] = ContextVar("pool", default=None)


class Pool:
    """Buffers of whoever owns it. A context manager, for one forward and backward pass at a time.

    What layers take inside is free again at the end, for the next pass; what a pass has no use for is given up. Nothing
    that was computed inside can be differentiated after it.

    Example:
        >>> pool = Pool()
        >>> with pool:
        ...     first = buffer(3)
        >>> with pool:
        ...     buffer(3) is first, buffer(3) is first
        (True, False)
    """

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._taken: list[Tensor] = []
        self._token: Token[Any] | None = None

    def __enter__(self) -> "Pool":
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _current.reset(self._token)
        self._free, self._taken = self._taken, []

    def take(self, floats: int) -> Tensor:
        """A buffer of so many floats, of any content."""
        place = next((place for place, tensor in enumerate(self._free) if tensor.numel() == floats), None)
        self._taken.append(_new(floats) if place is None else self._free.pop(place))
        return self._taken[-1]


def buffer(floats: int) -> Tensor:
    """A buffer of so many floats: of the pool that this is called in, else a new one."""
    pool = _current.get()
    return _new(floats) if pool is None else pool.take(floats)


def _new(floats: int) -> Tensor:
    return torch.empty(floats, dtype=torch.float32, device="cpu")

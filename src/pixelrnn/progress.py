"""The finished share of a work that has parts: what a `callback` of this package is told."""

from collections.abc import Callable

__all__ = ["part"]


def part(callback: Callable[[float], None] | None, start: float, end: float) -> Callable[[float], None] | None:
    """A callback for a part of some work, whose shares 0 .. 1 are start .. end of the whole; None if there is none.

    Example:
        >>> told = []
        >>> part(told.append, 0.5, 1.0)(0.5)
        >>> told
        [0.75]
    """
    if callback is None:
        return None
    whole = callback
    return lambda share: whole(start + (end - start) * share)

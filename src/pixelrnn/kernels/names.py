"""Names of compiled functions that are made in other functions."""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["named"]

Function = TypeVar("Function", bound=Callable[..., object])


def named(function: Function, name: str) -> Function:
    """A function with a name of its own within its module, before it is compiled.

    Numba tells compiled functions by module, qualified name and a number that it counts in each process. Object code
    that another process has cached brings that one's numbers along: of two functions with one name the linker then may
    take the wrong one, without a word.
    """
    function.__qualname__ = name
    return function

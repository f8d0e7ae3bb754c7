"""How functions are made that only compiled code calls."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core.registry import CPUDispatcher

__all__ = ["inner", "named"]

Function = TypeVar("Function", bound=Callable[..., object])


class _Inner(CPUDispatcher):
    """A compiled function without the wrapper that Python would call it by."""

    def __call__(self, *_: object) -> Any:
        raise TypeError(f"{self.py_func.__qualname__} is called by compiled code only")


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled code calls, when it does so first; division by zero gives no error.

    Without the two wrappers that Numba otherwise makes of every function, all is compiled in two thirds of the time.
    """
    made = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")(function)
    made.__class__ = _Inner  # or a call from Python would go to nowhere
    return made


def named(function: Function, name: str) -> Function:
    """A function with a name of its own within its module, before it is compiled.

    Numba tells compiled functions by module, qualified name and a number that it counts in each process. Object code
    that another process has cached brings that one's numbers along: of two functions with one name the linker then may
    take the wrong one, without a word.
    """
    function.__qualname__ = name
    return function

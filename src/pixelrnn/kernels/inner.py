"""How functions are made that only compiled code calls."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

__all__ = ["inner", "named"]

Function = TypeVar("Function", bound=Callable[..., object])

NEWEST = (0, 68)
"""Of the Numba that `_Part` was tried with: what it goes by is not of Numba's public interface."""


class _Inner(CPUDispatcher):
    """A compiled function without the wrapper that Python would call it by."""

    def __call__(self, *_: object) -> Any:
        raise TypeError(f"{self.py_func.__qualname__} is called by compiled code only")


class _NoEngine:
    """In place of the engine that runs machine code, for a function that has none of its own."""

    def set_env(self, name: str, environment: object) -> None:
        """Nothing: the environment is for messages of errors, and these functions raise none."""


class _Part(JITCodeLibrary):
    """The code of a function, for those that call it to take in: it is optimised and made machine code there only."""

    codegen = _NoEngine()

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, _: str) -> int:
        self._ensure_finalized()
        return 0


class _OfParts(Compiler):
    """Numba's compiler, which otherwise optimises a function and emits it again at each level of those that call it."""

    def compile_extra(self, function: Callable[..., Any]) -> Any:
        self.state.library = _Part(self.state.targetctx.codegen(), function.__qualname__)
        return super().compile_extra(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled code calls, when it does so first; division by zero gives no error.

    It has no wrappers that Python and C would call it by, and no machine code but that of its callers, in which it is.
    The walks are compiled in a third of the time so.
    """
    compiler = _OfParts if numba.version_info.short <= NEWEST else Compiler
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
    made = njit(pipeline_class=compiler, **options)(function)
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

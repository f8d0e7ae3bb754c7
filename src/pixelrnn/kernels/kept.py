"""Compiled functions that Python calls; their machine code is kept for other processes, where there is a folder for it.

Numba compiles a function anew if its own file has another size or time, but not if one has whose functions it calls, or
whose constants it has; and a package that is installed over an older one can bring files of the same size and time. So
the content of all these files counts here. Nothing depends on what is kept: damaged files are thrown away, and where
nothing can be written each process compiles for itself.
"""

import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from pixelrnn.kernels.lazy import compiles

__all__ = ["callback", "outer"]

ROOMS = ("kernels", "scan", "outputs", "walk", "local", "codec", "nn", "colours", "masks.py")
"""Whose functions and constants go into compiled code."""


@functools.cache
def _sources() -> str:
    """A hash of all files that compiled code is made of."""
    found, package = hashlib.sha256(), Path(__file__).parent.parent
    for room in ROOMS:
        for path in sorted(package.glob(room if room.endswith(".py") else f"{room}/*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


class _Cache(FunctionCache):
    """What is kept of a function."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _sources())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled before; None if there is nothing that can be used."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # unpickling raises errors of many kinds for damaged data
            found = None
        if found is None:
            compiles()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if that is possible, and nothing of other sources."""
        try:
            if not self._is_of_these_sources():
                self.flush()
            super().save_overload(sig, data)
        except OSError as error:
            _warn(f"{self.cache_path}: {error.strerror}")

    def _is_of_these_sources(self) -> bool:
        try:
            return all(key[-1] == _sources() for key in self._cache_file._load_index())
        except OSError:
            raise
        except Exception:  # as above
            return False


@functools.cache
def _warn(reason: str) -> None:
    logging.getLogger("pixelrnn").warning(
        "compiled code cannot be kept for later processes (%s); NUMBA_CACHE_DIR names another folder for it", reason
    )


def _keep(made: Any, function: Callable[..., Any]) -> Any:
    try:
        made._cache = _Cache(function)
    except (OSError, RuntimeError):  # Numba has found no folder to write into
        _warn("no folder can be written into")
        compiles()
    return made


def outer(function: Callable[..., Any]) -> Any:
    """Compile a function when Python calls it first; other threads go on meanwhile."""
    return _keep(njit(nogil=True)(function), function)


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of a signature at once, for compiled code to call by its address."""

    def compiled(function: Callable[..., Any]) -> Any:
        made = _keep(CFunc(function, normalize_signature(signature), locals={}, options={}), function)
        made.compile()
        return made

    return compiled

"""What compiled code is made of: vectors, small matrix products, elementary functions, threads.

Numba keeps what it has compiled beside the source file of a function, and compiles again when that file changes, but
not when one changes whose functions it calls. So what is kept there and older than any of our compiled sources is
forgotten here. (Not what is kept elsewhere, as `NUMBA_CACHE_DIR` says: who edits these files sees to that folder.)
"""

import contextlib
from pathlib import Path

__all__: list[str] = []


def _forget_outdated() -> None:
    folders = [Path(__file__).parent.parent / name for name in ("compiled", "scan", "walk")]
    sources = (source for folder in folders for source in folder.glob("*.py"))
    newest = max((source.stat().st_mtime for source in sources), default=0.0)
    for folder in folders:
        for index in folder.glob("__pycache__/*.nbi"):
            with contextlib.suppress(OSError):  # another process was faster, or the folder cannot be written to
                if index.stat().st_mtime < newest:
                    index.unlink()


_forget_outdated()

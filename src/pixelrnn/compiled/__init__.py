"""What compiled code is made of: vectors, small matrix products, elementary functions, threads.

Numba keeps what it has compiled beside the source file of a function, and compiles again when that file changes, but
not when one changes whose functions it calls. So whatever is older than any of our compiled sources is forgotten here.
"""

import contextlib
from pathlib import Path

__all__: list[str] = []


def _forget_outdated() -> None:
    folders = [Path(__file__).parent.parent / name for name in ("compiled", "scan", "walk")]
    newest = max(source.stat().st_mtime for folder in folders for source in folder.glob("*.py"))
    for folder in folders:
        for index in folder.glob("__pycache__/*.nbi"):
            with contextlib.suppress(OSError):  # another process was faster, or the folder cannot be written to
                if index.stat().st_mtime < newest:
                    index.unlink()


_forget_outdated()

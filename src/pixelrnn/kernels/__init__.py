"""What compiled code is made of: vectors, small matrix products, elementary functions, threads.

Numba keeps what it has compiled beside the source file of a function, and compiles again when that file changes, but
not when one changes whose functions it calls, or whose constants it has. So what is kept there and older than any of
the sources that go into it, those of the networks among them, is forgotten here. (Not what is kept elsewhere, as
`NUMBA_CACHE_DIR` says: who edits these files sees to that folder.)
"""

import contextlib
from pathlib import Path

__all__: list[str] = []

ROOMS = ("kernels", "scan", "outputs", "walk", "local", "codec", "nn", "colours", "masks.py")


def _forget_outdated() -> None:
    package = Path(__file__).parent.parent
    sources = [source for room in ROOMS for source in package.glob(room if room.endswith(".py") else f"{room}/*.py")]
    newest = max((source.stat().st_mtime for source in sources), default=0.0)
    for index in package.glob("*/__pycache__/*.nbi"):
        with contextlib.suppress(OSError):  # another process was faster, or the folder cannot be written to
            if index.stat().st_mtime < newest:
                index.unlink()


_forget_outdated()

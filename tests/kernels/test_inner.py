"""Functions that only compiled code calls."""

import subprocess
import sys

import numba
import pytest

from pixelrnn.kernels.inner import NEWEST, inner

USED = """
from numba import njit
from pixelrnn.kernels import inner as module

module.NEWEST = NEWEST

@module.inner
def half(x):
    return x / 2

@njit
def outer(x):
    return half(x)

print(outer(3), len(half.overloads))
half(3)
"""


def test_a_call_from_python_is_an_error_and_not_a_crash():
    def double(x):
        return 2 * x

    with pytest.raises(TypeError, match="double is called by compiled code only"):
        inner(double)(3)


@pytest.mark.parametrize("newest", [NEWEST, (0, 0)], ids=["parts", "a newer Numba"])
def test_also_once_it_is_compiled(newest):
    script = USED.replace("= NEWEST", f"= {newest}")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "1.5 1\n"
    assert done.stderr.splitlines()[-1] == "TypeError: half is called by compiled code only"


def test_the_installed_numba_is_one_that_was_tried():
    """With a newer one all is right, but compiled in twice the time: try it, then raise `NEWEST`."""
    assert numba.version_info.short <= NEWEST

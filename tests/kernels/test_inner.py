"""Functions that only compiled code calls."""

import subprocess
import sys

import pytest

from pixelrnn.kernels.inner import inner

USED = """
from numba import njit
from pixelrnn.kernels.inner import inner

@inner
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


def test_also_once_it_is_compiled():
    done = subprocess.run([sys.executable, "-c", USED], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "1.5 1\n"
    assert done.stderr.splitlines()[-1] == "TypeError: half is called by compiled code only"

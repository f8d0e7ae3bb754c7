"""Compiled functions have names of their own: object code from a cache and new one meet under these names."""

import collections
import gc
import importlib

from numba.core.dispatcher import Dispatcher

from pixelrnn import ImageModel, ModelConfig
from tests import house


def test_no_two_compiled_functions_have_one_name():
    """Numba tells functions by module, qualified name and a number of the process that compiled them.

    What another process has cached brings its own numbers, so that of two functions with one name, as a function made
    in another one has it, the linker may take the wrong one.
    """
    for name in house.modules():
        if house.room(name) in ("kernels", "outputs", "scan", "walk", "local", "codec") and "cuda_kernels" not in name:
            importlib.import_module(name)
    model = ImageModel(ModelConfig(shape=(1, 3, 3), levels=2, layers=1, hidden=2), seed=0)
    model.sample(1)  # what is made when something is compiled is there then
    found = {
        id(each.py_func): (each.py_func.__module__, each.py_func.__qualname__)
        for each in gc.get_objects()
        if issubclass(type(each), Dispatcher) and each.py_func.__module__.startswith("pixelrnn.")
    }
    assert len(found) > 100
    assert [name for name, count in collections.Counter(found.values()).items() if count > 1] == []

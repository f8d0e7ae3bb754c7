"""The raster face of a model: its sub-pixels one by one, with all state cached.

`compile_network` turns a network into a program, `walk` runs it over images. Importing this compiles the engine, or
loads what an earlier process has compiled.
"""

from pixelrnn.walk.layers import compile_network
from pixelrnn.walk.program import Program
from pixelrnn.walk.visit import Distribution, walk

__all__ = ["Distribution", "Program", "compile_network", "walk"]

"""The raster face of a model: its sub-pixels one by one, with all state cached.

`compile_network` turns a network into a program, `walk` runs it over images, `propagate` over many versions of each,
`ask` over images whose values somebody else knows.
Importing this compiles the engine, or loads what an earlier process has compiled.
"""

from pixelrnn.walk.lower import compile_network
from pixelrnn.walk.particles import Cloud, propagate
from pixelrnn.walk.program import Program
from pixelrnn.walk.walk import Distribution, ask, walk

__all__ = ["Cloud", "Distribution", "Program", "ask", "compile_network", "propagate", "walk"]

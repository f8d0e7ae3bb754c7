"""Walking images with a model: sampling, completing and scoring differ only in which values are known beforehand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from pixelrnn.compiled import threads
from pixelrnn.compiled.vectors import LANES
from pixelrnn.config import ModelConfig
from pixelrnn.outputs import AbstractOutput
from pixelrnn.walk.distributions import KINDS
from pixelrnn.walk.engine import advance
from pixelrnn.walk.program import Array, Program

__all__ = ["visit"]


def visit(
    program: Program,
    config: ModelConfig,
    parameters: int,
    values: Array,
    *,
    is_known: Array | None = None,
    uniform: Array | None = None,
    log_prob: Array | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    callback: Callable[[float], None] | None = None,
) -> None:
    images, channels, rows, columns = values.shape
    blocks = -(-images // LANES)
    states = np.zeros(blocks * program.floats * LANES, np.float32)
    settings = np.array([temperature, top_p], np.float64)
    place = lambda a: 0 if a is None else a.ctypes.data
    for row in range(rows):
        integers = np.array([images, channels, rows, columns, row, row + 1,
            *map(place, (program.weights, program.instructions, program.maps, program.bounds, program.passes)),
            len(program.passes), *program.pixel, program.floats, program.image, program.parameters,
            *map(place, (states, values, is_known, uniform, log_prob)),
            KINDS.index(config.resolved_output), config.levels, config.mixtures, parameters, top_k, place(settings)], np.int64)
        threads.run(advance, blocks, integers)
        if callback is not None:
            callback((row + 1) / rows)

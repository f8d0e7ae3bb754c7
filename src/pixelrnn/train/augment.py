r"""Augmentations as a condition: images are changed a little in training, and the networks are told how.

Distribution augmentation (Jun et al., *Distribution Augmentation for Generative Modeling*, ICML 2020): a model learns
:math:`p(t(x) \mid t)` for changes t of the images, and :math:`p(x)`, told of none, stays the distribution of the images
as they are. What the changed ones teach is shared, through all weights but those that tell.

Half of the changes are shifts by up to 2 pixels along rows and along columns; the others turn the image by up to 10
degrees and make it up to a tenth smaller or larger. What comes in from outside repeats the border.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelrnn.config import ModelConfig
from pixelrnn.nn.condition import AUGMENTATION

__all__ = ["augment", "draw"]

Array = np.ndarray[Any, np.dtype[Any]]

FARTHEST = 2  # pixels of a shift
STEEPEST, LARGEST = math.radians(10), math.log(1.1)
FEW = 16  # levels up to which values are taken from the nearest pixel, rather than mixed


def draw(random: np.random.Generator, n: int, share: float) -> Array:
    """What is done to each of n images, `(n, 8)` float32; zeros where nothing is, for all but a share.

    The numbers: shifts to the right and down and their squares, in units of the farthest, and 1 for a shift; the
    angle, clockwise, and the logarithm of the size in units of the largest, and 1 for these.
    """
    shifts = random.integers(-FARTHEST, FARTHEST + 1, (n, 2)) / FARTHEST
    warps = random.uniform(-1, 1, (n, 2))
    is_changed, is_shift = random.random(n) < share, random.random(n) < 0.5
    told = np.zeros((n, AUGMENTATION), np.float32)
    shifted, warped = is_changed & is_shift, is_changed & ~is_shift
    told[shifted, :2], told[shifted, 2:4], told[shifted, 4] = shifts[shifted], shifts[shifted] ** 2, 1
    told[warped, 5:7], told[warped, 7] = warps[warped], 1
    return told


def augment(config: ModelConfig, x: Tensor, told: Tensor) -> Tensor:
    """Images `(N, C, H, W)` changed as `draw` says, with values that the model takes.

    Example:
        >>> image = torch.tensor([[0, 1, 2, 3]], dtype=torch.uint8).view(1, 1, 1, 4)
        >>> told = torch.tensor([[0.5, 0, 0.25, 0, 1, 0, 0, 0]])  # a pixel to the right
        >>> augment(ModelConfig(shape=(1, 1, 4), levels=4), image, told)
        tensor([[[[0, 0, 1, 2]]]], dtype=torch.uint8)
    """
    is_changed = told.any(1)
    if not bool(is_changed.any()):
        return x
    height, width = x.shape[2:]
    by = told[is_changed].double()
    angle, size = STEEPEST * by[:, 5], (LARGEST * by[:, 6]).exp()
    # From places in the new image, counted from its centre, to places in the old one.
    down, right = (torch.arange(side, dtype=by.dtype, device=x.device) - (side - 1) / 2 for side in (height, width))
    down, right = torch.meshgrid(down, right, indexing="ij")
    cos, sin = ((each / size)[:, None, None] for each in (angle.cos(), angle.sin()))
    across = cos * right + sin * down - FARTHEST * by[:, 0, None, None]
    along = cos * down - sin * right - FARTHEST * by[:, 1, None, None]
    grid = torch.stack([2 * across / width, 2 * along / height], dim=3)
    is_mixed = (config.levels == 0 or config.levels > FEW) and config.colours == "rgb"
    mode = "bilinear" if is_mixed else "nearest"
    changed = F.grid_sample(x[is_changed].double(), grid, mode, "border", align_corners=False)
    changed = changed.round().clamp(0, config.levels - 1) if config.levels else changed
    out = x.clone()
    out[is_changed] = changed.to(x.dtype)
    return out

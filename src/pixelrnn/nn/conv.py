r"""Masked convolution: the layer through which causality enters every network here.

Paper: van den Oord et al. 2016, section 3.4. The mask multiplies the weight in the forward pass, so a masked weight
has exactly no effect and no gradient; the stored parameter is never changed.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelrnn.masks import causal_mask

__all__ = ["MaskedConv2d", "free_weight", "pointwise"]


class MaskedConv2d(nn.Module):
    r"""Applies :math:`y = (W \odot M) * x + b` with zero padding that keeps height and width.

    Weights and biases start uniform in :math:`\pm 1/\sqrt{n}`, n the number of *unmasked* inputs of that output.

    Args:
        mask: `(O, I, Kh, Kw)` bool from `pixelrnn.masks`, sides odd.

    Example:
        >>> layer = MaskedConv2d(causal_mask("B", groups(1, 1), groups(4, 1), 3, 3))
        >>> layer(torch.zeros(2, 1, 5, 5)).shape
        torch.Size([2, 4, 5, 5])
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = nn.Buffer(mask.to(torch.get_default_dtype()), persistent=False)
        self.padding = (mask.shape[2] // 2, mask.shape[3] // 2)
        # An output may see nothing at all (the first channel of a 1x1 type A layer): then only its bias counts.
        bound = 1 / mask.flatten(1).sum(1).clamp(min=1).sqrt()
        self.weight = nn.Parameter((torch.rand(mask.shape) * 2 - 1) * bound[:, None, None, None])
        self.bias = nn.Parameter((torch.rand(mask.shape[0]) * 2 - 1) * bound)

    @property
    def masked(self) -> Tensor:
        """The weight as it is used, `(O, I, Kh, Kw)`."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, I, H, W)` to `(N, O, H, W)`."""
        return F.conv2d(x, self.masked, self.bias, padding=self.padding)

    def extra_repr(self) -> str:
        """Sizes, and the share of the weights that the mask lets through."""
        outputs, inputs, height, width = self.mask.shape
        return f"{inputs} -> {outputs}, {height}x{width}, {100 * self.mask.mean().item():.0f}% unmasked"


def pointwise(inputs: Tensor, outputs: Tensor) -> MaskedConv2d:
    """A 1x1 layer with mask B between features of the given groups."""
    return MaskedConv2d(causal_mask("B", inputs, outputs, 1, 1))


def free_weight(*shape: int, inputs: int) -> nn.Parameter:
    r"""A weight without a mask, uniform in :math:`\pm 1/\sqrt{inputs}`."""
    return nn.Parameter((torch.rand(shape) * 2 - 1) / math.sqrt(inputs))

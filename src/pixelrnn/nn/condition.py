r"""What an image may depend on besides its own pixels: a label and a context image.

Papers: the label as a bias of the gates of every layer: van den Oord et al., *Conditional Image Generation with
PixelCNN Decoders*, NeurIPS 2016, section 2.3. The context image, upsampled by transposed convolutions and mapped to the
gates of every layer by an unmasked 1x1 convolution: van den Oord et al. 2016 (*Pixel Recurrent Neural Networks*), the
section on the Multi-Scale PixelRNN.

A condition is given whole, before the first pixel: no mask keeps anything of it from any sub-pixel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.nn.conv import free_weight
from pixelrnn.walk.program import Map, Writer

__all__ = ["AUGMENTATION", "ContextNetwork", "GateCondition", "biases", "chosen"]

AUGMENTATION = 8
"""Numbers that say how an image was changed; see `pixelrnn.train.augment`."""


class ContextNetwork(nn.Module):
    r"""Maps a context image to c = h features at every pixel of the image that it conditions.

    Layers of transposed convolutions with ReLU: one that keeps the size, one for each prime factor r by which the
    context is smaller than the image, and one that keeps the size again. A layer of factor r has a kernel of side 3r
    and stride r: every pixel of its output reads 3x3 pixels of its input.

    Args:
        config: Configuration of the model, with a context.

    Example:
        >>> config = ModelConfig(shape=(1, 8, 8), context=(3, 4, 2), hidden=6)
        >>> ContextNetwork(config)(torch.zeros(2, 3, 4, 2)).shape
        torch.Size([2, 6, 8, 8])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.context is not None
        inputs, layers = config.context[0], []
        for factor in [(1, 1), *(config.context_factors or [(1, 1)]), (1, 1)]:
            kernel = (3 * factor[0], 3 * factor[1])
            layers.append(nn.ConvTranspose2d(inputs, config.hidden, kernel, stride=factor, padding=factor))
            inputs = config.hidden
        self.layers = nn.ModuleList(layers)

    @property
    def convolutions(self) -> list[nn.ConvTranspose2d]:
        """The layers in order."""
        return [layer for layer in self.layers if isinstance(layer, nn.ConvTranspose2d)]

    def forward(self, context: Tensor) -> Tensor:
        """Map scaled context images `(N, Cc, Hc, Wc)` to features `(N, c, H, W)`."""
        for layer in self.layers:
            context = layer(context).relu()
        return context

    def lower(self, writer: Writer) -> Map:
        """The same in the walk, before the first pixel; returns the map of the features, of the image's size."""
        size = writer.rows, writer.columns
        for layer in self.convolutions:
            size = size[0] // layer.stride[0], size[1] // layer.stride[1]
        features = writer.context(self.convolutions[0].in_channels, *size)
        for layer in self.convolutions:
            factor = (layer.stride[0], layer.stride[1])
            # Transposed convolution: output r i + p takes the kernel's k = p + r (1 - d) from input i + d, |d| <= 1.
            weight = layer.weight.view(*layer.weight.shape[:2], 3, factor[0], 3, factor[1])  # (I, O, 3, r, 3, s)
            weight = weight.flip(2, 4).permute(3, 5, 2, 1, 4, 0)
            assert layer.bias is not None
            features = writer.upsample(features, size, factor, weight, layer.bias)
            size = size[0] * factor[0], size[1] * factor[1]
        return features


class GateCondition(nn.Module):
    r"""What the condition adds to the gates of one layer.

    .. math:: gates_{r,c} \leftarrow gates_{r,c} + v_{label} + u_{order} + K^{context} e_{r,c} + M a

    with a learned bias v for each label, none for an image without a label, one u for each order of reading, the
    features e of the context image, and a matrix M for what was changed of an image in training, a = 0 being nothing.

    Args:
        config: Configuration of the model.
        gates: Number of gates of the layer.
    """

    def __init__(self, config: ModelConfig, gates: int) -> None:
        super().__init__()
        # From zero on: before it has learned anything, a label makes no difference.
        self.label = nn.Parameter(torch.zeros(config.classes, gates)) if config.classes else None
        self.order = nn.Parameter(torch.zeros(config.orders, gates)) if config.orders > 1 else None
        self.context = free_weight(gates, config.hidden, inputs=config.hidden) if config.context else None
        self.augmentation = nn.Parameter(torch.zeros(AUGMENTATION, gates)) if config.augmented else None

    @property
    def biases(self) -> Tensor | None:
        """What labels and orders add, `(R, G)` for the `label_rows` R of the configuration; None if there are none."""
        return biases(self.label, self.order)

    def bias(self, bias: Tensor, condition: Condition) -> Tensor:
        """A bias of the gates `(G,)` with what the labels add, `(N, G)` if there are labels."""
        told = self._told(condition)
        return bias if told is None else bias + told

    def add(self, gates: Tensor, condition: Condition) -> Tensor:
        """Gates `(N, G, H, W)` with all that the condition adds."""
        if (told := self._told(condition)) is not None:
            gates = gates + told[:, :, None, None]
        if condition.context is not None and self.context is not None:
            gates = gates + F.conv2d(condition.context, self.context[:, :, None, None])
        return gates

    def _told(self, condition: Condition) -> Tensor | None:
        """What label, order and augmentation add, `(N, G)`; None if none of them is given."""
        told = None if condition.label is None else chosen(self.biases, condition.label)
        if condition.augmentation is not None and self.augmentation is not None:
            changed = condition.augmentation.to(self.augmentation) @ self.augmentation
            told = changed if told is None else told + changed
        return told


def biases(label: Tensor | None, order: Tensor | None) -> Tensor | None:
    """Biases `(R, G)` of the `ModelConfig.label_rows` R, from those of labels and of orders."""
    if order is None:
        return label
    none = torch.zeros_like(order[:1])
    labels = none if label is None else torch.cat([label, none])
    return (order[:, None] + labels).flatten(0, 1)


def chosen(table: Tensor | None, rows: Tensor) -> Tensor:
    """The biases `(N, G)` of rows `(N,)`, none for -1."""
    assert table is not None
    is_any = (rows >= 0).to(table.dtype)
    return table[rows.clamp(min=0)] * is_any[:, None]

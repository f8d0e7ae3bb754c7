r"""What of an image each layer of a network sees: receptive fields, measured and not drawn from a formula.

.. math:: J_l(q) = \sqrt{\frac1N \sum_n \sum_k \Bigl(\frac{\partial h_{l,k}(p)}{\partial x_n(q)}\Bigr)^2}

is the norm of the Jacobian of the features k of layer l at a pixel p with respect to pixel q of the image, over N
images and the channels of q. Where it is 0 the layer sees nothing: of all later pixels, and of a blind spot.
"""

from typing import Any

import torch
from torch import Tensor

from pixelrnn.condition import Condition
from pixelrnn.config.checks import require
from pixelrnn.model.condition import check_condition, scale
from pixelrnn.model.image import ImageModel
from pixelrnn.model.orders import read_in_orders

__all__ = ["receptive_fields"]

AT_ONCE = 32  # copies of an image, each for a feature


def receptive_fields(model: ImageModel, images: Tensor, row: int, column: int) -> Tensor:
    """How much the features of every layer at a pixel depend on each pixel of the image.

    The layers are the first convolution and those after it, by the features that they hand on, and at last the
    parameters of the pixel's distributions. Of a network that does not tell its layers (the local one, and registered
    ones) there are only these; what the least squares of an adaptive one see has no derivative, and is not counted.

    Args:
        model: Model of one scale; its first order and its first label are looked at.
        images: `(N, C, H, W)` images to measure at: where activations are zero, a derivative may be by chance.
        row: Row of the pixel.
        column: Column of the pixel.

    Returns:
        `(L + 1, H, W)` float64, at least 0, for L layers.

    Raises:
        ConfigError: If the pixel is not in the images, or the model has planes of other colours or a context.

    Example:
        >>> from pixelrnn import ModelConfig
        >>> model = ImageModel(ModelConfig(architecture="pixelcnn", shape=(1, 5, 5), levels=2, layers=1), seed=0)
        >>> fields = receptive_fields(model, torch.randint(0, 2, (4, 1, 5, 5), dtype=torch.uint8), 2, 2)
        >>> (fields[-1] > 0).int().tolist()
        [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    """
    height, width = images.shape[2:]
    require(0 <= row < height and 0 <= column < width, f"the pixel ({row}, {column}) is not in {height}x{width}")
    require(model.config.colours == "rgb", f"the model is of planes of {model.config.colours}, not of colours")
    require(model.config.context is None, "the model has a context; what it sees of that is not measured")
    label = torch.zeros(1, dtype=torch.int64) if model.config.classes else None
    given = check_condition(model.config, Condition(label), 1, (height, width))
    ((_, _, given),) = read_in_orders(model.config, images[:1], given, torch.zeros(1, dtype=torch.int64))
    scaled = scale(model.config, images.to(model.device), next(model.parameters()).dtype)
    return torch.stack([_squares(model, image[None], given, (row, column)) for image in scaled]).mean(0).sqrt()


def _squares(model: ImageModel, image: Tensor, given: Condition, pixel: tuple[int, int]) -> Tensor:
    """Sums of the squared derivatives for one image, `(L + 1, H, W)`."""
    sizes = [each.shape[1] for each in _features(model, image, given)]
    sums = image.new_zeros(len(sizes), *image.shape[2:], dtype=torch.float64)
    for start in range(0, max(sizes), AT_ONCE):
        copies = min(AT_ONCE, max(sizes) - start)
        with torch.enable_grad():
            x = image.repeat(copies, 1, 1, 1).requires_grad_()
            for layer, features in enumerate(_features(model, x, given)):
                each = range(start, min(start + copies, sizes[layer]))  # a feature a copy
                if each:
                    chosen = features[range(len(each)), each, *pixel].sum()
                    (gradient,) = torch.autograd.grad(chosen, x, retain_graph=True)
                    sums[layer] += gradient.double().square().sum((0, 1))
    return sums


def _features(model: ImageModel, x: Tensor, given: Condition) -> list[Tensor]:
    """The features `(N, K, H, W)` that every layer hands on, and the parameters."""
    found: list[Tensor] = []
    layers = getattr(model.network, "depths", ())
    hooks = [layer.register_forward_hook(lambda *call: found.append(_handed_on(call[2]))) for layer in layers]
    try:
        parameters = model.network(x, given.map(lambda part: part.expand(len(x), *part.shape[1:])))
    finally:
        for hook in hooks:
            hook.remove()
    return [*found, parameters.flatten(1, 2)]


def _handed_on(output: Any) -> Tensor:
    """The features among what a layer gives: itself, those of a residual block, or those of the horizontal stack."""
    features: Tensor = output if isinstance(output, Tensor) else output[1] if len(output) == 3 else output.x
    return features

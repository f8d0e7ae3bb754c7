"""A PixelCNN in plain PyTorch, as one would write it after the paper: what the package is compared with.

It uses nothing of the package: masked convolutions, the residual blocks of figure 5, a 256-way softmax for each colour,
Adam at a constant rate, images in random order, the last weights.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees what comes before a sub-pixel (A), or also itself (B); features in groups R, G, B."""

    def __init__(self, kind: str, inputs: int, outputs: int, side: int) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2)
        middle = side // 2
        mask = torch.zeros(outputs, inputs, side, side)
        mask[:, :, :middle] = 1
        mask[:, :, middle, :middle] = 1
        of_input, of_output = torch.arange(inputs) * 3 // inputs, torch.arange(outputs) * 3 // outputs
        before = of_input[None, :] < of_output[:, None] if kind == "A" else of_input[None, :] <= of_output[:, None]
        mask[:, :, middle, middle] = before.float()
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the weights that the mask lets through."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    """ReLU - 1x1 (2h -> h) - ReLU - 3x3 - ReLU - 1x1 (h -> 2h), added to its input."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), MaskedConv2d("B", 2 * hidden, hidden, 1),
            nn.ReLU(), MaskedConv2d("B", hidden, hidden, 3),
            nn.ReLU(), MaskedConv2d("B", hidden, 2 * hidden, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Add what the layers say."""
        return x + self.layers(x)


class PlainPixelCNN(nn.Module):
    """Images `(N, 3, H, W)` of 256 levels to logits `(N, 256, 3, H, W)`."""

    def __init__(self, hidden: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            MaskedConv2d("A", 3, 2 * hidden, 7),
            *(Block(hidden) for _ in range(blocks)),
            nn.ReLU(), MaskedConv2d("B", 2 * hidden, 2 * hidden, 1),
            nn.ReLU(), MaskedConv2d("B", 2 * hidden, 3 * LEVELS, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every sub-pixel given the earlier ones."""
        out = self.layers(x.float() / 127.5 - 1)
        return out.view(len(x), 3, LEVELS, *x.shape[2:]).transpose(1, 2)

    def nats(self, x: Tensor) -> Tensor:
        """-log p(x) of each image."""
        return F.cross_entropy(self(x), x.long(), reduction="none").sum((1, 2, 3))


def count_weights(model: nn.Module) -> int:
    """How many weights a model has."""
    return sum(parameter.numel() for parameter in model.parameters())


def with_weights(weights: int, blocks: int) -> PlainPixelCNN:
    """The model whose number of weights is nearest to a given one."""
    sizes = {hidden: count_weights(PlainPixelCNN(hidden, blocks)) for hidden in range(3, 130, 3)}
    return PlainPixelCNN(min(sizes, key=lambda hidden: abs(sizes[hidden] - weights)), blocks)


def train(
    model: PlainPixelCNN,
    batches: Callable[[np.random.Generator], Iterator[Tensor]],
    minutes: float,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> int:
    """Train for so many minutes; returns the number of steps.

    Args:
        model: Trained in place.
        batches: Images of one pass in the order that a generator gives.
        minutes: Budget.
        learning_rate: Of Adam.
        seed: Of the order.
    """
    random, optimiser = np.random.default_rng(seed), torch.optim.Adam(model.parameters(), learning_rate)
    end, step = time.perf_counter() + 60 * minutes, 0
    while True:
        for x in batches(random):
            if time.perf_counter() > end:
                return step
            optimiser.zero_grad()
            (model.nats(x).mean() / x[0].numel()).backward()
            optimiser.step()
            step += 1

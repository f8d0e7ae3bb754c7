"""The simplest densities, to compare with."""

import math

import torch

from pixelrnn.data.images import ImageSet

__all__ = ["histogram_bits_per_dim"]


def histogram_bits_per_dim(train: ImageSet, test: ImageSet, levels: int) -> float:
    r"""Bits/dim of a model in which every sub-pixel is independent with a histogram of its own.

    .. math:: p(x) = \prod_i \frac{n_i(x_i) + 1}{N + L}

    with :math:`n_i(v)` the training images (N of them) whose sub-pixel i has value v: Laplace's rule.

    Args:
        train: Images to count.
        test: Images to measure.
        levels: Values L of a sub-pixel.

    Returns:
        Mean code length of a sub-pixel in bits.
    """
    learned = train.batch(range(len(train))).long().flatten(1)  # (N, D)
    counts = torch.stack([(learned == level).sum(0) for level in range(levels)])  # (L, D)
    log_prob = ((counts + 1.0) / (len(learned) + levels)).log()
    nats = -log_prob.gather(0, test.batch(range(len(test))).long().flatten(1))
    return nats.mean().item() / math.log(2)

"""exp(log_prob) summed over *all* images of a tiny shape is 1, for every architecture and output."""

import pytest
import torch

from pixelrnn.config.architectures import OUTPUTS
from tests.conftest import all_images, architectures_with, build

SHAPES = [((1, 3, 3), 2), ((1, 2, 3), 3), ((3, 2, 2), 2), ((2, 1, 3), 3), ((4, 1, 2), 2)]
CASES = [
    (architecture, output, shape, levels)
    for shape, levels in SHAPES
    for output, traits in OUTPUTS.items()
    if traits.least <= levels <= traits.most
    for architecture in architectures_with(shape=shape, levels=levels, output=output)
]


@pytest.mark.parametrize(("architecture", "output", "shape", "levels"), CASES)
def test_probabilities_of_all_images_sum_to_one(architecture, output, shape, levels):
    model = build(architecture=architecture, output=output, shape=shape, levels=levels)
    log_prob = model.log_prob(all_images(shape, levels))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)
    # A model that gave every image the same probability would pass as well; these weights must not.
    assert log_prob.std() > 0.1


@pytest.mark.parametrize("architecture", architectures_with(residual=False))
@pytest.mark.parametrize(("residual", "skip"), [(False, False), (True, False), (False, True)])
def test_without_residual_or_skip_connections_too(architecture, residual, skip):
    model = build(architecture=architecture, shape=(2, 2, 2), levels=2, residual=residual, skip=skip)
    total = model.log_prob(all_images((2, 2, 2), 2)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("architecture", architectures_with(levels=0))
def test_continuous_density_integrates_to_one(architecture):
    """Two sub-pixels on a grid: wide and fine enough for the trapezium rule, whose error is far below the bound."""
    model = build(architecture=architecture, shape=(1, 1, 2), levels=0, hidden=4)
    with torch.no_grad():
        for parameter in model.network.last.parameters():
            parameter.mul_(0.25)
        line = torch.linspace(-12, 12, 601, dtype=torch.float64)
        pairs = torch.cartesian_prod(line, line).view(-1, 1, 1, 2)
        density = torch.cat([model.log_prob(part).exp() for part in pairs.split(100_000)])
    assert (density.sum() * (line[1] - line[0]) ** 2).item() == pytest.approx(1, abs=1e-5)

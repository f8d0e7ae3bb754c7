"""The output distributions alone: levels sum to 1 and gradients are finite, however extreme the parameters."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelrnn.outputs import Bernoulli, ContinuousMixture, LogisticMixture, Softmax

EXTREMES = [0.0, 1e-3, 1.0, -1.0, 7.0, -7.0, 30.0, -30.0, 300.0, -300.0]
DISCRETE = [Bernoulli(), Softmax(5), LogisticMixture(2, 1), LogisticMixture(16, 3), LogisticMixture(256, 2)]


def levels_of(output):
    return 2 if isinstance(output, Bernoulli) else output.levels


@pytest.mark.parametrize("output", DISCRETE, ids=str)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@given(data=st.data())
def test_levels_sum_to_one(output, dtype, error, data):
    values = data.draw(st.lists(st.sampled_from(EXTREMES), min_size=output.parameters, max_size=output.parameters))
    parameters = torch.tensor(values, dtype=dtype).view(1, 1, -1)
    assert output.log_table(parameters).double().exp().sum().item() == pytest.approx(1, abs=error)


@pytest.mark.parametrize("output", [*DISCRETE, ContinuousMixture(3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(data=st.data())
def test_log_prob_and_gradients_are_finite(output, dtype, data):
    """Training works in float32: no value may be nan, and none infinite that has any probability at all."""
    values = data.draw(st.lists(st.sampled_from(EXTREMES), min_size=output.parameters, max_size=output.parameters))
    parameters = torch.tensor(values, dtype=dtype).view(1, 1, -1).requires_grad_()
    top = 1 if isinstance(output, ContinuousMixture) else levels_of(output) - 1
    for value in {0, top // 2, top}:
        log_prob = output.log_prob(parameters, torch.full((1, 1), value, dtype=dtype)).sum()
        (gradient,) = torch.autograd.grad(log_prob, parameters)
        assert math.isfinite(log_prob.item())
        assert gradient.isfinite().all()


@pytest.mark.parametrize("output", DISCRETE, ids=str)
def test_log_prob_is_the_entry_of_the_table(output):
    parameters = torch.randn(2, 3, output.parameters, 4, 5, dtype=torch.float64)
    x = torch.randint(0, levels_of(output), (2, 3, 4, 5))
    table = output.log_table(parameters)
    torch.testing.assert_close(output.log_prob(parameters, x), table.gather(2, x.unsqueeze(2)).squeeze(2))


def test_logistic_mixture_is_the_formula():
    """Against the plain difference of two sigmoids, where that loses nothing."""
    output = LogisticMixture(8, 2)
    parameters = torch.tensor([0.3, -0.2, 0.5, -0.4, -1.0, -0.5], dtype=torch.float64)
    weights, means, scales = parameters[:2].softmax(0), parameters[2:4], parameters[4:].exp()
    for x in range(8):
        y, half = 2 * x / 7 - 1, 1 / 7
        upper = torch.ones(2, dtype=torch.float64) if x == 7 else ((y + half - means) / scales).sigmoid()
        lower = torch.zeros(2, dtype=torch.float64) if x == 0 else ((y - half - means) / scales).sigmoid()
        found = output.log_prob(parameters.view(1, 1, 6), torch.tensor([[x]])).exp().item()
        assert found == pytest.approx((weights * (upper - lower)).sum().item(), rel=1e-12)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_continuous_density_integrates_to_one(values):
    parameters = torch.tensor(values, dtype=torch.float64).view(1, 1, 6, 1)
    # Standard deviations are e^-3 .. e^3: the grid resolves the narrow ones near the means and spans the wide ones.
    fine = torch.linspace(-5, 5, 40_001, dtype=torch.float64)
    tail = torch.linspace(5, 200, 40_001, dtype=torch.float64)
    total = 0.0
    for grid in (fine, tail, -tail.flip(0)):
        density = ContinuousMixture(2).log_prob(parameters.expand(1, 1, 6, len(grid)), grid.view(1, 1, -1)).exp()
        total += torch.trapezoid(density.flatten(), grid).item()
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("output", [LogisticMixture(256, 10), ContinuousMixture(10)], ids=str)
def test_a_mixture_starts_broad(output):
    """The untrained mixture covers the whole range: no level starts far below its share."""
    top = 255 if isinstance(output, LogisticMixture) else 1
    parameters = output.start().view(1, 1, -1)
    values = [output.log_prob(parameters, torch.full((1, 1), float(v))).item() for v in (0, top // 2, top)]
    assert max(values) - min(values) < 3

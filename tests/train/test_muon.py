"""Muon: orthogonal steps of one size for the matrices between layers, AdamW's own for all else."""

import pytest
import torch

from pixelrnn import ModelConfig, TrainConfig, build_model
from pixelrnn.train import optimiser as rules
from pixelrnn.train.muon import MOMENTUM, Muon, orthogonal
from tests.conftest import ARCHITECTURES


@pytest.mark.parametrize("shape", [(16, 16), (64, 16), (16, 144), (1, 5)])
def test_steps_have_the_directions_of_the_gradient_and_singular_values_near_one(shape):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    core = u.mT @ orthogonal(x) @ v.mT
    values = core.diagonal(dim1=1, dim2=2)
    assert ((values > 0.6) & (values < 1.3)).all()
    assert (core - torch.diag_embed(values)).abs().max() < 1e-4


def matrix(*shape):
    return torch.nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(1)))


def moved(parameter, gradients, **settings):
    """How far the last of some steps moves a parameter."""
    optimiser = Muon([parameter], [], lr=0.1, **settings)
    for gradient in gradients:
        before = parameter.detach().clone()
        parameter.grad = gradient.clone()
        optimiser.step()
    return parameter.detach() - before


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (8, 4, 3, 3), (2, 32, 16)])
def test_every_step_has_half_the_learning_rate_as_root_mean_square(shape):
    gradients = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2))
    for scale in (1e-4, 1.0, 1e4):
        step = moved(matrix(*shape), gradients * scale)
        assert step.square().mean().sqrt() == pytest.approx(0.05, rel=0.2)


def test_the_momentum_is_nesterovs():
    """The second step goes along (1 - mu) G + mu B, B being the mean of both gradients so far."""
    first, second = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(3))
    mean = MOMENTUM * (1 - MOMENTUM) * first + (1 - MOMENTUM) * second
    wanted = orthogonal(((1 - MOMENTUM) * second + MOMENTUM * mean)[None])[0]
    torch.testing.assert_close(moved(matrix(6, 9), [first, second]), -0.05 * 3 * wanted)


def test_weights_with_their_channels_last():
    weight, gradient = torch.randn(2, 8, 4, 3, 3, generator=torch.Generator().manual_seed(8))
    formats = torch.contiguous_format, torch.channels_last
    steps = [moved(torch.nn.Parameter(weight.to(memory_format=f)), [gradient.to(memory_format=f)]) for f in formats]
    torch.testing.assert_close(*steps)


def test_directions_are_matrices_of_their_own():
    gradient = torch.randn(2, 12, 6, generator=torch.Generator().manual_seed(4))
    step = moved(matrix(2, 12, 6), [gradient])
    gradient[1] *= 1e6
    torch.testing.assert_close(moved(matrix(2, 12, 6), [gradient]), step)


def test_matrices_of_one_shape_do_not_meet():
    one, other = matrix(5, 7), matrix(5, 7)
    optimiser = Muon([one, other, matrix(7, 5)], [], lr=0.1)
    gradients = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(5))
    one.grad, other.grad = gradients[0].clone(), gradients[1].clone()
    optimiser.step()
    torch.testing.assert_close(one - matrix(5, 7), moved(matrix(5, 7), gradients[:1]))
    torch.testing.assert_close(other - matrix(5, 7), moved(matrix(5, 7), gradients[1:]))


def test_all_else_takes_the_steps_of_adamw():
    mine, theirs, beside = matrix(4, 3), matrix(4, 3), matrix(4, 4)
    muon = Muon([beside], [mine], lr=0.1, weight_decay=0.2)
    adamw = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.99), weight_decay=0.2)
    for gradient in torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(6)):
        mine.grad, theirs.grad, beside.grad = gradient.clone(), gradient.clone(), torch.ones(4, 4)
        muon.step()
        adamw.step()
        assert torch.equal(mine, theirs)


def test_weight_decay_is_decoupled():
    gradient = torch.randn(4, 4, generator=torch.Generator().manual_seed(7))
    without, with_decay = (moved(matrix(4, 4), [gradient], weight_decay=decay) for decay in (0.0, 0.5))
    torch.testing.assert_close(with_decay, without - 0.1 * 0.5 * matrix(4, 4))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_between_the_layers(architecture):
    output = "logistic-mixture" if architecture == "local" else "auto"
    config = ModelConfig(architecture=architecture, shape=(3, 6, 6), hidden=6, layers=2, classes=4, output=output)
    model = build_model(config, seed=0)
    declared = {id(parameter) for parameter in model.network.hidden_matrices()}
    matrices = {name for name, parameter in model.named_parameters() if id(parameter) in declared}
    assert matrices
    parameters = dict(model.named_parameters())
    assert all(parameters[name].ndim >= 2 for name in matrices)
    # Neither the layers at the ends nor what a label gives.
    assert not any(word in name for name in matrices for word in ("head", "last", "first", "condition", "label"))
    optimiser = rules.build(model, TrainConfig(optimiser="muon", learning_rate=1e-3))
    taken = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(taken) == sorted(map(id, model.parameters()))

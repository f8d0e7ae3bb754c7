"""Dropout, and trainings as CUDA graphs."""

import copy
import math

import pytest
import torch

from pixelrnn import ConfigError, ModelConfig, TrainConfig, build_model
from pixelrnn.data import load_data
from pixelrnn.nn.condition import Condition
from pixelrnn.runs.files import read_tensors
from pixelrnn.train import fit, fit_scales
from pixelrnn.train.networks import _Recording, dropping, recorded
from tests.conftest import ARCHITECTURES, architectures_with

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@pytest.fixture(scope="module")
def data():
    return load_data("digits", levels=4)


def build(**fields):
    settings = {"shape": (1, 8, 8), "levels": 4, "layers": 2, "hidden": 8, **fields}
    return build_model(ModelConfig(**settings), seed=0)


def config(**fields):
    return TrainConfig(**{"steps": 12, "batch": 8, "evaluations": 3, "valid_images": 20, "samples": 0, **fields})


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        (architecture, fields)
        for fields in ({}, {"residual": False}, {"skip": False}, {"scales": 2})
        for architecture in architectures_with(**fields)
        if architecture != "local"  # which has nothing to drop, and refuses to
    ],
)
def test_a_share_is_dropped_in_training_only(architecture, fields):
    model, x = build(architecture=architecture, **fields), torch.randint(4, (2, 1, 8, 8))
    plain = model.train().log_prob(x)
    with dropping(model, 0.3):
        one, other = model.log_prob(x), model.log_prob(x)
        assert not torch.equal(one, other)
        assert torch.equal(model.eval().log_prob(x), plain)
    assert torch.equal(model.train().log_prob(x), plain)


@pytest.mark.parametrize("architecture", ["pixelcnn", "row-lstm", "diagonal-bilstm"])
def test_what_a_layer_adds_has_the_same_mean_and_the_variance_of_dropout(architecture):
    """Of one layer's features a, share p: each is 0 or a / (1 - p), so the variance is a^2 p / (1 - p).

    (The Gated PixelCNN's first layer is one more of them, so what is dropped there goes through the second.)
    """
    share, draws = 0.25, 4000
    stack = build(architecture=architecture, layers=1, skip=False).network.stack
    x, condition = torch.linspace(-1, 1, 64).view(1, 1, 8, 8), Condition()
    with torch.no_grad():
        after = stack.eval()(x, condition)
        stack.dropout.p = 1 - 1e-7  # nothing is added
        torch.manual_seed(0)
        added = after - stack.train()(x, condition)
        stack.dropout.p = share
        drawn = stack(x.expand(draws, -1, -1, -1), condition)
    spread = added.abs() * math.sqrt(share / (1 - share))
    assert ((drawn.mean(0) - after).abs() < 5 * spread / math.sqrt(draws) + 1e-5).all()
    torch.testing.assert_close(drawn.std(0), spread[0], rtol=0.1, atol=1e-4)
    assert spread.mean() > 0.01


def test_a_resumed_run_drops_the_same(data, tmp_path):
    settings = config(dropout=0.2)
    torch.manual_seed(5)
    fit(build(), data, settings, folder=tmp_path / "whole")
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(5))), "left as it was"
    fit(build(), data, settings, folder=tmp_path / "parts", callback=lambda at: at.step == 5)
    torch.manual_seed(6)
    fit(build(), data, settings, folder=tmp_path / "parts", resume=True)
    fit(build(), data, config(), folder=tmp_path / "without")
    whole, parts, without = (
        read_tensors(tmp_path / name / "state.safetensors")[0] for name in ("whole", "parts", "without")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not all(torch.equal(whole[name], without[name]) for name in whole)


def test_what_cannot_be_is_refused_before_a_folder_is_made(data, tmp_path):
    local = {"architecture": "local", "output": "logistic-mixture"}
    for fields, options, settings, message in [
        (local, {}, {"dropout": 0.1}, r"dropout is 0\.1, which architecture 'local' does not take"),
        (local, {"cuda_graph": True}, {}, "cuda_graph is set, which architecture 'local' does not take"),
        ({}, {"cuda_graph": True}, {}, "cuda_graph is set, for a model on the current CUDA device; this one is on cpu"),
    ]:
        with pytest.raises(ConfigError, match=message):
            fit(build(**fields), data, config(**settings), folder=tmp_path / "run", **options)
    with pytest.raises(ConfigError, match="this one is on cpu"):
        fit_scales(build(scales=2), data, config(), folder=tmp_path / "run", cuda_graph=True)
    assert not (tmp_path / "run").exists()


def test_a_copy_of_a_recorded_model_is_not_recorded():
    model, x = build(), torch.randint(4, (2, 1, 8, 8))
    model.network.forward = _Recording(model.network)
    copied = copy.deepcopy(model).train()
    copied.log_prob(x).sum().backward()
    assert copied.network.forward.__self__ is copied.network
    assert all(p.grad is None for p in model.parameters())
    assert any(p.grad is not None for p in copied.parameters())


@needs_cuda
@pytest.mark.parametrize("is_mixed", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"skip": False}, {"classes": 5}, {"context": (2, 4, 4)}, {"classes": 3, "context": (2, 8, 8)}, {"scales": 2}],
    ids=str,
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_recording_has_the_gradients_of_the_network(architecture, fields, is_mixed):
    model = build(architecture=architecture, **fields).cuda()
    generator = torch.Generator().manual_seed(0)

    def gradients():
        x = torch.randint(4, (6, 1, 8, 8), generator=generator).cuda()
        given = {}
        if classes := fields.get("classes"):
            given["label"] = torch.randint(classes, (6,), generator=generator).cuda()
        if context := fields.get("context"):
            given["context"] = torch.rand(6, *context, generator=generator).cuda()
        model.train().zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=is_mixed, cache_enabled=False):
            nats = -model.log_prob(x, **given).mean()
        nats.backward()
        found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        return found | {"nats": nats.detach()}

    wanted = [gradients() for _ in range(3)]
    generator.manual_seed(0)
    with recorded(model):
        for one in wanted:
            replayed = gradients()
            assert replayed.keys() == one.keys()
            for name, gradient in one.items():
                torch.testing.assert_close(replayed[name], gradient, rtol=1e-4, atol=1e-4)
    assert not any("forward" in module.__dict__ for module in model.modules())


@needs_cuda
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_recorded_training_learns_the_same(data, precision):
    losses = []
    for is_recorded in (False, True):
        seen = []
        fit(
            build().cuda(),
            data,
            config(steps=30, precision=precision),
            cuda_graph=is_recorded,
            callback=lambda at, seen=seen: seen.append(at.bits_per_dim),
        )
        losses.append(torch.tensor(seen))
    torch.testing.assert_close(losses[0], losses[1], rtol=0.01, atol=0)
    assert losses[1][-1] < 0.9 * losses[1][0]


@needs_cuda
def test_a_recording_drops_something_else_in_each_step_and_repeats_itself():
    model, x = build().cuda(), torch.randint(4, (6, 1, 8, 8)).cuda()
    with dropping(model, 0.3), recorded(model):
        model.train()
        drawn = []
        for seed in (1, 2, 1):
            torch.manual_seed(seed)
            drawn.append(model.log_prob(x).detach().clone())
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])

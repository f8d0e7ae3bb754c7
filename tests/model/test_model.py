"""ImageModel's interface: shapes, sizes, checks, files."""

import math
import re

import pytest
import safetensors.torch
import torch

from pixelrnn import ConfigError, DataError, ImageModel, ModelConfig, RunError
from tests.conftest import ARCHITECTURES, architectures_with, build


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_prob_is_the_sum_of_its_map(architecture):
    model = build(architecture=architecture, shape=(3, 4, 5), levels=7)
    x = torch.randint(0, 7, (2, 3, 4, 5), dtype=torch.uint8)
    nats = model.log_prob_map(x)
    assert nats.shape == x.shape
    torch.testing.assert_close(model.log_prob(x), nats.sum((1, 2, 3)))
    torch.testing.assert_close(model.bits_per_dim(x), -nats.sum((1, 2, 3)) / (60 * math.log(2)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 3), (12, 12)])
def test_any_size_can_be_evaluated_and_sampled(architecture, size):
    model = build(architecture=architecture, shape=(2, 5, 5), levels=3)
    images = model.sample(2, size=size, seed=0)
    assert images.shape == (2, 2, *size)
    assert model.log_prob(images).isfinite().all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_of_tokens(architecture):
    """Text bytes: an image of one row with 256 levels."""
    model = build(architecture=architecture, shape=(1, 1, 12), levels=256)
    text = torch.frombuffer(bytearray(b"hello, world"), dtype=torch.uint8).view(1, 1, 1, 12)
    assert model.log_prob(text).isfinite().all()


@pytest.mark.parametrize(
    ("skip", "architecture"), [(skip, name) for skip in (True, False) for name in architectures_with(skip=skip)]
)
def test_every_weight_is_used(architecture, skip):
    model = build(architecture=architecture, shape=(3, 4, 5), levels=4, skip=skip, hidden=12)
    model.log_prob(torch.randint(0, 4, (8, 3, 4, 5), dtype=torch.uint8)).sum().backward()
    parameters = [(name, parameter) for name, parameter in model.named_parameters() if parameter.numel()]
    unused = [name for name, parameter in parameters if parameter.grad is None or not parameter.grad.any()]
    assert not unused


def test_masked_weights_have_no_gradient():
    model = build(shape=(1, 4, 4), levels=2)
    model.log_prob(torch.randint(0, 2, (4, 1, 4, 4), dtype=torch.uint8)).sum().backward()
    first = model.network.stack.first
    assert (first.weight.grad[first.mask == 0] == 0).all()


def test_an_image_depends_on_seed_and_index_only():
    model = build(shape=(1, 4, 4), levels=4)
    whole = model.sample(5, seed=3, batch=5)
    assert torch.equal(model.sample(5, seed=3, batch=2), whole)
    assert torch.equal(model.sample(2, seed=3), whole[:2])
    assert not torch.equal(model.sample(5, seed=4), whole)
    assert not torch.equal(model.sample(5), model.sample(5))


def test_low_temperature_gives_the_likeliest_values():
    model = build(shape=(1, 3, 3), levels=4)
    images = model.sample(3, temperature=1e-4, seed=0)
    with torch.no_grad():
        best = model.output.log_table(model(images)).argmax(2)
    assert torch.equal(images.long(), best)


def test_sampling_reports_progress():
    shares = []
    build(shape=(1, 4, 3), levels=2).sample(3, seed=0, batch=2, callback=lambda at: shares.append(at.fraction))
    assert shares == sorted(shares)
    assert len(shares) == 8
    assert shares[-1] == pytest.approx(1)


def test_a_likelihood_in_inference_mode_does_not_spoil_training():
    model = build(shape=(1, 5, 7), levels=2)
    x = torch.randint(0, 2, (1, 1, 5, 7), dtype=torch.uint8)
    with torch.inference_mode():
        model.log_prob(x)
    model.log_prob(x).sum().backward()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0; at least 1 is needed"),
        ({"batch": 0}, "batch is 0; at least 1 is needed"),
        ({"size": (0, 3)}, "height is 0; at least 1 is needed"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0 and finite"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0; at least 1 is needed"),
        ({"top_p": 0.0}, "top_p is 0.0; it lies above 0 and up to 1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"seed": -1}, "seed is -1; 0 to 2.63 - 1 are allowed"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
    ],
)
def test_sample_refuses(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build(shape=(1, 2, 2), levels=2).sample(**{"n": 1, **arguments})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 4, dtype=torch.uint8), r"shape \(4, 4\); \(N, 1, H, W\) is needed"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), r"shape \(1, 3, 4, 4\)"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), "nothing empty"),
        (torch.zeros(1, 1, 4, 4), r"torch.float32; integers 0 .. 3"),
        (torch.full((1, 1, 4, 4), 4), r"values 4 .. 4; this model has 4 levels, 0 .. 3"),
        (torch.full((1, 1, 4, 4), -1), r"values -1 .. -1"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        build(shape=(1, 4, 4), levels=4).log_prob(images)


@pytest.mark.parametrize("images", [torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.full((1, 1, 2, 2), math.inf)])
def test_continuous_models_refuse_what_is_not_finite_floats(images):
    with pytest.raises(DataError, match="finite floats"):
        build(shape=(1, 2, 2), levels=0).log_prob(images)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_is_loaded(architecture, tmp_path):
    model = ImageModel(ModelConfig(architecture=architecture, shape=(1, 5, 5), levels=2, layers=1, hidden=4), seed=1)
    model.save_pretrained(tmp_path / "model")
    loaded = ImageModel.from_pretrained(tmp_path / "model")
    x = torch.randint(0, 2, (2, 1, 5, 5), dtype=torch.uint8)
    assert loaded.config == model.config
    assert torch.equal(loaded.log_prob(x), model.log_prob(x))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_loading_names_what_is_wrong(tmp_path):
    with pytest.raises(RunError, match=r"no config\.json here"):
        ImageModel.from_pretrained(tmp_path)
    ImageModel(ModelConfig(shape=(1, 5, 5), levels=2, layers=1, hidden=4)).save_pretrained(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(RunError, match="damaged or not a safetensors file"):
        ImageModel.from_pretrained(tmp_path)
    safetensors.torch.save_file({"wrong": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="do not fit the configuration"):
        ImageModel.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights)
    text = (tmp_path / "config.json").read_text()
    for huge, reason in (
        ('"hidden": 10000000', "weights or more, "),
        ('"hidden": 10000000000000', "weights or more, "),
        ('"layers": 10000000', "10,000,000 layers, "),
        ('"classes": 10000000000', "weights or more, "),
        ('"scales": 10000000', "10,000,000 layers, "),
        ('"context": [1, 1, 5]', ""),
    ):
        name = huge.split(":")[0]
        other = re.sub(f"{name}: ([0-9]+|null)", huge, text)
        if "context" in name:
            other = re.sub(r'"shape": \[[^]]*', '"shape": [1, 10000019, 5', other)
        (tmp_path / "config.json").write_text(other)
        with pytest.raises(RunError, match=rf"do not fit the configuration \(.*{reason}"):
            ImageModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(re.sub('"hidden": [0-9]+', '"hidden": 4.5', text))
    with pytest.raises(ConfigError, match=r"config\.json: hidden is 4\.5; an integer is needed"):
        ImageModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(re.sub('"shape": \\[[^]]*', '"shape": [1.0, 5, 5', text))
    with pytest.raises(RunError, match="do not fit the configuration"):
        ImageModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors here"):
        ImageModel.from_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"layers"', '"leyers"'))
    with pytest.raises(ConfigError, match="unknown field 'leyers'"):
        ImageModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(RunError, match="format 99; this version reads 1"):
        ImageModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text[:-20])
    with pytest.raises(RunError, match="not readable as JSON"):
        ImageModel.from_pretrained(tmp_path)


def test_the_seed_decides_the_weights_and_nothing_else():
    config = ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4)
    torch.manual_seed(7)
    first = torch.rand(1)
    torch.manual_seed(7)
    one, two = ImageModel(config, seed=1), ImageModel(config, seed=1)
    assert torch.equal(torch.rand(1), first), "torch's own generator is left alone"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_repr_says_what_it_is():
    text = repr(ImageModel(ModelConfig(shape=(3, 8, 8), levels=256, layers=1, hidden=6)))
    assert "diagonal-bilstm, 1 layer, h=6, 3x8x8" in text
    assert "softmax" in text
    assert "unmasked" in text

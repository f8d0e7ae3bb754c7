"""Multi-Scale: exactly normalised, the smaller images kept, each scale a model of its own."""

import dataclasses

import numpy as np
import pytest
import torch

from pixelrnn import (
    ConfigError,
    DataError,
    ImageModel,
    ModelConfig,
    MultiScaleModel,
    RunError,
    TrainConfig,
    build_model,
    evaluate,
    fit,
    fit_scales,
    load_data,
    load_model,
)
from pixelrnn.model.upscale import upscale
from pixelrnn.runs.run import Run
from tests.conftest import WITH_CONTEXT, all_images, build

FAST = TrainConfig(steps=12, batch=8, evaluations=2, valid_images=20, samples=2)


@pytest.mark.parametrize("shape", [(1, 2, 4), (1, 4, 2), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_all_images_sum_to_one(architecture, shape):
    model = build(architecture=architecture, shape=shape, levels=2, scales=2)
    with torch.no_grad():
        log_prob = model.log_prob(all_images(shape, 2))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert log_prob.std() > 0.1


def test_three_scales_with_labels_sum_to_one():
    """All 65,536 images of 4x4, which begin with one pixel."""
    model = build(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=1, scales=3, classes=2)
    with torch.no_grad():
        log_prob = torch.cat([model.log_prob(x, label=1) for x in all_images((1, 4, 4), 2).split(16_384)])
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_the_probability_is_the_product_over_the_scales():
    model = build(shape=(3, 8, 4), levels=5, scales=3)
    x = torch.randint(0, 5, (6, 3, 8, 4))
    images = [x[..., ::4, ::4], x[..., ::2, ::2], x]
    expected = model.models[0].log_prob(images[0])
    for scale, small, large in zip(model.models[1:], images, images[1:], strict=False):
        nats = scale.log_prob_map(large, context=small)
        assert (nats[..., ::2, ::2] == 0).all()
        expected = expected + nats.sum((1, 2, 3))
    torch.testing.assert_close(model.log_prob(x), expected)
    assert model.log_prob_map(x).shape == x.shape


def test_samples_have_the_frequencies_that_the_likelihood_says():
    model = build(architecture="pixelcnn", shape=(1, 2, 4), levels=2, layers=1, scales=2).float()
    count = 20_000
    images = model.sample(count, seed=0)
    everything = all_images((1, 2, 4), 2)
    with torch.no_grad():
        expected = model.log_prob(everything).exp() * count
    codes = (images.flatten(1).long() * 2 ** torch.arange(7, -1, -1)).sum(1)
    observed = torch.bincount(codes, minlength=256).double()
    chi_square = ((observed - expected) ** 2 / expected)[expected > 5].sum()
    assert chi_square < 330.5  # 255 degrees of freedom: exceeded once in 1,000 seeds


def test_an_image_depends_on_seed_and_index_only():
    model = build(shape=(1, 8, 8), levels=4, scales=3).float()
    whole = model.sample(5, seed=3)
    assert torch.equal(whole, torch.cat([model.sample(5, seed=3, batch=2)]))
    assert torch.equal(whole[:2], model.sample(2, seed=3))
    assert not torch.equal(whole, model.sample(5, seed=4))


def test_walk_and_parallel_face_agree():
    model = build(shape=(3, 8, 8), levels=5, scales=3, classes=2).float()
    x, label = torch.randint(0, 5, (5, 3, 8, 8)), torch.arange(5) % 2
    done = model.complete(x, torch.ones(8, 8, dtype=torch.bool), label=label)
    with torch.no_grad():
        torch.testing.assert_close(done.log_known, model.log_prob(x, label=label).double(), atol=1e-3, rtol=0)
    assert torch.equal(done.images, x.to(torch.uint8))


@pytest.mark.parametrize(("side", "doublings"), [(2, 2), (4, 1), (3, 1), (5, 1)])
def test_upscaling_keeps_the_small_image(side, doublings):
    model = build(shape=(1, 8, 8), levels=4, scales=3).float()
    small = torch.randint(0, 4, (1, side, side), dtype=torch.uint8)
    large = upscale(model, small, 3, seed=0)
    step = 2**doublings
    assert large.shape == (3, 1, side * step, side * step)
    assert (large[:, :, ::step, ::step] == small).all()
    assert len(large.flatten(1).unique(dim=0)) == 3


def test_upscaling_by_contexts():
    small = torch.randint(0, 4, (1, 3, 5), dtype=torch.uint8)
    copied = build(shape=(1, 4, 4), levels=4, context=(1, 2, 2), copies_context=True).float()
    assert (upscale(copied, small, 2, seed=0)[:, :, ::2, ::2] == small).all()
    shrunk = build(shape=(1, 4, 4), levels=4, context=(1, 2, 2)).float()
    assert torch.equal(upscale(shrunk, small, 2, seed=0), shrunk.sample(2, context=small, seed=0))
    with pytest.raises(ConfigError, match="this model enlarges once"):
        upscale(shrunk, small, 2, doublings=2)
    with pytest.raises(
        ConfigError, match="this model does not upscale; train one with `scales` 2 or more, or `context` shrunk"
    ):
        upscale(build(shape=(1, 4, 4), levels=4), small, 2)
    with pytest.raises(ConfigError, match="doublings is 2; this model of 2 scales can do 1 to 1"):
        upscale(build(shape=(1, 4, 4), levels=4, scales=2), small, 2, doublings=2)


def test_saved_and_loaded(tmp_path):
    model = build(shape=(1, 8, 8), levels=4, scales=2).float()
    model.save_pretrained(tmp_path)
    x = torch.randint(0, 4, (2, 1, 8, 8))
    for other in (MultiScaleModel.from_pretrained(tmp_path), load_model(tmp_path)):
        assert torch.equal(model.log_prob(x), other.log_prob(x))
    with pytest.raises(ConfigError, match="scales is 2; use MultiScaleModel"):
        ImageModel.from_pretrained(tmp_path)
    build(shape=(1, 8, 8)).save_pretrained(tmp_path / "single")
    assert isinstance(load_model(tmp_path / "single"), ImageModel)
    with pytest.raises(ConfigError, match="a Multi-Scale model has at least 2"):
        MultiScaleModel.from_pretrained(tmp_path / "single")


def test_sizes_that_cannot_be_halved():
    with pytest.raises(ConfigError, match="height and width must be multiples of 4; they are 6 and 8"):
        build(shape=(1, 6, 8), scales=3)
    model = build(shape=(1, 8, 8), levels=2, scales=3)
    with pytest.raises(DataError, match="images are 6x8; this model takes multiples of 4"):
        model.log_prob(torch.zeros(1, 1, 6, 8, dtype=torch.uint8))
    with pytest.raises(DataError, match="images are 6x8"):
        model.sample(1, size=(6, 8))
    with pytest.raises(ConfigError, match="scales is 2; a model of several scales makes its own contexts"):
        ModelConfig(shape=(1, 8, 8), context=(1, 4, 4), scales=2)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def config_of(data):
    return ModelConfig(**data.model_fields, architecture="pixelcnn", layers=1, hidden=4, scales=2)


def test_together_is_resumed_exactly(digits, tmp_path):
    whole = fit(build_model(config_of(digits), seed=0), digits, FAST, folder=tmp_path / "whole")
    parts = build_model(config_of(digits), seed=0)
    stopped = fit(parts, digits, FAST, folder=tmp_path / "parts", callback=lambda at: at.step == 5)
    assert not stopped.is_finished
    resumed = fit(load_model(tmp_path / "parts"), digits, FAST, folder=tmp_path / "parts", resume=True)
    assert resumed.best == whole.best


def test_separately_each_scale_has_a_run(digits, tmp_path):
    model = build_model(config_of(digits), seed=0)
    shares = []
    run = fit_scales(model, digits, FAST, folder=tmp_path / "run", callback=lambda at: shares.append(at.fraction))
    assert run.is_finished
    assert shares == sorted(shares)
    assert shares[-1] == 1
    loaded = load_model(tmp_path / "run")
    assert evaluate(loaded, digits.valid.spaced(20)).nats == pytest.approx(run.best, rel=1e-5)
    for number, name in enumerate(["scale-4x4", "scale-8x8"]):
        alone = load_model(tmp_path / "run" / name)
        for mine, whole in zip(alone.state_dict().values(), loaded.models[number].state_dict().values(), strict=True):
            assert torch.equal(mine, whole)
    assert not (tmp_path / "run" / "state.safetensors").exists()


@pytest.mark.parametrize("stop", [5, 17])
def test_separately_is_resumed_where_it_stopped(digits, tmp_path, stop):
    """In the first or in the second scale; the other one is not touched again."""
    whole = fit_scales(build_model(config_of(digits), seed=0), digits, FAST, folder=tmp_path / "whole")
    steps = []

    def callback(at):
        steps.append(at.step)
        return len(steps) == stop

    parts = build_model(config_of(digits), seed=0)
    assert not fit_scales(parts, digits, FAST, folder=tmp_path / "parts", callback=callback).is_finished
    resumed = fit_scales(load_model(tmp_path / "parts"), digits, FAST, folder=tmp_path / "parts", resume=True)
    assert resumed.is_finished
    assert resumed.best == whole.best
    before, after = (load_model(tmp_path / name).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_separately_can_be_stopped_at_once(digits, tmp_path):
    config = dataclasses.replace(FAST, steps=1_000)
    run = fit_scales(build_model(config_of(digits)), digits, config, folder=tmp_path / "run", callback=lambda _: True)
    assert (run.is_finished, run.step, run.metrics) == (False, 1, [])


def test_minutes_are_shared_by_new_pixels(digits, monkeypatch):
    budgets = []

    def noted(model, data, config, **options):
        budgets.append(config.minutes)
        return fit(model, data, TrainConfig(steps=1, samples=0, valid_images=2))

    monkeypatch.setattr("pixelrnn.train.scales.fit", noted)
    config = ModelConfig(**digits.model_fields, architecture="pixelcnn", layers=1, hidden=4, scales=3)
    fit_scales(build_model(config, seed=0), digits, TrainConfig(minutes=16))
    assert budgets == [1, 3, 12]


def test_a_second_training_is_kept_out(digits, tmp_path):
    model = build_model(config_of(digits), seed=0)
    fit_scales(model, digits, FAST, folder=tmp_path / "run")
    with pytest.raises(RunError, match="exists; continue it with `resume`"):
        fit_scales(model, digits, FAST, folder=tmp_path / "run")


def test_what_a_killed_training_left_is_cleared(digits, tmp_path):
    fit_scales(build_model(config_of(digits), seed=0), digits, FAST, folder=tmp_path / "run")
    (tmp_path / "run" / ".pixelrnn-abcd").mkdir()
    (tmp_path / "run" / ".pixelrnn-abcd" / "config.json").write_text("{}")
    model = load_model(tmp_path / "run")
    assert fit_scales(model, digits, FAST, folder=tmp_path / "run", resume=True).is_finished
    assert not (tmp_path / "run" / ".pixelrnn-abcd").exists()


def test_the_whole_has_a_journal(digits, tmp_path):
    run = fit_scales(build_model(config_of(digits), seed=0), digits, FAST, folder=tmp_path / "run")
    (line,) = Run.open(tmp_path / "run").metrics
    assert line["valid_nats"] == run.best
    assert line["step"] == FAST.steps


def test_data_of_another_size(tmp_path):
    for side in (16, 4, 6):
        np.save(tmp_path / f"{side}.npy", np.random.default_rng(0).integers(0, 4, (30, side, side), dtype=np.uint8))
    config = ModelConfig(shape=(1, 8, 8), levels=4, architecture="pixelcnn", layers=1, hidden=4, scales=3)
    for side in (16, 4):
        data = load_data(tmp_path / f"{side}.npy", source_levels=4)
        model = build_model(config, seed=0)
        run = fit_scales(model, data, TrainConfig(steps=2, samples=0, evaluations=1))
        assert evaluate(model, data.valid).nats == pytest.approx(run.best, rel=1e-5)
    with pytest.raises(DataError, match="images are 6x6; this model takes multiples of 4"):
        fit_scales(build_model(config, seed=0), load_data(tmp_path / "6.npy", source_levels=4), FAST)


def test_fit_does_not_train_separately(digits):
    with pytest.raises(ConfigError, match="separately is set; fit trains all scales together"):
        fit(build_model(config_of(digits), seed=0), digits, TrainConfig(separately=True))

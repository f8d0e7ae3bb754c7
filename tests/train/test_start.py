"""A training that starts from the weights of another model."""

import dataclasses
import shutil

import pytest
import torch

from pixelrnn import (
    ConfigError,
    ImageModel,
    ModelConfig,
    MultiScaleModel,
    RunError,
    TrainConfig,
    fit,
    fit_scales,
    load_data,
    load_model,
)
from pixelrnn.runs.run import Run
from pixelrnn.train import evaluate
from pixelrnn.train.start import take_weights

FIELDS = {"shape": (1, 8, 8), "levels": 4, "layers": 1, "hidden": 4}
# So low a rate that nothing changes: what is measured is where a run began.
STILL = TrainConfig(steps=2, batch=8, learning_rate=1e-12, evaluations=1, valid_images=20, samples=0)


@pytest.fixture(scope="module")
def data():
    return load_data("digits", levels=4)


@pytest.fixture
def earlier(data, tmp_path):
    """A run that has learned something."""
    settings = dataclasses.replace(STILL, steps=40, learning_rate=None)
    return fit(ImageModel(ModelConfig(**FIELDS), seed=0), data, settings, folder=tmp_path / "earlier").folder


def test_a_run_begins_with_the_weights_of_another(data, earlier, tmp_path):
    images = data.test.spaced(20)
    reached = evaluate(load_model(earlier), images).nats
    model = ImageModel(ModelConfig(**FIELDS), seed=1)
    assert evaluate(model, images).nats > reached + 1
    settings = dataclasses.replace(STILL, start_from=str(earlier))
    fit(model, data, settings, folder=tmp_path / "run")
    assert evaluate(model, images).nats == pytest.approx(reached, abs=1e-4)
    assert Run.open(tmp_path / "run").config(TrainConfig).start_from == str(earlier)
    # It goes on from its own state: the earlier one may be gone by then.
    shutil.rmtree(earlier)
    other = ImageModel(ModelConfig(**FIELDS), seed=2)
    fit(other, data, dataclasses.replace(settings, steps=4), folder=tmp_path / "run", resume=True)
    assert evaluate(other, images).nats == pytest.approx(reached, abs=1e-4)
    with pytest.raises(RunError, match="earlier is neither a folder nor one of the shipped models"):
        fit(model, data, settings)


def _interrupt(_):
    raise KeyboardInterrupt


def test_what_a_run_starts_from_is_its_best_until_others_are_better(data, earlier, tmp_path):
    images = data.test.spaced(20)
    reached = evaluate(load_model(earlier), images).nats
    worse = dataclasses.replace(STILL, steps=12, learning_rate=0.5, start_from=str(earlier))
    model, seen = ImageModel(ModelConfig(**FIELDS), seed=1), []
    run = fit(model, data, worse, folder=tmp_path / "run", callback=seen.append)
    first, *_, last = Run.open(run.folder).validations
    assert (first["step"], last["step"]) == (0, 12)
    assert last["valid_nats"] > first["valid_nats"]
    assert run.best == first["valid_nats"] == evaluate(load_model(earlier), data.valid.spaced(20)).nats
    assert evaluate(model, images).nats == reached
    assert (seen[0].step, seen[0].line) == (0, first)
    # Stopped at once, it is no worse than what it started from, and counts as trained.
    fit(model, data, worse, folder=tmp_path / "short", callback=lambda at: at.step == 1)
    assert Run.open(tmp_path / "short").is_trained
    assert evaluate(load_model(tmp_path / "short"), images).nats == reached
    # Its start is measured once, even if the run is killed at that moment.
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, worse, folder=tmp_path / "killed", callback=_interrupt)
    for name in ("short", "killed"):
        fit(model, data, worse, folder=tmp_path / name, resume=True)
        assert [line["step"] for line in Run.open(tmp_path / name).validations] == [0, 12]


def test_scales_begin_with_the_weights_of_others(data, tmp_path):
    model = MultiScaleModel(ModelConfig(**FIELDS, scales=2), seed=0)
    model.save_pretrained(tmp_path / "start")
    images = data.test.spaced(20)
    nats = evaluate(model, images).nats
    other = MultiScaleModel(model.config, seed=1)
    assert evaluate(other, images).nats != pytest.approx(nats, abs=1e-2)
    fit_scales(other, data, dataclasses.replace(STILL, start_from=str(tmp_path / "start")), folder=tmp_path / "run")
    assert evaluate(other, images).nats == pytest.approx(nats, abs=1e-3)
    # Also those that are begun when the run is resumed, whatever weights the model has then.
    settings = dataclasses.replace(STILL, start_from=str(tmp_path / "start"))
    fit_scales(MultiScaleModel(model.config), data, settings, folder=tmp_path / "parts", callback=lambda _: True)
    other = MultiScaleModel(model.config, seed=2)
    fit_scales(other, data, settings, folder=tmp_path / "parts", resume=True)
    assert evaluate(other, images).nats == pytest.approx(nats, abs=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": 5}, r"hidden is 5, that of .*start 4"),
        ({"architecture": "row-lstm"}, r"architecture is 'row-lstm', that of .*start 'diagonal-bilstm'"),
        ({"shape": (3, 8, 8)}, r"images are \(3, 8, 8\) with context None, those of .*start \(1, 8, 8\)"),
    ],
)
def test_the_start_is_a_model_of_the_same_kind(tmp_path, fields, message):
    ImageModel(ModelConfig(**FIELDS), seed=0).save_pretrained(tmp_path / "start")
    with pytest.raises(ConfigError, match=message):
        take_weights(
            ImageModel(ModelConfig(**{**FIELDS, **fields})), load_model(tmp_path / "start"), str(tmp_path / "start")
        )


def test_the_start_may_be_of_images_of_another_size(tmp_path):
    start = ImageModel(ModelConfig(**FIELDS), seed=0)
    start.save_pretrained(tmp_path / "start")
    model = ImageModel(ModelConfig(**{**FIELDS, "shape": (1, 12, 10)}), seed=1)
    take_weights(model, load_model(tmp_path / "start"), str(tmp_path / "start"))
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in start.state_dict().items())

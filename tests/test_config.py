"""Configurations: every refusal with its message, and the way through JSON."""

import json

import pytest

from pixelrnn import ConfigError, DataConfig, ModelConfig, TrainConfig, build_model
from pixelrnn.config import from_json, to_json

REFUSED = [
    (ModelConfig, {"architecture": "transformer"}, "architecture is 'transformer'; one of diagonal-bilstm, row-lstm"),
    (ModelConfig, {"output": "poisson"}, "output is 'poisson'; one of auto"),
    (ModelConfig, {"shape": (5, 8, 8)}, "shape has 5 channels; 1 to 4 are allowed"),
    (ModelConfig, {"shape": (1, 0, 8)}, r"shape is \(1, 0, 8\)"),
    (ModelConfig, {"shape": (1, 8, 10**9)}, r"sides of up to 16,777,216 are allowed"),
    (ModelConfig, {"levels": 1}, "levels is 1; 2 to 65536 are allowed, or 0"),
    (ModelConfig, {"layers": 0}, "layers is 0; at least 1"),
    (ModelConfig, {"hidden": 2, "shape": (3, 4, 4)}, r"hidden is 2; at least one feature per channel \(3\)"),
    (ModelConfig, {"head": 2, "shape": (3, 4, 4)}, "head is 2; at least one feature per channel"),
    (ModelConfig, {"mixtures": 0}, "mixtures is 0"),
    (DataConfig, {"size": 0}, "size is .0,.; sides are at least 1"),
    (DataConfig, {"packed": (28, 0)}, "packed is"),
    (DataConfig, {"crop": "random"}, "crop 'random' needs size"),
    (DataConfig, {"crop": "left"}, "crop is 'left'"),
    (DataConfig, {"patches": 3}, "more than 1 needs crop 'random'"),
    (DataConfig, {"patches": 0}, "patches is 0"),
    (DataConfig, {"levels": 65537}, "levels is 65537; 2 to 65536"),
    (DataConfig, {"step": 0}, "step is 0; at least 1 is needed"),
    (DataConfig, {"binarize": "fixed", "levels": 8}, "binarize gives 2 levels; levels is 8"),
    (DataConfig, {"binarize": "maybe"}, "binarize is 'maybe'"),
    (DataConfig, {"channels": "cmyk"}, "channels is 'cmyk'"),
    (DataConfig, {"valid_fraction": 1.5}, "valid_fraction is 1.5"),
    (DataConfig, {"valid_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
    (DataConfig, {"limit": 0}, "limit is 0"),
    (DataConfig, {"source_levels": 1}, "source_levels is 1; 2 to 65536 are allowed"),
    (DataConfig, {"binarize_seed": -1}, "binarize_seed is -1"),
    (DataConfig, {"split_seed": 2**63}, "split_seed is"),
    (TrainConfig, {"seed": -1}, "seed is -1"),
    (TrainConfig, {"minutes": float("nan")}, "minutes is nan"),
    (TrainConfig, {"minutes": 1, "steps": 3}, "minutes and steps are both given; give one budget"),
    (TrainConfig, {"steps": 0}, "steps is 0; it must be above 0"),
    (TrainConfig, {"batch": 0}, "batch is 0"),
    (TrainConfig, {"batch": 2, "accumulate": 3}, r"accumulate is 3; at most batch \(2\)"),
    (TrainConfig, {"optimiser": "sgd"}, "optimiser is 'sgd'"),
    (TrainConfig, {"precision": "float16"}, "precision is 'float16'"),
    (TrainConfig, {"decay": "linear"}, "decay is 'linear'"),
    (TrainConfig, {"learning_rate": 0.0}, "learning_rate is 0.0"),
    (TrainConfig, {"warmup": 1.0}, "warmup is 1.0"),
    (TrainConfig, {"ema": 1.0}, "ema is 1.0"),
    (TrainConfig, {"clip": -1.0}, "clip is -1.0; it cannot be negative"),
]


@pytest.mark.parametrize(("kind", "fields", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused_with_field_value_and_remedy(kind, fields, message):
    with pytest.raises(ConfigError, match=message):
        kind(**fields)


@pytest.mark.parametrize(
    ("output", "levels", "message"),
    [
        ("bernoulli", 3, "'bernoulli' takes levels 2; levels is 3 .try 'softmax'."),
        ("softmax", 1000, "'softmax' takes 2 to 256 levels; levels is 1000"),
        ("logistic-mixture", 0, "takes 2 to 65536 levels; levels is 0 .try 'continuous-mixture'."),
        ("continuous-mixture", 8, "takes continuous data, levels 0; levels is 8 .try 'softmax'."),
    ],
)
def test_outputs_that_do_not_go_with_the_levels(output, levels, message):
    with pytest.raises(ConfigError, match=message):
        _ = ModelConfig(output=output, levels=levels).resolved_output


@pytest.mark.parametrize(
    ("levels", "output"),
    [(2, "bernoulli"), (3, "softmax"), (256, "softmax"), (257, "logistic-mixture"), (0, "continuous-mixture")],
)
def test_auto_picks_by_levels(levels, output):
    assert ModelConfig(levels=levels).resolved_output == output


@pytest.mark.parametrize("config", [ModelConfig(shape=(3, 4, 5)), DataConfig(size=(3, 4)), TrainConfig(steps=3)])
def test_through_json_and_back(config):
    assert from_json(type(config), json.loads(json.dumps(to_json(config))), "here") == config


def test_json_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r"here: unknown field 'colour' \(made by a newer version"):
        from_json(ModelConfig, {"colour": 3}, "here")
    with pytest.raises(ConfigError, match="here: the ModelConfig is not a JSON object"):
        from_json(ModelConfig, [1], "here")
    for value in ("seven", 7.0, True, None):
        with pytest.raises(ConfigError, match=f"here: layers is {value!r}; an integer is needed"):
            from_json(ModelConfig, {"layers": value}, "here")
    with pytest.raises(ConfigError, match="here: a field has the wrong type"):
        from_json(ModelConfig, {"shape": 5}, "here")


def test_a_new_budget_replaces_the_old_one():
    assert TrainConfig(minutes=3).with_budget(steps=5) == TrainConfig(steps=5)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"hidden": 5, "head": 90, "levels": 256},
        {"architecture": "row-lstm", "classes": 50, "layers": 2},
        {"architecture": "pixelcnn", "layers": 12, "mixtures": 500},
        {"architecture": "gated-pixelcnn", "levels": 0, "mixtures": 300},
        {"architecture": "pixelcnn", "shape": (3, 33, 44), "context": (2, 3, 2), "hidden": 3, "layers": 1},
        {"architecture": "row-lstm", "shape": (3, 8, 8), "scales": 3, "hidden": 6, "layers": 1},
        {"architecture": "local", "shape": (3, 8, 8), "classes": 400, "grid": 8, "copies": 8, "hidden": 8},
        {"architecture": "local", "mixtures": 300, "head": 70, "adaptive": True},
        {"architecture": "local", "mixtures": 4000, "hidden": 4, "grid": 8},
        {"architecture": "gated-pixelcnn", "shape": (4, 8, 8), "hidden": 4},
    ],
    ids=str,
)
def test_the_least_weights_are_fewer_than_there_are_but_not_by_much(fields):
    config = ModelConfig(**{"levels": 2, **fields})
    count = sum(tensor.numel() for tensor in build_model(config).state_dict().values())
    assert count / 500 < config.least_weights < count

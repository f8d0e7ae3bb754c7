"""Numbers that are none are found where they come in, and never decide anything; JSON is JSON."""

import json
import math

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataError, RunError, load_data, load_model
from pixelrnn.runs.files import json_text, read_json, read_tensors
from pixelrnn.scores.anomaly import area_under_curve, detector
from pixelrnn.train.checkpoint import Counters, load_state, save_state
from tests.cli.test_cli import run
from tests.conftest import ARCHITECTURES, build


def spoilt(model, value=math.nan):
    """The model with one weight that is none."""
    with torch.no_grad():
        next(each for each in model.parameters() if each.numel()).view(-1)[0] = value
    return model


def small(architecture="pixelcnn"):
    return build(architecture=architecture, shape=(1, 8, 8), levels=17, layers=1).float()


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_weight_that_is_none_is_found_on_loading(architecture, value, tmp_path):
    spoilt(small(architecture), value).save_pretrained(tmp_path)
    with pytest.raises(RunError, match="holds numbers that are not finite: its training went wrong, or it is damaged"):
        load_model(tmp_path)


@pytest.mark.parametrize("command", [["sample"], ["evaluate", "digits"], ["entropy", "digits"], ["score", "digits"]])
def test_no_command_goes_on_with_it(command, tmp_path, capsys):
    spoilt(small()).save_pretrained(tmp_path)
    assert run(command[0], tmp_path, *command[1:]) == 2
    assert "holds numbers that are not finite" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_is_drawn_from_such_a_model_in_memory(architecture):
    model = spoilt(small(architecture))
    x = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    for draw in (
        lambda: model.sample(1),
        lambda: model.complete(x, torch.ones(8, 8, dtype=torch.bool)),
    ):
        with pytest.raises(RunError, match="of the model holds numbers that are not finite: its training went wrong"):
            draw()


def test_scores_that_are_none_decide_nothing():
    model, images = small(), load_data("digits").test.spaced(9)
    for method in ("likelihood", "typicality"):
        found = detector(method, model).fit(images)
        for alpha in (5, -1, 0, 1, math.nan):
            with pytest.raises(ConfigError, match=r"alpha is .*; above 0 and below 1 is needed"):
                found.predict(images, alpha=alpha)
        with pytest.raises(DataError, match="a score is NaN, which is neither usual nor unusual"):
            found.p_values(np.array([0.0, math.nan]))
        assert found.p_values(np.array([-math.inf])) == [1 / 10]
        with pytest.raises(DataError, match="the model produced NaN for an image: its training went wrong"):
            detector(method, spoilt(small())).fit(images)
    for usual, unusual in (([1.0, math.nan, 3.0], [1.0]), ([1.0], [math.nan])):
        with pytest.raises(DataError, match="a score is NaN"):
            area_under_curve(np.array(usual), np.array(unusual))


def strict(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_json_is_strict(tmp_path):
    value = {"a": [math.nan, math.inf, 1.5], "b": (np.float64(-math.inf), 2, None, "x", True)}
    assert strict(json_text(value)) == {"a": [None, None, 1.5], "b": [None, 2, None, "x", True]}
    model = small()
    optimiser = torch.optim.AdamW(model.parameters())
    save_state(tmp_path, Counters(), model, model, optimiser)
    content = (tmp_path / "state.safetensors").read_bytes()
    strict(content[8 : 8 + int.from_bytes(content[:8], "little")])
    strict(json.dumps(read_tensors(tmp_path / "state.safetensors")[1]))
    assert load_state(tmp_path, model, model, optimiser) == Counters()


def test_a_document_that_is_all_brackets(tmp_path, capsys):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(RunError, match="not readable as JSON"):
        read_json(tmp_path / "config.json")
    assert run("info", tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1

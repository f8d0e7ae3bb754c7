"""The training loop: it learns, repeats itself, resumes exactly and stops when it must."""

import json
import math

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataError, ImageModel, ModelConfig, RunError, TrainConfig, classify
from pixelrnn.data import load_data
from pixelrnn.runs.files import read_tensors
from pixelrnn.runs.run import Run
from pixelrnn.train import evaluate, fit
from pixelrnn.train.evaluation import Evaluation
from tests.conftest import WITH_CONTEXT


@pytest.fixture(scope="module")
def data():
    return load_data("digits", levels=4)


def model(**fields):
    settings = {"architecture": "pixelcnn", "shape": (1, 8, 8), "levels": 4, "layers": 1, "hidden": 8, **fields}
    return ImageModel(ModelConfig(**settings), seed=0)


@torch.no_grad()
def poison(trained):
    """As if the training had diverged."""
    next(trained.parameters()).fill_(math.nan)


def config(**fields):
    settings = {"steps": 12, "batch": 8, "evaluations": 3, "valid_images": 20, "samples": 0, **fields}
    return TrainConfig(**settings)


def same(one, two):
    return all(torch.equal(one[name], two[name]) for name in one)


def test_the_loss_falls(data):
    trained = model()
    before = evaluate(trained, data.test)
    run = fit(trained, data, config(steps=60))
    after = evaluate(trained, data.test)
    assert run.is_finished
    assert run.step == 60
    assert after.bits_per_dim < 0.8 * before.bits_per_dim
    assert [line["step"] for line in run.metrics if "valid_nats" in line] == [20, 40, 60]
    assert run.best == min(line["valid_nats"] for line in run.metrics if "valid_nats" in line)


def test_evaluation_is_the_mean_of_log_prob(data):
    judged = model()
    nats = -judged.log_prob(data.test.batch(range(len(data.test)))).double()
    result = evaluate(judged, data.test, batch=7)
    assert result.nats == pytest.approx(nats.mean().item(), rel=1e-6)
    assert result.standard_error == pytest.approx((nats.std() / math.sqrt(len(nats))).item(), rel=1e-5)
    assert result.bits_per_dim == pytest.approx(nats.mean().item() / 64 / math.log(2), rel=1e-6)
    assert result.images == 180
    assert isinstance(result, Evaluation)


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(data, tmp_path):
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(model(), data, config(seed=seed), folder=tmp_path / name)
        runs.append(read_tensors(tmp_path / name / "state.safetensors")[0])
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@pytest.mark.parametrize("optimiser", ["muon", "adamw", "adam", "rmsprop"])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_resumed_run_is_the_unbroken_one(data, tmp_path, optimiser, stop):
    settings = config(optimiser=optimiser, weight_decay=0.01)
    fit(model(), data, settings, folder=tmp_path / "whole")
    broken = fit(model(), data, settings, folder=tmp_path / "parts", callback=lambda at: at.step == stop)
    assert not broken.is_finished
    assert broken.step == stop
    # Another model object, with other weights: everything comes from the folder.
    final = ImageModel(model().config, seed=99)
    run = fit(final, data, settings, folder=tmp_path / "parts", resume=True)
    assert run.is_finished
    states = [read_tensors(tmp_path / name / "state.safetensors") for name in ("whole", "parts")]
    assert same(states[0][0], states[1][0])
    assert same(
        read_tensors(tmp_path / "whole" / "model.safetensors")[0],
        read_tensors(tmp_path / "parts" / "model.safetensors")[0],
    )
    assert same(read_tensors(tmp_path / "whole" / "model.safetensors")[0], final.state_dict())
    lines = [
        [json.loads(text) for text in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    for one, two in zip(*lines, strict=True):
        assert {key: one[key] for key in one if key != "seconds"} == {key: two[key] for key in two if key != "seconds"}


def test_a_torn_journal_line_is_written_again(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run", callback=lambda at: at.step == 8)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "ima')
    run = fit(model(), data, config(), folder=tmp_path / "run", resume=True)
    steps = [json.loads(text)["step"] for text in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [line["step"] for line in run.metrics] == sorted(set(steps))


def test_accumulation_gives_the_same_gradient(data):
    weights = []
    for parts in (1, 3, 8):
        trained = model(layers=3).double()
        fit(trained, data, config(steps=3, accumulate=parts, evaluations=1))
        weights.append(torch.cat([parameter.flatten() for parameter in trained.parameters()]))
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(weights[2], weights[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_no_gradient_lies_in_the_memory_of_another(data, architecture):
    """What is done to one in place, as clipping does, would be done to the other as well."""
    trained = model(architecture=architecture, layers=3)
    trained.log_prob(data.train.batch(range(4))).sum().backward()
    places = [p.grad.untyped_storage().data_ptr() for p in trained.parameters() if p.grad is not None]
    assert len(places) == len(set(places)) > 20


def test_every_image_is_seen_once_an_epoch(data, monkeypatch):
    seen = []
    batch = type(data.train).batch

    def watch(self, items, draw=0):
        if not self.is_fixed:
            seen.extend((draw, item) for item in items)
        return batch(self, items, draw)

    monkeypatch.setattr(type(data.train), "batch", watch)
    small = load_data("digits", levels=4, limit=30)
    fit(model(), small, config(steps=None, epochs=2, batch=8, evaluations=1, valid_images=1))
    assert len(seen) == 64, "8 steps of 8, the first epoch ending within one"
    for epoch in (0, 1):
        assert sorted(item for draw, item in seen if draw == epoch) == list(range(30))
    assert [item for draw, item in seen if draw == 0] != [item for draw, item in seen if draw == 1]


def test_a_run_folder_holds_what_it_should(data, tmp_path):
    run = fit(model(), data, config(samples=4), folder=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "metrics.jsonl", "model.safetensors", "state.safetensors", "curve.png"} <= names
    assert not [name for name in names if name.startswith(".") and name != ".lock"]
    loaded = ImageModel.from_pretrained(tmp_path / "run")
    assert evaluate(loaded, data.valid.spaced(20)).nats == pytest.approx(run.best, rel=1e-6)


@pytest.mark.parametrize(("rest", "drawn", "of_failure"), [(0, [4, 8, 12], [4, 8]), (1e9, [4, 12], [4, 10])])
def test_the_curve_is_drawn_at_evaluations_but_not_too_often(rest, drawn, of_failure, data, tmp_path, monkeypatch):
    """In any case at the first and in the end, also if the end is a failure."""
    monkeypatch.setattr("pixelrnn.train.journal.REST", rest)
    steps = []
    monkeypatch.setattr("pixelrnn.plots.save_curve", lambda path, lines, title: steps.append(lines[-1]["step"]))
    fit(model(), data, config(), folder=tmp_path / "run")
    assert steps == drawn
    steps.clear()
    trained = model()
    with pytest.raises(RunError, match="no longer finite"):
        fit(trained, data, config(), folder=tmp_path / "other", callback=lambda at: at.step == 10 and poison(trained))
    assert steps == of_failure


def test_sample_grids_are_drawn(data, tmp_path):
    fit(model(), data, config(samples=2), folder=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        "00000004.png",
        "00000008.png",
        "00000012.png",
    ]


def test_it_is_loadable_from_the_first_moment(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run", callback=lambda _: True)
    assert ImageModel.from_pretrained(tmp_path / "run").config == model().config


def test_a_folder_that_exists_is_not_overwritten(data, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match=r"run exists; continue it with `resume`, or choose another name"):
        fit(model(), data, config(), folder=tmp_path / "run")


def test_two_trainings_in_one_folder_are_refused(data, tmp_path):
    def second(at):
        if at.step < 8:
            return False
        before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
        with pytest.raises(RunError, match="another process is training in it"):
            fit(model(), data, config(), folder=tmp_path / "run", resume=True)
        assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before, "and nothing was touched"
        return True

    fit(model(), data, config(checkpoint_minutes=99, evaluations=1), folder=tmp_path / "run", callback=second)


@pytest.mark.parametrize("checkpoint", [0.0, 99.0], ids=["saved every step", "saved at validations"])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(data, tmp_path, checkpoint):
    trained, settings = model(), config(checkpoint_minutes=checkpoint)
    with pytest.raises(
        RunError, match=r"no longer finite after step 6; the last good state is kept in .*run; try a lower"
    ):
        fit(trained, data, settings, folder=tmp_path / "run", callback=lambda at: at.step == 6 and poison(trained))
    tensors, counters = read_tensors(tmp_path / "run" / "state.safetensors")
    assert counters["step"] == (5 if checkpoint == 0 else 4)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert fit(model(), data, settings, folder=tmp_path / "run", resume=True).is_finished


def test_weights_that_explode_are_never_kept(data, tmp_path):
    """A rate so high that the weights stay finite but the next loss is not."""
    settings = config(steps=6, evaluations=6, learning_rate=1e30, optimiser="adam", checkpoint_minutes=0)
    with pytest.raises(RunError, match="no longer finite"):
        fit(model(), data, settings, folder=tmp_path / "run")
    assert evaluate(ImageModel.from_pretrained(tmp_path / "run"), data.test.spaced(5)).nats < 1e4
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_new_budget_is_recorded(data, tmp_path):
    fit(model(), data, config(steps=4), folder=tmp_path / "run")
    fit(model(), data, config(steps=9), folder=tmp_path / "run", resume=True, callback=lambda at: at.step == 6)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["steps"] == 9
    assert (
        fit(model(), data, Run.open(tmp_path / "run").config(TrainConfig), folder=tmp_path / "run", resume=True).step
        == 9
    )


def test_other_images_than_those_begun_with_are_refused(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run", callback=lambda _: True)
    fewer = load_data("digits", levels=4, limit=100)
    with pytest.raises(
        RunError, match=r"digits now gives .*100.*; the run was begun with .*1437.*a new one can `start_from` .*run"
    ):
        fit(model(), fewer, config(), folder=tmp_path / "run", resume=True)


def test_what_was_learned_is_kept_when_stopped_before_a_validation(data, tmp_path):
    stopped = model()
    fit(stopped, data, config(steps=300, evaluations=1), folder=tmp_path / "run", callback=lambda at: at.step == 60)
    assert evaluate(stopped, data.test).nats < 0.9 * evaluate(model(), data.test).nats
    loaded = ImageModel.from_pretrained(tmp_path / "run")
    assert evaluate(loaded, data.test).nats == evaluate(stopped, data.test).nats


def test_what_was_best_is_kept_when_a_larger_budget_is_stopped_before_a_validation(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run")
    best = read_tensors(tmp_path / "run" / "model.safetensors")[0]
    resumed = model()
    fit(resumed, data, config(steps=500), folder=tmp_path / "run", resume=True, callback=lambda _: True)
    assert same(read_tensors(tmp_path / "run" / "model.safetensors")[0], best)
    assert same(resumed.state_dict(), best)


def test_a_learning_rate_goes_with_the_architecture(data, tmp_path):
    for architecture, rate in (("pixelcnn", 2e-3), ("row-lstm", 4e-3)):
        fit(model(architecture=architecture), data, config(steps=1), folder=tmp_path / architecture)
        assert Run.open(tmp_path / architecture).config(TrainConfig).learning_rate == rate
    fit(model(), data, config(steps=1, learning_rate=0.1), folder=tmp_path / "given")
    assert Run.open(tmp_path / "given").config(TrainConfig).learning_rate == 0.1


def test_what_a_killed_process_left_is_cleared(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run", callback=lambda _: True)
    (tmp_path / "run" / ".pixelrnn-abc.safetensors").write_bytes(b"half")
    (tmp_path / "run" / ".notes.txt").write_text("mine")
    fit(model(), data, config(), folder=tmp_path / "run", resume=True)
    assert {path.name for path in (tmp_path / "run").glob(".*")} == {".lock", ".notes.txt"}


def test_nothing_to_resume(data, tmp_path):
    with pytest.raises(ConfigError, match="resume is set, but no folder is given"):
        fit(model(), data, config(), resume=True)
    with pytest.raises(RunError, match="there is no run to resume"):
        fit(model(), data, config(), folder=tmp_path / "none", resume=True)


def test_a_single_step_learns(data):
    trained = model()
    fit(trained, data, config(steps=1, evaluations=1, ema=0))
    assert not same(trained.state_dict(), model().state_dict())


def test_damaged_state_is_named(data, tmp_path):
    fit(model(), data, config(), folder=tmp_path / "run", callback=lambda _: True)
    with pytest.raises(RunError, match=r"state\.safetensors: not the training state of this model"):
        fit(model(hidden=9), data, config(), folder=tmp_path / "run", resume=True)
    (tmp_path / "run" / "state.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="damaged or not a safetensors file"):
        fit(model(), data, config(), folder=tmp_path / "run", resume=True)


def test_data_that_does_not_fit_is_refused(data, tmp_path):
    with pytest.raises(
        DataError, match="the images have 1 channels and 4 levels; the model takes 1 channels and 8 levels"
    ):
        fit(model(levels=8), data, config())
    np.save(tmp_path / "one.npy", np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(DataError, match="0 images to train on and 0 to validate on; at least 1 of each is needed"):
        fit(model(levels=256), load_data(tmp_path / "one.npy"), config())
    with pytest.raises(DataError, match="there are no images to evaluate"):
        evaluate(model(levels=256), load_data(tmp_path / "one.npy").valid)
    with pytest.raises(DataError, match="the images have 4 levels; the model has 256"):
        evaluate(model(levels=256), data.test)
    with pytest.raises(ConfigError, match="batch is 0"):
        evaluate(model(), data.test, batch=0)


def test_time_is_a_budget(data):
    run = fit(model(), data, TrainConfig(minutes=0.02, batch=8, evaluations=1, valid_images=2, samples=0))
    assert run.is_finished
    assert 1.2 <= run.metrics[-1]["seconds"] < 10


def test_mixed_precision_learns_too(data):
    trained = model()
    before = evaluate(trained, data.test).nats
    fit(trained, data, config(steps=30, precision="bfloat16"))
    assert evaluate(trained, data.test).nats < before


def test_average_weights_are_the_formula(data):
    """By hand: the average follows the weights at the rate of the formula."""
    trained = model()
    watched = next(trained.parameters())
    average = watched.detach().clone()

    def follow(at):
        average.lerp_(watched.detach(), 1 - min(0.9, at.step / (9 + at.step)))

    fit(trained, data, config(steps=4, ema=0.9, evaluations=1), callback=follow)
    torch.testing.assert_close(watched.detach(), average)


@pytest.mark.parametrize("architecture", ["diagonal-bilstm", "row-lstm", "gated-pixelcnn"])
def test_mixed_precision_of_every_architecture(data, architecture):
    trained = model(architecture=architecture)
    before = evaluate(trained, data.test.spaced(20)).nats
    fit(trained, data, config(steps=15, precision="bfloat16", evaluations=1))
    assert evaluate(trained, data.test.spaced(20)).nats < before


def test_tensorboard_events_are_written(data, tmp_path):
    fit(model(), data, config(tensorboard=True), folder=tmp_path / "run")
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_tensorboard_needs_the_extra(data, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pixelrnn\[tensorboard\]'"):
        fit(model(), data, config(tensorboard=True), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def labelled():
    return load_data("digits", levels=4, labels=True)


def test_withheld_labels(labelled, monkeypatch):
    """The share that was asked for, another choice each epoch, and none where no label is to be withheld."""
    given = []
    count = len(labelled.train)

    def noted(self, x, condition, **_):
        given.append(condition.label)
        return self.output.log_prob(self(x, label=condition.label), x)

    for share in (0.25, 0.0):
        given.clear()
        conditional = model(classes=10, label_dropout=share)
        with monkeypatch.context() as patched:
            patched.setattr(ImageModel, "map_as_read", noted)
            fit(conditional, labelled, config(steps=2 * count // 64, batch=64, evaluations=1, valid_images=1))
        dropped = torch.cat(given[: 2 * count // 64]) < 0
        assert dropped.float().mean().item() == pytest.approx(share, abs=0.03)
    assert set(torch.cat(given).tolist()) == set(range(10))


def test_a_resumed_run_withholds_the_same_labels(labelled, tmp_path):
    conditional = {"classes": 10, "label_dropout": 0.5}
    fit(model(**conditional), labelled, config(), folder=tmp_path / "whole")
    fit(model(**conditional), labelled, config(), folder=tmp_path / "parts", callback=lambda at: at.step == 5)
    fit(model(**conditional), labelled, config(), folder=tmp_path / "parts", resume=True)
    states = [read_tensors(tmp_path / name / "state.safetensors")[0] for name in ("whole", "parts")]
    assert same(*states)
    fit(model(**conditional), labelled, config(accumulate=3), folder=tmp_path / "thirds")
    thirds = read_tensors(tmp_path / "thirds" / "state.safetensors")[0]
    for name, tensor in states[0].items():
        torch.testing.assert_close(thirds[name], tensor, atol=2e-4, rtol=2e-3)


def test_conditions_of_data_and_model_must_agree(data, labelled):
    with pytest.raises(DataError, match="classes of the data is 10, that of the model 0"):
        fit(model(), labelled, config())
    with pytest.raises(DataError, match="classes of the data is 0, that of the model 3"):
        fit(model(classes=3), data, config())
    with pytest.raises(DataError, match="context of the data is None for images of"):
        fit(model(context=(1, 4, 4)), data, config())
    with pytest.raises(DataError, match="copies_context of the data is False, that of the model True"):
        fit(
            model(context=(1, 4, 4), copies_context=True),
            load_data("digits", levels=4, context="shrunk"),
            config(),
        )


def test_classification_counts_what_classify_says(labelled):
    conditional = model(classes=10, label_dropout=0.5)
    fit(conditional, labelled, config(steps=40))
    result = classify(conditional, labelled.test, batch=7)
    images, (label, *_) = labelled.test.examples(range(len(labelled.test)))
    with torch.no_grad():
        posterior = conditional.classify(images)
        joint = torch.stack([conditional.log_prob(images, label=y) for y in range(10)], 1) - math.log(10)
    assert result.accuracy == pytest.approx((posterior.argmax(1) == label).double().mean().item())
    assert result.nats == pytest.approx(-posterior.gather(1, label[:, None]).mean().item(), rel=1e-5)
    assert result.marginal_nats == pytest.approx(-joint.logsumexp(1).mean().item(), rel=1e-5)
    with pytest.raises(DataError, match="the images have no labels to compare with"):
        classify(conditional, load_data("digits", levels=4).test)

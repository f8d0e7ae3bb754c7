"""Orders and augmentations of a training: drawn for each image, told to the network, and nothing of the rest."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pixelrnn import (
    ConfigError,
    DataError,
    ModelConfig,
    TrainConfig,
    build_model,
    fit,
    fit_scales,
    load_data,
    load_model,
)
from pixelrnn.config.architectures import ARCHITECTURES as KNOWN
from pixelrnn.nn.condition import AUGMENTATION
from pixelrnn.train.augment import augment, draw
from pixelrnn.train.draws import OF_AUGMENTATIONS, OF_IMAGES, OF_LABELS, OF_ORDERS, _stream, draw_examples, prepare
from tests.cli.test_cli import run
from tests.conftest import build

TOLD = [name for name, traits in KNOWN.items() if traits.takes_orders]


def told(n, **numbers):
    """What is done to n images, by the names of the numbers."""
    names = ("right", "down", "right2", "down2", "shift", "angle", "size", "warp")
    found = torch.zeros(n, AUGMENTATION)
    for name, value in numbers.items():
        found[:, names.index(name)] = value
    return found


@pytest.mark.parametrize("levels", [2, 256, 0])
def test_shifts_are_exact(levels):
    config = ModelConfig(shape=(3, 7, 9), levels=levels)
    x = torch.randint(0, levels, (2, 3, 7, 9), dtype=torch.uint8) if levels else torch.randn(2, 3, 7, 9)
    for right in (-2, -1, 0, 1, 2):
        for down in (-2, 0, 1):
            rows, columns = (torch.arange(7) - down).clamp(0, 6), (torch.arange(9) - right).clamp(0, 8)
            found = augment(config, x, told(2, right=right / 2, down=down / 2, shift=1))
            torch.testing.assert_close(found, x[:, :, rows][..., columns], rtol=1e-6, atol=1e-6)
            assert found.dtype == x.dtype


def test_what_is_told_nothing_of_is_not_changed():
    config, x = ModelConfig(shape=(1, 6, 6), levels=256), torch.randint(0, 256, (3, 1, 6, 6), dtype=torch.uint8)
    changes = told(3)
    changes[1, 5], changes[1, 7] = 1, 1
    found = augment(config, x, changes)
    assert torch.equal(found[[0, 2]], x[[0, 2]])
    assert not torch.equal(found[1], x[1])


def test_an_image_is_turned_about_its_centre():
    config, x = ModelConfig(shape=(1, 41, 41), levels=2), torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
    x[..., 20, 20:] = 1  # a line from the centre to the right
    (turned,) = augment(config, x, told(1, angle=1, warp=1))[:, 0]
    rows, columns = torch.nonzero(turned, as_tuple=True)
    far = columns > 30
    found = torch.atan2((rows[far] - 20).float().mean(), (columns[far] - 20).float().mean())
    # Clockwise.
    assert math.degrees(found) == pytest.approx(10, abs=1.5)
    larger = augment(config, x, told(1, size=-1, warp=1))
    assert larger[..., 20, 20:].sum() == pytest.approx(21, abs=1)  # the border repeats


def test_so_many_are_changed_and_all_numbers_are_in_range():
    found = draw(np.random.default_rng(0), 20_000, 0.4)
    is_changed = found.any(1)
    assert is_changed.mean() == pytest.approx(0.4, abs=0.02)
    assert np.abs(found).max() <= 1
    is_shift, is_warp = found[:, 4] == 1, found[:, 7] == 1
    assert is_shift.mean() == pytest.approx(0.2, abs=0.02)
    assert not (is_shift & is_warp).any()
    assert not found[~is_shift, :5].any()
    assert not found[~is_warp, 5:].any()
    assert {*np.unique(found[is_shift, 0])} == {-1, -0.5, 0, 0.5, 1}


@pytest.mark.parametrize("architecture", TOLD)
def test_the_distribution_of_what_is_not_changed_is_its_own(architecture):
    """Whatever is learnt of augmentations, no face that is told of none looks at it."""
    model = build(architecture=architecture, shape=(1, 4, 5), levels=2, orders=2, augmented=True)
    images = torch.randint(0, 2, (4, 1, 4, 5), dtype=torch.uint8)
    with torch.no_grad():
        before, sample = model.log_prob(images), model.float().sample(4, seed=0)
        model.double()
        changed = [name for name, weight in model.named_parameters() if name.endswith("augmentation")]
        for name in changed:
            model.get_parameter(name).mul_(-3)
        assert changed
        assert torch.equal(model.log_prob(images), before)
        assert torch.equal(model.float().sample(4, seed=0), sample)
        # And it is looked at where something is told.
        model.double()
        x, given = model.checked(images, examples_condition())
        given = given._replace(label=torch.zeros(4, dtype=torch.int64))
        plain = model.map_as_read(x, given)
        assert not torch.allclose(model.map_as_read(x, given._replace(augmentation=told(4, shift=1))), plain)
        assert torch.equal(model.map_as_read(x, given._replace(augmentation=told(4))), plain)


def examples_condition():
    from pixelrnn.condition import Condition

    return Condition()


def test_a_training_sees_each_order():
    data = load_data("digits")
    model = build(architecture="row-lstm", orders=8, augmented=True, **data.model_fields)
    config = TrainConfig(augment=0.5, seed=3)
    examples = draw_examples(model.config, config, data, range(400))
    again = draw_examples(model.config, config, data, range(100, 400))
    orders = examples.condition.order
    assert torch.equal(orders[100:], again.condition.order)
    assert torch.equal(examples.condition.augmentation[100:], again.condition.augmentation)
    assert orders.bincount(minlength=8).min() > 25
    other = draw_examples(model.config, dataclasses.replace(config, seed=4), data, range(400))
    assert not torch.equal(other.condition.order, orders)
    epochs = draw_examples(model.config, config, data, range(len(data.train) - 2, len(data.train) + 2))
    assert len(epochs.images) == 4
    # The loss is that of each image in its own order.
    plain = draw_examples(model.config, dataclasses.replace(config, augment=0.0), data, range(50))
    with torch.no_grad():
        nats = sum(model.map_as_read(x, given).sum() for x, given in prepare(model, plain))
        wanted = model.log_prob(plain.images, order=plain.condition.order).sum()
    torch.testing.assert_close(nats, wanted)


def test_orders_of_images_that_are_not_square(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, (30, 4, 6), dtype=np.uint8))
    data = load_data(tmp_path / "x.npy", source_levels=2)
    model = build(architecture="pixelcnn", orders=8, **data.model_fields)
    examples = draw_examples(model.config, TrainConfig(), data, range(20))
    parts = list(prepare(model, examples))
    assert [tuple(x.shape[2:]) for x, _ in parts] == [(4, 6), (6, 4)]
    fit(model.float(), data, TrainConfig(steps=2, batch=8, samples=0))


def test_a_stopped_training_in_orders_comes_to_the_same_weights(tmp_path):
    data = load_data("digits", limit=60)
    config = TrainConfig(steps=6, batch=8, samples=0, evaluations=2, augment=0.5)
    fields = {"architecture": "row-lstm", "layers": 1, "hidden": 4, "orders": 4, "augmented": True}
    weights = []
    for name, stops in (("whole", ()), ("parts", (2, 4))):
        for stop in (*stops, None):
            model = build_model(ModelConfig(**data.model_fields, **fields), seed=0)
            folder = tmp_path / name
            fit(
                model,
                data,
                config,
                folder=folder,
                resume=folder.exists(),
                callback=lambda at, stop=stop: at.step == stop,
            )
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_more_orders_begin_with_the_weights_of_fewer(tmp_path):
    data = load_data("digits", limit=40)
    fields = {"architecture": "row-lstm", "layers": 1, "hidden": 4}
    first = build_model(ModelConfig(**data.model_fields, **fields), seed=0)
    fit(first, data, TrainConfig(steps=3, batch=8, samples=0), folder=tmp_path / "one")
    options = ["--steps", 1, "--batch", 8, "--samples", 0, "--limit", 40, "--learning-rate", 1e-30]
    start = ["--start-from", tmp_path / "one"]
    assert run("train", "digits", *options, *start, "--orders", 8, "--augment", 0.3, "--out", tmp_path / "eight") == 0
    found, before = load_model(tmp_path / "eight"), load_model(tmp_path / "one")
    assert (found.config.orders, found.config.augmented) == (8, True)
    images = data.test.batch(range(4))
    with torch.no_grad():
        torch.testing.assert_close(found.log_prob(images, order=0), before.log_prob(images))
    assert run("train", "digits", *options, "--start-from", tmp_path / "eight", "--out", tmp_path / "again") == 0
    assert load_model(tmp_path / "again").config.orders == 8
    fewer = build_model(ModelConfig(**data.model_fields, **fields, orders=2, augmented=True), seed=0)
    with pytest.raises(ConfigError, match=r"orders is 2, that of .*eight 8: that is less"):
        fit(fewer, data, TrainConfig(steps=1, start_from=str(tmp_path / "eight")))


def test_what_does_not_go_together(tmp_path):
    data = load_data("digits", limit=40)
    plain = build(architecture="row-lstm", layers=1, **data.model_fields).float()
    with pytest.raises(ConfigError, match=r"augment is 0\.5, for a model whose config is not `augmented`"):
        fit(plain, data, TrainConfig(steps=1, augment=0.5))
    grey = load_data("digits", limit=40, context="shrunk")
    given = build(architecture="row-lstm", layers=1, augmented=True, **grey.model_fields).float()
    with pytest.raises((ConfigError, DataError), match=r"augment is 0\.5, for a model which has a context"):
        fit(given, grey, TrainConfig(steps=1, augment=0.5))
    scales = build(architecture="row-lstm", layers=1, orders=2, scales=2, **data.model_fields).float()
    with pytest.raises(ConfigError, match="separately is set, and orders is 2: that is one of all scales"):
        fit_scales(scales, data, TrainConfig(steps=1, separately=True))
    with pytest.raises(ConfigError, match="augment is 1; it is a share of the images"):
        TrainConfig(augment=1)


def test_the_command_line_takes_orders(tmp_path, capsys):
    options = ["--steps", 2, "--batch", 8, "--samples", 0, "--limit", 40, "--layers", 1, "--hidden", 4]
    folder = tmp_path / "run"
    given = ["--architecture", "row-lstm", "--orders", 4, "--augment", 0.2, "--out", folder]
    assert run("train", "digits", *options, *given) == 0
    assert "4 orders" in capsys.readouterr().out
    assert run("sample", folder, "-n", 3, "--order", 2) == 0
    assert run("sample", folder, "-n", 3, "--order", 7, "--out", tmp_path / "x") == 2
    assert "order is 7; 0, 1, 2, 3 are there" in capsys.readouterr().err
    for order in ([], ["--order", "3"], ["--order", "all"]):
        out = ["--keep", "bottom", "--limit", 1, "--particles", 4, "--overwrite", "--json"]
        assert run("complete", folder, *out, *order) == 0
    assert run("complete", folder, "--keep", "bottom", "--order", "best") == 2
    assert "--order is 'best'; a number or all is allowed" in capsys.readouterr().err


def test_copied_contexts_are_read_in_orders_that_keep_them():
    data = load_data("digits", context="subsample", limit=60)
    model = build(architecture="row-lstm", layers=1, orders=8, **data.model_fields).float()
    assert set(draw_examples(model.config, TrainConfig(), data, range(60)).condition.order.tolist()) == {0, 4}
    run = fit(model, data, TrainConfig(steps=2, batch=8, samples=0))
    assert math.isfinite(run.best)


def test_what_is_drawn_of_one_thing_says_nothing_of_another():
    """Streams of random numbers that count upwards from starts close together would be one."""
    streams = [
        _stream(0, 0, of).bit_generator.random_raw(64) for of in (OF_IMAGES, OF_LABELS, OF_ORDERS, OF_AUGMENTATIONS)
    ]
    assert len(np.unique(np.concatenate(streams))) == 4 * 64


def test_scales_one_after_the_other_are_not_augmented():
    data = load_data("digits", limit=40)
    scales = build(architecture="row-lstm", layers=1, augmented=True, scales=2, **data.model_fields).float()
    with pytest.raises(ConfigError, match=r"separately is set, and augment is 0\.5: that is one of all scales"):
        fit_scales(scales, data, TrainConfig(steps=1, separately=True, augment=0.5))


def test_fewer_orders_than_there_are_are_refused(tmp_path, capsys):
    data = load_data("digits", limit=40)
    model = build(architecture="row-lstm", layers=1, orders=4, **data.model_fields).float()
    model.save_pretrained(tmp_path / "four")
    given = ["--start-from", tmp_path / "four", "--orders", 2, "--steps", 1, "--limit", 40, "--out", tmp_path / "x"]
    assert run("train", "digits", *given) == 2
    assert "--orders is 2" in (said := capsys.readouterr().err)
    assert ", and keeps them" in " ".join(said.split())

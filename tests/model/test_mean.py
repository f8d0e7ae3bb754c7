"""Means of models: exact densities, the same in both faces, saved as one, and codes."""

import math

import numpy as np
import pytest
import torch

from pixelrnn import (
    Codec,
    ConfigError,
    DataError,
    RunError,
    Support,
    TrainConfig,
    fit,
    load_data,
    load_model,
    mean_model,
)
from pixelrnn.model.mean import MeanModel
from tests.conftest import all_images, build
from tests.model.test_complete import distance, exact, frequencies, mask, noise

SHAPE = (1, 2, 3)
SHARES = [1.0, 3.0]


def two(**fields):
    fields = {"shape": SHAPE, "levels": 3} | fields
    return [build(architecture="row-lstm", seed=1, **fields), build(architecture="pixelcnn", seed=2, **fields)]


@pytest.mark.parametrize("of", ["images", "values"])
@pytest.mark.parametrize(
    "fields", [{}, {"orders": 8}, {"classes": 2, "label_dropout": 0.5}, {"scales": 2, "shape": (1, 2, 4), "levels": 2}]
)
def test_a_mean_is_a_density(of, fields):
    models = two(**fields)
    mean = mean_model(models, SHARES, of=of)
    shape, levels = models[0].config.shape, models[0].config.levels
    images, given = all_images(shape, levels), {"label": 1} if "classes" in fields else {}
    with torch.no_grad():
        found = mean.log_prob(images, **given)
        each = torch.stack([model.log_prob(images, **given) for model in models])
        maps = torch.stack([model.log_prob_map(images, **given) for model in models])
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-9)
    logs = torch.tensor([0.25, 0.75], dtype=torch.float64).log()
    if of == "images":
        torch.testing.assert_close(found, (each + logs[:, None]).logsumexp(0))
    elif "orders" not in fields:
        values = (maps + logs[:, None, None, None, None]).logsumexp(0)
        torch.testing.assert_close(mean.log_prob_map(images, **given), values)
    assert (found - each[0]).abs().max() > 0.05
    torch.testing.assert_close(mean.log_prob_map(images, **given).sum((1, 2, 3)), found)


@pytest.mark.parametrize("of", ["images", "values"])
@pytest.mark.parametrize("fields", [{"levels": 2}, {"levels": 2, "orders": 4}])
def test_it_is_sampled_and_completed(of, fields):
    mean = mean_model([model.float() for model in two(**fields)], SHARES, of=of)
    count = 20_000
    with torch.no_grad():
        wanted = mean.log_prob(all_images(SHAPE, 2)).double().exp()
    assert distance(frequencies(mean, mean.sample(count, seed=0)), wanted) < 2 * noise(wanted, count)
    x, known = torch.tensor([[[1, 0, 1], [0, 0, 0]]]), mask("xx.", "...")
    posterior, evidence = exact(mean, x, known)
    done = mean.complete(x.expand(count, *SHAPE), known, seed=0, particles=1, order=0 if of == "values" else None)
    if "orders" not in fields:
        assert done.log_known.numpy() == pytest.approx(evidence, abs=1e-4)
        assert distance(frequencies(mean, done.images), posterior) < 2 * noise(posterior, count)
    assert (done.images[:, 0, 0, :2] == x[0, 0, :2]).all()
    assert torch.equal(mean.sample(5, seed=0), mean.sample(count, seed=0)[:5])


def test_particles_of_values_come_to_the_posterior():
    mean = mean_model([model.float() for model in two(levels=2)], SHARES)
    x, known, count = torch.tensor([[[0, 0, 0], [1, 0, 1]]]), mask("...", "xxx"), 4_000
    posterior, evidence = exact(mean, x, known)
    done = mean.complete(x.expand(count, *SHAPE), known, seed=0, particles=32)
    assert done.log_known.exp().mean().log().item() == pytest.approx(evidence, abs=0.05)
    assert distance(frequencies(mean, done.images), posterior) < 2 * noise(posterior, count)


def test_temperature_and_what_is_left_out():
    mean = mean_model([model.float() for model in two(levels=3)], SHARES)
    likeliest = mean.sample(50, seed=0, temperature=1e-6)
    assert (likeliest == likeliest[0]).all()
    assert torch.equal(mean.sample(50, seed=1, top_k=1), likeliest)
    first = {int(value) for value in mean.sample(400, seed=0, top_k=2)[:, 0, 0, 0]}
    assert len(first) == 2


@pytest.mark.parametrize("fields", [{}, {"orders": 8}, {"classes": 2, "label_dropout": 0.5}])
def test_a_mean_of_values_codes(fields):
    mean = mean_model([model.float() for model in two(levels=5, **fields)], SHARES)
    label = {"label": torch.arange(60) % 3 - 1} if "classes" in fields else {}
    images = mean.sample(60, seed=0, **label)
    data = Codec(mean).encode(images, **label)
    assert torch.equal(Codec(mean).decode(data), images)
    with torch.no_grad():
        orders = range(mean.config.orders)
        least = torch.stack([mean.log_prob(images, **label, order=k) for k in orders]).max(0).values
    assert len(data) < -least.sum().item() / math.log(2) / 8 + 60 * 3 / 8 + 450
    other = mean_model([model.float() for model in two(levels=5, **fields)], [1.0, 1.0])
    assert Codec(other).fingerprint != Codec(mean).fingerprint
    with pytest.raises(ConfigError, match="no compiled walk"):
        Codec(mean_model(two(levels=5), of="images"))


@pytest.mark.parametrize("of", ["images", "values"])
def test_it_is_saved_as_one_model(of, tmp_path):
    models = [*two(), build(architecture="gated-pixelcnn", shape=SHAPE, levels=3, layers=1)]
    mean = mean_model([model.float() for model in models], [1, 2, 3], of=of)
    mean.save_pretrained(tmp_path / "mean")
    again = load_model(tmp_path / "mean")
    images = all_images(SHAPE, 3)[::7]
    with torch.no_grad():
        assert torch.equal(again.log_prob(images), mean.log_prob(images))
    assert torch.equal(again.sample(9, seed=2), mean.sample(9, seed=2))
    assert "mean of 3 models" in repr(again)
    text = (tmp_path / "mean" / "config.json").read_text()
    for wrong in ('"of": "noise"', '"of": 3'):
        (tmp_path / "mean" / "config.json").write_text(text.replace(f'"of": "{of}"', wrong))
        with pytest.raises(RunError, match="what it is a mean of cannot be read"):
            load_model(tmp_path / "mean")


def test_a_mean_of_weights_is_one_of_its_kind():
    models = [build(architecture="row-lstm", shape=SHAPE, levels=3, seed=seed).float() for seed in (1, 2)]
    mean = mean_model(models, SHARES, of="weights")
    for (name, found), *each in zip(
        mean.state_dict().items(), *(model.state_dict().values() for model in models), strict=True
    ):
        torch.testing.assert_close(found, 0.25 * each[0] + 0.75 * each[1], msg=name)
    assert mean.config == models[0].config
    with pytest.raises(ConfigError, match="differ in more than their weights"):
        mean_model(two(), of="weights")


def test_what_has_no_mean():
    models = two()
    for wrong in ([1.0], [1.0, 0.0], [1.0, math.inf], [1.0, -1.0]):
        with pytest.raises(ConfigError, match="numbers above 0 are needed"):
            mean_model(models, wrong)
    with pytest.raises(ConfigError, match="levels is 3 of the first model and 2 of another"):
        mean_model([models[0], two(levels=2)[0]])
    with pytest.raises(ConfigError, match="orders is 1 of the first model and 2 of another"):
        mean_model([models[0], two(orders=2)[0]])
    mean_model([models[0], two(orders=2)[0]], of="images")
    colour = build(architecture="row-lstm", shape=(3, 2, 3), levels=3)
    with pytest.raises(ConfigError, match="the models take 1 and 3 channels; they have to agree"):
        mean_model([models[0], colour])
    with pytest.raises(ConfigError, match="no models"):
        mean_model([])
    with pytest.raises(ConfigError, match="of is 'logits'; 'images', 'values' or 'weights' is allowed"):
        mean_model(models, of="logits")
    local = mean_model([build(architecture="local", shape=SHAPE, levels=3, seed=seed) for seed in (1, 2)])
    images = all_images(SHAPE, 3)
    with torch.no_grad():
        assert local.log_prob(images).exp().sum().item() == pytest.approx(1, abs=1e-9)
    with pytest.raises(ConfigError, match="local ones have not"):
        local.sample(1)
    assert np.isfinite(mean_model(local.models, of="images").sample(3, seed=0).numpy()).all()


@pytest.mark.parametrize("of", ["images", "values"])
def test_a_support_is_that_of_each(of):
    models = [build(architecture="local", shape=(3, 1, 2), levels=3, seed=seed) for seed in (1, 2)]
    support = Support(np.array([[0, 1, 2], [2, 2, 0], [1, 0, 0]]))
    colours = torch.from_numpy(support.colours)
    images = torch.stack([torch.stack([a, b], 1)[:, None] for a in colours for b in colours])
    with torch.no_grad():
        assert mean_model(models, of=of).log_prob(images, support=support).exp().sum().item() == pytest.approx(
            1, abs=1e-9
        )


def test_what_is_no_member_of_a_mean(tmp_path):
    models = [model.float() for model in two()]
    with pytest.raises(ConfigError, match="one of the models is a mean itself; give its models"):
        mean_model([models[0], mean_model(models)])
    with pytest.raises(ConfigError, match="numbers above 0 that sum to 1 are needed"):
        MeanModel(models, [3, 5], "images")
    fields = {"architecture": "row-lstm", "shape": (1, 4, 4), "levels": 3}
    with pytest.raises(ConfigError, match="contexts of the models are other parts of an image"):
        mean_model([build(context=(1, 2, 2), **fields), build(context=(1, 2, 2), **fields | {"shape": (1, 2, 2)})])
    mean_model(models).save_pretrained(tmp_path / "mean")
    with pytest.raises(RunError, match=r"pixelrnn.load_model reads a mean of models"):
        MeanModel.from_pretrained(tmp_path / "mean")
    data = load_data("digits", levels=3, limit=20)
    own = [build(architecture="row-lstm", levels=3, shape=(1, 8, 8), seed=seed).float() for seed in (1, 2)]
    with pytest.raises(DataError, match="a mean of models is not trained; train its models"):
        fit(mean_model(own), data, TrainConfig(steps=1))
    mean_model(own).save_pretrained(tmp_path / "digits")
    with pytest.raises(ConfigError, match="is a mean of models, which has no weights of its own"):
        fit(own[0], data, TrainConfig(steps=1, start_from=str(tmp_path / "digits")))


def test_what_cannot_be_weighs_little():
    """A known value that is left out by top k has a floor, as in the walk of a single model."""
    mean = mean_model([model.float() for model in two(levels=3)], SHARES)
    x, known = mean.sample(6, seed=0), mask("xxx", "..x")
    done = mean.complete(x, known, top_k=1, particles=8, seed=0)
    assert done.log_known.isfinite().all()

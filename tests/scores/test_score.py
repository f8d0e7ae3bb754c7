"""Scores and entropy, against models whose images can all be counted."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ConfigError, DataError, load_data
from pixelrnn.scores.entropy import bootstrap, entropy
from pixelrnn.scores.score import Scores, score
from tests.conftest import all_images, build


@pytest.fixture(scope="module")
def counted():
    """A model, all of its images and their probabilities."""
    model = build(architecture="row-lstm", shape=(1, 2, 3), levels=3)
    x = all_images((1, 2, 3), 3)
    return model, x, model.log_prob(x).exp().detach().numpy()


def test_scores_are_those_of_the_model(counted):
    model, x, probabilities = counted
    found = score(model, x, batch=100)
    np.testing.assert_allclose(found.nats, -np.log(probabilities), rtol=1e-12)
    np.testing.assert_allclose(found.bits_per_dim, -np.log2(probabilities) / 6, rtol=1e-12)
    assert math.fsum(np.exp(-found.nats)) == pytest.approx(1, abs=1e-12)


def test_a_set_gives_its_labels():
    data = load_data("digits", labels=True)
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, classes=10)
    images = data.test.spaced(20)
    x, (label, *_) = images.examples(range(20))
    np.testing.assert_allclose(score(model, images, batch=7).nats, -model.log_prob(x, label=label).detach(), rtol=1e-12)
    with pytest.raises(DataError, match="the images have 17 levels; the model has 4"):
        score(build(shape=(1, 8, 8), levels=4), images)


def test_images_of_any_size(tmp_path):
    """Whole images, each of its own size, in their order."""
    import dataclasses

    random, sizes = np.random.default_rng(0), [(9, 8), (9, 8), (8, 12), (9, 8), (10, 10)]
    for number, size in enumerate(sizes):
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    data = load_data(tmp_path, size=8, crop="random")
    whole = dataclasses.replace(data.whole, patch=None)
    model = build(architecture="local", shape=(1, 8, 8), levels=256).float()
    found = score(model, whole, batch=4)
    assert found.dims.tolist() == [height * width for height, width in sizes]
    alone = [-model.log_prob(whole.batch([number])).item() for number in range(5)]
    np.testing.assert_allclose(found.nats, alone, rtol=1e-5)
    with pytest.raises(DataError, match="the images differ in size"):
        entropy(model, whole)


def test_ranks(counted):
    model, x, _ = counted
    found = score(model, x)
    ranks = found.rank_within(found)
    assert ranks.mean() == pytest.approx(0.5)
    assert (np.argsort(ranks) == np.argsort(-found.nats)).all()
    short = Scores(found.nats / 2, found.dims // 2)  # half the image, as likely for a sub-pixel
    np.testing.assert_allclose(short.rank_within(found), ranks)


@pytest.mark.parametrize("images", [torch.zeros(0, 1, 2, 3, dtype=torch.uint8), load_data("digits").test.spaced(0)])
def test_no_images(counted, images):
    model = counted[0] if isinstance(images, torch.Tensor) else build(shape=(1, 8, 8), levels=17)
    with pytest.raises(DataError, match="there are no images"):
        score(model, images)


def test_the_entropy_of_a_model_is_found_in_its_samples(counted):
    """Of its own samples, the cross-entropy of a model is its entropy, which can be counted."""
    model, _, p = counted
    exact = -(p * np.log2(p)).sum()
    found = entropy(model, model.sample(4_000, seed=0), confidence=0.999)
    assert found.interval[0] < exact < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.1 * exact
    assert found.position.sum() == pytest.approx(found.bits)
    assert found.bits_per_dim * 6 == pytest.approx(found.bits)
    # By the chain rule each position has the entropy that is left when the earlier ones are known.
    table = p.reshape([3] * 6)
    before = 0.0
    for place in range(6):
        marginal = table.sum(axis=tuple(range(place + 1, 6))).ravel()
        up_to = -(marginal * np.log2(marginal)).sum()
        error = found.position_error.ravel()[place]
        assert abs(found.position.ravel()[place] - (up_to - before)) < 4 * error < 0.1
        before = up_to


def test_another_models_cross_entropy_is_above(counted):
    model, x, p = counted
    other = build(architecture="row-lstm", shape=(1, 2, 3), levels=3, seed=1)
    divergence = (p * (np.log2(p) + score(other, x).nats / math.log(2))).sum()
    found = entropy(other, model.sample(4_000, seed=0), confidence=0.999)
    assert divergence > 0.1
    assert found.interval[0] < divergence - (p * np.log2(p)).sum() < found.interval[1]


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = [low < 0 < high for low, high in (bootstrap(random.normal(size=60), draws=300, seed=i) for i in range(300))]
    assert 0.90 < np.mean(held) < 0.98
    for wrong in ({"confidence": 1.0}, {"draws": 0}):
        with pytest.raises(ConfigError, match=r"confidence is 1\.0|draws is 0"):
            bootstrap(np.zeros(3), **wrong)


def test_a_density_has_no_code_length():
    with pytest.raises(ConfigError, match="continuous"):
        entropy(build(shape=(1, 2, 2), levels=0), torch.zeros(2, 1, 2, 2))

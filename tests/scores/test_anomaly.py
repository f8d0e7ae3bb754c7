"""Scores of what is unusual: the formulas on models that can be counted, and what each is good for."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ConfigError, DataError
from pixelrnn.scores.anomaly import (
    METHODS,
    InputComplexity,
    Likelihood,
    LikelihoodRatio,
    Surprise,
    Typicality,
    area_under_curve,
    detector,
    standardised,
)
from pixelrnn.scores.score import score
from tests.conftest import all_images, build

SHAPE, LEVELS = (1, 2, 3), 3


@pytest.fixture(scope="module")
def counted():
    """A model, all of its images and log2 of their probabilities, for a sub-pixel."""
    model = build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS)
    x = all_images(SHAPE, LEVELS)
    return model, x, model.log_prob(x).detach().numpy() / np.log(2) / 6


def test_likelihood(counted):
    model, x, bits = counted
    np.testing.assert_allclose(Likelihood(model).score_samples(x), bits, rtol=1e-12)


def test_likelihood_ratio(counted):
    model, x, bits = counted
    background = build(architecture="row-lstm", shape=SHAPE, levels=LEVELS, seed=3)
    other = background.log_prob(x).detach().numpy() / np.log(2) / 6
    found = LikelihoodRatio(model, background).score_samples(x)
    np.testing.assert_allclose(found, bits - other, rtol=1e-9, atol=1e-12)
    known = LikelihoodRatio(model, background).score_samples(x, lengths=score(model, x))
    assert (known == found).all()
    assert (LikelihoodRatio(model, model).score_samples(x) == 0).all()
    with pytest.raises(ConfigError, match="of 1 channels and 3 levels, the background of 1 and 4; they must be alike"):
        LikelihoodRatio(model, build(shape=SHAPE, levels=4))


def test_input_complexity():
    """The bits of the smaller of two files that this test writes itself."""
    model = build(architecture="local", shape=(3, 6, 7), levels=256).float()
    x = torch.randint(0, 256, (5, 3, 6, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x[1] = 9
    sizes = []
    for image in x:
        picture, files = Image.fromarray(image.permute(1, 2, 0).numpy()), [io.BytesIO(), io.BytesIO()]
        picture.save(files[0], "PNG", optimize=True)
        picture.save(files[1], "WEBP", lossless=True, exact=True, quality=100, method=4)
        sizes.append(8 * min(len(file.getvalue()) for file in files))
    bits = model.log_prob(x).detach().double().numpy() / np.log(2)
    np.testing.assert_allclose(InputComplexity(model).score_samples(x), (bits + sizes) / 126, rtol=1e-5)
    with pytest.raises(ConfigError, match="no images of 2 channels"):
        InputComplexity(build(shape=(2, 4, 4), levels=256))


def test_typicality(counted):
    model, x, bits = counted
    usual = model.sample(3_000, seed=0)
    found = Typicality(model).fit(usual)
    exact = -(2.0 ** (6 * bits) * bits).sum()
    assert found.entropy_ == pytest.approx(exact, rel=0.03)
    np.testing.assert_allclose(found.score_samples(x), -np.abs(-bits - found.entropy_), rtol=1e-9, atol=1e-12)


def test_surprise(counted):
    """Z by the conditionals, which the joint probabilities of all images give; and what the module says of it."""
    model, x, _ = counted
    found = model.log_prob_map(x, moments=True)
    sums = [part.detach().sum((1, 2, 3)).numpy() for part in found]
    z = (-sums[0] - sums[1]) / np.sqrt(sums[2])
    np.testing.assert_allclose(standardised(score(model, x, moments=True)), z, rtol=1e-9)
    usual = model.sample(3_000, seed=0)
    detector = Surprise(model).fit(usual)
    drawn = standardised(score(model, usual, moments=True))
    assert abs(detector.centre_ - np.median(drawn)) < 1e-12
    assert abs(drawn.mean()) < 0.1
    np.testing.assert_allclose(detector.score_samples(x), -np.abs(z - detector.centre_), rtol=1e-9)
    # The likeliest image is less of a surprise than was expected, the least likely one more.
    likely = found.log_prob.sum((1, 2, 3))
    assert z[likely.argmax()] < -0.5
    assert z[likely.argmin()] > 1.5


def test_a_batch_of_the_likeliest_image_is_not_typical(counted):
    """No single image is likelier, and that is what gives a batch of it away."""
    model, x, bits = counted
    found = Typicality(model).fit(model.sample(500, seed=0))
    likeliest = x[int(bits.argmax())][None]
    assert found.p_value_of_batch(likeliest.repeat(80, 1, 1, 1)) < 0.001
    values = [found.p_value_of_batch(model.sample(30, seed=seed), draws=400) for seed in range(1, 60)]
    assert np.mean(np.array(values) < 0.1) < 0.25
    assert 0.3 < np.mean(values) < 0.7
    assert Likelihood(model).fit(model.sample(500, seed=0)).p_values(np.array([bits.max()]))[0] > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_usual_images_are_refused_as_often_as_was_asked(method):
    model = build(architecture="pixelcnn", shape=(1, 4, 4), levels=9)
    background = build(architecture="pixelcnn", shape=(1, 4, 4), levels=9, seed=1) if method == "ratio" else None
    found = detector(method, model, background, batch=50)
    with pytest.raises(ConfigError, match=r"needs fit\(images\) with usual images first"):
        found.predict(model.sample(2, seed=0))
    found.fit(model.sample(600, seed=0))
    refused = (found.predict(model.sample(600, seed=1), alpha=0.1) == -1).mean()
    assert 0.05 < refused < 0.15
    assert found.p_values(np.array([-np.inf, np.inf])).tolist() == [1 / 601, 1.0]


def test_what_cannot_occur_is_as_unusual_as_can_be(counted):
    model, x, _ = counted
    lengths = score(model, x[:3], moments=True)
    impossible = dataclasses.replace(lengths, nats=np.array([np.inf, *lengths.nats[1:]]))
    for method in METHODS:
        found = detector(method, model, model if method == "ratio" else None)
        found.fit(x[:3], lengths=lengths)
        scores = found.score_samples(x[:3], lengths=impossible)
        assert np.isneginf(scores[0])
        assert np.isfinite(scores[1:]).all()
        assert found.p_values(scores)[0] == 1 / 4
        lost = dataclasses.replace(lengths, nats=np.array([np.nan, 1.0, 1.0]))
        with pytest.raises(DataError, match="the model produced NaN for an image"):
            found.score_samples(x[:3], lengths=lost)
    for cls in (Typicality, Surprise):
        with pytest.raises(DataError, match="a usual image has probability zero; then there is no"):
            cls(model).fit(x[:3], lengths=impossible)


def test_methods_by_name(counted):
    model = counted[0]
    with pytest.raises(
        ConfigError, match="method is 'magic'; likelihood, ratio, complexity, typicality, surprise are there"
    ):
        detector("magic", model)
    with pytest.raises(ConfigError, match="'ratio' needs a background model"):
        detector("ratio", model)
    with pytest.raises(ConfigError, match="method 'typicality' has no background"):
        detector("typicality", model, model)


def test_area_under_the_curve():
    random = np.random.default_rng(0)
    usual, unusual = random.integers(0, 9, 40) / 3, random.integers(-3, 7, 30) / 3
    pairs = usual[:, None] - unusual[None]
    found = area_under_curve(usual, unusual)
    assert found.area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert found.interval[0] < found.area < found.interval[1]
    assert area_under_curve(np.array([2.0]), np.array([1.0, 0.0])) == (1.0, (1.0, 1.0))
    with pytest.raises(DataError, match="0 usual and 1 unusual images"):
        area_under_curve(np.zeros(0), np.zeros(1))


def test_intervals_of_areas_hold_the_truth_as_often_as_they_say():
    random, held = np.random.default_rng(0), []
    for seed in range(150):
        low, high = area_under_curve(random.normal(1, 1, 50), random.normal(0, 1, 50), draws=200, seed=seed).interval
        held.append(low < 0.7602499 < high)  # Phi(1 / sqrt 2)
    assert 0.88 < np.mean(held) < 0.99

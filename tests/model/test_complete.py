"""Completion: known values never altered, exact in raster order, and with particles towards the exact posterior."""

import math

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataError
from pixelrnn.condition import Condition
from pixelrnn.model.sampling import Walks
from pixelrnn.progress import Reporter
from pixelrnn.walk import particles as particles_module
from pixelrnn.walk.particles import Particles
from tests.conftest import ARCHITECTURES, OWN, all_images, build, enlarge

HEIGHT, WIDTH = 3, 3


def mask(*rows):
    return torch.tensor([[character == "x" for character in row] for row in rows])


def exact(model, x, known, **given):
    """The posterior of all images given what is known of x, and log p(known), by enumeration."""
    images = all_images(tuple(x.shape), model.config.levels)
    with torch.no_grad():
        log_prob = model.log_prob(images, **given).double()
    fits = ((images == x) | ~known).flatten(1).all(1)
    evidence = log_prob[fits].logsumexp(0)
    return torch.where(fits, (log_prob - evidence).exp(), 0.0), evidence.item()


def frequencies(model, images):
    levels, dims = model.config.levels, images[0].numel()
    codes = (images.flatten(1).long() * levels ** torch.arange(dims - 1, -1, -1)).sum(1)
    return torch.bincount(codes, minlength=levels**dims).double() / len(images)


def always(monkeypatch, resampling):
    """Resample at every stop, which is never needed on images as small as these."""
    if resampling == "always":
        monkeypatch.setattr(particles_module, "LEAST_EFFECTIVE", 2.0)


def noise(posterior, count):
    """The total variation that so many draws from the posterior itself are expected to be off by."""
    return sum(math.sqrt(p * (1 - p) * 2 / (math.pi * count)) for p in posterior.tolist()) / 2


def distance(p, q):
    """Total variation."""
    return ((p - q).abs().sum() / 2).item()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_raster_completion_is_exact(architecture):
    """Known first: one particle is enough, the frequencies are those of the posterior, log p(known) is exact."""
    model = build(architecture=architecture, shape=(1, HEIGHT, WIDTH), levels=2).float()
    x, known, count = torch.tensor([[[1, 0, 1], [1, 0, 0], [0, 0, 0]]]), mask("xxx", "x..", "..."), 4_000
    count = 1_500 if architecture == OWN else count  # which reruns its network for each sub-pixel
    posterior, evidence = exact(model, x, known)
    done = model.complete(x.expand(count, 1, 3, 3), known, seed=0, particles=64)
    assert done.log_known.numpy() == pytest.approx(evidence, abs=1e-4)
    expected = posterior[posterior > 0] * count
    observed = frequencies(model, done.images)[posterior > 0] * count
    assert frequencies(model, done.images)[posterior == 0].sum() == 0
    assert ((observed - expected) ** 2 / expected)[expected > 5].sum() < 61.1  # 31 degrees of freedom, 1 in 1,000


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("known", [mask("...", "...", "xxx"), mask(".x.", "...", ".xx")], ids=["top", "scattered"])
@pytest.mark.parametrize("resampling", ["when needed", "always"])
def test_particles_approach_the_exact_posterior(architecture, known, resampling, monkeypatch):
    """Total variation falls as particles grow, to the noise of the count; log p(known) is estimated without bias."""
    always(monkeypatch, resampling)
    model = build(architecture=architecture, shape=(1, HEIGHT, WIDTH), levels=2).float()
    enlarge(model, 1.3, seed=0)  # what is known below matters more
    x = torch.tensor([[[1, 0, 1], [1, 0, 0], [1, 0, 1]]])
    count = 400 if architecture == OWN else 1_000  # which reruns its network for each sub-pixel
    posterior, evidence = exact(model, x, known)
    distances = {}
    for particles in (1, 4, 64):
        done = model.complete(x.expand(count, 1, 3, 3), known, seed=0, particles=particles, batch=16384)
        assert (done.images[:, :, known] == x[:, known]).all(), "known values are never altered"
        distances[particles] = distance(posterior, frequencies(model, done.images))
        estimates = (done.log_known - evidence).exp()
        assert abs(estimates.mean().item() - 1) < 4 * estimates.std().item() / math.sqrt(count)
    assert distances[64] < 1.6 * noise(posterior, count)
    assert distances[64] + noise(posterior, count) / 2 < distances[1]
    assert distances[4] < distances[1]


@pytest.mark.parametrize("resampling", ["when needed", "always"])
def test_particles_in_colour_with_a_label_and_a_context(resampling, monkeypatch):
    always(monkeypatch, resampling)
    model = build(shape=(2, 2, 2), levels=2, classes=2, context=(1, 1, 1)).float()
    known = torch.zeros(2, 2, 2, dtype=torch.bool)
    known[1, 0, 0] = known[0, 1, 1] = known[1, 1, 0] = True  # single colours of pixels
    x, given = torch.tensor([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]), {"label": 1, "context": torch.tensor([[[1]]])}
    posterior, evidence = exact(model, x, known, **given)
    done = model.complete(x.expand(2_000, 2, 2, 2), known, **given, seed=1, particles=64, batch=8192)
    assert distance(posterior, frequencies(model, done.images)) < 1.6 * noise(posterior, 2_000)
    assert (done.log_known - evidence).exp().mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("resampling", ["when needed", "always"])
def test_particles_over_several_scales(resampling, monkeypatch):
    """What is known of a large image weighs on the small one that was drawn before it."""
    always(monkeypatch, resampling)
    model = build(architecture="row-lstm", shape=(1, 2, 4), levels=2, scales=2).float()
    known = mask(".xx.", "...x")
    x = torch.tensor([[[1, 0, 1, 1], [0, 1, 0, 1]]])
    posterior, evidence = exact(model, x, known)
    distances = []
    for particles in (1, 64):
        done = model.complete(x.expand(2_000, 1, 2, 4), known, seed=1, particles=particles, batch=8192)
        assert (done.images[:, :, known] == x[:, known]).all()
        distances.append(distance(posterior, frequencies(model, done.images)))
    assert distances[1] < 1.6 * noise(posterior, 2_000)
    assert distances[1] + noise(posterior, 2_000) / 2 < distances[0]
    assert (done.log_known - evidence).exp().mean().item() == pytest.approx(1, abs=0.02)


def test_everything_and_nothing_known():
    model = build(shape=(1, 4, 4), levels=3).float()
    x = torch.randint(0, 3, (3, 1, 4, 4))
    nothing = model.complete(x, torch.zeros(4, 4, dtype=torch.bool), seed=5)
    assert torch.equal(nothing.images, model.sample(3, seed=5))
    assert (nothing.log_known == 0).all()
    everything = model.complete(x, torch.ones(1, dtype=torch.bool))
    assert torch.equal(everything.images, x.to(torch.uint8))
    torch.testing.assert_close(everything.log_known, model.log_prob(x).double(), atol=1e-4, rtol=1e-5)


def test_continuous_values_are_completed():
    model = build(shape=(1, 3, 3), levels=0).float()
    x, known = torch.randn(4, 1, 3, 3), mask("..x", "...", "x.x")
    done = model.complete(x, known, seed=0, particles=8)
    assert (done.images[:, :, known] == x[:, :, known]).all()
    assert done.images.isfinite().all()
    assert done.log_known.isfinite().all()


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_a_completion_depends_on_seed_and_index_only(batch):
    model = build(shape=(2, 4, 4), levels=3).float()
    x, known = torch.ones(5, 2, 4, 4, dtype=torch.uint8), mask("....", ".x..", "....", "x..x")
    whole = model.complete(x, known, seed=3, particles=10)
    assert torch.equal(whole.images, model.complete(x, known, seed=3, particles=10, batch=batch).images)
    assert torch.equal(whole.images[:2], model.complete(x[:2], known, seed=3, particles=10).images)


def test_each_image_has_a_mask_of_its_own():
    model = build(shape=(1, 4, 4), levels=3).float()
    x, known = torch.randint(0, 3, (20, 1, 4, 4)), torch.rand(20, 1, 4, 4) < 0.4
    images = model.complete(x, known, seed=0, particles=16).images
    assert (images[known] == x[known]).all()


def test_an_image_that_needs_no_particles_does_not_care_for_those_that_do():
    model = build(shape=(1, 4, 4), levels=3).float()
    x = torch.randint(0, 3, (4, 1, 4, 4))
    known = torch.stack([mask("xxxx", "xx..", "....", "...."), mask("....", "....", "....", "xxxx")])[
        [0, 1, 0, 1], None
    ]
    together = model.complete(x, known, seed=0, particles=16)
    alone = model.complete(x[:1], known[:1], seed=0, particles=16)
    assert torch.equal(together.images[:1], alone.images)
    assert together.log_known[0] == alone.log_known[0]


def test_particles_are_chosen_between_scales():
    """The larger image is drawn from the small ones that the known values chose."""
    model = build(shape=(1, 2, 2), levels=9, scales=2)
    contexts = []

    def small(particles, walks, report):
        """Particle p draws p; what is known speaks for number 3 of the first image and 5 of the second."""
        particles.values[...] = np.arange(8).reshape(1, 8, 1, 1, 1)
        particles.log_weights[...] = np.where(np.arange(8) == [[3], [5]], 0.0, -50.0)

    def large(particles, walks, report):
        contexts.append(walks.condition.context.reshape(2, 8))
        assert (particles.log_weights == 0).all()

    particles = Particles.of(np.zeros((2, 1, 2, 2), np.float32), 8)
    walks = Walks(range(2), np.zeros((2, 1, 2, 2), bool), Condition())
    model._draw([small, large], 0, particles, walks, Reporter())
    assert (contexts[0] == [[3], [5]]).all()
    assert (particles.values[:, :, 0, 0, 0] == [[3], [5]]).all()
    assert particles.log_evidence.tolist() == pytest.approx([math.log(1 / 8)] * 2)


def test_a_copied_context_cannot_contradict_what_is_known():
    model = build(shape=(1, 2, 2), levels=3, context=(1, 1, 1), copies_context=True).float()
    x, known, context = torch.full((1, 1, 2, 2), 2), mask("x.", ".."), torch.tensor([[[1]]])
    with pytest.raises(DataError, match="known values differ from the context in pixels that are copied from it"):
        model.complete(x, known, context=context)
    assert model.complete(x, ~known, context=context).images[0, 0, 0, 0] == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"known": torch.ones(4, 4)}, DataError, "known is torch.float32; a mask of bool is needed"),
        ({"known": torch.ones(3, 4, dtype=torch.bool)}, DataError, r"known has shape \(3, 4\), which does not fit"),
        ({"x": torch.full((1, 1, 4, 4), 9)}, DataError, "images hold values 9 .. 9; this model has 3 levels"),
        ({"particles": 0}, ConfigError, "particles is 0; at least 1 is needed"),
        ({"temperature": 0.0}, ConfigError, "temperature is 0.0; it must be above 0"),
        ({"batch": 0}, ConfigError, "batch is 0; at least 1 is needed"),
        ({"label": 1}, ConfigError, "a label is given, but the model has no classes"),
        ({"context": torch.zeros(1, 2, 2)}, ConfigError, "a context is given, but the model has none"),
    ],
)
def test_what_cannot_be_completed_is_refused(change, error, message):
    model = build(shape=(1, 4, 4), levels=3)
    given = {"x": torch.zeros(1, 1, 4, 4, dtype=torch.uint8), "known": torch.ones(4, 4, dtype=torch.bool), **change}
    with pytest.raises(error, match=message):
        model.complete(given.pop("x"), given.pop("known"), **given)


def test_unknown_values_do_not_matter():
    model = build(shape=(1, 4, 4), levels=3).float()
    known = mask("xxxx", "xx..", "....", "....")
    images = [
        model.complete(torch.where(known, 1, garbage)[None, None], known, seed=0).images for garbage in (0, -7, 99)
    ]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])


def test_systematic_resampling():
    """Each particle survives its share of times, rounded up or down; an image of even weights is left alone."""
    particles = Particles.of(np.zeros((2, 1, 1, 1), np.float32), 8)
    weights = np.array([0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0])
    with np.errstate(divide="ignore"):
        particles.log_weights[0] = np.log(weights) + 3
    origins = particles.resample(np.array([0.3, 0.9]))
    assert np.bincount(origins[:8], minlength=8).tolist() == [4, 2, 1, 1, 0, 0, 0, 0]
    assert (origins[8:] == np.arange(8, 16)).all()
    assert particles.log_evidence.tolist() == pytest.approx([3 + math.log(1 / 8), 0])
    assert (particles.log_weights == 0).all()
    assert particles.resample(np.zeros(2)) is None

"""The expected surprise of every sub-pixel is that of the conditional which the joint probabilities give."""

import itertools

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, Support, mean_model
from pixelrnn.config.architectures import ARCHITECTURES as KNOWN
from pixelrnn.config.architectures import OUTPUTS
from pixelrnn.outputs import Bernoulli, LogisticMixture, Softmax
from pixelrnn.outputs.moments import by_table, surprise_map, surprise_moments
from tests.conftest import WITH_CONTEXT, all_images, architectures_with, build

SHAPES = [((1, 2, 3), 2), ((1, 2, 2), 4), ((3, 1, 2), 2), ((2, 1, 2), 3)]
CASES = [
    (architecture, output, shape, levels)
    for shape, levels in SHAPES
    for output, traits in OUTPUTS.items()
    if traits.least <= levels <= traits.most
    for architecture in architectures_with(shape=shape, levels=levels, output=output)
]


def legendre(degree, low, high):
    """Mean of a Legendre polynomial of 2 u - 1 for u between two numbers, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    u = low[..., None] + (high - low)[..., None] * torch.from_numpy((nodes + 1) / 2)
    of = np.polynomial.Legendre.basis(degree, domain=[0, 1])
    return (torch.from_numpy(of(u.numpy())) * torch.from_numpy(weights / 2)).sum(-1)


def by_enumeration(probabilities, places):
    """What a `SurpriseMap` has of each sub-pixel, from the joint of all images as a table with an axis a value."""
    joint = probabilities.movedim(places, tuple(range(len(places))))
    found = []
    for at in range(len(places)):
        later = tuple(range(at + 1, joint.ndim))
        pair = joint.sum(later, keepdim=True) if later else joint
        conditional = pair / pair.sum(at, keepdim=True)
        mean = -(conditional * conditional.log()).sum(at, keepdim=True)
        square = (conditional * conditional.log() ** 2).sum(at, keepdim=True)
        above = conditional.cumsum(at)
        ranks = [legendre(degree, above - conditional, above) for degree in (1, 2)]
        each = (mean, square - mean**2, *ranks)
        found.append([part.expand(joint.shape).movedim(tuple(range(len(places))), places) for part in each])
    return found


def raster(shape):
    """The axes of a table of all images in the order in which the sub-pixels are read."""
    channels, height, width = shape
    pixels = itertools.product(range(height), range(width), range(channels))
    return tuple((channel * height + row) * width + column for row, column, channel in pixels)


def require_as_enumerated(model, shape, levels, places, **given):
    images = all_images(shape, levels)
    with torch.no_grad():
        found = model.log_prob_map(images, moments=True, **given)
        torch.testing.assert_close(found.log_prob, model.log_prob_map(images, **given))
    dims = len(places)
    probabilities = found.log_prob.sum((1, 2, 3)).exp().view((levels,) * dims)
    for axis, each in zip(places, by_enumeration(probabilities, places), strict=True):
        for tensor, wanted in zip(found[1:], each, strict=True):
            assert (tensor.flatten(1)[:, axis].view(wanted.shape) - wanted).abs().max() < 1e-9
    return found, probabilities.flatten()


@pytest.mark.parametrize(("architecture", "output", "shape", "levels"), CASES)
def test_moments_are_those_of_the_conditionals(architecture, output, shape, levels):
    model = build(architecture=architecture, output=output, shape=shape, levels=levels)
    found, probabilities = require_as_enumerated(model, shape, levels, raster(shape))
    assert found.variance.std() > 0.01
    # So the surprise less its mean is a martingale, whose variance is the expected sum of the variances.
    less = -(found.log_prob + found.mean).sum((1, 2, 3))
    assert (probabilities * less).sum().item() == pytest.approx(0, abs=1e-9)
    of_less, of_sum = (probabilities * less**2).sum(), (probabilities * found.variance.sum((1, 2, 3))).sum()
    assert of_less.item() == pytest.approx(of_sum.item(), rel=1e-9)
    for tensor in (found.rank, found.outlying):
        assert tensor.std() > 0.01
        assert (probabilities * tensor.flatten(1).T).sum(1).abs().max() < 1e-9


@pytest.mark.parametrize("order", range(8))
@pytest.mark.parametrize("architecture", [name for name, traits in KNOWN.items() if traits.takes_orders][:2])
def test_each_order_has_its_own(architecture, order):
    shape = (1, 2, 3)
    model = build(architecture=architecture, shape=shape, levels=2, orders=8)
    rows = range(2) if not order & 2 else range(1, -1, -1)
    places = [(r, c) for r in rows for c in (range(3) if not order & 1 else range(2, -1, -1))]
    if order & 4:
        columns = range(3) if not order & 1 else range(2, -1, -1)
        places = [(r, c) for c in columns for r in rows]
    require_as_enumerated(model, shape, 2, tuple(3 * r + c for r, c in places), order=order)


def test_without_an_order_the_mean_over_all():
    model, images = build(shape=(1, 2, 2), levels=3, orders=4), all_images((1, 2, 2), 3)
    each = [model.log_prob_map(images, order=k, moments=True) for k in range(4)]
    for got, *parts in zip(model.log_prob_map(images, moments=True), *each, strict=True):
        torch.testing.assert_close(got, torch.stack(parts).mean(0))


@pytest.mark.parametrize("architecture", WITH_CONTEXT[:2])
def test_scale_by_scale(architecture):
    shape = (1, 2, 4)
    model = build(architecture=architecture, shape=shape, levels=2, scales=2)
    small = [(0, 0), (0, 2)]
    places = small + [(r, c) for r in range(2) for c in range(4) if (r, c) not in small]
    require_as_enumerated(model, shape, 2, tuple(4 * r + c for r, c in places))


def test_of_an_image_in_bands_they_are_the_same(monkeypatch):
    model = build(architecture="pixelcnn", shape=(1, 40, 5), levels=4, layers=1)
    images = torch.randint(0, 4, (2, 1, 40, 5))
    with torch.no_grad():
        whole = model.log_prob_map(images, moments=True)
        monkeypatch.setattr("pixelrnn.model.large.AT_ONCE", 130)
        for part, wanted in zip(model.log_prob_map(images, moments=True), whole, strict=True):
            torch.testing.assert_close(part, wanted)


def as_summed(output, parameters, levels):
    x = torch.randint(0, levels, (*parameters.shape[:2], *parameters.shape[3:]))
    found, wanted = surprise_moments(output, parameters, x), by_table(output, parameters.double(), x)
    assert found.mean.dtype == torch.float32
    assert wanted.mean.std() > 0.05
    torch.testing.assert_close(found.mean.double(), wanted.mean, rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(found.variance.double(), wanted.variance, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.below.double(), wanted.below, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [1, 7, 64])
@pytest.mark.parametrize(
    ("levels", "mixtures", "copies"), [(2, 1, 0), (16, 3, 2), (256, 6, 0), (256, 2, 3), (5000, 2, 0)]
)
def test_compiled_moments_of_mixtures_are_the_sums(levels, mixtures, copies, width):
    output = LogisticMixture(levels, mixtures, copies)
    parameters = torch.randn(2, 3, output.parameters, 2, width)
    # Of a logistic far narrower than a level, float32 does not tell on which side of an edge the mean lies.
    scales = 3 * torch.randn(2, 3, mixtures, 2, width) - np.log(levels) / 2
    parameters[:, :, 2 * mixtures : 3 * mixtures] = scales.clamp(min=-np.log(4 * levels))
    parameters[:, :, 3 * mixtures + copies :] = torch.randint(0, levels, (2, 3, copies, 2, width)).float()
    as_summed(output, parameters, levels)


@pytest.mark.parametrize("scale", [0.3, 0.02, 0.004, 0.001])
def test_logistics_of_one_scale(scale):
    """Wide ones, whose exponentials follow from one another, and narrow ones, in the same lanes as others."""
    parameters = torch.randn(1, 1, 6, 4, 33)
    parameters[:, :, 2:4] = torch.rand(1, 1, 2, 4, 33) * 2.4 - 1.2  # some beyond the ends
    parameters[:, :, 4:] = np.log(scale)
    parameters[:, :, 4:, 0, 0] = np.log(0.001)
    as_summed(LogisticMixture(256, 2), parameters, 256)


@pytest.mark.parametrize("spread", [1.0, 8.0])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_compiled_moments_of_softmaxes_are_the_sums(levels, spread):
    as_summed(Softmax(levels), 50 + spread * torch.randn(2, 3, levels, 3, 11), levels)


@pytest.mark.parametrize("output", [Bernoulli(), Softmax(7), LogisticMixture(9, 2)])
def test_of_what_is_certain_nothing_is_expected(output):
    parameters = torch.zeros(1, 1, output.parameters, 3)
    parameters[:, :, :1] = 200.0  # the first level, or the first component,
    if isinstance(output, LogisticMixture):
        parameters[:, :, 2], parameters[:, :, 4:] = 0.5, -30.0  # in the middle of a level
    certain = output.log_table(parameters).argmax(2)
    found = surprise_map(output, parameters, certain)
    for part in found:
        assert part.abs().max() < 1e-6


def test_what_has_no_moments_says_so():
    model = build(shape=(1, 2, 2), levels=0, output="auto")
    with pytest.raises(ConfigError, match="continuous values do not have"):
        model.log_prob_map(torch.zeros(1, 1, 2, 2), moments=True)
    model = build(architecture="local", shape=(1, 2, 2), levels=4)
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    with pytest.raises(ConfigError, match="within a support they are not there"):
        model.log_prob_map(image, support=Support.of(image[0]), moments=True)
    both = mean_model([build(shape=(1, 2, 2), levels=2), build(1, shape=(1, 2, 2), levels=2)])
    with pytest.raises(ConfigError, match="ask those of which this is a mean"):
        both.log_prob_map(image, moments=True)

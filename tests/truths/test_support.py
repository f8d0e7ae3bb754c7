"""Supports: what is outside has probability zero, what is inside sums to one, in both faces."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelrnn import ConfigError, DataError, ImageModel, ModelConfig, Support
from pixelrnn.colours.support import FLOOR, FREE, OUTSIDE, build_trie, rows_of
from pixelrnn.outputs.logistic import LogisticMixture
from pixelrnn.outputs.restricted import log_prob_restricted, reference
from tests.conftest import build


def model_of(channels, levels, height=1, width=2, seed=0, **fields):
    config = {"architecture": "local", "layers": 1, "hidden": 6, "mixtures": 2, "copies": 3} | fields
    return build(seed, shape=(channels, height, width), levels=levels, **config).float()


def colours(n, channels, levels, seed=0):
    chosen = np.random.default_rng(seed).choice(levels**channels, n, replace=False)
    return np.stack([chosen // levels**c % levels for c in range(channels)], axis=1)


def images_of(colours, width):
    """All images of one row whose pixels have one of the colours, `(n^width, C, 1, width)`."""
    pixels = [np.stack(each, axis=1)[:, None] for each in itertools.product(colours, repeat=width)]
    return torch.from_numpy(np.stack(pixels))


@pytest.mark.parametrize(("channels", "levels", "n"), [(1, 9, 4), (3, 4, 7), (4, 3, 9)])
def test_the_images_of_a_support_sum_to_one_and_all_others_have_zero(channels, levels, n):
    model, inside = model_of(channels, levels), colours(n, channels, levels)
    every = np.array(list(itertools.product(range(levels), repeat=channels)))
    x = images_of(every, 1) if channels > 1 else images_of(every, 2)
    is_inside = (x.movedim(1, -1).flatten(1, 2)[:, :, None] == torch.from_numpy(inside)).all(3).any(2).all(1)
    p = model.log_prob(x, support=Support(inside)).exp()
    assert p[is_inside].sum().item() == pytest.approx(1, abs=1e-5)
    assert int(is_inside.sum()) == n ** x.shape[3]
    assert (p[is_inside] > 0).all()
    assert (p[~is_inside] == 0).all()
    pairs = model.log_prob(images_of(inside, 2), support=Support(inside)).exp()
    assert pairs.sum().item() == pytest.approx(1, abs=1e-5)


def test_each_level_is_the_formula():
    model, inside = model_of(2, 5), np.array([[0, 3], [2, 0], [2, 1], [2, 4], [4, 4]])
    x = images_of(inside, 1)
    free = model.output.log_table(model(x)).double().exp()[:, :, :, 0, 0]
    expected = torch.zeros(len(x), dtype=torch.float64)
    for place, (first, second) in enumerate(inside):
        weights = free[place] + FLOOR
        firsts, seconds = sorted({0, 2, 4}), [b for a, b in inside if a == first]
        expected[place] += (weights[0, first] / weights[0, firsts].sum()).log()
        expected[place] += (weights[1, second] / weights[1, seconds].sum()).log()
    torch.testing.assert_close(model.log_prob(x, support=Support(inside)).double(), expected, rtol=1e-4, atol=1e-5)


@given(data=st.data())
def test_the_rows_of_a_trie_hold_the_prefixes(data):
    channels, levels = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    sets = data.draw(
        st.lists(
            st.none() | st.sets(st.tuples(*[st.integers(0, levels - 1)] * channels), min_size=1, max_size=12),
            min_size=1,
            max_size=4,
        )
    )
    trie = build_trie([None if each is None else Support(np.array(sorted(each))) for each in sets])
    images = data.draw(
        st.lists(st.tuples(*[st.integers(0, levels - 1)] * channels), min_size=len(sets), max_size=len(sets))
    )
    rows = rows_of(trie, np.array(images)[:, :, None, None])[:, :, 0, 0]
    for each, image, of_image in zip(sets, images, rows, strict=True):
        for channel in range(channels):
            if each is None:
                assert of_image[channel] == FREE
                continue
            allowed = sorted({colour[channel] for colour in each if colour[:channel] == image[:channel]})
            if image[channel] not in allowed:
                assert (of_image[channel:] == OUTSIDE).all()
                break
            row = of_image[channel]
            assert trie.values[trie.starts[row] : trie.starts[row + 1]].tolist() == allowed


def parameters_of(output, *shape, seed=0):
    parameters = torch.randn(*shape[:2], output.parameters, *shape[2:], generator=torch.Generator().manual_seed(seed))
    places = parameters[:, :, 3 * output.mixtures + output.copies :]
    places.copy_((places * 3 + output.levels / 2).round().clamp(0, output.levels - 1))
    return parameters


@pytest.mark.parametrize("copies", [0, 3])
@pytest.mark.parametrize("scale", [1.0, 9.0])
def test_the_compiled_sum_and_its_gradient_are_those_of_the_reference(copies, scale):
    output = LogisticMixture(16, 3, copies)
    parameters = parameters_of(output, 3, 3, 4, 5)
    parameters[:, :, : 9 + copies] *= scale
    x = torch.from_numpy(np.random.default_rng(1).integers(0, 16, (3, 3, 4, 5)))
    trie = build_trie([Support.of(x[0]), None, Support(colours(300, 3, 16))])
    rows = torch.from_numpy(rows_of(trie, x.numpy()))
    assert {FREE, OUTSIDE} < set(rows.unique().tolist())
    exact = parameters.double().requires_grad_()
    expected = reference(output, exact, x, rows, trie)
    expected = torch.where(rows == FREE, output.log_prob(exact, x), expected)
    found_at = parameters.clone().requires_grad_()
    found = log_prob_restricted(output, found_at, x, trie)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    is_possible = rows != OUTSIDE
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    (found * weights)[is_possible].sum().backward()
    (expected * weights)[is_possible].sum().backward()
    torch.testing.assert_close(found_at.grad.double(), exact.grad, rtol=1e-3, atol=1e-4)


def test_all_colours_as_a_support_change_almost_nothing():
    model = model_of(3, 4, 3, 4)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (2, 3, 3, 4)))
    every = Support(np.array(list(itertools.product(range(4), repeat=3))))
    torch.testing.assert_close(model.log_prob_map(x, support=every), model.log_prob_map(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_support_for_any_image_is_none(dtype):
    model, x = model_of(3, 6).to(dtype), torch.zeros(2, 3, 1, 2, dtype=torch.uint8)
    assert torch.equal(model.log_prob(x, support=[None, None]), model.log_prob(x))


def test_each_image_has_its_own_support():
    model = model_of(3, 6, 3, 4)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 6, (3, 3, 3, 4)))
    supports = [Support.of(x[0]), None, Support.of(x[2])]
    together = model.log_prob_map(x, support=supports)
    for image, support in enumerate(supports):
        torch.testing.assert_close(together[image], model.log_prob_map(x[image : image + 1], support=support)[0])
    assert (together[0] == -math.inf).sum() == 0
    swapped = model.log_prob(x, support=[supports[2], None, supports[0]])
    assert swapped.isinf().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Support(np.array([[1, 2]])), "colours of 2 channels, up to 2; 3 channels and values up to 5"),
        (Support(np.array([[1, 2, 6]])), "colours of 3 channels, up to 6; 3 channels and values up to 5"),
        ([None, None], "2 supports are given; 1 are needed"),
        ([], "0 supports are given; 1 are needed"),
    ],
)
def test_supports_that_do_not_fit(given, message):
    with pytest.raises(DataError, match=message):
        model_of(3, 6).log_prob(torch.zeros(1, 3, 1, 2, dtype=torch.uint8), support=given)


@pytest.mark.parametrize("given", [np.zeros((0, 3), np.uint8), np.zeros(3, np.uint8), np.zeros((2, 3)), [[-1, 0]]])
def test_what_is_no_support(given):
    with pytest.raises(DataError, match="a support has colours"):
        Support(given)


def test_other_networks_take_none():
    model = ImageModel(ModelConfig(shape=(1, 2, 2), levels=4, layers=1, hidden=4), seed=0)
    for call in (
        lambda: model.log_prob(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), support=Support(np.array([[1]]))),
        lambda: model.sample(1, support=Support(np.array([[1]]))),
    ):
        with pytest.raises(ConfigError, match="architecture 'diagonal-bilstm' takes none"):
            call()

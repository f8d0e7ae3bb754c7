"""Supports in the walk: the same probabilities as the other face, and only what can occur is drawn or asked for."""

import itertools

import numpy as np
import pytest
import torch

from pixelrnn import DataError, Support
from pixelrnn.codec.coder import Coder
from pixelrnn.colours.support import build_trie, rows_of, trie_of
from pixelrnn.condition import Condition
from tests.conftest import build
from tests.faces import ask, face_of


def model_of(channels=3, levels=20, height=5, width=7, seed=0, **fields):
    config = {"architecture": "local", "layers": 1, "hidden": 6, "mixtures": 2, "copies": 4} | fields
    return build(seed, shape=(channels, height, width), levels=levels, **config).float()


def palette(n, channels=3, levels=20, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (n, channels))


def images_with(palettes, height=5, width=7, seed=0):
    random = np.random.default_rng(seed)
    chosen = [each[random.integers(0, len(each), (height, width))] for each in palettes]
    return torch.from_numpy(np.stack(chosen).transpose(0, 3, 1, 2).astype(np.uint8))


def coded(model, x, supports):
    """The stream, the bits, and what was restored from it."""
    coder, condition = Coder(model), Condition(np.full(len(x), -1), None, trie_of(supports))
    stream, bits = coder.encode(x.numpy(), condition, lambda _: None)
    return stream, bits, coder.decode(stream, x.shape, condition, lambda _: None)


def test_walks_give_the_probabilities_of_the_other_face():
    palettes = [palette(9), palette(40, seed=1), palette(3, seed=2)]
    model, x = model_of(), images_with(palettes)
    supports = [Support(palettes[0]), None, Support(palettes[2])]
    known = torch.ones(5, 7, dtype=torch.bool)
    log_known = model.complete(x, known, support=supports, seed=0, particles=1).log_known
    torch.testing.assert_close(log_known, model.log_prob(x, support=supports).double(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("drawing", [{}, {"temperature": 3.0}, {"top_k": 2}, {"top_p": 0.5, "temperature": 0.4}])
def test_what_is_drawn_can_occur(drawing):
    inside = [Support(palette(6)), None, Support(palette(90, seed=1))]
    x = model_of().sample(3, support=inside, seed=1, **drawing)
    for image, support in zip(x, inside, strict=True):
        if support is not None:
            assert {tuple(c) for c in Support.of(image).colours} <= {tuple(c) for c in support.colours}
    assert (model_of().sample(3, seed=1, **drawing)[1] == x[1]).all()


def test_draws_have_the_probabilities_of_the_model():
    model, inside = model_of(2, 6, 1, 1), Support(palette(4, 2, 6))
    x = model.sample(20_000, support=inside, seed=3)
    p = model.log_prob(torch.from_numpy(inside.colours)[:, :, None, None], support=inside).exp()
    counts = (x[:, None, :, 0, 0] == torch.from_numpy(inside.colours)).all(2).double().mean(0)
    torch.testing.assert_close(counts, p.double(), rtol=0, atol=0.012)


def test_completions_come_from_the_posterior_within_the_support():
    model, colours = model_of(1, 5, 1, 3), np.array([[0], [1], [3]])
    inside = Support(colours)
    every = torch.from_numpy(np.array(list(itertools.product([0, 1, 3], repeat=3)), np.uint8))[:, None, None]
    joint = model.log_prob(every, support=inside).exp().double()
    x = torch.tensor([[[[0, 0, 3]]]], dtype=torch.uint8)
    is_right = every[:, 0, 0, 2] == 3
    expected = joint[is_right] / joint[is_right].sum()
    known = torch.tensor([[False, False, True]])
    drawn = model.complete(x.expand(4000, -1, -1, -1), known, support=inside, particles=64, seed=1, batch=8192)
    found = (drawn.images[:, None] == every[is_right]).flatten(2).all(2).double().mean(0)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)
    assert drawn.log_known.exp().mean().item() == pytest.approx(joint[is_right].sum().item(), rel=0.02)


def test_known_pixels_outside_are_refused():
    known = torch.ones(5, 7, dtype=torch.bool)
    with pytest.raises(DataError, match="known pixels have colours that the support does not allow"):
        model_of().complete(images_with([palette(9)]), known, support=Support(palette(9, seed=5)), seed=0)
    in_part = known & torch.tensor([True, False, True])[:, None, None]
    with pytest.raises(DataError, match="single channels of pixels; with a support whole ones are needed"):
        model_of().complete(images_with([palette(9)]), in_part, support=Support(palette(9)), seed=0)


def test_streams_are_as_long_as_the_model_says_and_restore_the_images():
    palettes = [palette(9), palette(1, seed=3), palette(40, seed=1), palette(17, seed=2)]
    supports = [Support(palettes[0]), Support(palettes[1]), None, Support(palettes[3])]
    model, x = model_of(height=16, width=18), images_with(palettes, 16, 18)
    stream, bits, restored = coded(model, x, supports)
    assert (restored == x.numpy()).all()
    expected = -model.log_prob(x, support=supports).double() / np.log(2)
    torch.testing.assert_close(torch.from_numpy(bits), expected, rtol=2e-3, atol=0.1)
    assert len(stream) <= bits.sum() / 8 + 11
    assert bits[1] == 0  # one colour: nothing to say


def test_only_what_is_not_forced_is_asked_for():
    inside, x = Support(palette(5)), images_with([palette(5)])
    model, trie = model_of(), build_trie([inside])
    rows = rows_of(trie, x.numpy())
    asked = []

    def answer(known, shares, images):
        asked.append(len(images))
        assert (shares.sum(1) == 1).all()
        assert (shares[np.arange(len(known)), known.astype(int)] > 0).all()
        assert ((shares > 0).sum(1) <= 5).all()
        return known

    ask(face_of(model, (5, 7)), np.ascontiguousarray(x, np.float32), answer, support=trie)
    assert sum(asked) == (np.diff(trie.starts)[rows] > 1).sum() < rows.size


def test_no_image_depends_on_the_others():
    palettes = [palette(9, seed=seed) for seed in range(20)]
    supports, x = [Support(each) for each in palettes], images_with(palettes)
    _, bits, _ = coded(model_of(), x, supports)
    for image in (0, 7, 19):
        alone = coded(model_of(), x[image : image + 1], supports[image : image + 1])[1]
        assert alone[0] == bits[image]

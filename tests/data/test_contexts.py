"""Contexts of images: derived from them or given beside them, and the images thinned out for the scales."""

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataConfig, DataError, load_data
from pixelrnn.condition import Condition
from pixelrnn.data.contexts import derive
from pixelrnn.data.images import Examples


@pytest.fixture
def colour(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "colour.npy"
    np.save(path, generator.integers(0, 256, (20, 3, 6, 4), dtype=np.uint8))
    return path


def test_grey_is_the_luma(colour):
    data = load_data(colour, context="grey", levels=16)
    images, (label, context, *_) = data.train.examples([3, 0, 3])
    assert data.model_fields["context"] == (1, 6, 4)
    assert label is None
    wide = images.int()
    expected = (299 * wide[:, 0] + 587 * wide[:, 1] + 114 * wide[:, 2]) // 1000
    assert torch.equal(context[:, 0].int(), expected)
    assert context.dtype == torch.uint8
    assert torch.equal(context[0], context[2])
    assert int(derive("grey", torch.full((1, 3, 1, 1), 15, dtype=torch.uint8))) == 15, "white stays white"


def test_shrunk_is_the_mean_with_halves_up():
    images = torch.tensor([[[[0, 1, 255, 255], [1, 0, 255, 254]]]], dtype=torch.uint8)
    assert derive("shrunk", images).tolist() == [[[[1, 255]]]]
    assert derive("shrunk", images / 2).tolist() == [[[[0.25, 127.375]]]]


def test_subsample_is_a_part_of_the_image(colour):
    data = load_data(colour, context="subsample", subsample=1)
    images, (_, context, *_) = data.test.examples(range(len(data.test)))
    assert torch.equal(context, images[..., ::2, ::2])
    assert data.model_fields["copies_context"]
    assert data.shape == (3, 6, 4)


def test_thinned_images(colour):
    whole, thin = load_data(colour), load_data(colour, subsample=2)
    assert thin.shape == (3, 3, 2)
    assert torch.equal(thin.valid.batch([0, 1]), whole.valid.batch([0, 1])[..., ::2, ::2])
    assert "one of 2 pixels and rows" in thin.protocol
    part = whole.at_scale(2, has_context=False)
    assert part.shape == (3, 3, 2)
    assert part.config.subsample == 2
    assert torch.equal(part.valid.batch([0]), thin.valid.batch([0]))
    assert load_data(colour, subsample=4).shape == (3, 2, 1)


def test_given_contexts(tmp_path):
    generator = np.random.default_rng(0)
    arrays = {
        name: generator.integers(0, 256, (count, 4, 4), dtype=np.uint8) for name, count in (("train", 12), ("test", 5))
    }
    contexts = {
        f"{name}_context": generator.integers(0, 256, (len(a), 2, 2, 2), dtype=np.uint8) for name, a in arrays.items()
    }
    np.savez(tmp_path / "x.npz", **arrays, **contexts)
    data = load_data(tmp_path / "x.npz", context="given", levels=8)
    assert data.context_shape == (2, 2, 2)
    _, (_, context, *_) = data.test.examples([4, 1])
    assert torch.equal(context, torch.from_numpy(contexts["test_context"][[4, 1]] // 32))
    np.savez(tmp_path / "one.npz", images=arrays["train"], context=contexts["train_context"][:, 0])
    assert load_data(tmp_path / "one.npz", context="given").context_shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ({}, "no contexts are given for 'train'"),
        (
            {"train_context": np.zeros((3, 4, 4), np.uint8)},
            r"shape \(3, 4, 4\); \(4, C, H, W\) or \(4, H, W\) is needed",
        ),
        ({"train_context": np.zeros((4, 4), np.uint8)}, r"shape \(4, 4\); \(4, C, H, W\)"),
        ({"train_context": np.zeros((4, 4, 4), np.float32)}, "are float32; the images are uint8"),
        ({"train_context": np.full((4, 4, 4), 9, np.uint8), "levels": 8}, "hold values 9 .. 9; 0 .. 7 are allowed"),
    ],
)
def test_given_contexts_that_do_not_fit(tmp_path, contexts, message):
    source_levels = contexts.pop("levels", None)
    np.savez(tmp_path / "x.npz", train=np.ones((4, 4, 4), np.uint8), **contexts)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / "x.npz", context="given", source_levels=source_levels)


def test_contexts_that_images_do_not_have(colour, tmp_path):
    with pytest.raises(DataError, match="context 'grey' needs colour images; these have 1 channels"):
        load_data("digits", context="grey")
    np.save(tmp_path / "odd.npy", np.zeros((9, 3, 4), np.uint8))
    for kind in ("shrunk", "subsample"):
        with pytest.raises(DataError, match=f"context '{kind}' needs images of even height and width; these are 3x4"):
            load_data(tmp_path / "odd.npy", context=kind)
    with pytest.raises(DataError, match="no contexts are given for 'all'"):
        load_data(colour, context="given")
    with pytest.raises(DataError, match=r"digits: no contexts are given; an .npz with arrays train and train_context"):
        load_data("digits", context="given")
    with pytest.raises(ConfigError, match="context 'given' does not go with crop 'random'"):
        DataConfig(context="given", crop="random", size=8)
    with pytest.raises(ConfigError, match="context is 'gray'; one of none, grey"):
        DataConfig(context="gray")
    with pytest.raises(ConfigError, match="subsample is 0; at least 1 is needed"):
        DataConfig(subsample=0)


def test_patches_have_contexts_and_labels_of_their_own(tmp_path):
    images = np.arange(20 * 64).reshape(20, 8, 8).astype(np.uint8)
    np.savez(tmp_path / "x.npz", train=images, train_labels=np.arange(20))
    data = load_data(tmp_path / "x.npz", labels=True, context="shrunk", crop="random", size=4, patches=3)
    x, (label, context, *_) = data.train.examples([0, 1, 2, 3], 5)
    assert torch.equal(context, derive("shrunk", x))
    assert label[0] == label[1] == label[2] != label[3]


def test_examples_are_joined():
    a = Examples(torch.zeros(2, 1), Condition(torch.tensor([0, 1])))
    joined = Examples.joined([a, a])
    assert joined.images.shape == (4, 1)
    assert joined.condition.label.tolist() == [0, 1, 0, 1]
    assert joined.condition.context is None


def test_conditions_to_sample_with():
    labelled = load_data("digits", labels=True)
    assert labelled.valid.conditions(20)["label"].tolist() == [n // 2 for n in range(20)]
    contexts = load_data("digits", context="shrunk")
    given = contexts.valid.conditions(1000)
    assert given["n"] == len(contexts.valid) == len(given["context"])
    assert load_data("digits").valid.conditions(4) == {"n": 4}


def test_given_contexts_lie_as_the_images_do(tmp_path):
    generator = np.random.default_rng(0)
    images, contexts = (generator.integers(0, 256, (9, 8, 6, 1), dtype=np.uint8) for _ in range(2))
    np.savez(tmp_path / "last.npz", images=images, context=contexts)
    data = load_data(tmp_path / "last.npz", context="given")
    assert (data.shape, data.context_shape) == ((1, 8, 6), (1, 8, 6))
    assert torch.equal(data.whole.examples([3]).condition.context[0, 0], torch.from_numpy(contexts[3, :, :, 0]))


def test_labels_of_another_source_go_by_their_names():
    data = load_data("digits", labels=True)
    other = data.relabelled([*"9876543210", "ten"])
    assert (other.test.examples(range(20)).condition.label == 9 - data.test.examples(range(20)).condition.label).all()
    with pytest.raises(DataError, match="digits: '3' is none of the labels that the model knows: 0, 1, 2"):
        data.relabelled(["0", "1", "2"])

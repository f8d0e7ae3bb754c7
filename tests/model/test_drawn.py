"""What a callback sees of images while they are drawn."""

import pytest
import torch

from pixelrnn import load_model, mean_model
from pixelrnn.config import ModelConfig
from pixelrnn.model.multiscale import build_model
from tests.conftest import build


def seen_while(work):
    """All that was told of what is drawn, and what came out."""
    seen = []
    found = work(lambda at: seen.append((at.fraction, at.drawn())))
    return seen, found


def kinds():
    for architecture in ("pixelcnn", "gated-pixelcnn", "row-lstm", "diagonal-bilstm"):
        yield architecture, build(architecture=architecture, shape=(1, 5, 6), levels=4).float()
    yield "colour", build(architecture="row-lstm", shape=(3, 4, 4), levels=8).float()
    yield "local", build(architecture="local", shape=(3, 6, 6), levels=256, output="logistic-mixture").float()
    yield "orders", build(architecture="pixelcnn", shape=(1, 4, 6), levels=4, orders=8).float()
    config = ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=4, layers=1, hidden=4, scales=2)
    yield "multi-scale", build_model(config, seed=0)


@pytest.mark.parametrize(("kind", "model"), list(kinds()))
def test_images_are_seen_while_they_are_drawn(kind, model):
    seen, images = seen_while(lambda told: model.sample(3, seed=5, callback=told))
    assert (images == model.sample(3, seed=5)).all()  # looking changes nothing
    drawn = [int((each >= 0).sum()) for _, each in seen]
    assert drawn == sorted(drawn)
    assert len(seen) > 3
    assert drawn[0] < images.numel() == drawn[-1]
    for _, each in seen:
        assert each.shape == images.shape
        if kind != "multi-scale":  # where small images are shown large
            assert ((each == -1) | (each == images)).all()
    assert (seen[-1][1] == images).all()


def test_of_several_scales_the_smaller_image_is_seen_until_there_is_more():
    config = ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=4, layers=1, hidden=4, scales=2)
    model = build_model(config, seed=0)
    seen, images = seen_while(lambda told: model.sample(1, seed=0, callback=told))
    small = images[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert any((each == small).all() for _, each in seen)
    assert any(
        (each[..., :2, :] == images[..., :2, :]).all() and (each[..., 6:, :] == small[..., 6:, :]).all()
        for _, each in seen
    )


@pytest.mark.parametrize("of", ["images", "values"])
def test_images_of_a_mean_of_models_are_seen(of):
    models = [build(architecture="pixelcnn", shape=(1, 4, 5), levels=4, seed=seed).float() for seed in (1, 2)]
    model = mean_model(models, of=of)
    seen, images = seen_while(lambda told: model.sample(5, seed=0, callback=told))
    assert (images == model.sample(5, seed=0)).all()
    for _, each in seen:
        assert ((each == -1) | (each == images)).all()
    assert (seen[-1][1] == images).all()


@pytest.mark.parametrize("scales", [1, 2])
def test_images_of_a_continuous_model_are_seen(scales):
    config = ModelConfig(architecture="pixelcnn", shape=(1, 4, 4), levels=0, layers=1, hidden=4, scales=scales)
    model = build_model(config, seed=0)
    seen, images = seen_while(lambda told: model.sample(2, seed=0, callback=told))
    assert (seen[-1][1] == images).all()
    for _, each in seen:
        if scales == 1:
            assert ((each == 0) | (each == images)).all()
        assert each.isfinite().all()


@pytest.mark.parametrize("order", [None, "all"])
def test_completions_are_seen_while_they_are_drawn(order):
    model = build(architecture="pixelcnn", shape=(1, 4, 6), levels=4, orders=8).float()
    x, known = torch.randint(0, 4, (2, 1, 4, 6)), torch.zeros(4, 6, dtype=torch.bool)
    known[2:] = True
    seen, found = seen_while(lambda told: model.complete(x, known, order=order, seed=1, particles=8, callback=told))
    for _, each in seen:
        assert (each[..., 2:, :] == x[..., 2:, :]).all()
    assert (found.images[..., 2:, :] == x[..., 2:, :]).all()
    assert any((each[..., :2, :] == -1).any() for _, each in seen)


def test_planes_are_seen_as_colours():
    model = load_model("photographs")
    seen, images = seen_while(lambda told: model.sample(1, size=(6, 7), seed=0, callback=told))
    assert (seen[-1][1] == images).all()

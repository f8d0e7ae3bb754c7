"""A program is made once for each size and weights, whatever it is for."""

import copy
import pickle

import pytest
import torch

from pixelrnn import Codec, ImageModel, ModelConfig
from tests.conftest import WITH_WALK

WALKS = {name: "pixelrnn.local.face" if name == "local" else "pixelrnn.walk.face" for name in WITH_WALK}


@pytest.fixture
def made(monkeypatch):
    """Sizes of the programs that are made."""
    import importlib

    sizes = []
    for name in set(WALKS.values()):
        module = importlib.import_module(name)

        def counted(network, size, lower=module.lower):
            sizes.append(size)
            return lower(network, size)

        monkeypatch.setattr(module, "lower", counted)
    return sizes


@pytest.mark.parametrize("architecture", WITH_WALK)
def test_once_for_sampling_completing_and_coding(architecture, made):
    config = ModelConfig(architecture=architecture, shape=(1, 4, 5), levels=4, layers=1, hidden=4, mixtures=2)
    model = ImageModel(config, seed=0).eval()
    images = model.sample(3, seed=0)
    model.complete(images, torch.ones(4, 5, dtype=torch.bool))
    model.sample(2, seed=1, temperature=0.5, top_k=2)
    codec = Codec(model)
    assert torch.equal(codec.decode(codec.encode(images)), images)
    assert made == [(4, 5)]
    model.sample(1, size=(2, 3), seed=0)
    assert made == [(4, 5), (2, 3)]


def test_other_weights_are_another_program(made):
    model = ImageModel(ModelConfig(shape=(1, 3, 3), levels=2, layers=1, hidden=2), seed=0)
    before = model.sample(64, seed=0)
    with torch.no_grad():
        model.network.last.bias.add_(3)  # in place, by whomever
    after = model.sample(64, seed=0)
    assert len(made) == 2
    assert after.float().mean() > before.float().mean()
    model.load_state_dict(ImageModel(model.config, seed=0).state_dict())
    assert torch.equal(model.sample(64, seed=0), before)


def test_copies_begin_without_programs(made):
    model = ImageModel(ModelConfig(shape=(1, 3, 3), levels=2, layers=1, hidden=2), seed=0)
    wanted = model.sample(2, seed=0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other.sample(2, seed=0), wanted)
    assert len(made) == 3

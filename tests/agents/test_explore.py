"""Pseudo-counts: exact where a model counts, and growing with what was seen where it is a network."""

import math

import gymnasium
import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataError, ModelConfig, build_model
from pixelrnn.agents.explore import PseudoCounts, bonus, frame_of, pseudo_count
from pixelrnn.agents.novelty_bonus import NoveltyBonus
from tests.conftest import build


@pytest.mark.parametrize("seen", [1, 2, 7, 40])
@pytest.mark.parametrize("frames", [41, 1000, 10**6])
def test_a_model_that_counts_has_its_counts(seen, frames):
    """The empirical distribution: n(x) / n before, (n(x) + 1) / (n + 1) after."""
    found = pseudo_count(math.log(seen / frames), math.log((seen + 1) / (frames + 1)))
    assert found == pytest.approx(seen, rel=1e-6)


@pytest.mark.parametrize("seen", [0, 3, 50])
def test_a_dirichlet_model_has_its_counts_and_its_prior(seen):
    """With K values and a prior weight of a each: pseudo-counts are n(x) + a."""
    a, k, frames = 0.5, 30, 200
    before, after = (seen + a) / (frames + k * a), (seen + 1 + a) / (frames + 1 + k * a)
    assert pseudo_count(math.log(before), math.log(after)) == pytest.approx(seen + a)


def test_extremes():
    assert pseudo_count(-10.0, -10.0) == math.inf
    assert pseudo_count(-10.0, -11.0) == math.inf
    assert pseudo_count(-1e6, -1.0) == 0
    assert pseudo_count(-1e-9, 0.0) == 0
    assert pseudo_count(-2000.0, -1999.9) == pytest.approx(1 / math.expm1(0.1))
    assert pseudo_count(-20.0, -18.0, scale=0.25) == pytest.approx(-math.expm1(-18) / math.expm1(0.5))
    assert bonus(math.inf) == 0
    assert bonus(0) == 10


def counter(**fields):
    config = ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=4, layers=1, hidden=8)
    return PseudoCounts(build_model(config, seed=0), **fields)


def test_what_is_told_is_what_the_model_says():
    counts = counter(gain_scale=0.5, bonus_scale=2.0)
    frame = torch.randint(0, 4, (1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for frames in range(1, 5):
        before = counts.model.log_prob(frame[None]).item()
        found = counts.observe(frame)
        after = counts.model.log_prob(frame[None]).item()
        assert found.log_prob == pytest.approx(before, rel=1e-5)
        assert found.prediction_gain == pytest.approx(after - before, abs=1e-3)
        assert found.pseudo_count == pytest.approx(pseudo_count(before, after, scale=0.5 / frames**0.5), rel=1e-3)
        assert found.bonus == 2 * bonus(found.pseudo_count)


def test_counts_grow_with_what_was_seen():
    """A frame seen ten times as often as another; both of noise, so that neither tells of the other."""
    counts, random = counter(), torch.Generator().manual_seed(0)
    often, seldom, never = torch.randint(0, 4, (3, 1, 8, 8), dtype=torch.uint8, generator=random)
    for number in range(220):
        last = counts.observe(seldom if number % 11 == 10 else often)
    assert last.pseudo_count < counts.observe(often).pseudo_count
    new = counts.observe(never)
    assert new.pseudo_count < last.pseudo_count
    assert new.bonus > 2 * counts.observe(often).bonus


def test_an_environment_pays_the_bonus():
    class Screen(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (24, 16, 3), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return np.zeros((24, 16, 3), np.uint8), {}

        def step(self, action):
            return np.full((24, 16, 3), 255 * action, np.uint8), 0.5, action == 1, False, {"lives": 3}

    env = NoveltyBonus(Screen(), counter())
    env.reset()
    for _ in range(60):
        observation, reward, is_terminated, is_truncated, info = env.step(0)
    assert observation.shape == (24, 16, 3)
    assert reward == 0.5 + info["novelty"].bonus
    assert (info["reward"], info["lives"]) == (0.5, 3)
    assert not is_terminated
    assert not is_truncated
    assert env.step(1)[1] > reward
    with pytest.raises(ConfigError, match=r"the model is of images of shape \(3, 8, 8\)"):
        NoveltyBonus(Screen(), PseudoCounts(build(shape=(3, 8, 8), levels=4)))


def test_frames():
    image = np.zeros((21, 42, 3), np.uint8)
    image[:, 21:] = [255, 128, 0]
    found = frame_of(image, side=21, levels=8)
    assert found.shape == (1, 21, 21)
    grey = 0.299 * 255 + 0.587 * 128
    assert found[0, 0].tolist() == [0] * 10 + [int(grey / 2 / 32)] + [int(grey / 32)] * 10
    for wrong in (np.zeros((30, 30)), np.zeros((30, 30, 4), np.uint8), np.zeros((20, 30), np.uint8)):
        with pytest.raises(DataError, match="an observation"):
            frame_of(wrong, side=21)


def test_what_is_refused():
    with pytest.raises(ConfigError, match="learning_rate is 0; it must be above 0 and finite"):
        counter(learning_rate=0)
    with pytest.raises(ConfigError, match="a continuous model gives densities"):
        PseudoCounts(build(shape=(1, 4, 4), levels=0))
    with pytest.raises(DataError, match="shape"):
        counter().observe(torch.zeros(2, 8, 8, dtype=torch.uint8))

"""Rollouts by the probabilities of the model, and plans that are the best there are."""

import itertools

import pytest
import torch

from pixelrnn import ConfigError, DataError
from pixelrnn.agents.plan import Search, cross_entropy_method, dynamics_of, random_shooting, rollout, worth
from tests.conftest import all_images, build

SHAPE, LEVELS, ACTIONS = (1, 1, 2), 2, 3


@pytest.fixture(scope="module")
def model():
    return build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS, classes=ACTIONS, context=SHAPE)


def test_rollouts_have_the_probabilities_of_the_chain(model):
    """Two steps, from one frame: p(x1 | x0, a0) p(x2 | x1, a1), counted over all 16 pairs of frames."""
    states, count = all_images(SHAPE, LEVELS), 6_000
    first, actions = states[1], torch.tensor([2, 0])
    expected = torch.zeros(4, 4)
    one = model.log_prob(states, label=2, context=first[None].expand(4, *SHAPE)).exp()
    for number, state in enumerate(states):
        two = model.log_prob(states, label=0, context=state[None].expand(4, *SHAPE)).exp()
        expected[number] = (one[number] * two).detach()
    drawn = rollout(dynamics_of(model), first[None].repeat(count, 1, 1, 1), actions.repeat(count, 1), seed=3)
    codes = (drawn.flatten(2) * torch.tensor([2, 1])).sum(2)
    found = torch.bincount(4 * codes[:, 0] + codes[:, 1], minlength=16).reshape(4, 4) / count
    assert expected.sum().item() == pytest.approx(1)
    assert (found - expected).abs().max() < 4 * 0.5 / count**0.5
    again = rollout(dynamics_of(model), first[None].repeat(9, 1, 1, 1), actions.repeat(9, 1), seed=3)
    assert torch.equal(drawn[:9], again)


def walk(frames, actions, seed):
    """A point on a line of nine that moves left, stays or moves right: frames are its place."""
    return (frames + actions[:, None, None, None] - 1).clamp(0, 8)


def reward(frames):
    """The right end pays, and the place before it costs: a plan must see beyond its first steps."""
    place = frames.flatten()
    return torch.where(place == 8, 5.0, torch.where(place == 7, -1.0, 0.0))


def test_worth_is_the_discounted_sum():
    actions = torch.tensor([[2, 2, 2], [2, 2, 0], [1, 1, 1]])
    found = worth(walk, reward, torch.full((1, 1, 1), 6), actions, discount=0.5)
    assert found.tolist() == [-1 + 2.5 + 1.25, -1 + 2.5 - 0.25, 0.0]


@pytest.mark.parametrize("start", [0, 2, 7])
@pytest.mark.parametrize("method", [random_shooting, cross_entropy_method])
def test_plans_are_the_best_there_are(method, start):
    frame, search = torch.full((1, 1, 1), start), Search(actions=3, horizon=5, sequences=600, discount=0.9)
    every = torch.tensor(list(itertools.product(range(3), repeat=5)))
    best = worth(walk, reward, frame, every, discount=0.9).max().item()
    found = method(walk, reward, frame, search, seed=1)
    assert found.value == pytest.approx(best)
    assert worth(walk, reward, frame, found.actions[None], discount=0.9).item() == pytest.approx(best)


def test_the_cross_entropy_method_finds_what_shooting_does_not():
    """Of 3^10 sequences one kind pays; steps that lead there pay a little."""

    def towards(frames):
        place = frames.flatten().double()
        return place / 100 + 5.0 * (place == 8)

    frame, search = torch.zeros(1, 1, 1, dtype=torch.int64), Search(actions=3, horizon=10, sequences=100, rounds=6)
    pairs = [
        (random_shooting(walk, towards, frame, search, seed=seed).value,
         cross_entropy_method(walk, towards, frame, search, seed=seed).value)
        for seed in range(20)
    ]  # fmt: skip
    shooting, method = torch.tensor(pairs).T
    assert method.mean() > 14 > shooting.mean()


def test_more_rollouts_are_not_lucky():
    """A gamble that pays 3 once in four times, and a safe way that pays 1."""

    def gamble(frames, actions, seed):
        drawn = torch.rand(len(frames), generator=torch.Generator().manual_seed(seed))
        return torch.where(actions == 0, torch.where(drawn < 0.25, 3, 0), 1)[:, None, None, None]

    frame, chosen = torch.zeros(1, 1, 1, dtype=torch.int64), {}
    for rollouts in (1, 1000):
        search = Search(actions=2, horizon=1, sequences=40, rollouts=rollouts)
        chosen[rollouts] = [
            random_shooting(gamble, lambda frames: frames.flatten(), frame, search, seed=seed) for seed in range(10)
        ]
    assert all(plan.actions.item() == 0 and plan.value == 3 for plan in chosen[1])
    assert all(plan.actions.item() == 1 and plan.value == 1 for plan in chosen[1000])


def test_what_is_refused(model):
    with pytest.raises(ConfigError, match="this one has context None for images"):
        dynamics_of(build(shape=SHAPE, levels=2))
    with pytest.raises(DataError, match=r"actions have shape \(2,\); \(N, T\) for N = 2 frames is needed"):
        rollout(dynamics_of(model), torch.zeros(2, *SHAPE, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    for name, value in {"horizon": 0, "discount": 1.5, "elite": 0.0, "smoothing": 1.0}.items():
        with pytest.raises(ConfigError, match=name):
            Search(**{"actions": 2, "horizon": 3, name: value})

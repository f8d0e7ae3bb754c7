"""Plan with a model that has seen what steps at random do, and nothing else.

    python examples/planning.py --out planning.png

The world is a room with walls; start and goal are anywhere, and one step in five goes nowhere. A next-frame model (the
context is the frame before, the label the action) learns from transitions of a random walk. Then an agent with it plans
by the cross-entropy method before each step. It is compared with one that plans in the same way by the true rules
of the world, with one whose model has learned nothing, and with steps at random. Prints the share of the episodes that
reach the goal, over seeds that each train a model of their own, and draws it, with rollouts of the model.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from grid_world import AGENT, FLOOR, GOAL, LEVELS, MOVES, GridWorld, as_frame, room
from matplotlib.figure import Figure
from torch import Tensor

import pixelrnn
from pixelrnn.agents.plan import Dynamics, Search, cross_entropy_method, dynamics_of, rollout
from pixelrnn.plots import grid

SEARCH = Search(actions=len(MOVES), horizon=10, sequences=64, rounds=2, discount=0.9)
RESET = 20  # steps of a random walk between two starts

Policy = Callable[[Tensor, int], int]
"""From a frame and a seed to an action."""


def transitions(world: GridWorld, count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Frames, the actions taken in them, and the frames that followed."""
    before, actions, after = [], random.integers(0, len(MOVES), count), []
    for step, action in enumerate(actions.tolist()):
        if step % RESET == 0:
            image = world.reset()[0]
        before.append(image)
        image = world.step(action)[0]
        after.append(image)
    return {"": np.array(after), "_context": np.array(before), "_labels": actions}


def next_frame_model(seed: int, count: int, minutes: float) -> pixelrnn.ImageModel:
    """A model of the frame that follows, trained on transitions of a random walk."""
    world, random = room(), np.random.default_rng(seed)
    world.reset(seed=seed)
    splits = {"train": transitions(world, count, random), "valid": transitions(world, count // 10, random)}
    splits["test"] = splits["valid"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transitions.npz"
        np.savez(path, **{name + what: array for name, split in splits.items() for what, array in split.items()})
        data = pixelrnn.load_data(path, context="given", labels=True, source_levels=LEVELS)
    config = pixelrnn.ModelConfig(architecture="pixelcnn", layers=3, hidden=16, **data.model_fields)
    model = pixelrnn.build_model(config, seed=seed)
    found = pixelrnn.fit(model, data, pixelrnn.TrainConfig(minutes=minutes, seed=seed, samples=0, evaluations=5))
    print(f"seed {seed}: a model of {count:,} transitions, {found.best:.2f} nats a frame", flush=True)
    return model


def true_dynamics(world: GridWorld) -> Dynamics:
    """The rules of the world, on frames."""
    moves = torch.tensor(MOVES)

    def step(frames: Tensor, actions: Tensor, seed: int) -> Tensor:
        random, plan = torch.Generator().manual_seed(seed), torch.from_numpy(world.floor_plan)
        images = frames[:, 0]
        number, row, column = (images == AGENT).nonzero().T
        assert len(number) == len(images)
        is_hidden = ~(images == GOAL).flatten(1).any(1)  # the agent stands on it
        there = torch.stack([row, column], dim=1) + moves[actions]
        moves_on = (plan[there[:, 0], there[:, 1]] == FLOOR) & (torch.rand(len(images), generator=random) >= world.slip)
        after = images.clone()
        after[number, row, column] = torch.where(is_hidden, GOAL, FLOOR).to(after.dtype)
        place = torch.where(moves_on[:, None], there, torch.stack([row, column], dim=1))
        after[number, place[:, 0], place[:, 1]] = AGENT
        return after[:, None]

    return step


def planner(dynamics: Dynamics) -> Policy:
    """Take the first step of the best plan: a frame is worth 1 where the agent is at the place of the goal."""

    def act(frame: Tensor, seed: int) -> int:
        row, column = (frame[0] == GOAL).nonzero()[0].tolist()

        def reward(frames: Tensor) -> Tensor:
            return (frames[:, 0, row, column] == AGENT).double()

        return int(cross_entropy_method(dynamics, reward, frame, SEARCH, seed=seed).actions[0])

    return act


def at_random(frame: Tensor, seed: int) -> int:
    """Any action."""
    return int(np.random.default_rng(seed).integers(len(MOVES)))


def success(policy: Policy, seed: int, episodes: int) -> float:
    """Share of the episodes that reach the goal: all policies get the same starts and goals."""
    world, reached = room(), 0
    for episode in range(episodes):
        image, is_over = world.reset(seed=1_000 * seed + episode)[0], False
        while not is_over:
            action = policy(as_frame(image), 100 * episode + world.steps)
            image, _, is_terminated, is_truncated, _ = world.step(action)
            is_over = is_terminated or is_truncated
        reached += is_terminated
    return reached / episodes


def draw(found: dict[str, list[float]], model: pixelrnn.ImageModel, path: Path) -> None:
    """Success rates of all seeds, and rollouts that go right and then down."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    for number, rates in enumerate(found.values()):
        left.bar(number, np.mean(rates), color=f"C{number}", alpha=0.5)
        left.plot(np.full(len(rates), number), rates, "o", color=f"C{number}", markersize=4)
    left.set(xticks=range(len(found)), ylabel="episodes that reach the goal", ylim=(0, 1.04))
    left.set_title(f"{len(rates)} seeds, a model each")
    left.set_xticklabels([name.replace(" ", "\n") for name in found])
    world = room()
    first = torch.stack([as_frame(world.reset(seed=seed)[0]) for seed in range(4)])
    drawn = rollout(dynamics_of(model), first, torch.tensor([[3] * 4 + [1] * 4] * len(first)), seed=0)
    right.imshow(grid(torch.cat([first[:, None], drawn], dim=1).flatten(0, 1), LEVELS, columns=9), cmap="gray")
    right.set_axis_off()
    right.set_title("given, then drawn: four steps right, four down")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--transitions", type=int, default=6_000)
    parser.add_argument("--minutes", type=float, default=1.5, help="of training, for each seed")
    parser.add_argument("--out", type=Path, default=Path("planning.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[float]] = {"at random": [], "untrained model": [], "learned model": [], "true rules": []}
    begun = time.perf_counter()
    for seed in range(options.seeds):
        model = next_frame_model(seed, options.transitions, options.minutes)
        untrained = pixelrnn.build_model(model.config, seed=seed)
        dynamics = dynamics_of(untrained), dynamics_of(model), true_dynamics(room())
        policies = (at_random, *map(planner, dynamics))
        for name, policy in zip(found, policies, strict=True):
            found[name].append(success(policy, seed, options.episodes))
        print(", ".join(f"{name} {rates[-1]:.0%}" for name, rates in found.items()), flush=True)
    for name, rates in found.items():
        error = np.std(rates, ddof=1) / len(rates) ** 0.5 if len(rates) > 1 else np.nan
        print(f"{name}: {np.mean(rates):.1%} +- {error:.1%} of {options.episodes * len(rates)} episodes reach the goal")
    draw(found, model, options.out)
    print(f"{options.out} shows it ({time.perf_counter() - begun:.0f} s)")


if __name__ == "__main__":
    main()

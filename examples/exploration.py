"""Q-learning with and without a bonus for what is new, in a world whose only reward is far away.

    python examples/exploration.py --out exploration.png

The world is a corridor of 31 places, of which the agent sees those around it; an episode has 60 steps, and a walk at
random gets nowhere near the end. The bonus comes from a PixelCNN that learns what is seen online, an image at a time
(`pixelrnn.agents.explore`). Both agents are tabular, and the same but for the bonus; they learn from a mixture of
Q-learning's targets and Monte-Carlo returns, as those of the papers do. Prints how many agents reach the goal and how
far they get, and draws it, for all seeds.
"""

import argparse
import collections
import time
from pathlib import Path

import numpy as np
import torch
from grid_world import LEVELS, as_frame, corridor
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pixelrnn import ModelConfig, build_model
from pixelrnn.agents.explore import PseudoCounts
from pixelrnn.agents.novelty_bonus import NoveltyBonus

LEARNING_RATE, DISCOUNT, EPSILON = 0.1, 0.97, 0.2
MONTE_CARLO = 0.9  # share of the return in the target
GAIN_SCALE = 10.0  # of the papers' 0.1: images of 49 pixels gain less than those of 1,764
MEMORY = 300  # steps over which the usual bonus is averaged
WARM = 100  # steps before anything counts as new


class Surprise:
    """What of a bonus is more than one standard deviation above its recent mean; where nothing is new, nothing.

    A network's bonus never quite ends where all is known, and an agent would stay where it is a little higher.
    """

    def __init__(self) -> None:
        self.steps, self.mean, self.square = 0, 0.0, 0.0

    def of(self, bonus: float) -> float:
        """Of one more bonus."""
        deviation = max(0.0, self.square - self.mean**2) ** 0.5
        surprise = max(0.0, bonus - self.mean - deviation) if self.steps >= WARM else 0.0
        self.steps += 1
        share = 1 / min(self.steps, MEMORY)
        self.mean += share * (bonus - self.mean)
        self.square += share * (bonus**2 - self.square)
        return surprise


def learn(seed: int, has_bonus: bool, episodes: int) -> NDArray[np.float64]:
    """The places that one agent has been to by each episode, and whether it reached the goal in it: `(episodes, 2)`."""
    random, inner, surprise = np.random.default_rng(seed), corridor(), Surprise()
    env = inner
    if has_bonus:
        shape = (1, *inner.observation_space.shape)
        config = ModelConfig(architecture="pixelcnn", shape=shape, levels=LEVELS, layers=1, hidden=16)
        env = NoveltyBonus(inner, PseudoCounts(build_model(config, seed=seed), gain_scale=GAIN_SCALE), as_frame)
    values: dict[bytes, NDArray[np.float64]] = collections.defaultdict(lambda: np.zeros(4))
    found, been = np.zeros((episodes, 2)), set()
    for episode in range(episodes):
        seen, is_over, trace = env.reset(seed=None)[0].tobytes(), False, []
        while not is_over:
            best = np.flatnonzero(values[seen] == values[seen].max())
            action = int(random.integers(4) if random.random() < EPSILON else random.choice(best))
            observation, reward, is_terminated, is_truncated, info = env.step(action)
            if has_bonus:
                reward = info["reward"] + surprise.of(info["novelty"].bonus)
            then = observation.tobytes()
            trace.append((seen, action, reward, then, is_terminated))
            seen, is_over = then, is_terminated or is_truncated
            been.add(inner.place)
        gained = 0.0
        for before, action, reward, after, is_end in reversed(trace):
            gained = reward + DISCOUNT * gained
            step = reward + (0 if is_end else DISCOUNT * values[after].max())
            target = MONTE_CARLO * gained + (1 - MONTE_CARLO) * step
            values[before][action] += LEARNING_RATE * (target - values[before][action])
        found[episode] = len(been), is_terminated
    return found


def draw(found: dict[str, NDArray[np.float64]], path: Path) -> None:
    """Means over the seeds and their standard errors, and each seed."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2), (0, 1), ("places seen", "share of the seeds at the goal so far"), strict=True
    ):
        for number, (name, runs) in enumerate(found.items()):
            each = runs[:, :, column] if column == 0 else np.maximum.accumulate(runs[:, :, column], axis=1)
            mean, error = each.mean(0), each.std(0, ddof=1) / np.sqrt(len(each))
            at = np.arange(1, each.shape[1] + 1)
            axes.plot(at, mean, color=f"C{number}", label=f"Q-learning {name}")
            axes.fill_between(at, mean - error, mean + error, alpha=0.25, color=f"C{number}", linewidth=0)
            if column == 0:
                axes.plot(at, each.T, color=f"C{number}", alpha=0.25, linewidth=0.7)
        axes.set(xlabel="episode", ylabel=label, ylim=(-0.02 * (column or 15), None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"A corridor of 31 places, {len(runs)} seeds")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("exploration.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name, has_bonus in (("without", False), ("with the bonus", True)):
        begun, runs = time.perf_counter(), []
        for seed in range(options.seeds):
            runs.append(learn(seed, has_bonus, options.episodes))
            reached, end = np.flatnonzero(runs[-1][:, 1]), "never reaches the goal"
            if len(reached):
                end = f"reaches the goal first in episode {reached[0] + 1}, in {len(reached)} in all"
            print(f"{name}, seed {seed}: {runs[-1][-1, 0]:.0f} places, {end}", flush=True)
        found[name] = np.array(runs)
        successes = int(found[name][:, :, 1].any(1).sum())
        print(f"{name}: {successes} of {options.seeds} agents reach the goal ({time.perf_counter() - begun:.0f} s)")
    draw(found, options.out)
    print(f"{options.out} shows it")


if __name__ == "__main__":
    main()

"""Small worlds in images: a corridor that is seen a window at a time, and a room that is seen whole."""

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

LEVELS = 8
FLOOR, GOAL, AGENT = 0, 6, 7  # walls have the levels between
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right

Image = NDArray[np.uint8]
Place = tuple[int, int]


class GridWorld(gymnasium.Env[Image, int]):
    """An agent walks over the floor; reaching the goal pays 1 and ends the episode.

    Args:
        floor_plan: Levels of all places; those with floor can be walked on, and no others.
        start: Where episodes begin; drawn anew for each if not given.
        goal: Where the goal is; likewise.
        view: How far the agent, in the middle, sees to each side; all is seen, and the agent, if not given.
        length: Steps of an episode.
        slip: Chance that a step goes nowhere.
    """

    def __init__(
        self,
        floor_plan: Image,
        *,
        start: Place | None = None,
        goal: Place | None = None,
        view: int | None = None,
        length: int = 60,
        slip: float = 0.0,
    ) -> None:
        self.floor_plan, self.start, self.goal = floor_plan, start, goal
        self.view, self.length, self.slip = view, length, slip
        shape = floor_plan.shape if view is None else (2 * view + 1, 2 * view + 1)
        self.observation_space = gymnasium.spaces.Box(0, LEVELS - 1, shape, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(MOVES))  # type: ignore[assignment]
        self.place = self.target = (0, 0)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        free = np.argwhere(self.floor_plan == FLOOR)
        drawn = free[self.np_random.choice(len(free), 2, replace=False)].tolist()
        self.place, self.target = self.start or tuple(drawn[0]), self.goal or tuple(drawn[1])
        self.steps = 0
        return self.image(), {}

    def step(self, action: int) -> tuple[Image, float, bool, bool, dict[str, Any]]:
        """Move, unless there is a wall, or the agent slips."""
        there = self.place[0] + MOVES[action][0], self.place[1] + MOVES[action][1]
        if self.floor_plan[there] == FLOOR and not (self.slip and self.np_random.random() < self.slip):
            self.place = there
        self.steps += 1
        is_there = self.place == self.target
        return self.image(), float(is_there), is_there, self.steps >= self.length, {}

    def image(self) -> Image:
        """What is seen."""
        image = self.floor_plan.copy()
        image[self.target] = GOAL
        if self.view is None:
            image[self.place] = AGENT
            return image
        (row, column), reach = self.place, self.view
        return image[row - reach : row + reach + 1, column - reach : column + reach + 1]


def corridor(side: int = 9, view: int = 3, length: int = 60) -> GridWorld:
    """A winding corridor between walls of all sorts, from one end to the goal at the other."""
    random = np.random.default_rng(1)
    whole = random.integers(1, GOAL, (side + 2 * view, side + 2 * view)).astype(np.uint8)
    inside = whole[view:-view, view:-view]
    inside[1:-1:2, 1:-1] = FLOOR
    for number, row in enumerate(range(2, side - 1, 2)):  # openings, now right and now left
        inside[row, -2 if number % 2 == 0 else 1] = FLOOR
    end = (side - 2, side - 2 if side // 2 % 2 else 1)
    return GridWorld(whole, start=(1 + view, 1 + view), goal=(end[0] + view, end[1] + view), view=view, length=length)


def room(slip: float = 0.2, length: int = 20) -> GridWorld:
    """A room of 5x5 places and some walls, with start and goal anywhere; one step in five goes nowhere."""
    plan = np.full((7, 7), 1, np.uint8)
    plan[1:-1, 1:-1] = FLOOR
    plan[2, 1:3] = plan[4, 3:5] = 1
    return GridWorld(plan, slip=slip, length=length)


def as_frame(image: Image) -> torch.Tensor:
    """An image as a model takes it, `(1, H, W)`."""
    return torch.from_numpy(np.ascontiguousarray(image))[None]

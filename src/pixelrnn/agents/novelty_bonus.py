"""An environment of `gymnasium` that also pays for what is new."""

from collections.abc import Callable
from typing import Any, SupportsFloat

from torch import Tensor

from pixelrnn.agents.explore import PseudoCounts, frame_of
from pixelrnn.errors import ConfigError

try:
    import gymnasium
except ImportError as error:
    raise ConfigError("gymnasium is not installed: pip install 'pixelrnn[gymnasium]'") from error

__all__ = ["NoveltyBonus"]


class NoveltyBonus(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds the bonus of each frame to the reward, and learns from the frame.

    `info` gets `reward` (the environment's own) and `novelty` (a `pixelrnn.agents.explore.Novelty`).

    Args:
        env: Environment whose observations are images.
        counts: What counts.
        frame: Function from an observation to a frame; `frame_of` with the side and the levels of the model if not
            given.

    Example:
        `wrapped = NoveltyBonus(gymnasium.make("ALE/MontezumaRevenge-v5"), PseudoCounts(model))`, with a model of
        1x42x42 images of 8 levels.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], counts: PseudoCounts, frame: Callable[[Any], Tensor] | None = None
    ) -> None:
        super().__init__(env)
        self.counts = counts
        config = counts.model.config
        if frame is None and (config.shape[0] != 1 or config.shape[1] != config.shape[2]):
            raise ConfigError(f"the model is of images of shape {config.shape}; give a function that makes such frames")
        self._frame = frame or (lambda seen: frame_of(seen, side=config.shape[1], levels=config.levels))

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Act; see `gymnasium.Env.step`."""
        observation, reward, is_terminated, is_truncated, info = self.env.step(action)
        novelty = self.counts.observe(self._frame(observation))
        info = {**info, "reward": float(reward), "novelty": novelty}
        return observation, float(reward) + novelty.bonus, is_terminated, is_truncated, info

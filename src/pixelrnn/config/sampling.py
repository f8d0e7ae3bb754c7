"""How values are drawn."""

import dataclasses
import math

from pixelrnn.config.checks import require, require_seed

__all__ = ["Sampling"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How values are drawn."""

    seed: int = 0
    """Seed of all random numbers: image i is a function of (seed, i)."""

    temperature: float = 1.0
    """Every conditional is raised to the power 1/temperature: below 1 likelier, above 1 wilder values."""

    top_k: int | None = None
    """Draw each value from the k likeliest only."""

    top_p: float = 1.0
    """Draw each value from the likeliest that together have this probability."""

    def __post_init__(self) -> None:
        """Check every field."""
        require_seed("seed", self.seed)
        require(0 < self.temperature < math.inf, f"temperature is {self.temperature}; it must be above 0 and finite")
        require(0 < self.top_p <= 1, f"top_p is {self.top_p}; it lies above 0 and up to 1")
        require(self.top_k is None or self.top_k >= 1, f"top_k is {self.top_k}; at least 1 is needed")

    @property
    def is_restricted(self) -> bool:
        """Whether some values cannot be drawn that have a probability."""
        return self.top_k is not None or self.top_p < 1

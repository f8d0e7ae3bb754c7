"""How values are drawn: the options that sample, complete and upscale share."""

import dataclasses
from typing import Any

from pixelrnn.config import require_seed
from pixelrnn.errors import ConfigError

__all__ = ["Draw"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """How values are drawn."""

    seed: int = 0
    """Seed of all that is drawn."""

    temperature: float = 1.0
    """Below 1 likelier, above 1 wilder values."""

    top_k: int | None = None
    """Draw each value from the k likeliest only."""

    top_p: float = 1.0
    """Draw each value from the likeliest that together have this probability."""

    batch: int = 256
    """Images, or particles, walked at once; memory grows with it."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_seed("seed", self.seed)
        if self.batch < 1:
            raise ConfigError(f"--batch is {self.batch}; at least 1 is needed")

    @property
    def arguments(self) -> dict[str, Any]:
        """The same as arguments of `sample`, `complete` and `upscale`."""
        return dataclasses.asdict(self)

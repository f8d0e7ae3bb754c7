"""Checks of what a user gives, before anything heavy is imported."""

import os
from pathlib import Path
from typing import Any, get_args

from pixelrnn.config.names import CONFIG
from pixelrnn.errors import ConfigError, DataError, RunError

__all__ = [
    "require",
    "require_alpha",
    "require_choice",
    "require_draws",
    "require_run",
    "require_seed",
    "require_source",
    "usable_cores",
]

MAX_SEED = 2**63


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with a message unless a condition holds."""
    if not condition:
        raise ConfigError(message)


def require_choice(name: str, value: str, choices: Any) -> None:
    """Raise `ConfigError` unless a value is one of a `Literal`."""
    require(value in get_args(choices), f"{name} is {value!r}; one of {', '.join(get_args(choices))} is allowed")


def require_seed(name: str, value: int) -> None:
    """Check that a seed can be one; raises `ConfigError` with its name if not."""
    require(0 <= value < MAX_SEED, f"{name} is {value}; 0 to 2^63 - 1 are allowed")


def require_draws(confidence: float, draws: int) -> None:
    """Check the numbers of a bootstrap; raises `ConfigError` if one is out of range."""
    require(0 < confidence < 1, f"confidence is {confidence}; it lies above 0 and below 1")
    require(draws >= 1, f"draws is {draws}; at least 1 is needed")


def require_alpha(alpha: float) -> None:
    """Check a share of usual images that may be rejected; raises `ConfigError` if it is none."""
    require(0 < alpha < 1, f"alpha is {alpha}; above 0 and below 1 is needed")


def require_source(source: str) -> None:
    """Check that a source is there, as far as its name tells.

    Raises:
        DataError: If it is neither `digits`, nor a name on the hub, nor a path that exists.
    """
    try:
        is_there = source == "digits" or source.startswith("hf:") or Path(source).exists()
    except OSError:
        is_there = False
    if not is_there:
        raise DataError(f"{source}: no such file or folder (nor 'digits' or hf:owner/name)")


def require_run(folder: Path) -> None:
    """Check that a folder holds a run or a model.

    Raises:
        RunError: If it has no `config.json`.
    """
    if not (folder / CONFIG).exists():
        raise RunError(f"{folder}: no config.json here; is this a run or model folder?")

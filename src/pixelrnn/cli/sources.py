"""Loading data for a command: with progress, and with a line of what was found."""

import dataclasses
from typing import TYPE_CHECKING, Any

from pixelrnn.cli.console import progress, say
from pixelrnn.config import DataConfig

if TYPE_CHECKING:
    from pixelrnn.data import Data

__all__ = ["load"]

MOST_LISTED = 20


def load(source: str, config: DataConfig, *, is_silent: bool = False, **changes: Any) -> "Data":
    """Load a source and say what it holds, on standard error so that results stay alone on standard output."""
    from pixelrnn.data import load_data

    with progress("decoding images", is_silent=is_silent) as report:
        data = load_data(source, dataclasses.replace(config, **changes), callback=report)
    if not is_silent:
        say(f"{source}: {data.summary}", is_aside=True)
        for line in data.skipped[:MOST_LISTED]:
            say(f"  skipped {line}", is_aside=True)
        if len(data.skipped) > MOST_LISTED:
            say(f"  ... and {len(data.skipped) - MOST_LISTED:,} more", is_aside=True)
    return data

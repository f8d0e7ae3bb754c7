"""Loading data for a command: with progress, and with a line of what was found."""

import dataclasses
from typing import TYPE_CHECKING, Any

from pixelrnn.cli.console import is_first_process, progress, say, say_skipped
from pixelrnn.config import DataConfig

if TYPE_CHECKING:
    from pixelrnn.app.images import LoadedImages
    from pixelrnn.data import Data
    from pixelrnn.runs.run import Run

__all__ = ["load", "load_as_trained"]


def load(source: str, config: DataConfig, *, is_silent: bool = False, **changes: Any) -> "Data":
    """Load a source and say what it holds, on standard error so that results stay alone on standard output."""
    from pixelrnn.data import load_data

    with progress("decoding images", is_silent=is_silent) as report:
        data = load_data(source, dataclasses.replace(config, **changes), callback=report)
    if not is_silent:
        _say_found(source, data)
        _advise(data)
    return data


def load_as_trained(run: "Run", source: str | None, **changes: Any) -> "LoadedImages":
    """The images of a source, or else of a run, read as in training, with a line of what was found."""
    from pixelrnn.app import images

    is_silent = not is_first_process()
    with progress("decoding images", is_silent=is_silent) as report:
        loaded = images.load_as_trained(run, source, callback=report, **changes)
    if not is_silent:
        _say_found(loaded.source, loaded.data)
        if loaded.warning:
            say(f"warning: {loaded.warning}", is_aside=True)
    return loaded


def _say_found(source: str, data: "Data") -> None:
    say(f"{source}: {data.summary}", is_aside=True)
    say_skipped(data.skipped)


def _advise(data: "Data") -> None:
    from pixelrnn.data.advice import advise

    if (advice := advise(data)) is not None:
        option = f"--{advice.option.replace('_', '-')} {advice.levels}"
        say(
            f"of 256 values only {advice.values} occur; {option} makes {advice.levels} levels of them, or a model of "
            "256 has to learn that",
            is_aside=True,
        )

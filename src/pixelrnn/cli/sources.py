"""Loading data for a command: with progress, and with a line of what was found."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrnn.cli.console import is_first_process, progress, say
from pixelrnn.cli.model_folder import home
from pixelrnn.config import DataConfig, ModelConfig, require_source
from pixelrnn.errors import ConfigError, SizesError
from pixelrnn.runs.names import CONFIG

if TYPE_CHECKING:
    from pixelrnn.data import Data

__all__ = ["load", "load_as_trained", "named_as", "recorded_data"]

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


def recorded_data(run_folder: Path, model: ModelConfig) -> DataConfig:
    """How the images of a run were read; for a model without a run, what its shape and levels say."""
    from pixelrnn.runs.files import read_config, read_json

    if "data" in read_json(run_folder / CONFIG):
        return read_config(run_folder, DataConfig)
    return DataConfig(levels=model.levels)


def named_as(data: "Data", recorded: Mapping[str, Any]) -> "Data":
    """The same images with the numbers that a recorded run gives their labels, if both have labels."""
    names = recorded.get("labels")
    return data.relabelled(names) if data.label_names and names else data


def load_as_trained(
    run_folder: Path,
    source: str | None,
    model: ModelConfig,
    *,
    packed: tuple[int, int] | None = None,
    are_whole: bool = False,
    **changes: Any,
) -> tuple["Data", bool]:
    """The images of a source, or else of the run, read as in training; and whether they are those of the run.

    If they are to be whole, patches are not cut.
    """
    from pixelrnn.data.decode import CHANNELS
    from pixelrnn.data.sources import holds_files
    from pixelrnn.runs.files import read_json

    recorded, config = read_json(run_folder / CONFIG), recorded_data(run_folder, model)
    own = recorded.get("source")
    source = source or own
    if source is None:
        advice = "give one after it: a folder or a file of images"
        raise ConfigError(f"{home(run_folder)} names no source of images; {advice}")
    require_source(source)
    is_own = own in (source, str(Path(source).resolve()))
    # A bit-packed source says nothing of how another one is stored.
    changes = {name: value for name, value in changes.items() if value is not None}
    changes["packed"] = packed or (config.packed if is_own else None)
    if config.channels == "auto" and model.shape[0] in CHANNELS and holds_files(source):
        changes["channels"] = CHANNELS[model.shape[0]]
    if are_whole and config.crop == "random" and not is_own and config.context == "none":
        changes |= {"size": 1, "align": 1}  # no image is too small; the run's own are split as they were
    try:
        data = load(source, config, is_silent=not is_first_process(), **changes)
    except SizesError as error:
        raise SizesError(error.what, "images that are measured together need one size") from error
    data = named_as(data, recorded)
    is_whole = is_own and "limit" not in changes and config.limit is None
    if is_whole and recorded.get("images", data.counts) != data.counts and is_first_process():
        say(
            f"warning: {source} now gives {data.counts} images, the run was trained with {recorded['images']}; "
            "images drawn for testing may have been trained on",
            is_aside=True,
        )
    return data.uncut() if are_whole else data, is_own

"""The images of a run, or others, read as in its training."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from pixelrnn.config import DataConfig, ModelConfig, Shard, require_source
from pixelrnn.data import Data, load_data
from pixelrnn.data.picture import CHANNELS
from pixelrnn.data.sources import holds_files
from pixelrnn.errors import ConfigError, SizesError
from pixelrnn.progress import Callback
from pixelrnn.runs.run import Run

__all__ = ["LoadedImages", "is_own", "load_as_trained"]


class LoadedImages(NamedTuple):
    """Images that were read as in a training.

    Attributes:
        source: Where they are from.
        data: The images.
        is_own: Whether they are those of the run.
        warning: What is odd about them; empty if nothing is.
    """

    source: str
    data: Data
    is_own: bool
    warning: str


def load_as_trained(
    run: Run,
    source: str | None = None,
    *,
    are_whole: bool = False,
    shard: Shard | None = None,
    callback: Callback | None = None,
    **changes: Any,
) -> LoadedImages:
    """The images of a source, or else of the run, read as in training, with the numbers that it gave the labels.

    Args:
        run: Says how.
        source: Source of the images; that of the run if not given.
        are_whole: Whether patches are not cut, so that images may be larger.
        shard: Part of a source that is not the run's own, of which all is wanted.
        callback: Callback that is told the progress; see `pixelrnn.progress.Callback`.
        changes: Fields of `DataConfig` that differ from training; None for one that does not.

    Raises:
        ConfigError: If no source is given and the run names none; or of a field that is not allowed.
        DataError: If images cannot be read.

    Example:
        >>> from pixelrnn import fit, build_model, load_data, ModelConfig, TrainConfig
        >>> data = load_data("digits")
        >>> model = build_model(ModelConfig(**data.model_fields, layers=1, hidden=2), seed=0)
        >>> run = fit(model, data, TrainConfig(steps=1))
        >>> load_as_trained(run).data.counts == data.counts
        True
    """
    config, source = run.data, source or run.source
    if source is None:
        raise ConfigError(f"{run.name} names no source of images; give one: a folder or a file of images")
    require_source(source)
    of_run = is_own(run, source)
    config = dataclasses.replace(config, **_changes(changes, run.model, config, source, is_own=of_run))
    if are_whole and config.crop == "random" and not of_run and config.context == "none":
        # No image is too small; the run's own are split as they were.
        config = dataclasses.replace(config, size=config.shrink, align=1)
    try:
        data = load_data(source, config, shard=None if of_run else shard, callback=callback)
    except SizesError as error:
        raise SizesError(error.what, "images that are measured together need one size") from error
    if data.label_names and run.labels:
        data = data.relabelled(run.labels)
    is_whole = of_run and config.limit is None
    warning = ""
    if is_whole and run.counts not in (None, data.counts):
        warning = (
            f"{source} now gives {data.counts} images, the run was trained with {run.counts}; "
            "images drawn for testing may have been trained on"
        )
    elif is_whole and run.fingerprints not in (None, data.fingerprints):
        warning = (
            f"{source} holds as many images as when {run.name} was trained, but others in its splits (files may have "
            "been changed or renamed); images drawn for testing may have been trained on"
        )
    return LoadedImages(source, data.uncut() if are_whole else data, of_run, warning)


def is_own(run: Run, source: str) -> bool:
    """Whether a source is the one that a run was trained on."""
    return run.source in (source, str(Path(source).resolve()))


def _changes(
    given: dict[str, Any], model: ModelConfig, config: DataConfig, source: str, *, is_own: bool
) -> dict[str, Any]:
    """The fields that differ from training."""
    changes = {name: value for name, value in given.items() if value is not None}
    if not is_own:
        changes.setdefault("packed", None)  # a bit-packed source says nothing of how another one is stored
    if holds_files(source):
        if config.channels == "auto" and model.shape[0] in CHANNELS:
            changes["channels"] = CHANNELS[model.shape[0]]
        if config.levels is None and config.binarize == "none":
            changes.setdefault("levels", model.levels)  # of a model that was trained on arrays of fewer levels
    return changes

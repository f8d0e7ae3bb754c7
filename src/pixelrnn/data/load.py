"""From the name of a source to its splits: the one entry of this package."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelrnn.config import DataConfig, Shard
from pixelrnn.data.contexts import context_shape
from pixelrnn.data.images import Data, ImageSet, spaced
from pixelrnn.data.quantise import Quantiser
from pixelrnn.data.sources import Source, find
from pixelrnn.data.split import SPLITS, complete_splits
from pixelrnn.errors import DataError, SizesError
from pixelrnn.progress import Callback

__all__ = ["load_data"]


def load_data(
    source: str | Path,
    config: DataConfig | None = None,
    *,
    shard: Shard | None = None,
    callback: Callback | None = None,
    **fields: Any,
) -> Data:
    """Find the images of a source and split them.

    Args:
        source: `digits` (built in), a folder of images or one image, a `.zip` or `.tar[.gz|.xz|.bz2]` of images, a
            `.npy` or `.npz` file, an IDX file or a folder of them, or `hf:owner/name`.
        config: Configuration by which it is read; or give its fields by name.
        shard: Part of the source, if not all of it is wanted; files of others are not decoded where that is possible.
        callback: Callback that is told the progress while image files are decoded for the first time.
        **fields: Fields of `DataConfig`.

    Returns:
        The splits. Those that the source has (npz keys, folders `train`, `valid` or `val`, `test`) are kept; missing
        ones are drawn from its training images.

    Raises:
        DataError: If the source is unknown, empty, unreadable or does not fit the options.

    Example:
        >>> data = load_data("digits")
        >>> data.summary, data.levels, data.shape
        ('1,797 images, 8x8 grey', 17, (1, 8, 8))
        >>> data.test.batch([0, 1]).shape
        torch.Size([2, 1, 8, 8])
    """
    config = dataclasses.replace(config or DataConfig(), **fields)
    found = find(str(source), config, callback, shard)
    config = found.config or config
    shape = _shape(found, config)
    reduction = config.shrink * config.subsample
    shape = (shape[0], -(-shape[1] // reduction), -(-shape[2] // reduction))
    levels = 2 if config.binarize != "none" else found.levels if config.levels is None else config.levels
    if found.levels == 0 and config.binarize != "none":
        raise DataError(f"{source}: floats cannot be binarized; give integers")
    if found.levels and levels > found.levels:
        raise DataError(f"{source}: has {found.levels} levels; {levels} are more than there are")
    if found.levels == 0 and levels != 0:
        raise DataError(f"{source}: floats have no levels; give `levels` 0")
    quantiser = Quantiser(found.levels, levels, config.binarize, config.binarize_seed)
    patch = config.height_width if config.crop == "random" else None
    splits = complete_splits(found.splits, config)

    def images(positions: NDArray[np.int64], *, is_fixed: bool, perturb: float = 0) -> ImageSet:
        return ImageSet(
            found.pixels,
            positions,
            quantiser,
            patch,
            config.patches,
            config.split_seed,
            found.labels,
            config.context,
            found.contexts,
            config.subsample,
            is_fixed,
            config.align,
            config.support,
            perturb,
            config.shrink,
        )

    everything = np.concatenate([found.splits[name] for name in (*SPLITS, "all") if name in found.splits])
    data = Data(
        train=images(spaced(splits["train"], config.limit), is_fixed=False, perturb=config.perturb),
        valid=images(spaced(splits["valid"], config.limit), is_fixed=True, perturb=config.perturb),
        test=images(spaced(splits["test"], config.limit), is_fixed=True),
        whole=images(spaced(everything, config.limit), is_fixed=True),
        levels=levels,
        shape=shape,
        context_shape=_context_shape(found, config, shape),
        summary=found.summary,
        protocol=_protocol(found, config, levels),
        skipped=found.skipped,
        label_names=found.label_names,
        has_splits="test" in found.splits,
        names=found.names,
        source=_absolute(str(source)),
        config=config,
    )
    return data if shard is None else data.of_shard(shard)


def _absolute(source: str) -> str:
    """A source that can be found again from another folder."""
    return str(Path(source).resolve()) if source != "digits" and Path(source).exists() else source


def _shape(found: Source, config: DataConfig) -> tuple[int, int, int]:
    """The shape that all images have once they are cut."""
    size, first = config.height_width, found.pixels.shape(0)
    for position in range(len(found.pixels)):
        shape = found.pixels.shape(position)
        if config.crop == "random":
            assert size is not None
            if shape[1] < size[0] or shape[2] < size[1]:
                raise DataError(
                    f"{found.name(position)} is {shape[2]}x{shape[1]} pixels, less than a patch of {size[1]}x{size[0]}"
                )
        elif shape != first:
            raise SizesError(
                f"images differ in size: {found.name(0)} has {first[2]}x{first[1]} pixels, "
                f"{found.name(position)} has {shape[2]}x{shape[1]}",
                "give `size`, to which all are brought",
            )
    if config.crop == "random" and size is not None:
        return (first[0], *size)
    if size not in (None, first[1:]):
        raise DataError(
            f"floats and bit-packed arrays are not resized: they are {first[1]}x{first[2]}, size is {size[0]}x{size[1]}"
        )
    return first


def _context_shape(found: Source, config: DataConfig, shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    if config.context == "none":
        return None
    return found.contexts.shape(0) if found.contexts is not None else context_shape(config.context, shape)


def _protocol(found: Source, config: DataConfig, levels: int) -> str:
    values = {
        "none": f"{levels} levels" if levels else "floats as given",
        "threshold": "2 levels, threshold at half",
        "fixed": f"2 levels, fixed stochastic binarisation (seed {config.binarize_seed})",
        "dynamic": "2 levels, dynamic stochastic binarisation (one fixed draw for evaluation)",
    }[config.binarize]
    if config.binarize == "none" and levels and levels < found.levels:
        values += f", floor quantisation of {found.levels}"
    if levels == 0 and found.levels:
        values = f"{found.levels} levels made continuous by uniform dequantisation to [-1, 1]"
    drawn = [name for name in SPLITS[1:] if name not in found.splits]
    splits = f"{' and '.join(drawn)} drawn with seed {config.split_seed}" if drawn else "splits of the source"
    cut = f", patches {config.size}" if config.crop == "random" else ""
    smaller = f", means of {config.shrink}x{config.shrink} pixels" if config.shrink > 1 else ""
    thinned = f", one of {config.subsample} pixels and rows" if config.subsample > 1 else ""
    context = f", context {config.context}" if config.context != "none" else ""
    noise = f", {config.perturb:.0%} of the pixels noise (not of test images)" if config.perturb else ""
    within = ", given the colours of each image that has few (which are not counted)" if config.support else ""
    return f"{values}{cut}{smaller}{thinned}{noise}{context}{within}; {splits}"

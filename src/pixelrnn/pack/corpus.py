"""What a model of a folder's own learns from: its pictures as levels, and what kind of model they need."""

import dataclasses
import math
from typing import Any

import numpy as np

from pixelrnn.archive.ingest import Ingest
from pixelrnn.archive.pictures import OPAQUE, grid, spread
from pixelrnn.codec.palettes import pack_palettes
from pixelrnn.colours.planes import find_planes
from pixelrnn.colours.support import few
from pixelrnn.config import Colours
from pixelrnn.data.images import Data, ImageSet
from pixelrnn.data.pixels import Dense, Ragged
from pixelrnn.data.quantise import Quantiser
from pixelrnn.errors import ArchiveError
from pixelrnn.progress import Callback, Reporter

__all__ = ["Corpus", "gather"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_VALUES = 2**28  # sub-pixels kept to learn from
WHOLE = 96  # pictures up to this side are learnt whole, if all have one size
PATCH = 64
ALIGN = 8  # what patches begin at multiples of: the grid of what was once a JPEG
SMALL = 2**14  # sub-pixels of a picture, learnt whole, up to which recurrent networks are tried
MOST_MEASURED = (2**18, 2**20)  # sub-pixels to measure by: seconds, with recurrent networks or without
ORIGINS: tuple[Colours, ...] = ("jpeg", "photo-cd")
LEAST_PIXELS = 2**16  # from which on it is worth some seconds to see what colours come from
RARE = 0.01  # share of the pictures that does not decide how many channels there are


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The pictures of a folder, as a model learns them.

    Attributes:
        data: All pictures to train on, and some of them to measure by.
        colours: What they all come from.
        subpixels: Number of sub-pixels of all of them; equal files count once.
        palettes: Bytes of the colours of those that have few, which models that take a support know.
        ordinary: Bytes of the smallest ordinary files of all of them.
    """

    data: Data
    colours: Colours
    subpixels: int
    palettes: int
    ordinary: int

    @property
    def is_small(self) -> bool:
        """Whether recurrent networks can learn the pictures in time."""
        return _is_small(self.data.train.patch, self.data.shape)


def gather(ingest: Ingest, callback: Callback | None = None) -> Corpus:
    """Read the pictures of a folder, and decide channels, levels and the size of what is learnt.

    Args:
        ingest: Files, of which some are pictures.
        callback: Callback that is told the number of files that were read, and of all.

    Raises:
        ArchiveError: If there are no pictures that could be learnt, or a file cannot be read.
    """
    report, pictures = Reporter(callback), list[Array]()
    used = np.zeros(256, np.bool_)
    count = pixels = kept = grey = opaque = ordinary = 0
    for number, picture in ingest.pictures():
        if picture is not None and (values := spread(picture)) is not None:
            ordinary += ingest.entries[number].limit
            is_grey = bool((values[:1] == values[1:3]).all())
            is_opaque = bool((values[3] == OPAQUE).all())
            grey, opaque, pixels = grey + is_grey, opaque + is_opaque, pixels + values[0].size
            used[np.unique(values)] = True
            count += 1
            if kept + values.size <= MOST_VALUES:
                kept += values.size
                pictures.append(values)
        report.amount(number + 1, len(ingest.listing.files), "files")
    if not pictures:
        raise ArchiveError("there are no pictures that a model could learn; pixelrnn pack takes PNG, BMP, WebP, ...")
    channels = 4 if opaque < (1 - RARE) * count else 1 if grey >= (1 - RARE) * count else 3
    levels = _levels(used)
    pictures = [values[:channels] for values in pictures]
    quantiser = Quantiser(256, levels, "none", 0)
    supports = [support for values in pictures if (support := few(quantiser.plainly(values), levels)) is not None]
    palettes = len(pack_palettes([support.colours for support in supports]))
    return Corpus(_data(pictures, levels), _origin(pictures, levels), pixels * channels, palettes, ordinary)


def _is_small(patch: tuple[int, int] | None, shape: tuple[int, ...]) -> bool:
    return patch is None and math.prod(shape) <= SMALL


def _origin(pictures: list[Array], levels: int) -> Colours:
    """What colours all pictures come from."""
    if len(pictures[0]) == 3 and levels == 256 and sum(values[0].size for values in pictures) >= LEAST_PIXELS:
        for colours in ORIGINS:
            if all(find_planes(values, colours)[1].all() for values in pictures):
                return colours
    return "rgb"


def _levels(used: Array) -> int:
    """The fewest levels that have all values which occur, and that floor quantisation finds again."""
    for levels in range(2, 256):
        values = grid(levels).astype(np.int64)
        is_found = (values * levels // 256 == np.arange(levels)).all()
        if is_found and not np.delete(used, values).any():
            return levels
    return 256


def _data(pictures: list[Array], levels: int) -> Data:
    """Data whose training images are all pictures, or patches of them if they are large or of many sizes."""
    sizes = {picture.shape for picture in pictures}
    is_whole = len(sizes) == 1 and max(pictures[0].shape[1:]) <= WHOLE
    patch = None
    if not is_whole:
        # The side that loses the least: of pictures that are smaller nothing is learnt.
        sides = np.array([min(picture.shape[1:]) for picture in pictures])
        areas = np.array([picture[0].size for picture in pictures])
        side = max(range(1, PATCH + 1), key=lambda side: areas[sides >= side].sum() * side**0.5)
        pictures = [picture for picture in pictures if min(picture.shape[1:]) >= side]
        patch = (side, side)
    shape = pictures[0].shape if patch is None else (pictures[0].shape[0], *patch)
    shapes = np.array([picture.shape for picture in pictures], np.int64)
    offsets = np.concatenate([[0], np.cumsum(shapes.prod(1))[:-1]])
    pixels = (
        Dense(np.stack(pictures))
        if patch is None
        else Ragged(np.concatenate([picture.ravel() for picture in pictures]), shapes, offsets)
    )
    area = sum(picture[0].size for picture in pictures)
    patches = 1 if patch is None else max(1, round(area / len(pictures) / (patch[0] * patch[1])))
    quantiser = Quantiser(256, levels, "none", 0)
    train = ImageSet(
        pixels, np.arange(len(pictures)), quantiser, patch, patches, is_fixed=False, align=ALIGN, has_support=True
    )
    measured = max(1, MOST_MEASURED[not _is_small(patch, shape)] // math.prod(shape))
    of_each = min(patches, max(1, measured // len(pictures)))
    valid = dataclasses.replace(train, patches=of_each, is_fixed=True, seed=1).spaced(measured)
    return Data(
        train=train,
        valid=valid,
        test=valid,
        whole=valid,
        levels=levels,
        shape=(shape[0], shape[1], shape[2]),
        context_shape=None,
        summary=f"{len(pictures):,} pictures",
        protocol=f"{levels} levels" + ("" if patch is None else f", patches of {patch[0]}x{patch[1]}"),
    )

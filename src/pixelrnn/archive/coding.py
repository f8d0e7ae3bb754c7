"""The pictures of an ingest, coded by a model as they come."""

import time

import numpy as np
import torch
from PIL import Image

from pixelrnn.archive.ingest import Coded, Ingest
from pixelrnn.archive.pictures import checksum, from_picture, to_picture
from pixelrnn.codec.coder import Coder
from pixelrnn.codec.encoder import Encoded, Encoder, Job
from pixelrnn.codec.groups import cut, group
from pixelrnn.codec.reading import find_orders, to_rows
from pixelrnn.codec.supports import support_for
from pixelrnn.colours.support import trie_of
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError
from pixelrnn.model.condition import to_colours
from pixelrnn.model.orders import turn
from pixelrnn.progress import Reporter

__all__ = ["NOTHING", "WITHOUT", "code"]

NOTHING = Encoded((), {}, frozenset())
WITHOUT = "smaller without a model"

EMPTY = 64  # sub-pixels for a bit of a file that no model is tried for
LARGE = 2**21  # sub-pixels of a first picture whose time is told beforehand
MEASURED = 2**16  # sub-pixels by which it is


def code(
    ingest: Ingest, by: tuple[Coder, tuple[int, int]] | None, report: Reporter, *, is_verified: bool = True
) -> Encoded:
    """Code all pictures that the model can have; its entries then say how, or why not.

    Args:
        ingest: The files.
        by: Coder of the model, and height and width of the tiles that larger pictures are cut into; None codes nothing.
        report: Reporter that is told the bytes of the files that are finished, and of all.
        is_verified: Whether everything is decoded again.

    Raises:
        ArchiveError: If a file cannot be read, or a picture would not be restored as it is.
    """
    amount = _Amount(ingest, report)
    if by is None:
        for number, picture in ingest.pictures():
            if picture is not None:
                ingest.entries[number].reason = WITHOUT
            amount.tell(0)
        return NOTHING
    coder, tile = by
    with Encoder(coder, tile, is_verified=is_verified, tell=amount.tell) as encoder:
        for number, picture in ingest.pictures():
            job = None if picture is None else _job(ingest, number, picture, coder)
            if job is not None:
                if not amount.subpixels and job.values.size >= LARGE:
                    seconds = _forecast(coder, tile, job) * (2 if is_verified else 1)
                    amount.say(f"{_about(seconds * ingest.size / ingest.entries[number].file.size)}")
                amount.subpixels += job.values.size
                encoder.add(job)
            if number % 64 == 0:
                encoder.report()
        encoded = encoder.finish()
    ingest.leave_out(encoded.left_out, "larger with the model")
    return encoded


def _job(ingest: Ingest, number: int, picture: Image.Image, coder: Coder) -> Job | None:
    """A picture for the model; its ordinary file stays where it is, until the model has won."""
    entry = ingest.entries[number]
    config, multiple = coder.model.config, coder.multiple
    if 8 * entry.limit * EMPTY < picture.width * picture.height * config.shape[0]:
        entry.reason = "next to nothing to save"
        return None
    planes = from_picture(picture, config.shape[0], config.levels, config.colours)
    if picture.height % multiple or picture.width % multiple:
        planes = f"sides that are no multiples of {multiple}"
    if isinstance(planes, str):
        entry.reason = planes
        return None
    check = checksum(picture)
    if checksum(to_picture(planes, config.levels, config.colours)) != check:
        raise ArchiveError(f"{entry.file.path} would not be restored as it is; nothing is written (please report this)")
    _, height, width = planes.values.shape
    extras = ingest.stage(planes.extras) if planes.extras else None
    support = support_for(coder.model, planes.values)
    reading = 0
    if config.orders > 1:
        x = to_colours(config, torch.from_numpy(planes.values)[None]).to(coder.model.device)
        (reading,) = find_orders(coder.model, x, Condition(support=support))
    entry.coded = Coded(planes.form, height, width, extras, support, planes.order, reading)
    (row,) = to_rows(config, [-1], [reading]).tolist()
    return Job(number, turn(planes.values, reading), Condition(label=row, support=support), limit=8 * entry.limit)


def _forecast(coder: Coder, tile: tuple[int, int], job: Job) -> float:
    """Seconds, about, that it takes to code a picture once: those of some rows of its first tiles tell."""
    channels, height, width = job.values.shape
    groups = group(cut(job.number, (height, width), tile))
    tiles = groups[0]
    rows = min(tiles[0].height, max(coder.multiple, MEASURED // (len(tiles) * channels * tiles[0].width)))
    rows -= rows % coder.multiple
    condition = Condition(np.full(len(tiles), job.condition.label), None, trie_of([job.condition.support] * len(tiles)))
    seconds = 0.0
    for count in (coder.multiple, rows):  # the first compiles what is needed
        values = np.stack([job.values[:, *tile.place][:, :count] for tile in tiles])
        begun = time.perf_counter()
        coder.encode(values, condition, lambda _: None)
        seconds = (time.perf_counter() - begun) / values.size
    return seconds * job.values.size / min(len(groups), torch.get_num_threads())


def _about(seconds: float) -> str:
    """A time, in words."""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} minutes"


class _Amount:
    """Of the bytes that were read, the share of their sub-pixels that is coded counts; it never goes back."""

    def __init__(self, ingest: Ingest, report: Reporter) -> None:
        self.subpixels = 0
        self._ingest, self._report, self._shown = ingest, report, 0

    def tell(self, finished: int) -> None:
        """Report, after so many sub-pixels were coded."""
        done = self._ingest.done
        if self.subpixels:
            done = round(done * finished / self.subpixels)
        self._shown = max(self._shown, done)
        self._report.amount(self._shown, self._ingest.size, subpixels=finished)

    def say(self, text: str) -> None:
        """Report some words before anything is coded."""
        self._report.amount(self._shown, self._ingest.size, text=text)

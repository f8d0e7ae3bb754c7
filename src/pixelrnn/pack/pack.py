"""A folder into one file that needs nothing else: a model is trained on its own pictures, and put in with them.

What counts is the sum: the bytes of the weights and those of the pictures. Trials find the kind and size of model that
makes it smallest; that one is trained for the rest of the time. Then its weights are rounded to as few bits as make the
sum smallest, and the rounded model codes the pictures. If ordinary files are smaller than both, they are kept instead.
"""

import dataclasses
import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from pixelrnn import zoo
from pixelrnn.archive.compress import (
    WRITING,
    PackedModel,
    require_place,
    staging_for,
    write_archive,
)
from pixelrnn.archive.files import find
from pixelrnn.archive.ingest import Ingest
from pixelrnn.archive.outcome import Compressed
from pixelrnn.archive.pictures import require_pictures
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.weights import BITS, LEAST_WHOLE, pack_model, unpack_model
from pixelrnn.config import ModelConfig, Writing
from pixelrnn.errors import ArchiveError, ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.loading import load_model
from pixelrnn.pack.corpus import Corpus, gather
from pixelrnn.pack.formats import COMPARED, measure
from pixelrnn.pack.search import Chosen, Stage, Training, bytes_of_pictures, choose, least_weights, measured_in
from pixelrnn.progress import Callback, Progress, Reporter
from pixelrnn.runs.files import TEMPORARY, held

__all__ = ["Packed", "Stage", "pack"]

ORDINARY = "ordinary files"
TRAINED_FURTHER = 2  # shipped models, at most, that trainings begin with
MOST_HELD = 2**28  # sub-pixels of decoded pictures that are kept to be compressed


@dataclasses.dataclass(frozen=True)
class Packed:
    """What came of it.

    Attributes:
        compressed: What became of the files, and the bytes of the model in the archive.
        model: The model's configuration; None if the archive has none, because it is smaller so.
        bits: Bits of a weight; 0 without a model, or with a shipped one.
        tried: What was tried: the pictures as ordinary files, shipped models, models, roundings.
        formats: Bytes of all files as they are and in the usual formats, if these were compared.
        shipped: Name of the shipped model, if that is what codes the pictures; the archive has its name only.
    """

    compressed: Compressed
    model: ModelConfig | None
    bits: int
    tried: tuple[Stage, ...]
    formats: dict[str, int]
    shipped: str = ""


def pack(
    source: str | Path,
    out: str | Path,
    *,
    minutes: float = 20.0,
    model: AbstractImageModel | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    compare: bool = False,
    writing: Writing = WRITING,
    callback: Callback | None = None,
) -> Packed:
    """Train a model on a folder's pictures, and compress the folder with it, the model included.

    Args:
        source: A folder or a file.
        out: The archive to write.
        minutes: Time for trials and training. Reading the pictures before, and rounding the weights and compressing
            the pictures after, come on top; so does what measuring takes beyond three quarters.
        model: One to start from, instead of trials; it is trained in place.
        seed: Seed of weights and of all that is drawn.
        device: Where new models are trained; one to start from is trained where it is.
        compare: Measure what the files take as PNG, WebP and, with the extra `jpeg-xl`, JPEG XL.
        writing: Options of writing, as for `compress`.
        callback: Callback that is told what is being done, the finished share of that and a word on it, and each stage
            that was tried; if it returns True, the training ends and what was learned is used, or JPEG XL is left out;
            nothing else ends.

    Raises:
        ArchiveError: As `compress`; and if there is nothing to learn from, the model to start from does not fit, or
            another process is making the same archive.
        RunError: As `compress`; and if no model could be trained.
        ConfigError: If `minutes` is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise ConfigError(f"minutes is {minutes}; it must be above 0 and finite")
    out, source = Path(out), Path(source)
    report = Reporter(callback)
    listing = find(source, without=out, skip_bad=writing.skip_bad)
    require_place(out, overwrite=writing.overwrite)
    compared = COMPARED if compare else ()
    with _reserved(out), staging_for(out) as staging:
        ingest = Ingest(listing, staging, writing=writing, held=MOST_HELD, compared=compared)
        corpus = gather(ingest, _part(report, "reading pictures"))
        training = Training(
            measured_in(corpus, minutes),
            seed=seed,
            minutes=minutes,
            device=torch.device(device),
            report=report,
        )
        training.add(Stage(ORDINARY, 0, corpus.ordinary))
        shipped = _Shipped([], None, corpus.ordinary) if model is not None else _shipped(training)
        content, bits = b"", 0
        if model is not None or least_weights(corpus) < shipped.bytes:
            content, bits = _trained(training, model, shipped)
        kept = unpack_model(content) if content else shipped.best
        done = write_archive(
            ingest,
            None if kept is None else Codec(kept),
            out,
            packed=PackedModel(content, must_pay=True),
            writing=writing,
            report=Reporter(_part(report, "compressing")),
        )
        formats = measure(ingest, _part(report, "other formats", can_end=True)) if compare else {}
    is_used = kept is not None and (done.weights > 0 or not content) and done.coded > 0
    return Packed(
        done,
        kept.config if kept is not None and is_used else None,
        bits if is_used else 0,
        tuple(training.stages),
        formats,
        kept.origin if kept is not None and is_used else "",
    )


@contextmanager
def _reserved(out: Path) -> Iterator[None]:
    """Refuse a second one that would write the same archive before it trains, not after."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # The name itself may be as long as names can be.
    path = out.with_name(f"{TEMPORARY}{hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]}.lock")
    with held(path, ArchiveError(f"{out} is being made by another process; choose another name")):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _part(report: Reporter, what: str, *, can_end: bool = False) -> Callback:
    """A callback of a part of the work, which goes on to its end if it cannot end before."""

    def tell(at: Progress) -> bool:
        is_told = report.tell(
            at.fraction, what=what, text=at.text, done=at.done, total=at.total, subpixels=at.subpixels
        )
        return can_end and is_told

    return tell


def _differs(model: AbstractImageModel, corpus: Corpus) -> str:
    """How a model differs from what the pictures need."""
    config, wanted = model.config, (corpus.data.shape[0], corpus.data.levels, corpus.colours)
    has = config.shape[0], config.levels, config.colours
    if wanted == has:
        return ""
    return (
        f"the model has {has[0]} channels, {has[1]} levels and colours {has[2]}; "
        f"the pictures have {wanted[0]}, {wanted[1]} and {wanted[2]}"
    )


class _Shipped(NamedTuple):
    """What shipped models make of pictures.

    Attributes:
        models: Those that fit, the best ones.
        best: The best of them, if its pictures are smaller than ordinary files.
        bytes: Bytes of the pictures by this, or of ordinary files.
    """

    models: list[AbstractImageModel]
    best: AbstractImageModel | None
    bytes: int


def _shipped(training: Training) -> _Shipped:
    """What shipped models make of the pictures. They cost nothing: every copy of the program has them."""
    found = list[tuple[int, AbstractImageModel]]()
    for name in zoo.names():
        model = load_model(name)
        is_slow = model.config.traits.sees_far and not training.corpus.is_small
        if is_slow or _differs(model, training.corpus) or not _is_for_files(model):
            continue
        stage = Stage(f"the shipped model {name}", 0, bytes_of_pictures(model, training.corpus))
        training.add(stage)
        found.append((stage.total, model))
    found.sort(key=lambda each: each[0])
    ordinary = training.corpus.ordinary
    if not found or found[0][0] >= ordinary:
        return _Shipped([], None, ordinary)
    models = [model for _, model in found[:TRAINED_FURTHER]]
    return _Shipped(models, models[0], found[0][0])


def _is_for_files(model: AbstractImageModel) -> bool:
    try:
        require_pictures(model.config)
        Codec(model)
    except (ArchiveError, ConfigError):
        return False
    return True


def _trained(training: Training, model: AbstractImageModel | None, shipped: _Shipped) -> tuple[bytes, int]:
    """A model with as many bits a weight as make the sum smallest; none if that is not less than so many bytes."""
    if model is not None:
        require_pictures(model.config)
        if difference := _differs(model, training.corpus):
            raise ArchiveError(difference)
        chosen: Chosen | None = Chosen(model)
    else:
        chosen = choose(training, shipped.models)
    if chosen is None:
        return b"", 0
    model, start = chosen
    if not training.is_stopped:
        training.train(model, training.left, "training")
    contents, tried = {}, [bits for bits in BITS if bits >= LEAST_WHOLE or start is not None]
    for number, bits in enumerate(tried):
        content = pack_model(model, bits, start)
        pictures = bytes_of_pictures(unpack_model(content), training.corpus)
        stage = Stage(f"{bits} bits a weight", len(content), pictures)
        training.add(stage)
        contents[bits] = stage.total, content
        training.report.tell((number + 1) / len(tried), what="rounding weights")
    bits = min(contents, key=lambda bits: contents[bits][0])
    total, content = contents[bits]
    return (content, bits) if total < shipped.bytes else (b"", 0)

"""A folder into one file that needs nothing else: a model is trained on its own pictures, and put in with them.

What counts is the sum: the bytes of the weights and those of the pictures. Part of the time goes into trials: of kinds
of models, then of sizes. Each size is measured twice, and one that still gets better is credited with that. The
one with the smallest sum is trained for the rest of the time. Then its weights are rounded to as few bits as make the
sum smallest, and the rounded model codes the pictures.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.codec.compress import Compressed, compress, require_pictures
from pixelrnn.codec.files import find
from pixelrnn.codec.material import Material, gather
from pixelrnn.codec.weights import BITS, pack_model, unpack_model
from pixelrnn.config import Architecture, ModelConfig, OutputName, TrainConfig
from pixelrnn.errors import ArchiveError, ConfigError
from pixelrnn.pretrained import build_model
from pixelrnn.train import Progress, evaluate, fit

__all__ = ["Packed", "Stage", "pack"]

KIND = 0.03  # of the time, for the trial of a kind
SIZE = (0.04, 0.08)  # for the two parts of the trial of a size
CREDIT = 0.8  # of what the second part, three times as long in all, gained: what five times as long is to gain
SIZES = ((2, 8), (4, 16), (7, 24))  # layers and features; the second is that of the trials of kinds
EVALUATIONS = 4  # of the weights in a training
TRIAL_BITS = 7  # of a weight, in the sum of a trial

Report = Callable[[str, float, str], bool | None]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A trial, or the choice of bits: what was tried, and the bytes of all that it would make.

    Attributes:
        what: In words.
        weights: Bytes of the model.
        pictures: Bytes of all pictures, estimated.
    """

    what: str
    weights: int
    pictures: int

    @property
    def total(self) -> int:
        """Bytes of both."""
        return self.weights + self.pictures


@dataclasses.dataclass(frozen=True)
class Packed:
    """What came of it.

    Attributes:
        compressed: What became of the files.
        weights: Bytes of the model in the archive.
        bits: Of a weight.
        model: The model's configuration.
        trials: Models that were tried.
        roundings: Bits that were tried.
    """

    compressed: Compressed
    weights: int
    bits: int
    model: ModelConfig
    trials: tuple[Stage, ...]
    roundings: tuple[Stage, ...]


def pack(
    source: str | Path,
    out: str | Path,
    *,
    minutes: float = 20.0,
    model: AbstractImageModel | None = None,
    seed: int = 0,
    verify: bool = True,
    skip_bad: bool = False,
    overwrite: bool = False,
    callback: Report | None = None,
) -> Packed:
    """Train a model on a folder's pictures, and compress the folder with it, the model included.

    Args:
        source: A folder or a file.
        out: The archive to write.
        minutes: Time for trials and training.
        model: One to start from, instead of trials; it is trained in place.
        seed: Of weights and of all that is drawn.
        verify: As for `compress`.
        skip_bad: As for `compress`.
        overwrite: As for `compress`.
        callback: Called with what is being done, the finished share of that and a word on it; if it returns True, the
            training ends and what was learned is used.

    Raises:
        ArchiveError: As `compress`; and if there is nothing to learn from, or the model to start from does not fit.
        ConfigError: If `minutes` is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise ConfigError(f"minutes is {minutes}; it must be above 0 and finite")
    out, source = Path(out), Path(source)
    if out.exists() and not overwrite:
        raise ArchiveError(f"{out} exists; choose another name, or give overwrite (--overwrite)")
    if not source.exists():
        raise ArchiveError(f"{source}: no such file or folder")
    report = callback or (lambda what, share, text: None)
    files = find(source, without=out, skip_bad=skip_bad).files
    material = gather(files, functools.partial(_report, report, "reading pictures", "files"))
    training = _Training(material, seed, report)
    if model is None:
        model = training.choose(minutes)
        minutes -= training.used
    else:
        _require_same(model, material)
    training.train(model, minutes, "training")
    content, bits, roundings = _rounded(model, material, report)
    done = compress(
        unpack_model(content),
        source,
        out,
        packed_model=content,
        verify=verify,
        skip_bad=skip_bad,
        overwrite=overwrite,
        callback=functools.partial(_report, report, "compressing", "bytes"),
    )
    return Packed(done, len(content), bits, model.config, tuple(training.trials), tuple(roundings))


def _report(report: Report, what: str, unit: str, finished: int, total: int) -> None:
    report(what, finished / max(1, total), f"{finished:,} of {total:,} {unit}")


def _require_same(model: AbstractImageModel, material: Material) -> None:
    require_pictures(model)
    wanted, has = (material.data.shape[0], material.data.levels), (model.config.shape[0], model.config.levels)
    if wanted != has:
        raise ArchiveError(
            f"the model has {has[0]} channels and {has[1]} levels; the pictures have {wanted[0]} and {wanted[1]}"
        )


class _Training:
    """Trials and training on the same material."""

    def __init__(self, material: Material, seed: int, report: Report) -> None:
        self.material, self.seed, self.report = material, seed, report
        self.trials: list[Stage] = []
        self.used = 0.0  # minutes
        self._is_stopped = False

    def choose(self, minutes: float) -> AbstractImageModel:
        """A model of the kind and size that trials found best, as far as its trial brought it."""
        best = min((self._of_kind(config, minutes) for config in self._kinds()), key=_total)[1]
        if self._is_stopped:
            return best
        configs = [dataclasses.replace(best.config, layers=layers, hidden=hidden) for layers, hidden in SIZES]
        models = [best if config == best.config else build_model(config, seed=self.seed) for config in configs]
        return min((self._of_size(model, minutes) for model in models), key=_total)[1]

    def train(self, model: AbstractImageModel, minutes: float, what: str) -> None:
        """Train a model in place, until the callback has had enough."""
        if self._is_stopped:
            return
        self.used += minutes

        def show(at: Progress) -> bool:
            self._is_stopped = bool(self.report(what, at.fraction, f"{at.bits_per_dim:.3f} bits a sub-pixel"))
            return self._is_stopped

        config = TrainConfig(minutes=minutes, seed=self.seed, samples=0, evaluations=EVALUATIONS)
        fit(model, self.material.data, config, callback=show)

    def _kinds(self) -> Iterator[ModelConfig]:
        """Architectures and outputs, of medium size."""
        data = self.material.data
        layers, hidden = SIZES[1]
        outputs: list[OutputName] = ["auto"] if data.levels <= 16 else ["softmax", "logistic-mixture"]
        architectures: list[Architecture] = ["diagonal-bilstm", "row-lstm"]
        for architecture, output in itertools.product(architectures, outputs):
            if not self.trials or not self._is_stopped:
                yield ModelConfig(
                    architecture=architecture,
                    shape=data.shape,
                    levels=data.levels,
                    layers=layers,
                    hidden=hidden,
                    output=output,
                )

    def _of_kind(self, config: ModelConfig, minutes: float) -> tuple[int, AbstractImageModel]:
        """A new model after a short training, with the bytes that it comes to."""
        model = build_model(config, seed=self.seed)
        self.train(model, KIND * minutes, f"trying {_words(config)}")
        return self._judged(model, _pictures(model, self.material))

    def _of_size(self, model: AbstractImageModel, minutes: float) -> tuple[int, AbstractImageModel]:
        """A model after two trainings, with the bytes that more of it should come to."""
        reached = []
        for share in SIZE:
            self.train(model, share * minutes, f"trying {_words(model.config)}")
            reached.append(_pictures(model, self.material))
        return self._judged(model, reached[1] - round(CREDIT * max(0, reached[0] - reached[1])))

    def _judged(self, model: AbstractImageModel, pictures: int) -> tuple[int, AbstractImageModel]:
        weights = sum(parameter.numel() for parameter in model.parameters()) * TRIAL_BITS // 8
        self.trials.append(Stage(_words(model.config), weights, pictures))
        return self.trials[-1].total, model


def _words(config: ModelConfig) -> str:
    output = "" if config.output == "auto" else f", {config.output}"
    return f"{config.architecture}, {config.layers} layers, h={config.hidden}{output}"


def _total(trial: tuple[int, AbstractImageModel]) -> int:
    return trial[0]


@torch.no_grad()
def _pictures(model: AbstractImageModel, material: Material) -> int:
    """Bytes of all pictures, by those that are measured."""
    return round(evaluate(model, material.data.valid).bits_per_dim * material.subpixels / 8)


def _rounded(model: AbstractImageModel, material: Material, report: Report) -> tuple[bytes, int, list[Stage]]:
    """The model with the number of bits of a weight that makes the sum smallest."""
    stages, contents = [], []
    for number, bits in enumerate(BITS):
        contents.append(pack_model(model, bits))
        pictures = _pictures(unpack_model(contents[-1]), material)
        stages.append(Stage(f"{bits} bits a weight", len(contents[-1]), pictures))
        report("rounding weights", (number + 1) / len(BITS), "")
    best = min(range(len(BITS)), key=lambda number: stages[number].total)
    return contents[best], BITS[best], stages

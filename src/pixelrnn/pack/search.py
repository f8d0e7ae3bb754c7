r"""Which model makes the sum of its bytes and those of the pictures smallest: short trainings of many, longer of few.

All kinds are trained for some seconds, at medium size: local models with and without copies, adaptation and a grid,
and for small pictures the recurrent networks with each output. Of those that promise most the other sizes join them.
Then the better half goes on for as long again as it has been trained, and so on, until the time of the trials is used
(successive halving: Jamieson and Talwalkar, *Non-stochastic best arm identification*, arXiv 1502.07943). Trained models
go on from where they are.

A candidate is judged by where it would be in the end. Each doubling of the time gains less than the one before, by a
factor that is found from the last three measurements: small networks soon have learnt what they can, large ones go on
for longer. Recurrent networks learn slowly, but far: so the best one of those that see far, and of the others, stays
until its forecast has settled.
"""

import copy
import dataclasses
import itertools
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from pixelrnn.config import ModelConfig, TrainConfig
from pixelrnn.errors import RunError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.multiscale import build_model
from pixelrnn.pack.corpus import Corpus
from pixelrnn.progress import Progress, Reporter
from pixelrnn.train.evaluation import evaluate
from pixelrnn.train.loop import fit

__all__ = ["Chosen", "Stage", "Training", "bytes_of_pictures", "choose", "least_weights", "measured_in", "words"]

FIRST = (0.003, 0.006)  # shares of the time for the first two trainings of each candidate
TRIALS = 0.45  # share of the time after which no other round of trials begins
AHEAD = 0.6  # share of the time that the one which is chosen will have had in the end, about
SETTLED = 0.02  # by how much a forecast differs at most from the one before, as a part of it
FAR_BEHIND = 1.5  # times the best forecast, from which on nothing is waited for
HOPELESS, JUDGED = 2.0, 0.25  # times what ordinary files take, after so many minutes: no training gains as much
LEAST_LAST = 0.25  # for the best in the end, even if measuring took long
# Layers and features of networks that see far, and of others; the second size is that of the trials of kinds.
SIZES = {True: ((2, 8), (4, 16), (7, 24)), False: ((1, 24), (2, 48), (3, 96))}
MEDIUM = 1
FEW_MIXTURES = 6  # of networks that do not see far
COPIES, GRID = 6, 8
PART = 2**16  # sub-pixels of a step of training, about
EVALUATIONS = 4  # of the weights in the last training; a trial has one, at its end
MEASURED_IN_FULL = 20.0  # minutes; with fewer, as much less is measured, or measuring would take longer than training
LEAST_MEASURED = 2**15  # sub-pixels
LEAST_KEPT, MOST_KEPT = 0.5, 0.8  # of what one doubling of the time gained, by the next one
STEEPEST = 0.2  # the bytes fall by no higher power of the time: the first seconds promise more than there is
BITS = 7  # of a weight, in the sum of a trial
BITS_OF_A_CHANGE = 3  # of a weight of a shipped model that is trained further
LEAST_BITS = 3  # of a weight, when all that can be saved there is


@dataclasses.dataclass(frozen=True)
class Stage:
    """Something that was tried, and the bytes that all would take with it.

    Attributes:
        what: Description in words.
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
class _Measured:
    minutes: float  # of training
    pictures: int  # bytes


class _Candidate:
    """A model, and what it came to after its trainings."""

    def __init__(
        self, config: ModelConfig, seed: int, device: torch.device, start: AbstractImageModel | None = None
    ) -> None:
        self.model = build_model(config, seed=seed).to(device)
        self.start = start
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        self.measured: list[_Measured] = []
        self.forecasts: list[int] = []

    @property
    def name(self) -> str:
        """What it is, in short."""
        return words(self.model.config) if self.start is None else f"{self.start.origin}, trained further"

    @property
    def minutes(self) -> float:
        """Of training."""
        return self.measured[-1].minutes if self.measured else 0.0

    @property
    def is_settled(self) -> bool:
        """Whether more training has not changed what is expected of it."""
        before, last = (self.forecasts[-2], self.forecasts[-1]) if len(self.forecasts) > 1 else (0, 1)
        return abs(last - before) <= SETTLED * last

    def stage(self, end: float) -> Stage:
        """What it should come to after so many minutes of training; what it came to, if it was measured only once."""
        last = self.measured[-1]
        pictures, what = last.pictures, f"{self.name}, {self.minutes:.1f} min"
        if len(self.measured) > 1 and end > last.minutes:
            pictures = max(
                round(last.pictures - self._gain(math.log2(end / last.minutes))),
                round(last.pictures * (last.minutes / end) ** STEEPEST),
            )
            what += f", for {end:.1f}"
        return Stage(what, _weights(self.model, BITS if self.start is None else BITS_OF_A_CHANGE), pictures)

    def _gain(self, doublings: float) -> float:
        """Bytes that the pictures will take less after the time has doubled so often."""
        gains = [
            max(0.0, before.pictures - after.pictures) / math.log2(after.minutes / before.minutes)
            for before, after in itertools.pairwise(self.measured[-3:])
        ]
        falls = LEAST_KEPT
        if len(gains) > 1 and gains[0] > 0:
            falls = min(max(gains[1] / gains[0], LEAST_KEPT), MOST_KEPT)
        return float(gains[-1] * falls * (1 - falls**doublings) / (1 - falls))


class Training:
    """Time to train models on a folder's pictures.

    Args:
        corpus: The pictures.
        seed: Seed of weights and of all that is drawn.
        minutes: Time for all trainings and their measurements, of which the last training takes a quarter at least.
        device: Where new models are trained.
        report: Reporter that is told what is trained, the finished share and a word on it, and each stage; no training
            goes on once it asks for the end.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        seed: int,
        minutes: float,
        device: torch.device,
        report: Reporter,
    ) -> None:
        self.corpus, self.seed, self.minutes, self.device = corpus, seed, minutes, device
        self.is_stopped = False
        self.stages: list[Stage] = []
        self.report = report
        self._begun = time.monotonic()

    @property
    def used(self) -> float:
        """Minutes since it began."""
        return (time.monotonic() - self._begun) / 60

    @property
    def left(self) -> float:
        """Minutes for the last training."""
        return max(LEAST_LAST * self.minutes, self.minutes - self.used)

    def add(self, stage: Stage) -> None:
        """Take note of a stage, and tell it."""
        self.stages.append(stage)
        self.report.tell(1.0, what="trying", stage=stage)

    def train(
        self, model: AbstractImageModel, minutes: float, what: str, evaluations: int = EVALUATIONS
    ) -> tuple[float, float] | None:
        """Train a model in place, until the callback has had enough; a model that diverges stays as it was.

        Returns:
            Minutes that it took, and bits a sub-pixel of what is measured, infinite if it was stopped before that; None
            if the model is as it was.
        """
        before, minutes_used = copy.deepcopy(model.state_dict()), 0.0

        def show(at: Progress) -> bool:
            nonlocal minutes_used
            minutes_used = at.seconds / 60
            text = f"{at.bits_per_dim:.3f} bits a sub-pixel"
            self.is_stopped = self.report.tell(at.fraction, what=what, text=text)
            return self.is_stopped

        batch = min(32, max(1, PART // self.corpus.data.dims))
        data = self.corpus.data
        config = TrainConfig(
            minutes=minutes, seed=self.seed, batch=batch, samples=0, evaluations=evaluations,
            valid_images=len(data.valid),
        )  # fmt: skip
        try:
            run = fit(model, data, config, callback=show)
        except RunError:  # its loss is no longer finite
            model.load_state_dict(before)
            return None
        return minutes_used, run.best / math.log(2) / data.dims

    def trial(self, candidates: list[_Candidate]) -> None:
        """Train each candidate for as long again as it has been; a new one twice, for a first share of the time."""
        for candidate in candidates:
            if self.is_stopped:
                return
            parts = [candidate.minutes] if candidate.measured else [share * self.minutes for share in FIRST]
            for minutes in parts:
                self._extend(candidate, minutes)
            if candidate.measured:
                stage = candidate.stage(0.0 if self.is_stopped else max(candidate.minutes, AHEAD * self.minutes))
                candidate.forecasts.append(stage.total)
                self.add(stage)

    def _extend(self, candidate: _Candidate, minutes: float) -> None:
        if self.is_stopped:
            return
        found = self.train(candidate.model, minutes, f"trying {candidate.name}", evaluations=1)
        if found is None:
            return
        minutes, bits = found
        if math.isinf(bits):
            pictures = bytes_of_pictures(candidate.model, self.corpus)
        else:
            pictures = _bytes_of_pictures(candidate.model, self.corpus, bits)
        candidate.measured.append(_Measured(candidate.minutes + minutes, pictures))


class Chosen(NamedTuple):
    """A model, and the shipped one that it began as, if there is one."""

    model: AbstractImageModel
    start: AbstractImageModel | None = None


def choose(training: Training, shipped: Sequence[AbstractImageModel] = ()) -> Chosen | None:
    """A model of the kind and size that trials found best, as far as its trials brought it; None if all are hopeless.

    Files that are JPEGs, for one, take less than their pixels do by any model.

    Args:
        training: Time to train.
        shipped: Shipped models that fit the pictures, to start from.
    """

    def new(config: ModelConfig, start: AbstractImageModel | None = None) -> _Candidate:
        candidate = _Candidate(config, training.seed, training.device, start)
        _compile(candidate.model, training.corpus)
        return candidate

    tried = [new(model.config, model) for model in shipped]
    tried += [new(config) for config in _kinds(training.corpus, MEDIUM)]
    training.trial(tried)
    if not any(candidate.measured for candidate in tried):
        raise RunError("no model could be trained on the pictures: the loss of all that were tried became infinite")
    pool = _better_half(tried)
    if not training.is_stopped and not _is_hopeless(pool, training.corpus):
        sizes = [new(config) for each in pool if each.start is None for config in _other_sizes(each.model.config)]
        training.trial(sizes)
        tried, pool = tried + sizes, _better_half(pool + sizes)
    while len(pool) > 1 and not training.is_stopped and training.used < TRIALS * training.minutes:
        if _is_hopeless(pool, training.corpus):
            break
        training.trial(pool)
        pool = _better_half(pool)
    if _is_hopeless(pool, training.corpus):
        training.report.tell(1.0, what="trying", text="no model can pay: the files are too small for their pixels")
        return None
    if training.is_stopped:  # what counts then is what they have come to, in whatever time
        pool = [candidate for candidate in tried if candidate.measured]
        best = min(pool, key=lambda candidate: candidate.stage(0.0).total)
    else:
        best = min(pool, key=lambda candidate: candidate.forecasts[-1])
    return Chosen(best.model, best.start)


def _is_hopeless(pool: list[_Candidate], corpus: Corpus) -> bool:
    """Whether the best of some candidates was trained for long enough to say that it will never pay."""
    best = min(pool, key=lambda candidate: candidate.forecasts[-1])
    return best.minutes >= JUDGED and best.measured[-1].pictures > HOPELESS * corpus.ordinary


def _better_half(candidates: list[_Candidate]) -> list[_Candidate]:
    """Those with the smaller forecasts, and the best of those that see far and of the others until it has settled."""
    order = sorted((each for each in candidates if each.measured), key=lambda each: each.forecasts[-1])
    kept = order[: (len(order) + 1) // 2]
    for sees_far in (True, False):
        for best in [each for each in order if each.model.config.traits.sees_far == sees_far][:1]:
            is_near = best.forecasts[-1] < FAR_BEHIND * order[0].forecasts[-1]
            if is_near and not best.is_settled and best not in kept:
                kept.append(best)
    return kept if len(kept) < len(candidates) else kept[: max(1, len(candidates) - 1)]


def _compile(model: AbstractImageModel, corpus: Corpus) -> None:
    """Let a model be compiled where it is not yet, so that this takes no time of its trial."""
    model.log_prob(corpus.data.train.batch([0]).to(model.device)).sum().backward()  # type: ignore[no-untyped-call]
    model.zero_grad()


def least_weights(corpus: Corpus) -> int:
    """Bytes that the smallest of the models takes at least."""
    return min(_weights(build_model(config), LEAST_BITS) for config in _kinds(corpus, 0))


def words(config: ModelConfig) -> str:
    """A model in short: layers x features.

    Example:
        >>> words(ModelConfig(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=2, hidden=8))
        'row-lstm 2x8'
    """
    output = "" if config.output == "auto" else f" {config.output}"
    extras = "".join(f" {name}" for name in ("copies", "adaptive") if getattr(config, name))
    extras += " grid" if config.grid > 1 else ""
    return f"{config.architecture} {config.layers}x{config.hidden}{output}{extras}"


def bytes_of_pictures(model: AbstractImageModel, corpus: Corpus) -> int:
    """Bytes of all pictures, by those that are measured."""
    return _bytes_of_pictures(model, corpus, evaluate(model, corpus.data.valid).bits_per_dim)


def _bytes_of_pictures(model: AbstractImageModel, corpus: Corpus, bits_per_dim: float) -> int:
    colours = corpus.palettes if model.config.takes_support else 0
    return round(bits_per_dim * corpus.subpixels / 8) + colours


def measured_in(corpus: Corpus, minutes: float) -> Corpus:
    """The corpus, with less to measure by if there is little time."""
    data = corpus.data
    share = min(1.0, minutes / MEASURED_IN_FULL)
    count = max(math.ceil(share * len(data.valid)), math.ceil(LEAST_MEASURED / data.dims))
    return dataclasses.replace(corpus, data=dataclasses.replace(data, valid=data.valid.spaced(count)))


def _kinds(corpus: Corpus, size: int) -> list[ModelConfig]:
    """Architectures, outputs and what local models can have, at one of the sizes."""
    data = corpus.data
    plain = ModelConfig(
        architecture="local",
        shape=data.shape,
        levels=data.levels,
        colours=corpus.colours,
        mixtures=FEW_MIXTURES,
    )
    kinds = []
    if corpus.is_small:
        outputs = ["auto"] if data.levels <= 16 else ["softmax", "logistic-mixture"]
        architectures = ["diagonal-bilstm", "row-lstm"]
        kinds += [
            dataclasses.replace(plain, architecture=architecture, output=output, mixtures=ModelConfig.mixtures)
            for architecture, output in itertools.product(architectures, outputs)
        ]
    kinds += [
        dataclasses.replace(plain, copies=copies, grid=grid, adaptive=adaptive, fits=1 + adaptive)
        for adaptive, copies, grid in itertools.product((False, True), (0, COPIES), (1, GRID))
        if not (adaptive and copies)  # what repeats exact values is no photograph
    ]
    return [_sized(config, size) for config in kinds]


def _other_sizes(config: ModelConfig) -> list[ModelConfig]:
    """The same at all sizes but the medium one."""
    return [_sized(config, number) for number in range(len(SIZES[config.traits.sees_far])) if number != MEDIUM]


def _sized(config: ModelConfig, number: int) -> ModelConfig:
    """A configuration with the layers and features of one of the sizes of its architecture."""
    layers, hidden = SIZES[config.traits.sees_far][number]
    return dataclasses.replace(config, layers=layers, hidden=hidden)


def _weights(model: AbstractImageModel, bits: int) -> int:
    return sum(parameter.numel() for parameter in model.parameters()) * bits // 8

"""`pixelrnn evaluate`."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import is_first_process, progress, say, say_bad, show_json, show_table
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import (
    AlsoModels,
    ModelFolder,
    is_model,
    open_models,
    open_run,
    require_model,
)
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sharding import Sharding, Work, identity
from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.runs.run import Run
    from pixelrnn.scale.parts import Part
    from pixelrnn.train.evaluation import Classification, Evaluation

__all__ = ["Evaluate", "show_evaluated"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure the likelihood of images under trained models: nats per image and bits/dim.

    Examples:
        pixelrnn evaluate runs/digits-diagonal-bilstm
        pixelrnn evaluate runs/photos other-photos/ --json
        pixelrnn evaluate runs/first runs/second          # compared on the images of the first
        pixelrnn evaluate runs/letters --classify
        torchrun --nproc-per-node 2 -m pixelrnn evaluate runs/mnist

    Images are read with the options that the (first) model was trained with.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    other: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="MODEL|SOURCE")] = None
    """Another model, to be compared with the first on the same images; or the images."""

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """Images to measure; those of the (first) run if not given."""

    model: AlsoModels = ()
    """Another model, to be compared with the first on the same images; several if given again."""

    classify: bool = False
    """Also find the labels of the images by Bayes' rule, with a likelihood for each label."""

    json: bool = False
    """Print JSON."""

    exact: bool = False
    """Compute by the walk, whose figures are the same on every machine, to the last bit."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    sharding: Sharding = dataclasses.field(default_factory=Sharding)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        other, source = self._named()
        for model in (other, *self.model):
            if model is not None:
                require_model(model)
        if source is not None:
            self.sharding.require_source(source)
        if self.classify and self.choice.without_labels:
            raise ConfigError("--classify compares with the labels; leave out --without-labels")
        self.sharding.refuse(classify=self.classify, limit=self.choice.limit is not None)
        self.sharding.refuse_engine(classify=self.classify)

    def _named(self) -> tuple[str | None, str | None]:
        """The other model, and the source."""
        if self.source is None and self.other is not None and not is_model(self.other):
            return None, self.other
        return self.other, self.source

    def _check_other(self, run: "Run", first: "Run", data: "Data") -> None:
        """Refuse a second model that numbers the labels otherwise; say so if it may have seen the images."""
        if data.label_names and run.labels not in ([], first.labels):
            raise ConfigError(f"{run.name} numbers the labels otherwise than {first.name}; evaluate them one by one")
        is_seen = run.source == data.source and run.fingerprints not in (None, data.fingerprints)
        if is_seen and is_first_process():
            say(f"warning: {run.name} was trained on other images of {data.source}, maybe on these", is_aside=True)

    def run(self) -> int:
        """Measure and print."""
        from pixelrnn import zoo
        from pixelrnn.train import distributed
        from pixelrnn.train.evaluation import classify, compare

        device = self.machine.prepare()
        is_silent = not is_first_process()
        other, _ = self._named()
        folders = [self.run_folder, *([zoo.find(other)] if other else []), *self.model]
        with distributed.joined(device):
            models = open_models(folders, device)
            if self.sharding.is_used:
                return self._shared(models, folders)
            _, images, facts = self._load(folders)
            with progress("evaluating", is_silent=is_silent) as report:
                batch = self.choice.batch
                results = compare([*models.values()], images, batch=batch, exact=self.exact, callback=report)
            found: list[Classification] = []
            for model in models.values() if self.classify else ():
                with progress("classifying", is_silent=is_silent) as report:
                    found.append(classify(model, images, batch=self.choice.batch, callback=report))
        if wrong := [name for name, result in zip(models, results, strict=True) if math.isnan(result.nats)]:
            raise DataError(f"{wrong[0]} produced NaN for an image: its training went wrong")
        if not is_silent:
            show_evaluations(dict(zip(models, results, strict=True)), facts, found, as_json=self.json)
        return 0

    def _load(self, folders: list[Path], shard: Shard | None = None) -> "tuple[Data, ImageSet, dict[str, Any]]":
        """The images, and what is said of them."""
        trained, (_, source) = open_run(self.run_folder), self._named()
        are_whole = self.sharding.engine != "none"
        data, split, images = self.choice.load(trained, source, are_whole=are_whole, shard=shard)
        for folder in folders[1:]:
            self._check_other(open_run(folder), trained, data)
        return data, images, {"protocol": f"{split} images of {source or trained.source}; {data.protocol}"}

    def _shared(self, models: "dict[str, AbstractImageModel]", folders: list[Path]) -> int:
        """Measure the images of a part, or all of them elsewhere."""
        from pixelrnn.scale.tables import nats_of

        _, source = self._named()
        about = {"verb": "evaluate", "models": {name: identity(model) for name, model in models.items()}}
        work = Work(
            about | {"source": source, "exact": self.exact, **self.choice.about},
            open_run(self.run_folder),
            source,
            self.choice,
            lambda shard: self._load(folders, shard),
            lambda protocol: {"protocol": protocol},
            functools.partial(nats_of, [*models.values()], batch=self.choice.batch, exact=self.exact),
            functools.partial(show_evaluated, as_json=self.json),
        )
        return self.sharding.compute(work, title="evaluating", as_json=self.json)


def show_evaluated(parts: "list[Part]", facts: dict[str, Any], *, as_json: bool) -> None:
    """Say what all parts come to."""
    from pixelrnn.scale.tables import Table, evaluations_in

    table = Table.of(parts)
    results = zip(parts[0].about["models"], evaluations_in(table), strict=True)
    show_evaluations(dict(results), facts, [], as_json=as_json)
    say_bad(table.bad)


def show_evaluations(
    results: "dict[str, Evaluation]", facts: dict[str, Any], found: "list[Classification]", *, as_json: bool
) -> None:
    """Say how likely images are by each model, and of which images that is."""
    if as_json:
        every = [
            {"model": name} | _facts(result, found[number] if found else None)
            for number, (name, result) in enumerate(results.items())
        ]
        show_json((every[0] if len(every) == 1 else {"models": every}) | {"protocol": facts["protocol"]})
        return
    if len(results) == 1:
        _show(*results.values())
    else:
        _show_all([*results], [*results.values()])
    for name, each in zip(results, found, strict=False):
        of = f"{name}: " if len(results) > 1 else ""
        say(f"{of}{each.accuracy:.2%} of the labels found by Bayes' rule, {each.nats:.3f} nats per label")
        say(f"{of}{each.marginal_nats:.3f} nats per image without its label, all labels being alike")
    say(f"protocol: {facts['protocol']}")


def _facts(result: "Evaluation", found: "Classification | None") -> dict[str, Any]:
    facts = dataclasses.asdict(result)
    if result.difference is None:
        del facts["difference"], facts["difference_error"]
    return facts | ({"classification": dataclasses.asdict(found)} if found else {})


def _show(result: "Evaluation") -> None:
    say(f"{result.nats:.3f} +- {result.standard_error:.3f} nats per image (mean +- standard error)")
    say(f"{result.bits_per_dim:.4f} bits/dim")
    say(f"{result.images:,} images, {result.images_per_second:.0f} images/s")


def _show_all(names: list[str], results: "list[Evaluation]") -> None:
    """A line for each model; the differences are of the same images, so that much of their errors cancels."""
    rows = [("", "nats per image", "bits/dim", "difference from the first", "images/s")]
    for name, each in zip(names, results, strict=True):
        difference = "" if each.difference is None else f"{each.difference:+.3f} +- {each.difference_error:.3f}"
        nats = f"{each.nats:.3f} +- {each.standard_error:.3f}"
        rows.append((name, nats, f"{each.bits_per_dim:.4f}", difference, f"{each.images_per_second:.0f}"))
    show_table(rows)
    say(f"{results[0].images:,} images; mean +- standard error")

"""`pixelrnn evaluate`."""

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import is_first_process, progress, say, show_json, show_table
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, is_model, open_model, open_run, require_model
from pixelrnn.cli.parser import SOURCE
from pixelrnn.config import require_source
from pixelrnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pixelrnn.data import Data
    from pixelrnn.runs.run import Run
    from pixelrnn.train.evaluation import Classification, Evaluation

__all__ = ["Evaluate"]


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

    classify: bool = False
    """Also find the labels of the images by Bayes' rule, with a likelihood for each label."""

    json: bool = False
    """Print JSON."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        model, source = self._named()
        if model is not None:
            require_model(model)
        if source is not None:
            require_source(source)
        if self.classify and self.choice.without_labels:
            raise ConfigError("--classify compares with the labels; leave out --without-labels")

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
        from pixelrnn.runs.run import name_of
        from pixelrnn.train import distributed
        from pixelrnn.train.evaluation import classify, compare

        device = self.machine.prepare()
        is_silent = not is_first_process()
        other, source = self._named()
        folders = {name_of(self.run_folder): self.run_folder} | ({other: zoo.find(other)} if other else {})
        with distributed.joined(device):
            models = {name: open_model(folder, device) for name, folder in folders.items()}
            trained = open_run(self.run_folder)
            data, split, images = self.choice.load(trained, source)
            for folder in [*folders.values()][1:]:
                self._check_other(open_run(folder), trained, data)
            with progress("evaluating", is_silent=is_silent) as report:
                results = compare([*models.values()], images, batch=self.choice.batch, callback=report)
            found: list[Classification] = []
            for model in models.values() if self.classify else ():
                with progress("classifying", is_silent=is_silent) as report:
                    found.append(classify(model, images, batch=self.choice.batch, callback=report))
        if wrong := [name for name, result in zip(models, results, strict=True) if math.isnan(result.nats)]:
            raise DataError(f"{wrong[0]} produced NaN for an image: its training went wrong")
        if is_silent:
            return 0
        protocol = f"{split} images of {source or trained.source}; {data.protocol}"
        if self.json:
            facts = [
                {"model": name} | _facts(result, found[number] if found else None)
                for number, (name, result) in enumerate(zip(models, results, strict=True))
            ]
            show_json((facts[0] if len(facts) == 1 else {"models": facts}) | {"protocol": protocol})
            return 0
        if len(results) == 1:
            _show(results[0])
        else:
            _show_all([*models], results)
        for name, each in zip(models, found, strict=False):
            of = f"{name}: " if len(models) > 1 else ""
            say(f"{of}{each.accuracy:.2%} of the labels found by Bayes' rule, {each.nats:.3f} nats per label")
            say(f"{of}{each.marginal_nats:.3f} nats per image without its label, all labels being alike")
        say(f"protocol: {protocol}")
        return 0


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

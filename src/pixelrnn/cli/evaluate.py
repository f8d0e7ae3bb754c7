"""`pixelrnn evaluate`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from pixelrnn.cli.console import is_first_process, progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.models import open_model
from pixelrnn.cli.sources import load_as_trained
from pixelrnn.config import require_run, require_source
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet

__all__ = ["Evaluate"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure the likelihood of images under a trained model: nats per image and bits/dim.

    Examples:
        pixelrnn evaluate runs/digits-diagonal-bilstm
        pixelrnn evaluate runs/photos other-photos/ --json
        pixelrnn evaluate runs/letters --classify
        torchrun --nproc-per-node 2 -m pixelrnn evaluate runs/mnist

    Images are read with the options that the model was trained with.
    """

    run_folder: tyro.conf.Positional[Path]
    """Run or model folder."""

    source: tyro.conf.Positional[str | None] = None
    """Images to measure; those of the run if not given."""

    split: Literal["auto", "train", "valid", "test", "all"] = "auto"
    """auto: test images of the run's own source or of a source with splits, else all."""

    batch: int = 64
    """Images computed at once."""

    limit: int | None = None
    """Use at most this many images, evenly spaced."""

    packed: tuple[int, int] | None = None
    """Height and width of the images in bit-packed arrays, if not as in training."""

    source_levels: int | None = None
    """Values that an array's sub-pixels can take, if not as in training."""

    skip_bad: bool = False
    """Skip, count and list files that cannot be read."""

    classify: bool = False
    """Also find the labels of the images by Bayes' rule, with a likelihood for each label."""

    without_labels: bool = False
    """Measure images without their labels, with a model that was trained with --label-dropout."""

    json: bool = False
    """Print JSON."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_run(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        if self.classify and self.without_labels:
            raise ConfigError("--classify compares with the labels; leave out --without-labels")
        for name in ("batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")

    def run(self) -> int:
        """Measure and print."""
        from pixelrnn.storage import read_json
        from pixelrnn.train import classify, evaluate, processes

        device = self.machine.prepare()
        is_silent = not is_first_process()
        with processes.joined(device):
            model = open_model(self.run_folder, device)
            recorded = read_json(self.run_folder / "config.json")
            if self.without_labels and not model.config.classes:
                raise ConfigError("--without-labels is given, but the model has no labels (it was trained without)")
            data, is_own = load_as_trained(
                self.run_folder,
                self.source,
                model.config,
                packed=self.packed,
                limit=self.limit,
                skip_bad=self.skip_bad or None,
                source_levels=self.source_levels,
                labels=False if self.without_labels else None,
            )
            name, images = self._choose(data, is_own=is_own)
            with progress("evaluating", is_silent=is_silent) as report:
                result = evaluate(model, images, batch=self.batch, callback=report)
            found = None
            if self.classify:
                with progress("classifying", is_silent=is_silent) as report:
                    found = classify(model, images, batch=self.batch, callback=report)
        protocol = f"{name} images of {self.source or recorded['source']}; {data.protocol}"
        if is_silent:
            return 0
        if self.json:
            facts = dataclasses.asdict(result) | {"protocol": protocol, "model": str(self.run_folder)}
            show_json(facts | ({"classification": dataclasses.asdict(found)} if found else {}))
        else:
            say(f"{result.nats:.3f} +- {result.standard_error:.3f} nats per image (mean +- standard error)")
            say(f"{result.bits_per_dim:.4f} bits/dim")
            say(f"{result.images:,} images, {result.images_per_second:.0f} images/s")
            if found is not None:
                say(f"{found.accuracy:.2%} of the labels found by Bayes' rule, {found.nats:.3f} nats per label")
                say(f"{found.marginal_nats:.3f} nats per image without its label, all labels being alike")
            say(f"protocol: {protocol}")
        return 0

    def _choose(self, data: "Data", *, is_own: bool) -> tuple[str, "ImageSet"]:
        split = self.split
        if split == "auto":
            split = "test" if is_own or data.has_splits else "all"
        return split, {"train": data.train, "valid": data.valid, "test": data.test, "all": data.whole}[split]

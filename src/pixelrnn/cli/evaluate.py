"""`pixelrnn evaluate`."""

import dataclasses
import math

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import is_first_process, progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.config import require_source
from pixelrnn.errors import ConfigError, DataError

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

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: tyro.conf.Positional[str | None] = None
    """Images to measure; those of the run if not given."""

    classify: bool = False
    """Also find the labels of the images by Bayes' rule, with a likelihood for each label."""

    json: bool = False
    """Print JSON."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        if self.classify and self.choice.without_labels:
            raise ConfigError("--classify compares with the labels; leave out --without-labels")

    def run(self) -> int:
        """Measure and print."""
        from pixelrnn.train import distributed
        from pixelrnn.train.evaluation import classify, evaluate

        device = self.machine.prepare()
        is_silent = not is_first_process()
        with distributed.joined(device):
            model = open_model(self.run_folder, device)
            trained = open_run(self.run_folder)
            data, name, images = self.choice.load(trained, self.source)
            with progress("evaluating", is_silent=is_silent) as report:
                result = evaluate(model, images, batch=self.choice.batch, callback=report)
            found = None
            if self.classify:
                with progress("classifying", is_silent=is_silent) as report:
                    found = classify(model, images, batch=self.choice.batch, callback=report)
        if math.isnan(result.nats):
            raise DataError("the model produced NaN for an image: its training went wrong")
        protocol = f"{name} images of {self.source or trained.source}; {data.protocol}"
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

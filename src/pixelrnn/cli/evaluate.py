"""`pixelrnn evaluate`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.sources import load
from pixelrnn.config import DataConfig
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

    skip_bad: bool = False
    """Skip, count and list files that cannot be read."""

    json: bool = False
    """Print JSON."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def run(self) -> int:
        """Measure and print."""
        if self.batch < 1:
            raise ConfigError(f"batch is {self.batch}; at least 1 is needed")
        from pixelrnn.model import ImageModel
        from pixelrnn.storage import read_config, read_json
        from pixelrnn.train import evaluate, processes

        device = self.machine.prepare()
        with processes.joined(device):
            is_silent = processes.rank() != 0
            model = ImageModel.from_pretrained(self.run_folder).to(device)
            recorded = read_json(self.run_folder / "config.json")
            config = (
                read_config(self.run_folder, DataConfig)
                if "data" in recorded
                else DataConfig(levels=model.config.levels)
            )
            source = self.source or recorded.get("source")
            if source is None:
                raise ConfigError(f"{self.run_folder} names no source; give the images to evaluate")
            changes: dict[str, Any] = {"limit": self.limit, "skip_bad": self.skip_bad or config.skip_bad}
            changes["packed"] = self.packed or (config.packed if source == recorded.get("source") else None)
            data = load(source, config, is_silent=is_silent, **changes)
            name, images = self._choose(data, is_own=source == recorded.get("source"))
            with progress("evaluating", is_silent=is_silent) as report:
                result = evaluate(model, images, batch=self.batch, callback=report)
        if not is_silent:
            protocol = f"{name} images of {source}; {data.protocol}"
            if self.json:
                show_json({**dataclasses.asdict(result), "protocol": protocol, "model": str(self.run_folder)})
            else:
                say(f"{result.nats:.3f} +- {result.standard_error:.3f} nats per image (mean +- standard error)")
                say(f"{result.bits_per_dim:.4f} bits/dim")
                say(f"{result.images:,} images, {result.images_per_second:.0f} images/s")
                say(f"protocol: {protocol}")
        return 0

    def _choose(self, data: "Data", *, is_own: bool) -> tuple[str, "ImageSet"]:
        split = self.split
        if split == "auto":
            split = "test" if is_own or data.has_splits else "all"
        return split, {"train": data.train, "valid": data.valid, "test": data.test, "all": data.whole}[split]

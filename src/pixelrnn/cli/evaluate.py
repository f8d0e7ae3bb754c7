"""`pixelrnn evaluate`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from pixelrnn.cli.console import is_first_process, progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.sources import load
from pixelrnn.config import DataConfig, require_run, require_source
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

    source_levels: int | None = None
    """Values that an array's sub-pixels can take, if not as in training."""

    skip_bad: bool = False
    """Skip, count and list files that cannot be read."""

    json: bool = False
    """Print JSON."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_run(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        for name in ("batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")

    def run(self) -> int:
        """Measure and print."""
        from pixelrnn.pretrained import load_model
        from pixelrnn.storage import read_json
        from pixelrnn.train import evaluate, processes

        device = self.machine.prepare()
        is_silent = not is_first_process()
        with processes.joined(device):
            model = load_model(self.run_folder).to(device)
            recorded = read_json(self.run_folder / "config.json")
            data, is_own = self._load(recorded, model.config.levels)
            name, images = self._choose(data, is_own=is_own)
            with progress("evaluating", is_silent=is_silent) as report:
                result = evaluate(model, images, batch=self.batch, callback=report)
        protocol = f"{name} images of {self.source or recorded['source']}; {data.protocol}"
        if is_silent:
            return 0
        if self.json:
            show_json({**dataclasses.asdict(result), "protocol": protocol, "model": str(self.run_folder)})
        else:
            say(f"{result.nats:.3f} +- {result.standard_error:.3f} nats per image (mean +- standard error)")
            say(f"{result.bits_per_dim:.4f} bits/dim")
            say(f"{result.images:,} images, {result.images_per_second:.0f} images/s")
            say(f"protocol: {protocol}")
        return 0

    def _load(self, recorded: dict[str, Any], levels: int) -> tuple["Data", bool]:
        """The images, read as in training, and whether they are those of the run."""
        from pixelrnn.storage import read_config

        config = read_config(self.run_folder, DataConfig) if "data" in recorded else DataConfig(levels=levels)
        own = recorded.get("source")
        source = self.source or own
        if source is None:
            raise ConfigError(f"{self.run_folder} names no source; give the images to evaluate")
        require_source(source)
        is_own = own in (source, str(Path(source).resolve()))
        # A bit-packed source says nothing of how another one is stored.
        packed = self.packed or (config.packed if is_own else None)
        changes = {"packed": packed, "limit": self.limit, "skip_bad": self.skip_bad or config.skip_bad}
        changes["source_levels"] = self.source_levels or config.source_levels
        data = load(source, config, is_silent=not is_first_process(), **changes)
        counts = data.counts
        if (
            is_own
            and self.limit is None
            and config.limit is None
            and recorded.get("images", counts) != counts
            and is_first_process()
        ):
            say(
                f"warning: {source} now gives {counts} images, the run was trained with {recorded['images']}; "
                "images drawn for testing may have been trained on",
                is_aside=True,
            )
        return data, is_own

    def _choose(self, data: "Data", *, is_own: bool) -> tuple[str, "ImageSet"]:
        split = self.split
        if split == "auto":
            split = "test" if is_own or data.has_splits else "all"
        return split, {"train": data.train, "valid": data.valid, "test": data.test, "all": data.whole}[split]

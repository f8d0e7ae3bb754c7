"""`pixelrnn upscale`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, home, open_model, open_run, require_model
from pixelrnn.cli.output import OutputFolder
from pixelrnn.config import Sampling
from pixelrnn.errors import ConfigError

__all__ = ["Upscale"]

FILES = r"seed-\d+-\d+\.png|grid\.png"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upscale:
    """Draw larger versions of a small image, each a different guess at what it shows.

    Examples:
        pixelrnn upscale runs/photos-32 small.png -n 4
        pixelrnn upscale runs/photos-32 small.png --doublings 1 --out large/

    The model is a Multi-Scale one (train --scales 3), which keeps the pixels of the small image (in the levels that it
    was trained with), or one trained with --context shrunk, which takes them for means.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    small: tyro.conf.Positional[Path]
    """Image file, at the small size."""

    number: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 4
    """How many versions."""

    doublings: int | None = None
    """How often to double the sides; if not given, up to the size of the training images, or else once."""

    label: str | None = None
    """Number or name of the image's label, if the model knows labels."""

    out: Path | None = None
    """Folder for the pictures; RUN/upscaled-SEED if not given, of a shipped model runs/NAME/upscaled-SEED."""

    overwrite: bool = False
    """Replace pictures of an earlier call that are in the folder."""

    json: bool = False
    """Print JSON: the files written."""

    batch: int = 256
    """Images, or particles, walked at once; memory grows with it."""

    sampling: Sampling = dataclasses.field(default_factory=Sampling)
    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        for option, value in (("-n", self.number), ("--doublings", self.doublings), ("--batch", self.batch)):
            if value is not None and value < 1:
                raise ConfigError(f"{option} is {value}; at least 1 is needed")

    def run(self) -> int:
        """Draw, write, and say where."""
        from pixelrnn import plots
        from pixelrnn.app.conditions import label_number
        from pixelrnn.data.single import read_image, whole_image
        from pixelrnn.model.upscale import upscale

        usual = home(self.run_folder) / f"upscaled-{self.sampling.seed}"
        folder = OutputFolder.choose(self.out, usual, FILES, overwrite=self.overwrite)
        self.processor.prepare()
        model = open_model(self.run_folder)
        trained = open_run(self.run_folder)
        config, levels = whole_image(trained.data, None), model.config.levels
        small = read_image(self.small, config, channels=model.config.shape[0], levels=levels)
        with progress("upscaling") as report:
            images = upscale(
                model,
                small,
                self.number,
                doublings=self.doublings,
                label=label_number(trained, self.label),
                **dataclasses.asdict(self.sampling),
                batch=self.batch,
                callback=report,
            )
        out = folder.clear()
        paths = [out / f"seed-{self.sampling.seed}-{index:06d}.png" for index in range(self.number)]
        pictures = [plots.to_image(image, levels) for image in images]
        for path, picture in zip(paths, pictures, strict=True):
            plots.save_image(path, picture)
        before = plots.to_image(small, levels).resize(pictures[0].size, plots.NEAREST)
        plots.save_image(out / "grid.png", plots.sheet([before, *pictures], columns=1 + self.number))
        if self.json:
            show_json({"images": list(map(str, paths)), "grid": str(out / "grid.png")})
            return 0
        height, width = images.shape[2:]
        say(f"{self.number:,} versions of {width}x{height} pixels, and grid.png with the small image, are in {out}")
        return 0

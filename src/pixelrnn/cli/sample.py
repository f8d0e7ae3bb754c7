"""`pixelrnn sample`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.config import require_run
from pixelrnn.errors import ConfigError

__all__ = ["Sample"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw new images from a trained model: a grid, and a PNG each.

    Examples:
        pixelrnn sample runs/digits-diagonal-bilstm
        pixelrnn sample runs/mnist -n 64 --seed 1 --temperature 0.9 --out pictures/

    Image i depends on the seed and on i alone: the same pictures come at any batch size.
    """

    run_folder: tyro.conf.Positional[Path]
    """Run or model folder."""

    number: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 16
    """How many images."""

    seed: int = 0
    """Seed of the images."""

    temperature: float = 1.0
    """Below 1 likelier, above 1 wilder values."""

    top_k: int | None = None
    """Draw each value from the k likeliest only."""

    top_p: float = 1.0
    """Draw each value from the likeliest that together have this probability."""

    size: tuple[int, int] | None = None
    """Height and width, if not those of the training images."""

    batch: int = 256
    """Images computed at once; memory grows with it."""

    out: Path | None = None
    """Folder for the pictures; RUN/samples-SEED if not given."""

    json: bool = False
    """Print JSON: the files written."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_run(self.run_folder)
        for option, value in (("-n", self.number), ("--batch", self.batch)):
            if value < 1:
                raise ConfigError(f"{option} is {value}; at least 1 is needed")

    def run(self) -> int:
        """Draw, write, and say where."""
        from pixelrnn import figures
        from pixelrnn.pretrained import load_model

        device = self.machine.prepare()
        model = load_model(self.run_folder).to(device)
        with progress("sampling") as report:
            images = model.sample(
                self.number,
                size=self.size,
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                seed=self.seed,
                batch=self.batch,
                callback=report,
            )
        out = self.out or self.run_folder / f"samples-{self.seed}"
        paths = [out / f"seed-{self.seed}-{index:06d}.png" for index in range(self.number)]
        for path, image in zip(paths, images, strict=True):
            figures.save_image(path, figures.to_image(image, model.config.levels))
        figures.save_image(out / "grid.png", figures.grid(images, model.config.levels))
        if self.json:
            show_json({"images": list(map(str, paths)), "grid": str(out / "grid.png")})
        else:
            say(f"{self.number:,} new {'image' if self.number == 1 else 'images'} and grid.png written to {out}")
        return 0

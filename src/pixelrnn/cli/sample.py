"""`pixelrnn sample`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from pixelrnn.cli.conditions import label_number, read_context
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
        pixelrnn sample runs/letters --label a -n 8
        pixelrnn sample runs/letters --label each -n 8               # a row of 8 for each label
        pixelrnn sample runs/photos-grey --context photo.png -n 4

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

    label: str | None = None
    """Number or name of a label, if the model knows labels; each: so many images of every label."""

    context: Path | None = None
    """Context image, if the model needs one."""

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
        import torch

        from pixelrnn import figures
        from pixelrnn.pretrained import load_model

        device = self.machine.prepare()
        model = load_model(self.run_folder).to(device)
        is_each = self.label == "each"
        if is_each and not model.config.classes:
            raise ConfigError("--label is 'each', but the model has no labels")
        total = self.number * (model.config.classes if is_each else 1)
        label = torch.arange(model.config.classes).repeat_interleave(self.number) if is_each else None
        with progress("sampling") as report:
            images = model.sample(
                total,
                label=label if is_each else label_number(self.label, self.run_folder, model.config),
                context=read_context(self.context, self.run_folder, model.config),
                size=self.size,
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                seed=self.seed,
                batch=self.batch,
                callback=report,
            )
        out = self.out or self.run_folder / f"samples-{self.seed}"
        paths = [out / f"seed-{self.seed}-{index:06d}.png" for index in range(total)]
        for path, image in zip(paths, images, strict=True):
            figures.save_image(path, figures.to_image(image, model.config.levels))
        columns = self.number if is_each else None
        figures.save_image(out / "grid.png", figures.grid(images, model.config.levels, columns=columns))
        if self.json:
            show_json({"images": list(map(str, paths)), "grid": str(out / "grid.png")})
        else:
            say(f"{total:,} new {'image' if total == 1 else 'images'} and grid.png written to {out}")
        return 0

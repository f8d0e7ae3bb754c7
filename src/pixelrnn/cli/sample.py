"""`pixelrnn sample`."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, home, open_model, open_run, require_model
from pixelrnn.cli.output import OutputFolder
from pixelrnn.cli.sharding import Sharding, identity
from pixelrnn.config import Sampling, Shard
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from pixelrnn.config import ModelConfig
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Sample"]

FILES = r"seed-\d+-\d+\.(png|tif)|grid\.png"
BYTES = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw new images from a trained model: a grid, and a PNG each; of more than 256 levels a TIFF each, too.

    Examples:
        pixelrnn sample runs/digits-diagonal-bilstm
        pixelrnn sample runs/mnist -n 64 --seed 1 --temperature 0.9 --out pictures/
        pixelrnn sample runs/letters --label a -n 8
        pixelrnn sample runs/letters --label each -n 8               # a row of 8 for each label
        pixelrnn sample runs/photos-grey --context a.png b.png -n 4  # a row of 4 for each

    Image i depends on the seed and on i alone: the same pictures come at any batch size.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    number: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 16
    """How many images."""

    label: str | None = None
    """Number or name of a label, if the model knows labels; each: so many images of every label."""

    context: tuple[Path, ...] = ()
    """Context images, if the model needs one: so many images for each of them."""

    size: tuple[int, int] | None = None
    """Height and width, if not those of the training images."""

    order: int | None = None
    """Order in which all images are drawn, if the model has several; each in one of its own if not given."""

    out: Path | None = None
    """Folder for the pictures; RUN/samples-SEED if not given, of a shipped model runs/NAME/samples-SEED."""

    overwrite: bool = False
    """Replace pictures of an earlier call that are in the folder."""

    json: bool = False
    """Print JSON: the files written."""

    batch: int = 256
    """Images, or particles, walked at once; memory grows with it."""

    sampling: Sampling = dataclasses.field(default_factory=Sampling)
    sharding: Sharding = dataclasses.field(default_factory=Sharding)
    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        for option, value in (("-n", self.number), ("--batch", self.batch)):
            if value < 1:
                raise ConfigError(f"{option} is {value}; at least 1 is needed")
        self.sharding.refuse(out=self.out is not None)
        if self.sharding.engine != "none" and (self.sharding.parts is None or self.out is not None):
            raise ConfigError("--engine ray writes samples below --parts, not --out; give that folder")

    def run(self) -> int:
        """Draw, write, and say where."""
        if self.sharding.is_used:
            return self._part(self.sharding.of)
        from pixelrnn import plots

        usual = home(self.run_folder) / f"samples-{self.sampling.seed}"
        folder = OutputFolder.choose(self.out, usual, FILES, overwrite=self.overwrite)
        self.processor.prepare()
        model = open_model(self.run_folder)
        label, contexts, total = self._conditions(model.config)
        with progress("sampling") as report:
            images = self._drawn(model, range(total), label, contexts, callback=report)
        out, levels = folder.clear(), model.config.levels
        paths = self._written(out, range(total), images, levels)
        if contexts is None:
            grid = plots.grid(images, levels, columns=self.number if self.label == "each" else None)
        else:
            grid = plots.grid_with_contexts(images, levels, contexts, each=self.number)
        plots.save_image(out / "grid.png", grid)
        if self.json:
            show_json({"images": list(map(str, paths)), "grid": str(out / "grid.png")})
        else:
            say(f"{total:,} new {'image' if total == 1 else 'images'} and grid.png written to {out}")
        return 0

    def _drawn(
        self, model: "AbstractImageModel", numbers: Sequence[int], label: Any, contexts: "Tensor | None", **options: Any
    ) -> "Tensor":
        """Some of all images, by their numbers."""
        return model.sample(
            numbers,
            label=label if label is None or isinstance(label, int) else label[list(numbers)],
            context=None if contexts is None else contexts[[number // self.number for number in numbers]],
            size=self.size,
            **dataclasses.asdict(self.sampling),
            order=self.order,
            batch=self.batch,
            **options,
        )

    def _written(self, out: Path, numbers: Sequence[int], images: "Tensor", levels: int) -> list[Path]:
        """Write images under their numbers."""
        from pixelrnn import plots

        paths = [out / f"seed-{self.sampling.seed}-{number:06d}.png" for number in numbers]
        for path, image in zip(paths, images, strict=True):
            plots.save_image(path, plots.to_image(image, levels))
        return self._written_deep(paths, images) if levels > BYTES else paths

    def _written_deep(self, paths: list[Path], images: "Tensor") -> list[Path]:
        """Write the values of images of many levels beside what is shown of them."""
        import numpy as np

        from pixelrnn.data.stack import file_of
        from pixelrnn.runs.files import atomic_write

        data, found = open_run(self.run_folder).data, [path.with_suffix(".tif") for path in paths]
        for path, image in zip(found, images, strict=True):
            values = image.numpy().astype(np.int64) * data.step + data.offset
            content = file_of(values.astype(np.int16 if data.offset < 0 else np.uint16))
            atomic_write(path, functools.partial(Path.write_bytes, data=content))
        return found

    def _part(self, shard: Shard) -> int:
        """Draw and write those of a part."""
        import torch

        from pixelrnn.scale.columns import Drawings
        from pixelrnn.scale.engine import gather
        from pixelrnn.scale.reading import rows_in

        self.processor.prepare()
        model = open_model(self.run_folder)
        label, contexts, total = self._conditions(model.config)
        about = {"verb": "sample", "model": identity(model), "number": total, "label": self.label, "size": self.size}
        about |= {"context": list(map(str, self.context)), "order": self.order, **dataclasses.asdict(self.sampling)}
        with self.sharding.begin(about) as part:
            mine = [number for number in range(total) if shard.takes_number(number)]
            done = part.done()
            left = [number for number in mine if f"{number:06d}" not in done]
            chunks = [left[start : start + self.batch] for start in range(0, len(left), self.batch)]

            def write(columns: "Mapping[str, NDArray[Any]]") -> None:
                numbers, images = [int(name) for name in columns["name"]], torch.from_numpy(columns["image"])
                self._written(part.path.parent, numbers, images, model.config.levels)
                part.write({"name": columns["name"]})

            call = Drawings(functools.partial(self._drawn, model, label=label, contexts=contexts))
            rows = [{"name": [f"{number:06d}" for number in numbers]} for numbers in chunks]
            if self.sharding.engine != "none":
                self.sharding.map(part, rows_in(rows), call, write, title="sampling")
            else:
                with progress("sampling") as report:
                    results = (columns for batch in rows for columns in call(batch))
                    gather(part, results, write, total=len(mine), callback=report)
            self.sharding.say_done(part, as_json=self.json)
        return 0

    def _conditions(self, model: "ModelConfig") -> tuple[Any, "Tensor | None", int]:
        """The labels of all images, the contexts that so many images each are drawn for, and how many that makes."""
        import torch

        from pixelrnn.app.conditions import label_number, read_contexts

        trained = open_run(self.run_folder)
        contexts = read_contexts(trained, self.context)
        if self.label != "each":
            rows = 1 if contexts is None else len(contexts)
            return label_number(trained, self.label), contexts, rows * self.number
        if not model.classes:
            raise ConfigError("--label is 'each', but the model has no labels")
        if contexts is not None and len(contexts) > 1:
            raise ConfigError("--label each goes with one --context")
        if contexts is not None:
            contexts = contexts.expand(model.classes, *contexts.shape[1:])
        label = torch.arange(model.classes).repeat_interleave(self.number)
        return label, contexts, len(label)

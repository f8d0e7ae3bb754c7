"""`pixelrnn complete`."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from pixelrnn.app.regions import Region
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, home, open_model, open_run, require_model
from pixelrnn.cli.output import OutputFolder
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sources import load_as_trained
from pixelrnn.config import IMAGE_SUFFIXES, Sampling, require_source
from pixelrnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Complete"]

FILES = r"image-\d+-\d+\.png|completions\.png"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Complete:
    """Draw the missing part of images from what a model holds likely, given the part that is there.

    Examples:
        pixelrnn complete runs/photos torn.png                       # transparent pixels are missing
        pixelrnn complete runs/photos photo.png --mask mask.png -n 8 # black in the mask: missing
        pixelrnn complete runs/mnist --keep bottom --limit 4         # test images of the run
        pixelrnn complete runs/photos photos/ --drop box:8,8,16,16

    A model of several orders begins where nothing known comes after anything missing, if there is such a corner. What
    is known before a missing pixel, in the order of reading, conditions it exactly. What comes after it (below, to the
    right) does so through many walks, the particles, that are weighted by how likely it is after them: the more
    particles, the better the completion fits. What is there is kept, in the levels that the model was trained with,
    and at its own size, unless the images of the training were brought to one (--size). The time goes with the pixels.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """An image file, or a source as for train; test images of the run if not given."""

    keep: str | None = None
    """What is there: top, bottom, left, right (half of the image, or :PIXELS), or box:TOP,LEFT,HEIGHT,WIDTH."""

    drop: str | None = None
    """What is missing, in the same words."""

    mask: Path | None = None
    """Image of the size of the image file: white is there, black is missing."""

    number: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 4
    """Completions of each image."""

    order: str | None = None
    """Number of the order in which images are read, if the model has several; all: particles in each; the orders in
    which nothing known comes after anything missing, or else the best one, if not given."""

    particles: int = 256
    """Walks of each completion, where something known comes after something missing."""

    limit: int = 4
    """Use at most this many images of a source, evenly spaced."""

    label: str | None = None
    """Number or name of the label of all images, if the model knows labels; those of the source if not given."""

    context: Path | None = None
    """Context of all images, if the model needs one; those of the source if not given."""

    out: Path | None = None
    """Folder for the pictures; RUN/completions-SEED if not given, of a shipped model runs/NAME/completions-SEED."""

    overwrite: bool = False
    """Replace pictures of an earlier call that are in the folder."""

    skip_bad: bool = False
    """Skip, count and list files of a source that cannot be read."""

    json: bool = False
    """Print JSON: the files written, and the estimates of log p(known) in nats."""

    batch: int = 256
    """Images, or particles, walked at once; memory grows with it."""

    sampling: Sampling = dataclasses.field(default_factory=Sampling)
    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        for option, value in (
            ("-n", self.number),
            ("--particles", self.particles),
            ("--limit", self.limit),
            ("--batch", self.batch),
        ):
            if value < 1:
                raise ConfigError(f"{option} is {value}; at least 1 is needed")
        if self.order not in (None, "all") and not self.order.isdecimal():
            raise ConfigError(f"--order is {self.order!r}; a number or all is allowed")
        given = [name for name in ("keep", "drop", "mask") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"--{given[0]} and --{given[1]} are both given; one says what is missing")
        if not given and not self._is_file:
            raise ConfigError("what is missing? give --keep, --drop or, with an image file, --mask or transparency")
        if self.mask is not None and not self._is_file:
            raise ConfigError("--mask belongs to an image file; give one, or --keep or --drop")
        for option in ("keep", "drop"):
            if (text := getattr(self, option)) is not None:
                Region.parse(text, option)

    @property
    def _is_file(self) -> bool:
        return self.source is not None and Path(self.source).suffix.lower() in IMAGE_SUFFIXES

    @property
    def _order(self) -> int | Literal["all"] | None:
        if self.order is None:
            return None
        return "all" if self.order == "all" else int(self.order)

    def run(self) -> int:
        """Complete, write, and say where."""
        from pixelrnn import plots

        usual = home(self.run_folder) / f"completions-{self.sampling.seed}"
        folder = OutputFolder.choose(self.out, usual, FILES, overwrite=self.overwrite)
        self.processor.prepare()
        model = open_model(self.run_folder)
        images, known, given, is_original = self._read_file(model) if self._is_file else self._read_source(model)
        if bool(known.all()):
            raise ConfigError("nothing is missing; say more with --keep, --drop or --mask")
        repeated = {name: _repeat(value, self.number) for name, value in given.items()}
        with progress("completing") as report:
            result = model.complete(
                images.repeat_interleave(self.number, 0),
                known,
                **repeated,
                order=self._order,
                particles=self.particles,
                **dataclasses.asdict(self.sampling),
                batch=self.batch,
                callback=report,
            )
        levels = model.config.levels
        pictures, guesses = ([plots.to_image(x, levels) for x in each] for each in (images, result.images))
        strip = plots.completions(pictures, known.numpy(), guesses, has_originals=is_original)
        return self._write(folder.clear(), guesses, strip, result.log_known, is_original=is_original)

    def _read_file(self, model: "AbstractImageModel") -> tuple["Tensor", "Tensor", dict[str, Any], bool]:
        """The image, what is known of it, its condition, and whether the file shows what is missing."""
        import torch

        from pixelrnn.data.single import read_image, read_mask, read_opacity

        assert self.source is not None
        path, config = Path(self.source), open_run(self.run_folder).data
        image = read_image(path, config, channels=model.config.shape[0], levels=model.config.levels)
        size, usual = image.shape[1:], model.config.shape[1:]
        if size != usual:
            note = f"{path} has {size[1]}x{size[0]} pixels; the model was trained on {usual[1]}x{usual[0]}"
            say(note, is_aside=True)
        said = read_mask(self.mask, path, config) if self.mask else self._region(image)
        opacity = read_opacity(path, config)
        if said is None and opacity is None:
            raise DataError(f"{path} has no transparency that would say what is missing; give --keep, --drop or --mask")
        # Transparent pixels are missing whatever else is; then the file does not show what they were.
        known = torch.ones(image.shape[1:], dtype=torch.bool)
        for mask in (said, opacity):
            known = known if mask is None else known & mask
        is_original = opacity is None or bool(opacity.all())
        return image[None], known, self._given(model), is_original

    def _given(self, model: "AbstractImageModel") -> dict[str, Any]:
        """Label and context as the options give them, for all images."""
        from pixelrnn.app.conditions import label_number, read_contexts

        trained = open_run(self.run_folder)
        contexts = read_contexts(trained, (self.context,) if self.context else ())
        return {
            "label": label_number(trained, self.label),
            "context": None if contexts is None else contexts[0],
        }

    def _read_source(self, model: "AbstractImageModel") -> tuple["Tensor", "Tensor", dict[str, Any], bool]:
        given = {name: value for name, value in self._given(model).items() if value is not None}
        # What an option gives the source need not have.
        without: dict[str, Any] = {"labels": False} if "label" in given else {}
        without |= {"context": "none"} if "context" in given else {}
        without |= {"skip_bad": True} if self.skip_bad else {}
        _, data, is_own, _ = load_as_trained(open_run(self.run_folder), self.source, **without)
        images = (data.test if is_own or data.has_splits else data.whole).spaced(self.limit)
        examples = images.examples(range(0, len(images), images.patches))
        known = self._region(examples.images[0])
        assert known is not None
        found = {"label": examples.condition.label, "context": examples.condition.context}
        return examples.images, known, {**found, **given}, True

    def _region(self, image: "Tensor") -> "Tensor | None":
        if self.keep is not None:
            return Region.parse(self.keep, "keep").mask(image.shape[1], image.shape[2])
        if self.drop is not None:
            return ~Region.parse(self.drop, "drop").mask(image.shape[1], image.shape[2])
        return None

    def _write(
        self, out: Path, guesses: "list[Image]", strip: "Image", log_known: "Tensor", *, is_original: bool
    ) -> int:
        """A strip for each image: occluded, its completions, the original if that is known; and every completion."""
        from pixelrnn import plots

        files = []
        for place, guess in enumerate(guesses):
            files.append(out / f"image-{place // self.number:04d}-{place % self.number:03d}.png")
            plots.save_image(files[-1], guess)
        plots.save_image(out / "completions.png", strip)
        estimates = log_known.view(-1, self.number).logsumexp(1) - math.log(self.number)
        if self.json:
            show_json(
                {
                    "strip": str(out / "completions.png"),
                    "images": list(map(str, files)),
                    "log_known": estimates.tolist(),
                }
            )
            return 0
        count = "1 completion" if self.number == 1 else f"{self.number} completions"
        say(f"{out / 'completions.png'}: occluded, {count}{', original' if is_original else ''}")
        for index, nats in enumerate(estimates.tolist()):
            say(f"  image {index}: log p(known) = {nats:.2f} nats")
        return 0


def _repeat(value: Any, count: int) -> Any:
    """A condition of each image for each of its completions."""
    from torch import Tensor

    is_for_each = isinstance(value, Tensor) and value.dim() in (1, 4)
    return value.repeat_interleave(count, 0) if is_for_each else value

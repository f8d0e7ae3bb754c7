"""`pixelrnn merge`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.compress import merge_parts
from pixelrnn.cli.console import say, say_skipped, show_json
from pixelrnn.cli.entropy import show_measured
from pixelrnn.cli.evaluate import show_evaluated
from pixelrnn.cli.model_folder import ModelFolder, require_model
from pixelrnn.cli.output import require_file
from pixelrnn.cli.score_table import ScoreTable
from pixelrnn.errors import ConfigError, RunError

if TYPE_CHECKING:
    from pixelrnn.scale.parts import Part

__all__ = ["Merge"]

SUFFIXES = {"score": (".csv", ".parquet"), "entropy": (".png",), "compress": (".pxr",), "sample": (".png",)}
"""Of the files that come of the parts of a verb."""

MOST_SHOWN = 256  # images in a grid


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merge:
    """Put together what the parts of some work found: the figures, the table or the archive of all of it.

    Examples:
        pixelrnn score runs/photos big/ --shard 1/2 --parts parts/   # here
        pixelrnn score runs/photos big/ --shard 2/2 --parts parts/   # there, at the same time
        pixelrnn merge parts/ --out scores.csv

    Of score it shows the scores, and writes them as CSV; of evaluate and entropy their figures, with exact standard
    errors; of compress it makes one archive, without coding anything again; of sample a grid of the first images.
    """

    folder: tyro.conf.Positional[Path]
    """The folder that was given with --parts."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write: .csv or .parquet of score, .pxr of compress (FOLDER.pxr if not given), .png of entropy (a map)
    and sample."""

    model: ModelFolder | None = None
    """Model of archives, if they neither hold nor name it, and hold colours of pictures."""

    most: int = 10
    """Of score: how many of the least and of the most usual images are shown."""

    overwrite: bool = False
    """Replace the file of --out."""

    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if not self.folder.is_dir():
            raise RunError(f"{self.folder}: no such folder")
        if self.model is not None:
            require_model(self.model)
        if self.most < 1:
            raise ConfigError(f"most is {self.most}; at least 1 is needed")

    def run(self) -> int:
        """Read all parts, and show or write what they come to."""
        from pixelrnn.scale.parts import parts_in

        parts = parts_in(self.folder)
        verb = parts[0].about.get("verb")
        if verb not in MERGED:
            raise RunError(f"{self.folder} holds parts of {verb!r}, which this program does not know")
        if self.out is not None and verb not in SUFFIXES:
            raise ConfigError(f"parts of {verb} come to figures alone; leave out --out")
        require_file("--out", self.out, *SUFFIXES.get(verb, ()), overwrite=self.overwrite)
        every = [part.facts for part in parts]
        say_skipped(sorted({line for facts in every for line in facts.get("skipped", ())}))
        MERGED[verb](self, parts, next((facts for facts in every if "protocol" in facts), {}))
        return 0

    def _score(self, parts: "list[Part]", facts: dict[str, Any]) -> None:
        from pixelrnn.scale.tables import Table

        found = Table.of(parts)
        table = ScoreTable(found.rows, facts, found.bad)
        table.show(self.most, as_json=self.json)
        if self.out is not None:
            table.write(self.out, overwrite=self.overwrite)

    def _evaluate(self, parts: "list[Part]", facts: dict[str, Any]) -> None:
        show_evaluated(parts, facts, as_json=self.json)

    def _entropy(self, parts: "list[Part]", facts: dict[str, Any]) -> None:
        show_measured(parts, facts, map_to=self.out, as_json=self.json)

    def _compress(self, parts: "list[Part]", _: dict[str, Any]) -> None:
        from pixelrnn.model.loading import load_model

        out = self.out or Path(f"{self.folder.resolve().name}.pxr")
        model = None if self.model is None else load_model(self.model)
        merge_parts(parts, out, model, overwrite=self.overwrite, as_json=self.json)

    def _sample(self, parts: "list[Part]", _: dict[str, Any]) -> None:
        from PIL import Image

        from pixelrnn import plots

        about = parts[0].about
        paths = [self.folder / f"seed-{about['seed']}-{number:06d}.png" for number in range(about["number"])]
        if missing := [path for path in paths if not path.exists()]:
            raise RunError(f"{missing[0]} is not there (of {len(missing)} images)")
        out = self.out or self.folder / "grid.png"
        if out.exists() and not self.overwrite:
            raise ConfigError(f"{out} exists; choose another name with --out, or give --overwrite")
        images = []
        for path in paths[:MOST_SHOWN]:
            with Image.open(path) as picture:
                images.append(picture.copy())
        plots.save_image(out, plots.sheet(images))
        if self.json:
            show_json({"images": list(map(str, paths)), "grid": str(out)})
        else:
            say(f"{len(paths):,} images in {self.folder}; {out} shows the first {len(images):,}")


MERGED = {
    "score": Merge._score,
    "evaluate": Merge._evaluate,
    "entropy": Merge._entropy,
    "compress": Merge._compress,
    "sample": Merge._sample,
}
"""What is done with the parts of each verb."""

"""`pixelrnn score`."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from pixelrnn.app.maps import save_maps
from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.cli.output import OutputFolder, require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sharding import Sharding, Work, identity
from pixelrnn.config import Shard, require_source
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.scores.comparison import Comparison

__all__ = ["Score", "rows_of", "show_scores", "write_scores"]

Method = Literal["auto", "likelihood", "ratio", "complexity", "typicality", "surprise"]
COLUMNS = ("name", "score", "p_value", "rank", "nats", "bits_per_dim")
MAPS = r"(least|most)-\d+\.png|index\.html"
ALPHA = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Say of each image how likely it is under a model, and how unusual that makes it.

    Examples:
        pixelrnn score runs/digits-diagonal-bilstm
        pixelrnn score runs/photos new/ --csv new.csv --maps new-maps/
        pixelrnn train photos/ --size 32 --perturb 0.2 --out runs/background
        pixelrnn score runs/photos new/ --against runs/background

    Scores are higher for what is more usual, all but surprise in bits for a sub-pixel:
        likelihood   log2 p. Misleading: images simpler than the usual ones have high ones.
        ratio        log2 p less that of a background model, trained on perturbed images (Ren et al. 2019).
        complexity   log2 p and the bits that PNG or WebP need (Serra et al. 2020).
        typicality   how far log2 p is from that of usual images, on either side, times -1 (Nalisnick et al. 2019).
        surprise     the same of what the model itself expects of an image, in its standard deviations.

    The p-value says how often an image of the kind that the model knows has a score as low; the rank, how many of them
    are less likely: 0 none, 1 all. Both compare with the validation images of the run.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """Images to score, whole, of any size if the model takes any; those of the run if not given."""

    method: Method = "auto"
    """auto: ratio with --against; else complexity, or typicality where that is not possible."""

    against: ModelFolder | None = None
    """Background model: run or model folder, or hf:owner/name."""

    usual: str | None = None
    """Images that are usual, if not the validation images of the run: all of this source."""

    most: int = 10
    """How many of the least usual images are shown, and drawn with --maps, and as many of the most usual ones."""

    maps: Path | None = None
    """Folder for pictures of where in an image its bits are, and a page that shows them."""

    csv: Path | None = None
    """CSV file for the numbers of all images."""

    overwrite: bool = False
    """Replace the file of --csv, and what an earlier call wrote into the folder of --maps."""

    json: bool = False
    """Print JSON: the numbers of all images."""

    exact: bool = False
    """Compute by the walk, whose figures are the same on every machine, to the last bit."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    sharding: Sharding = dataclasses.field(default_factory=Sharding)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.against is not None:
            require_model(self.against)
        for source in (self.source, self.usual):
            if source is not None:
                require_source(source)
        if self.most < 1:
            raise ConfigError(f"most is {self.most}; at least 1 is needed")
        if self.against is None and self.method == "ratio":
            raise ConfigError("--method ratio needs --against, a run trained with --perturb")
        if self.against is not None and self.method not in ("auto", "ratio"):
            raise ConfigError(f"--against goes with --method ratio; --method {self.method} has no background")
        require_file("--csv", self.csv, ".csv", overwrite=self.overwrite)
        if self.maps is not None:
            OutputFolder.choose(self.maps, self.maps, MAPS, option="--maps", overwrite=self.overwrite)
        is_given = {"maps": self.maps is not None, "csv": self.csv is not None, "limit": self.choice.limit is not None}
        self.sharding.refuse(**is_given)

    def run(self) -> int:
        """Score, and show."""
        from pixelrnn.scores.comparison import Comparison

        device = self.machine.prepare()
        model = open_model(self.run_folder, device)
        background = None if self.against is None else open_model(self.against, device)
        if self.maps is not None and model.config.levels == 0:
            raise ConfigError("--maps shows bits; a continuous model gives densities")
        comparison = Comparison(model, self.method, background, exact=self.exact, batch=self.choice.batch)
        if self.sharding.of is not None:
            return self._part(comparison, background)
        data, images, facts = self._load(comparison)
        with progress("scoring") as report:
            table = comparison.table(images, report)
        rows = rows_of([data.name(images, item) for item in range(len(images))], table)
        show_scores(rows, facts, self.most, as_json=self.json)
        if self.csv is not None:
            write_scores(self.csv, rows)
        if self.maps is not None:
            order = sorted(range(len(rows)), key=lambda item: rows[item]["score"])
            least, most = order[: self.most], order[self.most :][: -self.most - 1 : -1]
            folder = OutputFolder.choose(self.maps, self.maps, MAPS, option="--maps", overwrite=self.overwrite).clear()
            groups = {"Least": {item: rows[item] for item in least}, "Most": {item: rows[item] for item in most}}
            page = save_maps(folder, self.run_folder.name, model, images, groups)
            say(f"{page} shows the least and the most usual images", is_aside=self.json)
        return 0

    def _load(self, comparison: "Comparison", shard: Shard | None = None) -> "tuple[Data, ImageSet, dict[str, Any]]":
        """The images, with a comparison that knows usual ones then, and what is said of both."""
        data, name, images = self.choice.load(open_run(self.run_folder), self.source, are_whole=True, shard=shard)
        usual = self._usual(data, shard)
        with progress("scoring usual images") as report:
            comparison.fit(usual, report)
        facts = {"method": comparison.method, "usual_images": len(usual), "protocol": f"{name} images; {data.protocol}"}
        return data, images, facts

    def _part(self, comparison: "Comparison", background: "AbstractImageModel | None") -> int:
        """Score the images of a part."""
        about: dict[str, Any] = {"verb": "score", "model": identity(comparison.model), "source": self.source}
        about |= {"usual": self.usual}
        about |= {"against": None if background is None else identity(background), "exact": self.exact}
        work = Work(
            about | {"method": comparison.method, **self.choice.about},
            lambda shard: self._load(comparison, shard),
            comparison.table,
        )
        return self.sharding.compute(work, title="scoring", as_json=self.json)

    def _usual(self, data: "Data", shard: Shard | None) -> "ImageSet":
        """Images that scores are compared with."""
        from pixelrnn.app.images import is_own

        if self.usual is not None:
            choice, run = dataclasses.replace(self.choice, split="all", limit=None), open_run(self.run_folder)
            found, _, images = choice.load(run, self.usual, are_whole=True)
            if not is_own(run, self.usual):
                return images
            say(
                f"{self.usual} is what the model was trained on: of its images those of validation are compared with, "
                "or every p-value would be too low",
                is_aside=True,
            )
            return dataclasses.replace(found.valid, perturb=0.0)
        if self.source is None and self.choice.limit is None and shard is None:
            own = data
        else:
            choice = dataclasses.replace(self.choice, limit=None, packed=None, source_levels=None)
            try:
                own = choice.load(open_run(self.run_folder), None, are_whole=True)[0]
            except ConfigError as error:
                raise ConfigError(f"{error}; give usual images with --usual") from error
        return dataclasses.replace(own.valid, perturb=0.0)


def rows_of(names: Sequence[str], table: "Mapping[str, NDArray[Any]]") -> list[dict[str, Any]]:
    """A row for each image."""
    # A name that is no text is written with question marks: everything here is for people, or for their programs.
    texts = [name.encode("utf-8", "replace").decode() for name in names]
    return [
        {"name": each, **dict(zip(table, map(float, numbers), strict=True))}
        for each, *numbers in zip(texts, *table.values(), strict=True)
    ]


def write_scores(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the numbers of all images as CSV."""
    from pixelrnn.runs.files import write_text

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def show_scores(rows: list[dict[str, Any]], facts: dict[str, Any], most: int, *, as_json: bool) -> None:
    """Say which images are the least and the most usual ones, so many of each, and how many are unusual."""
    if as_json:
        show_json(facts | {"images": rows})
        return
    say(f"{'score':>9}{'p-value':>9}{'rank':>7}{'nats':>12}{'bits/dim':>10}  {facts['method']}")
    order = sorted(range(len(rows)), key=lambda item: rows[item]["score"])
    least, others = order[:most], order[most:]
    for place, item in enumerate(least + others[-most:]):
        if place == most < len(others):
            say(f"{'...':>9}")
        row = rows[item]
        numbers = f"{row['score']:>9.3f}{row['p_value']:>9.4f}{row['rank']:>7.3f}{row['nats']:>12.1f}"
        say(f"{numbers}{row['bits_per_dim']:>10.4f}  {row['name']}")
    least_value = 1 / (1 + facts["usual_images"])
    if least_value > ALPHA:
        say(
            f"compared with {facts['usual_images']} usual images, no p-value can be below {least_value:.2f}: the "
            "order tells more than they do; give more of them with --usual"
        )
        return
    unusual = sum(row["p_value"] <= ALPHA for row in rows)
    expected = math.floor(ALPHA * len(rows))
    say(
        f"{unusual:,} of {len(rows):,} images have p-values up to {ALPHA}; of as many usual ones about "
        f"{expected:,} would (compared with {facts['usual_images']:,})"
    )

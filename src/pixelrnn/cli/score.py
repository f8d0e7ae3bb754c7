"""`pixelrnn score`."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from pixelrnn.app.maps import save_maps
from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import AlsoModels, ModelFolder, open_model, open_models, open_run, require_model
from pixelrnn.cli.output import OutputFolder, require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.score_table import ScoreTable
from pixelrnn.cli.sharding import Sharding, Work, identity
from pixelrnn.config import Shard, require_source
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.scale.parts import Part
    from pixelrnn.scores.comparison import Comparison

__all__ = ["Score"]

Method = Literal["auto", "likelihood", "ratio", "complexity", "typicality", "surprise"]
MAPS = r"(least|most)-\d+\.png|index\.html"


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

    model: AlsoModels = ()
    """Another model of such images, to be asked as well over one reading of them; several if given again."""

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

    parquet: Path | None = None
    """The same as a Parquet file."""

    overwrite: bool = False
    """Replace the files of --csv and --parquet, and what an earlier call wrote into the folder of --maps."""

    json: bool = False
    """Print JSON: the numbers of all images."""

    exact: bool = False
    """Compute by the walk, whose figures are the same on every machine, to the last bit."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    sharding: Sharding = dataclasses.field(default_factory=Sharding)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        for folder in (self.run_folder, *self.model):
            require_model(folder)
        if self.against is not None:
            require_model(self.against)
        if self.source is not None:
            self.sharding.require_source(self.source)
        if self.usual is not None:
            require_source(self.usual)
        if self.most < 1:
            raise ConfigError(f"most is {self.most}; at least 1 is needed")
        if self.against is None and self.method == "ratio":
            raise ConfigError("--method ratio needs --against, a run trained with --perturb")
        if self.against is not None and self.method not in ("auto", "ratio"):
            raise ConfigError(f"--against goes with --method ratio; --method {self.method} has no background")
        require_file("--csv", self.csv, ".csv", overwrite=self.overwrite)
        if self.maps is not None:
            OutputFolder.choose(self.maps, self.maps, MAPS, option="--maps", overwrite=self.overwrite)
        require_file("--parquet", self.parquet, ".parquet", overwrite=self.overwrite)
        if self.maps is not None and self.model:
            raise ConfigError("--maps shows the bits of one model; leave out --model")
        is_given = {name: getattr(self, name) is not None for name in ("maps", "csv", "parquet")}
        self.sharding.refuse(**is_given, limit=self.choice.limit is not None)
        self.sharding.refuse_engine(maps=self.maps is not None)

    def run(self) -> int:
        """Score, and show."""
        import numpy as np

        from pixelrnn.scores.comparison import compared

        device = self.machine.prepare()
        models = open_models([self.run_folder, *self.model], device)
        background = None if self.against is None else open_model(self.against, device)
        if self.maps is not None and next(iter(models.values())).config.levels == 0:
            raise ConfigError("--maps shows bits; a continuous model gives densities")
        comparisons = {name: self._comparison(model, background) for name, model in models.items()}
        if self.sharding.is_used:
            return self._shared(comparisons, background)
        data, images, facts = self._load(comparisons)
        with progress("scoring") as report:
            columns = compared(comparisons, images, report)
        names = [data.name(images, item) for item in range(len(images))]
        found = self._finish({"name": np.array(names, str), **columns}, facts)
        if self.maps is not None:
            page = self._draw(next(iter(models.items())), images, found)
            say(f"{page} shows the least and the most usual images", is_aside=self.json)
        return 0

    def _comparison(self, model: "AbstractImageModel", background: "AbstractImageModel | None") -> "Comparison":
        from pixelrnn.scores.comparison import Comparison

        return Comparison(model, self.method, background, exact=self.exact, batch=self.choice.batch)

    def _finish(
        self, columns: "Mapping[str, NDArray[Any]]", facts: dict[str, Any], bad: Mapping[str, str] | None = None
    ) -> ScoreTable:
        """Show the scores of all images, and write them."""
        table = ScoreTable(columns, facts, bad)
        table.show(self.most, as_json=self.json)
        for path in (self.csv, self.parquet):
            if path is not None:
                table.write(path, overwrite=self.overwrite)
        return table

    def _draw(self, of: "tuple[str, AbstractImageModel]", images: "ImageSet", table: ScoreTable) -> Path:
        """Draw the least and the most usual images, and where their bits are."""
        assert self.maps is not None
        name, model = of
        rows = table.rows(name)
        order = sorted(range(len(rows)), key=lambda item: rows[item]["score"])
        least, most = order[: self.most], order[self.most :][: -self.most - 1 : -1]
        folder = OutputFolder.choose(self.maps, self.maps, MAPS, option="--maps", overwrite=self.overwrite).clear()
        groups = {"Least": {item: rows[item] for item in least}, "Most": {item: rows[item] for item in most}}
        return save_maps(folder, name, model, images, groups)

    def _load(
        self, comparisons: "dict[str, Comparison]", shard: Shard | None = None
    ) -> "tuple[Data, ImageSet, dict[str, Any]]":
        """The images, with comparisons that know usual ones then, and what is said of both."""
        data, name, images = self.choice.load(open_run(self.run_folder), self.source, are_whole=True, shard=shard)
        own = data if self.source is None and self.choice.limit is None and shard is None else None
        return data, images, self._fitted(comparisons, f"{name} images; {data.protocol}", own)

    def _fitted(self, comparisons: "dict[str, Comparison]", protocol: str, own: "Data | None" = None) -> dict[str, Any]:
        """Let comparisons know usual images; returns what is said of them, and of the images."""
        usual, about = self._usual(own), {}
        for name, comparison in comparisons.items():
            with progress("scoring usual images") as report:
                comparison.fit(usual, report)
            about[name] = {"method": comparison.method, "usual_images": len(usual)}
        return {"models": about, "protocol": protocol}

    def _shared(self, comparisons: "dict[str, Comparison]", background: "AbstractImageModel | None") -> int:
        """Score the images of a part, or all of them elsewhere."""
        from pixelrnn.scores.comparison import compared

        about: dict[str, Any] = {"verb": "score", "source": self.source, "usual": self.usual, "exact": self.exact}
        about |= {"models": {name: identity(comparison.model) for name, comparison in comparisons.items()}}
        about |= {"against": None if background is None else identity(background)}
        about |= {"method": ", ".join(each.method for each in comparisons.values()), **self.choice.about}
        work = Work(
            about,
            open_run(self.run_folder),
            self.source,
            self.choice,
            lambda shard: self._load(comparisons, shard),
            lambda protocol: self._fitted(comparisons, protocol),
            functools.partial(compared, comparisons),
            self._show_parts,
        )
        return self.sharding.compute(work, title="scoring", as_json=self.json)

    def _show_parts(self, parts: "list[Part]", facts: dict[str, Any]) -> None:
        from pixelrnn.scale.tables import Table

        table = Table.of(parts)
        self._finish(table.rows, facts, table.bad)

    def _usual(self, own: "Data | None") -> "ImageSet":
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
        if own is None:
            choice = dataclasses.replace(self.choice, limit=None, packed=None, source_levels=None)
            run = open_run(self.run_folder)
            if run.source is None:
                raise ConfigError(f"{run.name} says of no images that they are usual; name some with --usual")
            own = choice.load(run, None, are_whole=True)[0]
        return dataclasses.replace(own.valid, perturb=0.0)

"""`pixelrnn score`."""

import csv
import dataclasses
import io
import math
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
from pixelrnn.config import require_source
from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Score"]

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

    choice: Choice = dataclasses.field(default_factory=Choice)

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

    def run(self) -> int:
        """Score, and show."""
        from pixelrnn.scores.anomaly import detector
        from pixelrnn.scores.score import score

        device = self.machine.prepare()
        model = open_model(self.run_folder, device)
        background = None if self.against is None else open_model(self.against, device)
        if self.maps is not None and model.config.levels == 0:
            raise ConfigError("--maps shows bits; a continuous model gives densities")
        method = self._method(model)
        expects = method == "surprise"
        found = detector(method, model, background, batch=self.choice.batch)
        data, name, images = self.choice.load(open_run(self.run_folder), self.source, are_whole=True)
        usual = self._usual(model, data)
        with progress("scoring usual images") as report:
            reference = score(model, usual, batch=self.choice.batch, moments=expects, callback=report)
            found.fit(usual, lengths=reference, callback=report)
        with progress("scoring") as report:
            lengths = score(model, images, batch=self.choice.batch, moments=expects, callback=report)
            scores = found.score_samples(images, lengths=lengths, callback=report)
        columns = (scores, found.p_values(scores), lengths.rank_within(reference), lengths.nats, lengths.bits_per_dim)
        # A name that is no text is written with question marks: everything here is for people, or for their programs.
        names = [data.name(images, item).encode("utf-8", "replace").decode() for item in range(len(images))]
        rows = [
            dict(zip(COLUMNS, (each, *map(float, numbers)), strict=True))
            for each, *numbers in zip(names, *columns, strict=True)
        ]
        order = sorted(range(len(rows)), key=lambda item: rows[item]["score"])
        facts = {"method": method, "usual_images": len(usual), "protocol": f"{name} images; {data.protocol}"}
        if self.json:
            show_json(facts | {"images": rows})
        else:
            self._show(rows, order, facts)
        if self.csv is not None:
            self._write(rows)
        if self.maps is not None:
            least, most = order[: self.most], order[self.most :][: -self.most - 1 : -1]
            folder = OutputFolder.choose(self.maps, self.maps, MAPS, option="--maps", overwrite=self.overwrite).clear()
            page = save_maps(folder, self.run_folder.name, model, images, rows, {"Least": least, "Most": most})
            say(f"{page} shows the least and the most usual images", is_aside=self.json)
        return 0

    def _method(self, model: "AbstractImageModel") -> str:
        if self.method != "auto":
            return self.method
        if self.against is not None:
            return "ratio"
        from pixelrnn.scores.anomaly import InputComplexity

        return "complexity" if InputComplexity.takes(model.config) else "typicality"

    def _usual(self, model: "AbstractImageModel", data: "Data") -> "ImageSet":
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
        if self.source is None and self.choice.limit is None:
            own = data
        else:
            choice = dataclasses.replace(self.choice, limit=None, packed=None, source_levels=None)
            try:
                own = choice.load(open_run(self.run_folder), None, are_whole=True)[0]
            except ConfigError as error:
                raise ConfigError(f"{error}; give usual images with --usual") from error
        return dataclasses.replace(own.valid, perturb=0.0)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        from pixelrnn.runs.files import write_text

        assert self.csv is not None
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.csv, text.getvalue())

    def _show(self, rows: list[dict[str, Any]], order: list[int], facts: dict[str, Any]) -> None:
        say(f"{'score':>9}{'p-value':>9}{'rank':>7}{'nats':>12}{'bits/dim':>10}  {facts['method']}")
        least, others = order[: self.most], order[self.most :]
        for place, item in enumerate(least + others[-self.most :]):
            if place == self.most < len(others):
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

"""`pixelrnn entropy`."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, say_bad, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.cli.output import require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sharding import Sharding, Work, identity
from pixelrnn.config import Shard, require_draws, require_seed

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.scale.parts import Part
    from pixelrnn.scores.entropy import Entropy as Estimate

__all__ = ["Entropy", "show_measured"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entropy:
    """Estimate how much information the images of a source hold: an upper bound on its entropy, in bits an image.

    Examples:
        pixelrnn entropy runs/digits-diagonal-bilstm
        pixelrnn entropy runs/photos other-photos/ --map positions.png

    What is measured is the mean code length of images by a model (their cross-entropy). It exceeds the entropy by the
    divergence of the model from the source, so a better model gives a tighter bound. They must not be images that the
    model was trained on.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """Images to measure; those of the run if not given."""

    confidence: float = 0.95
    """Of the bootstrap interval."""

    draws: int = 2_000
    """Of the bootstrap."""

    seed: int = 0
    """Of the bootstrap."""

    map: Path | None = None
    """PNG for a picture of the bits that each position of the image takes."""

    overwrite: bool = False
    """Replace the file of --map."""

    json: bool = False
    """Print JSON, with the bits of each position."""

    choice: Choice = dataclasses.field(default_factory=Choice)

    sharding: Sharding = dataclasses.field(default_factory=Sharding)

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.source is not None:
            self.sharding.require_source(self.source)
        require_draws(self.confidence, self.draws)
        require_seed("seed", self.seed)
        require_file("--map", self.map, ".png", overwrite=self.overwrite)
        self.sharding.refuse(map=self.map is not None, limit=self.choice.limit is not None)

    def run(self) -> int:
        """Estimate, and show."""
        from pixelrnn.scores.entropy import entropy

        model = open_model(self.run_folder, self.machine.prepare())
        if self.sharding.is_used:
            return self._shared(model)
        _, images, facts = self._load()
        with progress("measuring") as report:
            found = entropy(model, images, **self._bootstrap, batch=self.choice.batch, callback=report)
        show_entropy(found, facts, self.map, as_json=self.json)
        return 0

    @property
    def _bootstrap(self) -> dict[str, Any]:
        return {"confidence": self.confidence, "draws": self.draws, "seed": self.seed}

    def _load(self, shard: Shard | None = None) -> "tuple[Data, ImageSet, dict[str, Any]]":
        """The images, and what is said of them."""
        are_whole = self.sharding.engine != "none"
        data, name, images = self.choice.load(open_run(self.run_folder), self.source, are_whole=are_whole, shard=shard)
        return data, images, self._facts(f"{name} images of {data.source}; {data.protocol}")

    def _facts(self, protocol: str) -> dict[str, Any]:
        """What is said of images."""
        run = open_run(self.run_folder)
        model = run.model
        known = ("label", bool(model.classes)), ("context", bool(model.context)), ("colours", run.data.support)
        given = " and ".join(name for name, is_given in known if is_given)
        return {"given": given, "protocol": protocol, "model": str(self.run_folder)}

    def _shared(self, model: "AbstractImageModel") -> int:
        """Measure the images of a part, or all of them elsewhere."""
        from pixelrnn.scale.tables import code_lengths_of

        about = {"verb": "entropy", "model": identity(model), "source": self.source, **self.choice.about}
        work = Work(
            about | self._bootstrap,
            open_run(self.run_folder),
            self.source,
            self.choice,
            self._load,
            self._facts,
            functools.partial(code_lengths_of, model, batch=self.choice.batch),
            functools.partial(show_measured, map_to=self.map, as_json=self.json),
        )
        return self.sharding.compute(work, title="measuring", as_json=self.json)


def show_measured(parts: "list[Part]", facts: dict[str, Any], *, map_to: Path | None, as_json: bool) -> None:
    """Say what all parts come to."""
    from pixelrnn.scale.tables import Table, code_lengths_in

    bootstrap = {name: parts[0].about[name] for name in ("confidence", "draws", "seed")}
    table = Table.of(parts)
    show_entropy(code_lengths_in(table).entropy(**bootstrap), facts, map_to, as_json=as_json)
    say_bad(table.bad)


def show_entropy(found: "Estimate", facts: dict[str, Any], map_to: Path | None, *, as_json: bool) -> None:
    """Say how much information images hold, and of which images that is; write the map of positions, if wanted."""
    if map_to is not None:
        draw_entropy(map_to, found, as_json=as_json)
    if as_json:
        values = dataclasses.asdict(found)
        values |= {key: values[key].tolist() for key in ("position", "position_error")}
        show_json(values | {"protocol": facts["protocol"], "model": facts["model"]})
        return
    (low, high), given = found.interval, f", given its {facts['given']}" if facts["given"] else ""
    say(f"at most {found.bits:.2f} bits an image{given}; {found.bits_per_dim:.4f} bits/dim")
    say(f"{found.confidence:.0%} interval of the mean code length: {low:.2f} to {high:.2f} bits")
    say(f"{found.images:,} images, {found.draws:,} bootstrap draws with seed {found.seed}")
    say(f"protocol: {facts['protocol']}")


def draw_entropy(path: Path, found: "Estimate", *, as_json: bool) -> None:
    """Write the map of positions."""
    from pixelrnn.plots import save_heat_map

    bits = found.position.sum(0)
    title = f"mean bits of each pixel given the earlier ones: {bits.sum():.1f} in all"
    save_heat_map(path, bits, "bits a pixel", title, top=max(1e-3, float(bits.max())))
    say(f"{path} shows the bits of each position", is_aside=as_json)

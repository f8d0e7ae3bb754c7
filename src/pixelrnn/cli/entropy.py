"""`pixelrnn entropy`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model
from pixelrnn.cli.output import require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.config import require_draws, require_seed, require_source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Entropy"]


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

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        if self.source is not None:
            require_source(self.source)
        require_draws(self.confidence, self.draws)
        require_seed("seed", self.seed)
        require_file("--map", self.map, ".png", overwrite=self.overwrite)

    def run(self) -> int:
        """Estimate, and show."""
        from pixelrnn.scores.entropy import entropy

        model = open_model(self.run_folder, self.machine.prepare())
        data, name, images = self.choice.load(open_run(self.run_folder), self.source)
        with progress("measuring") as report:
            found = entropy(
                model,
                images,
                confidence=self.confidence,
                draws=self.draws,
                seed=self.seed,
                batch=self.choice.batch,
                callback=report,
            )
        protocol = f"{name} images of {data.source}; {data.protocol}"
        if self.json:
            facts = dataclasses.asdict(found)
            facts |= {key: facts[key].tolist() for key in ("position", "position_error")}
            show_json(facts | {"protocol": protocol, "model": str(self.run_folder)})
        else:
            low, high = found.interval
            config = model.config
            known = ("label", bool(config.classes)), ("context", bool(config.context)), ("colours", data.config.support)
            given = " and ".join(name for name, is_given in known if is_given)
            say(
                f"at most {found.bits:.2f} bits an image{f', given its {given}' if given else ''}; "
                f"{found.bits_per_dim:.4f} bits/dim"
            )
            say(f"{self.confidence:.0%} interval of the mean code length: {low:.2f} to {high:.2f} bits")
            say(f"{found.images:,} images, {self.draws:,} bootstrap draws with seed {self.seed}")
            say(f"protocol: {protocol}")
        if self.map is not None:
            self._draw(found.position.sum(0))
        return 0

    def _draw(self, bits: "NDArray[np.float64]") -> None:
        """Write the map of positions."""
        from pixelrnn.plots import save_heat_map

        assert self.map is not None
        title = f"mean bits of each pixel given the earlier ones: {bits.sum():.1f} in all"
        save_heat_map(self.map, bits, "bits a pixel", title, top=max(1e-3, float(bits.max())))
        say(f"{self.map} shows the bits of each position", is_aside=self.json)

"""`pixelrnn info`."""

import dataclasses

import tyro

from pixelrnn import zoo
from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.model_folder import ModelFolder, open_model, open_run, require_model

__all__ = ["Info"]

MOST_NAMED = 20  # labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Info:
    """Say what a run or model folder holds.

    Example:
        pixelrnn info runs/digits-diagonal-bilstm
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    json: bool = False
    """Print JSON: configurations, the journal's best and last validation, and the card of a shipped model."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)

    def run(self) -> int:
        """Read and print."""
        model = open_model(self.run_folder)
        trained = open_run(self.run_folder)
        best, last = trained.best_validation, trained.validations[-1] if trained.validations else None
        card = zoo.card(self.run_folder.name) if zoo.is_shipped(self.run_folder) else None
        if self.json:
            weights = sum(p.numel() for p in model.parameters())
            about = {"card": dataclasses.asdict(card)} if card else {}
            show_json({**trained.recorded, "weights": weights, "best": best, "last": last, **about})
            return 0
        say(model.extra_repr())
        if card:
            say(f"{card.what}, {card.figure}")
            for line in card.lines():
                say(line)
        if trained.labels:
            say(f"{len(trained.labels)} labels: {', '.join(trained.labels[:MOST_NAMED])}")
        if trained.source:
            start = None if trained.training is None else trained.training.start_from
            say(f"trained on {trained.source}{f', from {start} on' if start else ''}")
        if best is not None and last is not None:
            say(
                f"best validation {best['valid_nats']:.3f} nats, {best['valid_bits_per_dim']:.4f} bits/dim "
                f"at step {best['step']:,}; "
                f"{last['step']:,} steps, {last['images']:,} images, {last['seconds'] / 60:.1f} minutes"
            )
        return 0

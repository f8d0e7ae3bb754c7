"""`pixelrnn info`."""

import dataclasses

import tyro

from pixelrnn import zoo
from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.model_folder import ModelFolder, open_model, require_model
from pixelrnn.runs.names import CONFIG

__all__ = ["Info"]


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
        from pixelrnn.runs.files import best_validation, read_json, read_validations

        model = open_model(self.run_folder)
        recorded = read_json(self.run_folder / CONFIG)
        validated = read_validations(self.run_folder)
        best = best_validation(validated)
        card = zoo.card(self.run_folder.name) if zoo.is_shipped(self.run_folder) else None
        if self.json:
            weights = sum(p.numel() for p in model.parameters())
            about = {"card": dataclasses.asdict(card)} if card else {}
            last = validated[-1] if validated else None
            show_json({**recorded, "weights": weights, "best": best, "last": last, **about})
            return 0
        say(model.extra_repr())
        if card:
            say(f"{card.what}, {card.figure}")
            for line in card.lines():
                say(line)
        if recorded.get("labels"):
            names = ", ".join(recorded["labels"][:20])
            say(f"{len(recorded['labels'])} labels: {names}")
        if recorded.get("source"):
            start = recorded.get("train", {}).get("start_from")
            say(f"trained on {recorded['source']}{f', from {start} on' if start else ''}")
        if best is not None:
            last = validated[-1]
            say(
                f"best validation {best['valid_nats']:.3f} nats, {best['valid_bits_per_dim']:.4f} bits/dim "
                f"at step {best['step']:,}; "
                f"{last['step']:,} steps, {last['images']:,} images, {last['seconds'] / 60:.1f} minutes"
            )
        return 0

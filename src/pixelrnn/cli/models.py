"""`pixelrnn models`."""

import dataclasses

from pixelrnn import zoo
from pixelrnn.cli.console import say, show_json, show_table

__all__ = ["Models"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Models:
    """List the trained models that are shipped; of each its figure, data, licence, and the command that made it.

    Examples:
        pixelrnn models
        pixelrnn sample mnist-diagonal-bilstm -n 64

    Their names can be given wherever a run or model folder can, in Python too: `pixelrnn.load_model("mnist-row-lstm")`.
    So can models of the Hugging Face hub, as hf:owner/name (pip install 'pixelrnn[hub]'), where `push` puts them.
    """

    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Read the cards and print them."""
        cards = {name: zoo.card(name) for name in zoo.names()}
        if self.json:
            show_json({name: dataclasses.asdict(card) | {"bytes": zoo.size(name)} for name, card in cards.items()})
            return 0
        show_table(
            [
                ("model", "MB", "what"),
                *((name, f"{zoo.size(name) / 1e6:.1f}", card.what) for name, card in cards.items()),
            ]
        )
        for name, card in cards.items():
            say(f"\n{name}: {card.figure}")
            for line in card.lines():
                say(f"    {line}")
        return 0

"""`pixelrnn push`."""

import dataclasses

import tyro

from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.model_folder import ModelFolder, require_model
from pixelrnn.zoo import hub

__all__ = ["Push"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Push:
    """Put a model on the Hugging Face hub, with a card that says what it is, was trained on, and is worth.

    Examples:
        hf auth login
        pixelrnn push runs/photos-diagonal-bilstm me/photos --licence cc-by-4.0
        pixelrnn sample hf:me/photos -n 64

    Needs the extra: pip install 'pixelrnn[hub]'. What leaves the machine are weights, settings, the names of the labels
    (sub-folders), numbers of images, and in the card the last part of the path where they lay, and of that of the model
    that the training started from.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder."""

    name: tyro.conf.Positional[str]
    """Owner and name on the hub, as owner/name; the repository is made if there is none."""

    private: bool = False
    """Let only yourself see a repository that is made."""

    licence: str | None = None
    """Licence of the weights, an identifier that the hub knows: mit, cc-by-4.0."""

    json: bool = False
    """Print JSON: the address of the commit."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        hub.require_name(self.name)

    def run(self) -> int:
        """Write the card, push, and say where it is."""
        from pixelrnn.runs.card import push_to_hub

        address = push_to_hub(self.run_folder, self.name, private=self.private, licence=self.licence)
        show_json({"commit": address}) if self.json else say(address)
        return 0

"""Trained models that are shipped with the package, each in a folder of its name.

A folder holds `config.json` and `model.safetensors`, as every model folder does, and `card.json`: where the model comes
from and what it is worth.
"""

import dataclasses
import json
from pathlib import Path

from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.zoo import hub

__all__ = ["Card", "card", "find", "is_on_hub", "is_shipped", "names", "origin", "size", "unknown", "with_fingerprint"]

FOLDER = Path(__file__).parent
CARD = "card.json"


@dataclasses.dataclass(frozen=True)
class Card:
    """What there is to know of a shipped model.

    Attributes:
        what: It in a few words.
        data: What it was trained on, and where that comes from.
        protocol: Way in which the data became values, and what the figure is over.
        figure: What it was measured to be.
        licence: Licence of the weights.
        command: What made it.
        made: Where and when.
        fingerprint: What archives that need it name it by.
    """

    what: str
    data: str
    protocol: str
    figure: str
    licence: str
    command: str
    made: str
    fingerprint: str

    def lines(self) -> list[str]:
        """All but what it is and its figure, a line each."""
        return [f"{name:<9} {getattr(self, name)}" for name in ("data", "protocol", "licence", "command", "made")]


def names() -> list[str]:
    """The names of the shipped models."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD}"))


def card(name: str) -> Card:
    """The card of a shipped model.

    Example:
        >>> card("mnist-diagonal-bilstm").what
        'binarised MNIST, Diagonal BiLSTM'
    """
    return Card(**json.loads((FOLDER / name / CARD).read_text(encoding="utf-8")))


def with_fingerprint(fingerprint: bytes) -> str | None:
    """The name of the shipped model that an archive needs, if it is one."""
    return next((name for name in names() if card(name).fingerprint == fingerprint.hex()), None)


def find(model: str | Path) -> Path:
    """The folder of a model: the one named, if it holds a model, or else the shipped one of that name.

    A model of the Hugging Face hub, `hf:owner/name`, is fetched.
    """
    if hub.is_there(model):
        return hub.fetch(model)
    folder = Path(model)
    if not (folder / CONFIG).exists() and str(model) in names():
        return FOLDER / str(model)
    return folder


def origin(folder: Path) -> str:
    """The name by which others can have the model of a folder as it is: shipped, or a version of one of the hub."""
    return folder.name if is_shipped(folder) else hub.origin(folder)


def is_on_hub(name: str) -> bool:
    """Whether a name, as `origin` gives it, is of a model of the hub."""
    return hub.is_there(name)


def unknown(model: str | Path) -> str:
    """What to say of a name that stands for no model."""
    return f"{model} is neither a folder nor one of the shipped models {', '.join(names())} (nor hf:owner/name)"


def size(name: str) -> int:
    """Bytes of the weights of a shipped model."""
    return (FOLDER / name / MODEL).stat().st_size


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of a shipped model, where nothing else should be written."""
    return folder.parent == FOLDER

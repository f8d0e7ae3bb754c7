"""What a page asks for, read from JSON: each field checked once, by name."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from pixelrnn.config import Sampling
from pixelrnn.errors import ConfigError

__all__ = ["MOST_SEED", "Asked", "is_text"]

MOST_NAME = 200  # bytes
MOST_PARTICLES = 4_096
MOST_SEED = 2**53  # beyond it JavaScript has no whole numbers


class Asked:
    """The fields of a request.

    Args:
        fields: What its JSON held.

    Raises:
        ConfigError: If that is no object; by each method, if a field is missing, of another type, or out of range.
    """

    def __init__(self, fields: Any) -> None:
        if not isinstance(fields, Mapping):
            raise ConfigError("an object of named fields is needed")
        self._fields = fields

    def text(self, name: str) -> str:
        """A text."""
        found = self._fields.get(name)
        if not isinstance(found, str):
            raise ConfigError(f"{name} is {found!r:.60}; a text is needed")
        return found

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        found = self._fields.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
            raise ConfigError(f"{name} is {found!r:.60}; a whole number from {low:,} to {high:,} is needed")
        return found

    def number(self, name: str, default: float) -> float:
        """A number."""
        found = self._fields.get(name, default)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise ConfigError(f"{name} is {found!r:.60}; a number is needed")
        try:
            return float(found)
        except OverflowError as error:
            raise ConfigError(f"{name} is a number of {len(str(found)):,} digits") from error

    def content(self, name: str) -> bytes:
        """Bytes, as base64."""
        text = self.text(name)
        try:
            return base64.b64decode(text, validate=True)
        except ValueError as error:
            raise ConfigError(f"{name} is no base64") from error

    def wholes(self, name: str, low: int, high: int, most: int) -> list[int]:
        """Up to so many whole numbers from `low` to `high`."""
        found = self._fields.get(name)
        if not isinstance(found, list) or len(found) > most:
            raise ConfigError(f"{name} is {found!r:.60}; a list of up to {most:,} whole numbers is needed")
        return [Asked({name: each}).whole(name, low, high) for each in found]

    @property
    def names(self) -> list[str]:
        """The names of all fields."""
        return [str(name) for name in self._fields]

    def files(self, name: str, most: int, *, are_whole: bool = False) -> list[tuple[str, bytes]]:
        """Up to so many files, each with a name of its own: the last part of what it is called, or whole names."""
        found = self._fields.get(name)
        if not isinstance(found, list) or not 0 < len(found) <= most:
            raise ConfigError(
                f"{name} are {len(found) if isinstance(found, list) else 'none'}; 1 to {most:,} are taken"
            )
        files: dict[str, bytes] = {}
        for each in map(Asked, found):
            own = each.text("name") if are_whole else re.split(r"[/\\]", each.text("name"))[-1]
            if own in ("", ".", "..") or "\0" in own or not is_text(own) or len(own.encode()) > MOST_NAME:
                raise ConfigError(f"{own!r:.60} is no name of a file")
            if own in files:
                raise ConfigError(f"two files are called {own!r:.60}; rename one")
            files[own] = each.content("content")
        return list(files.items())

    def word(self, name: str) -> str | None:
        """A text or a whole number, as text; None if it is not given."""
        found = self._fields.get(name)
        if found is not None and (not isinstance(found, int | str) or isinstance(found, bool)):
            raise ConfigError(f"{name} is {found!r:.60}; a text or a whole number is needed")
        return None if found is None else str(found)

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        return self._fields.get(name) is not None

    def particles(self, default: int) -> int:
        """How many walks each image is drawn by."""
        return self.whole("particles", 1, MOST_PARTICLES, default)

    def sampling(self, seed: int | None = None) -> Sampling:
        """How values are drawn; with a seed that counts if none is given."""
        return Sampling(
            seed=self.whole("seed", 0, MOST_SEED, seed),
            temperature=self.number("temperature", 1.0),
            top_p=self.number("top_p", 1.0),
        )


def is_text(name: str) -> bool:
    """Whether a file's name can be told to a page: not all are text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

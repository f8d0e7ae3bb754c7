"""Which part of the work a command does, where several processes or machines share it out."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError, EmptyError

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.scale.parts import Part

__all__ = ["Sharding", "Work", "identity"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharding:
    """A part of the work; `pixelrnn merge` puts all parts together."""

    shard: str | None = None
    """Do one of several parts only, such as 2/8, by the names of the files: in any order, on any machines."""

    parts: Path | None = None
    """Folder for what the parts find, which all of them can share."""

    resume: bool = False
    """Go on with a part that was begun: what is done is not done again."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if self.shard is not None:
            Shard.parse(self.shard)
        if (self.shard is None) != (self.parts is None):
            raise ConfigError("--shard and --parts go together: which part, and the folder for all of them")
        if self.resume and self.shard is None:
            raise ConfigError("--resume goes on with a part; give --shard and --parts")

    @property
    def of(self) -> Shard | None:
        """Which part is done; None for all of the work."""
        return None if self.shard is None else Shard.parse(self.shard)

    def refuse(self, **options: Any) -> None:
        """Refuse options that make no sense of a part, each by its name and whether it is given."""
        for name, is_given in options.items():
            if is_given and self.shard is not None:
                raise ConfigError(f"--{name.replace('_', '-')} is of all images; it goes with no --shard")

    def compute(self, work: "Work", *, title: str, as_json: bool) -> int:
        """Do what is left of a part, and say so."""
        from pixelrnn.scale.tables import compute

        with self.begin(work.about) as part:
            try:
                data, images, facts = work.load(self.of)
            except EmptyError as error:
                say(f"{error} (in part {self.shard})", is_aside=True)
            else:
                part.note(facts)
                with progress(title) as report:
                    compute(part, data, images, work.columns, report)
            self.say_done(part, as_json=as_json)
        return 0

    @contextmanager
    def begin(self, about: Mapping[str, Any]) -> "Iterator[Part]":
        """The part, for as long as it is written."""
        from pixelrnn.scale.parts import Part

        shard = self.of
        assert shard is not None
        assert self.parts is not None
        with Part.begin(self.parts, shard, about, resume=self.resume) as part:
            yield part

    def say_done(self, part: "Part", *, as_json: bool, what: str = "image") -> None:
        """Finish a part, and say so."""
        rows = part.finish()
        if as_json:
            show_json({"shard": self.shard, "part": str(part.path), f"{what}s": rows})
            return
        say(f"{part.path}: {rows:,} {what if rows == 1 else f'{what}s'} of part {self.shard}")
        say(f"when all parts are done: pixelrnn merge {self.parts}")


class Work(NamedTuple):
    """What is computed of images.

    Attributes:
        about: What all parts have in common.
        load: Gives the images of a part, what they are of, and what is said of them.
        columns: Columns of some images.
    """

    about: Mapping[str, Any]
    load: "Callable[[Shard | None], tuple[Data, ImageSet, dict[str, Any]]]"
    columns: "Callable[[ImageSet], Mapping[str, Any]]"


def identity(model: "AbstractImageModel") -> str:
    """What tells a model from all others."""
    from pixelrnn.codec.fingerprint import fingerprint

    return fingerprint(model).hex()

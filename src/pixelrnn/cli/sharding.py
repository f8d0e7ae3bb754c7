"""How the work of a command is shared out: parts that need nothing of each other, or the actors of an engine."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pixelrnn.cli.choice import Choice
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.config import Shard, require_source, usable_cores
from pixelrnn.errors import ConfigError, EmptyError
from pixelrnn.scale.places import is_url

if TYPE_CHECKING:
    from pixelrnn.data import Data, ImageSet
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.runs.run import Run
    from pixelrnn.scale.engine import Call, Cluster
    from pixelrnn.scale.parts import Columns, Part
    from pixelrnn.scale.reading import Reading

__all__ = ["Sharding", "Work", "identity"]

WHOLE = Shard(1, 1)  # the one part of what an engine does
FEWEST = 2  # cores: two actors are let onto one, to try things out


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharding:
    """A part of the work, which `pixelrnn merge` puts together; or all of it by Ray, on one machine or many."""

    shard: str | None = None
    """Do one of several parts only, such as 2/8, by the names of the files: in any order, on any machines."""

    parts: Path | None = None
    """Folder for what the parts find, which all of them can share; with --engine ray needed for --resume only."""

    resume: bool = False
    """Go on with a part that was begun: what is done is not done again."""

    engine: Literal["none", "ray"] = "none"
    """ray: share the work out to actors; sources may be folders, tar archives and Parquet files, by path or URL."""

    address: str | None = None
    """Ray cluster: auto, host:port or ray://host:port; processes of this machine if not given."""

    actors: int | None = None
    """Actors of --engine ray; as many as there are cores for if not given."""

    cores: int = 1
    """Cores of each actor."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if self.shard is not None:
            Shard.parse(self.shard)
        if self.engine == "ray":
            self._check_engine()
            return
        given = {"address": self.address is not None, "actors": self.actors is not None, "cores": self.cores != 1}
        if odd := next((name for name, is_given in given.items() if is_given), None):
            raise ConfigError(f"--{odd} goes with --engine ray")
        if (self.shard is None) != (self.parts is None):
            raise ConfigError("--shard and --parts go together: which part, and the folder for all of them")
        if self.resume and self.shard is None:
            raise ConfigError("--resume goes on with a part; give --shard and --parts")

    def _check_engine(self) -> None:
        if self.shard is not None:
            raise ConfigError("--engine ray does all parts; leave out --shard")
        if self.resume and self.parts is None:
            raise ConfigError("--resume goes on with what --parts holds; give the folder")
        for name, value in (("actors", self.actors), ("cores", self.cores)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")
        wanted, there = (self.actors or 1) * self.cores, max(FEWEST, usable_cores())
        if self.address is None and wanted > there:
            raise ConfigError(f"{wanted} cores are asked for (--actors times --cores); this machine has {there}")

    @property
    def is_used(self) -> bool:
        """Whether the work is shared out."""
        return self.shard is not None or self.engine != "none"

    @property
    def of(self) -> Shard:
        """Which part is done."""
        return WHOLE if self.shard is None else Shard.parse(self.shard)

    @property
    def cluster(self) -> "Cluster":
        """Where an engine works."""
        from pixelrnn.scale.engine import Cluster

        return Cluster(self.address, self.actors, self.cores)

    def require_source(self, source: str) -> None:
        """Check that a source is there, as far as its name tells; an engine takes URLs too."""
        if not is_url(source):
            require_source(source)
        elif self.engine == "none":
            raise ConfigError(f"{source} is elsewhere; --engine ray reads it")

    def refuse(self, **options: Any) -> None:
        """Refuse options that make no sense of a part, each by its name and whether it is given."""
        for name, is_given in options.items():
            if is_given and self.shard is not None:
                raise ConfigError(f"--{name.replace('_', '-')} is of all images; it goes with no --shard")

    def refuse_engine(self, **options: Any) -> None:
        """Refuse options of what an engine does not do, in the same way."""
        for name, is_given in options.items():
            if is_given and self.engine != "none":
                raise ConfigError(f"--{name.replace('_', '-')} is of one process; it goes with no --engine")

    def compute(self, work: "Work", *, title: str, as_json: bool) -> int:
        """Do what is left of a part, and say so; or all, and say what it comes to."""
        from pixelrnn.scale.tables import compute

        with self.begin(work.about) as part:
            if self.engine == "ray":
                self._compute_by_engine(part, work, title)
                part.finish()
                work.show([part], part.facts)
                return 0
            try:
                data, images, facts = work.load(self.of)
            except EmptyError as error:
                say(f"{error} (in part {self.shard})", is_aside=True)
                part.note({"skipped": error.skipped})
            else:
                part.note(facts | {"skipped": data.skipped})
                with progress(title) as report:
                    compute(part, data, images, work.columns, report)
            self.say_done(part, as_json=as_json)
        return 0

    def _compute_by_engine(self, part: "Part", work: "Work", title: str) -> None:
        from pixelrnn.scale.columns import Figures
        from pixelrnn.scale.reading import reading_of, rows_of_images

        run, source, choice = work.run, work.source, work.choice
        reading = None
        if source is not None and choice.reads_alone(run, source):
            reading = reading_of(source)
        elif source is not None and is_url(source):
            raise ConfigError(
                f"{source}: pictures from elsewhere are read one by one: leave out --split, --limit and --packed, and "
                "take a model with nothing drawn at random"
            )
        if reading is None:
            data, images, facts = work.load(None)
            reading = rows_of_images(data, images)
        else:
            facts = work.facts(f"all images of {source}, whole, read as those of {run.name}")
        part.note(facts)
        labels = None if choice.without_labels else run.labels
        self.map(part, reading, Figures(work.columns, run.model, run.data, labels), title=title)

    def map(
        self,
        part: "Part",
        reading: "Reading",
        call: "Call",
        write: "Callable[[Columns], None] | None" = None,
        *,
        title: str,
    ) -> None:
        """Do what is left of a source by the engine, and write it down."""
        from pixelrnn.scale.engine import gather, mapped

        done = part.done() if reading.names is None else part.done_of(reading.names)
        left = reading.without(done)
        with progress(title) as report, contextlib.closing(mapped(left, call, self.cluster, frozenset(done))) as found:
            gather(part, found, write, total=reading.total, callback=report)

    @contextmanager
    def begin(self, about: Mapping[str, Any]) -> "Iterator[Part]":
        """The part, for as long as it is written."""
        from pixelrnn.scale.parts import Part

        with contextlib.ExitStack() as stack:
            folder = self.parts
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixelrnn-")))
            engine = {} if self.engine == "none" else {"engine": self.engine}
            yield stack.enter_context(Part.begin(folder, self.of, {**about, **engine}, resume=self.resume))

    def say_done(self, part: "Part", *, as_json: bool, what: str = "image") -> None:
        """Finish a part, and say so."""
        rows = part.finish()
        if as_json:
            show_json({"shard": self.shard, "part": str(part.path), f"{what}s": rows})
            return
        of = "" if self.shard is None else f" of part {self.shard}"
        say(f"{part.path}: {rows:,} {what if rows == 1 else f'{what}s'}{of}")
        say(f"when all parts are done: pixelrnn merge {self.parts}")


class Work(NamedTuple):
    """What is computed of images.

    Attributes:
        about: What all parts have in common.
        run: Of the model by which images are read.
        source: Of the images; None for those of the run.
        choice: Which of them.
        load: Gives the images of a part, or all of them whole, what they are of, and what is said of them.
        facts: What is said of images that are read elsewhere, by their protocol.
        columns: Columns of some images; it goes to other processes.
        show: Says what all parts come to.
    """

    about: Mapping[str, Any]
    run: "Run"
    source: str | None
    choice: Choice
    load: "Callable[[Shard | None], tuple[Data, ImageSet, dict[str, Any]]]"
    facts: Callable[[str], dict[str, Any]]
    columns: "Callable[[ImageSet], Mapping[str, Any]]"
    show: "Callable[[list[Part], dict[str, Any]], None]"


def identity(model: "AbstractImageModel") -> str:
    """What tells a model from all others."""
    from pixelrnn.codec.fingerprint import fingerprint

    return fingerprint(model).hex()

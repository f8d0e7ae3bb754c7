"""`pixelrnn pack`."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.archives import Writing, say_compressed, size_text
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.interrupt import stoppable
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import ModelFolder, open_model, require_model
from pixelrnn.cli.parser import SOURCE
from pixelrnn.config import require_seed
from pixelrnn.errors import ArchiveError, ConfigError, PixelRNNError
from pixelrnn.progress import Callback, Progress

if TYPE_CHECKING:
    from pixelrnn.pack.pack import Packed, Stage

__all__ = ["Pack"]

TRAININGS = ("trying", "training")  # how what can be cut short begins
READING = "reading"  # where nothing is lost yet
FORMATS = "other formats"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pack:
    """Make one file of a folder of images, that needs nothing else: a model of the folder goes into it.

    Examples:
        pixelrnn pack scans/                        # writes scans.pxr, and scans-sizes.png beside it
        pixelrnn pack scans/ --minutes 60 --out scans-small.pxr
        pixelrnn unpack scans.pxr --out restored/

    Worth it for many images of one kind: the weights of the model, some 5 to 100 KB, are part of the file. If ordinary
    files are smaller than model and pictures, those are kept and the model is left out. Ctrl-C ends the training (and
    JPEG XL is not measured), and what was learned by then is used; a second one gives up.
    """

    source: Annotated[tyro.conf.Positional[Path], SOURCE]
    """A folder, with everything below it, or a file."""

    minutes: float = 20.0
    """Time for choosing and training the model; reading, rounding and compressing come on top."""

    start_from: ModelFolder | None = None
    """Run or model folder, name of a shipped model, or hf:owner/name, to train further, instead of a new model."""

    seed: int = 0
    """Seed of the model's first weights and of all that is drawn."""

    compare: bool = True
    """Measure what PNG, WebP and (with the extra jpeg-xl) JPEG XL take, and draw it beside the archive."""

    json: bool = False
    """Print JSON: the archive, bytes and numbers of files, what was tried, and the other formats."""

    writing: Writing = dataclasses.field(default_factory=Writing)
    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_seed("seed", self.seed)
        if self.start_from is not None:
            require_model(self.start_from)
        chart = _chart(self.writing.archive(self.source))
        if self.compare and chart.exists() and not self.writing.overwrite:
            raise ArchiveError(f"{chart} exists; choose another name with --out, or give --overwrite or --no-compare")
        if not 0 < self.minutes < float("inf"):
            raise ConfigError(f"--minutes is {self.minutes}; it must be above 0 and finite")

    def run(self) -> int:
        """Pack, compare, and say what came of it."""
        from pixelrnn.pack.pack import pack

        device, archive = self.machine.prepare(), self.writing.archive(self.source)
        with stoppable() as should_stop, _Stages(should_stop, is_aside=self.json) as stages:
            packed = pack(
                self.source,
                archive,
                minutes=self.minutes,
                model=None if self.start_from is None else open_model(self.start_from, device),
                seed=self.seed,
                device=device,
                compare=self.compare,
                writing=self.writing,
                callback=stages.report,
            )
        if self.json:
            show_json({"archive": str(archive), **dataclasses.asdict(packed)})
        else:
            _say(archive, packed)
        if self.compare and _draw(archive, packed, self.source.resolve().name) and not self.json:
            say(f"{_chart(archive)} shows this")
        return 0


def _chart(archive: Path) -> Path:
    """Where the comparison is drawn: never in the place of a picture that has the archive's name."""
    return archive.with_name(f"{archive.stem}-sizes.png")


def _sizes(archive: Path, packed: "Packed") -> dict[str, int]:
    """Bytes in each format, ours last."""
    return {**packed.formats, archive.name: packed.compressed.size}


def _draw(archive: Path, packed: "Packed", name: str) -> bool:
    """Draw the comparison, and return whether that went well; the archive is there in any case."""
    from pixelrnn import plots

    chart, title = _chart(archive), f"{name}: {packed.compressed.files:,} files"
    try:
        plots.save_bars(chart, _sizes(archive, packed), "bytes", title)
    except (PixelRNNError, OSError) as error:
        say(f"pixelrnn: {archive} is whole, but the chart of sizes was not drawn ({error})", is_error=True)
        return False
    return True


def _say(archive: Path, packed: "Packed") -> None:
    """What became of the files, and the table of formats."""
    say_compressed(archive, packed.compressed)
    if packed.model is None:
        say("  no model in it: the archive is smaller without")
    elif packed.shipped:
        say(f"  no model in it: the shipped model {packed.shipped} is best, and every copy of the program has it")
    else:
        say(f"  the model in it: {size_text(packed.compressed.weights)}, {packed.bits} bits a weight")
    if not packed.formats:
        return
    files, original = packed.compressed.files, packed.compressed.original
    say("")
    say(f"{'':<24}{'bytes':>14}  {'a file':>10}  {'of the originals':>16}")
    for name, size in _sizes(archive, packed).items():
        say(f"{name:<24}{size:>14,}  {size / files:>10,.0f}  {size / max(1, original):>16.1%}")


def _heeded(what: str) -> str:
    """What a first Ctrl-C does to a part of the work."""
    if what == FORMATS:
        return "the archive is whole; JPEG XL is left out"
    return "ending the training" if what.startswith(TRAININGS) else "the training is over; compressing goes on"


class _Stages:
    """A progress bar for each thing that is done, one after the other. A context manager."""

    def __init__(self, should_stop: Callable[[], bool], *, is_aside: bool) -> None:
        self._should_stop, self._is_aside = should_stop, is_aside
        self._is_told = False  # of the wish to stop
        self._is_first = True  # of what was tried
        self._what = ""
        self._show: Callback | None = None
        self._bar = contextlib.ExitStack()

    def __enter__(self) -> "_Stages":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _say_stage(self, stage: "Stage") -> None:
        """Show a line of what was tried: bytes of the model, of the pictures, and of both."""
        if self._is_first:
            say(f"{'':<48}{'model':>10}{'pictures':>14}{'bytes':>14}", is_aside=self._is_aside)
            self._is_first = False
        numbers = f"{stage.weights:>10,}{stage.pictures:>14,}{stage.total:>14,}"
        say(f"{stage.what:<48}{numbers}", is_aside=self._is_aside)

    def report(self, at: Progress) -> bool:
        """Show how far something is, or what was tried; returns whether training is to end."""
        if at.stage is not None:
            self._say_stage(at.stage)
            return self._is_told
        if at.what != self._what:
            self._bar.close()
            self._what, self._show = at.what, self._bar.enter_context(progress(at.what))
        assert self._show is not None
        self._show(at)
        if self._should_stop() and not self._is_told:
            self._is_told = True
            if at.what.startswith(READING):
                raise KeyboardInterrupt
            say(f"pixelrnn: {_heeded(at.what)}; Ctrl-C again gives up", is_error=True)
        return self._is_told

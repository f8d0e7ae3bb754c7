"""`pixelrnn compress`."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.console import Report, progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.models import open_model
from pixelrnn.config import require_run
from pixelrnn.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from pixelrnn.codec.compress import Compressed

__all__ = ["Compress", "archive_of", "plural", "rate", "say_compressed", "size_text"]

MOST_LISTED = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compress:
    """Compress a folder of images with a model, without any loss.

    Examples:
        pixelrnn compress runs/photos photos/                        # writes photos.pxr
        pixelrnn compress runs/photos photos/ --out backup/photos.pxr
        pixelrnn decompress photos.pxr --model runs/photos --out restored/

    Pictures come back with the same pixels, mode, palette, transparency, colour profile and EXIF data, as PNG files.
    What the model cannot take, or would enlarge, is kept as the smallest ordinary file, and all other files as they
    are. The archive needs the model again: keep the run (pixelrnn pack puts a model of its own into the archive).
    """

    run_folder: tyro.conf.Positional[Path]
    """Run or model folder."""

    source: tyro.conf.Positional[Path]
    """A folder, with everything below it, or a file."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """The archive to write; SOURCE.pxr in the current folder if not given."""

    tile: tuple[int, int] | None = None
    """Height and width of the tiles that larger pictures are cut into."""

    verify: bool = True
    """Decode everything again, and see that it is the same, before the archive is there."""

    skip_bad: bool = False
    """Leave out and list files that cannot be read, instead of stopping at the first."""

    overwrite: bool = False
    """Replace an archive that exists."""

    json: bool = False
    """Print JSON: the archive, and bytes and numbers of files."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_run(self.run_folder)
        if not self.source.exists():
            raise ArchiveError(f"{self.source}: no such file or folder")
        if self.archive.exists() and not self.overwrite:
            raise ArchiveError(f"{self.archive} exists; choose another name with --out, or give --overwrite")
        if self.tile is not None and min(self.tile) < 1:
            raise ConfigError(f"--tile is {self.tile}; sides of 1 or more are allowed")

    @property
    def archive(self) -> Path:
        """The file to write."""
        return self.out or archive_of(self.source)

    def run(self) -> int:
        """Compress, and say what became of the files."""
        from pixelrnn.codec.compress import compress

        self.machine.prepare()
        model = open_model(self.run_folder)
        with rate("compressing") as report:
            done = compress(
                model,
                self.source,
                self.archive,
                tile=self.tile,
                verify=self.verify,
                skip_bad=self.skip_bad,
                overwrite=self.overwrite,
                callback=report,
            )
        if self.json:
            show_json({"archive": str(self.archive), **dataclasses.asdict(done)})
        else:
            say_compressed(self.archive, done)
        return 0


def archive_of(source: Path) -> Path:
    """The archive of a folder or file, in the current folder."""
    source = source.resolve()
    return Path(f"{source.stem if source.is_file() else source.name}.pxr")


@contextmanager
def rate(title: str) -> Iterator[Report]:
    """Progress of bytes done and in all, with megabytes a second."""
    begun = time.monotonic()
    with progress(title) as report:

        def show(done: int, total: int) -> None:
            speed = done / 1e6 / max(1e-3, time.monotonic() - begun)
            report(min(1.0, done / max(1, total)), f"{speed:.3g} MB/s")

        yield show


def say_compressed(archive: Path, done: "Compressed") -> None:
    """What became of the files, in a few lines."""
    share = done.size / max(1, done.original)
    say(f"{archive}: {plural(done.files, 'file')}, {size_text(done.original)} -> {size_text(done.size)} ({share:.1%})")
    if done.coded:
        per = done.coded_bits / max(1, done.pixels)
        say(
            f"  {plural(done.coded, 'picture')} by the model: {size_text(done.coded_original)} -> "
            f"{size_text(round(done.coded_bits / 8))}, {per:.3f} bits a sub-pixel"
        )
    for reason, count in sorted(done.kept.items(), key=lambda item: -item[1]):
        say(f"  {plural(count, 'file')} kept as it is or as an ordinary picture: {reason}")
    if done.same:
        say(f"  {plural(done.same, 'file')} equal to another one")
    if done.links:
        say(f"  {plural(done.links, 'symbolic link')}: the files that they lead to were taken")
    if done.renamed:
        say(f"  {plural(done.renamed, 'picture')} will come back as .png")
    for line in done.skipped[:MOST_LISTED]:
        say(f"  skipped {line}")
    if len(done.skipped) > MOST_LISTED:
        say(f"  ... and {len(done.skipped) - MOST_LISTED:,} more")


def plural(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """A number of bytes, exactly, and roughly if it is large."""
    return f"{size:,} bytes"

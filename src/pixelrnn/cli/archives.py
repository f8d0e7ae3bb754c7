"""What the commands that make archives share: options, progress, and what they say in the end."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn import config
from pixelrnn.cli.console import progress, say
from pixelrnn.cli.output import require_writable
from pixelrnn.errors import ArchiveError
from pixelrnn.progress import Callback, Progress

if TYPE_CHECKING:
    from pixelrnn.archive.outcome import Compressed

__all__ = ["Writing", "plural", "rate", "say_compressed", "size_text"]

MOST_LISTED = 20
MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writing(config.Writing):
    """How an archive is written, and where."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """The archive to write; SOURCE.pxr in the current folder if not given."""

    def archive(self, source: Path) -> Path:
        """The file to write for a source.

        Raises:
            ArchiveError: If the source is not there, or the archive is.
        """
        if not source.exists():
            raise ArchiveError(f"{source}: no such file or folder")
        whole = source.resolve()
        return self.unused(Path(f"{whole.stem if whole.is_file() else whole.name}.pxr"))

    def unused(self, usual: Path) -> Path:
        """The file to write, which has the usual name if none is given; raises `ArchiveError` if it is there."""
        archive = self.out or usual
        if archive.exists() and not self.overwrite:
            raise ArchiveError(f"{archive} exists; choose another name with --out, or give --overwrite")
        require_writable(archive, "--out")
        return archive


@contextmanager
def rate(title: str) -> Iterator[Callback]:
    """Progress, with the sub-pixels a second since the first of them."""
    begun: tuple[float, int] | None = None
    told = ""
    with progress(title) as show:

        def show_rate(at: Progress) -> None:
            nonlocal begun, told
            if at.text and at.text != told:  # what is known before it begins
                told = at.text
                say(f"{title}: {told}", is_aside=True)
            now = time.monotonic()
            if at.subpixels and begun is None:  # what is compiled before them takes its time once
                begun = now, at.subpixels
            if begun is not None and now > begun[0]:
                speed = (at.subpixels - begun[1]) / 1e6 / (now - begun[0])
                at = dataclasses.replace(at, text=f"{speed:.3g} million sub-pixels/s")
            show(at)

        yield show_rate


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
    for reason, names in sorted(done.kept.items(), key=lambda item: -len(item[1])):
        say(f"  {plural(len(names), 'file')} not coded by the model, {reason}: {_some(names)}")
    if done.same:
        say(f"  {plural(done.same, 'file')} equal to another one")
    if done.links:
        say(f"  {plural(done.links, 'symbolic link')}: the files that they lead to were taken")
    if done.renamed:
        changed = [f"{before} as {after}" for before, after in done.renamed.items()]
        say(f"  {plural(len(changed), 'picture')} will come back as .png: {_some(changed)}")
    for what, lost in itertools.islice(sorted(done.lost.items(), key=lambda item: -len(item[1])), MOST_LISTED):
        say(f"  {plural(len(lost), 'picture')} will come back without {what}: {_some(lost)}")
    for line in done.skipped[:MOST_LISTED]:
        say(f"  skipped {line}")
    if len(done.skipped) > MOST_LISTED:
        say(f"  ... and {len(done.skipped) - MOST_LISTED:,} more")


def _some(names: Sequence[str]) -> str:
    """The first names of a list."""
    rest = f", and {len(names) - MOST_NAMED:,} more (--json lists all)" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + rest


def plural(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """A number of bytes."""
    return f"{size:,} bytes"

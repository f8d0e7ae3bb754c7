"""`pixelrnn decompress`, and `unpack`, which is the same."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn import zoo
from pixelrnn.cli.archives import plural, rate, size_text
from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, open_model, require_model
from pixelrnn.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from pixelrnn.archive.archive import Archive
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Decompress"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decompress:
    """Restore the files of a .pxr archive, all or some of them, or list them.

    Examples:
        pixelrnn decompress photos.pxr --model runs/photos            # into the folder photos/
        pixelrnn decompress photos.pxr --list
        pixelrnn decompress photos.pxr --model runs/photos --check    # decodes everything, writes nothing
        pixelrnn decompress photos.pxr --model runs/photos --only cats/tom.png dogs/ 'birds/*-1.png' --out some/
        pixelrnn unpack packed.pxr                                    # an archive that holds its model

    Every picture is checked: what is written has the pixels that were compressed. What is damaged is listed at the end,
    and everything else restored; the exit code is 2 then. An archive that is not all there is refused.
    """

    path: tyro.conf.Positional[Path]
    """The archive."""

    model: ModelFolder | None = None
    """Run or model folder, name of a shipped model, or hf:owner/name, that it was compressed with; not needed if the
    archive holds its model, or names a shipped one or one of the hub."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to write into; the archive's name without .pxr, in the current folder, if not given."""

    only: tuple[str, ...] = ()
    """Names of files or folders in the archive, or patterns with * and ?; everything if not given."""

    list: bool = False
    """Show what is in the archive, and write nothing; shared: kept in one part with others, which has the bytes."""

    check: bool = False
    """Decode everything and compare checksums, and write nothing."""

    overwrite: bool = False
    """Replace files that exist."""

    skip_existing: bool = False
    """Leave files that exist as they are and restore the others: goes on where an interrupted one ended."""

    json: bool = False
    """Print JSON: the files written and left, and what is damaged; or the members."""

    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if not self.path.exists():
            raise ArchiveError(f"{self.path}: no such file")
        if self.model is not None:
            require_model(self.model)
        chosen = [name for name in ("list", "check", "overwrite", "skip_existing") if getattr(self, name)]
        if len(chosen) > 1:
            first, second = (f"--{name.replace('_', '-')}" for name in chosen[:2])
            raise ConfigError(f"{first} and {second} are both given; give one")

    def run(self) -> int:
        """Restore, or list."""
        from pixelrnn.archive.archive import Archive
        from pixelrnn.archive.restore import select

        with Archive(self.path) as archive:
            wanted = select(archive, self.only) if self.only else None
            if self.list:
                self._list(archive, wanted)
                return 0
            self.processor.prepare()
            return (self._check if self.check else self._restore)(archive, wanted)

    def _check(self, archive: "Archive", wanted: set[int] | None) -> int:
        from pixelrnn.archive.restore import check

        with rate("checking") as report:
            damaged = check(archive, self._model(), wanted=wanted, callback=report)
        if self.json:
            show_json({"damaged": damaged})
        elif not damaged:
            say(f"{self.path}: {plural(len(archive.members if wanted is None else wanted), 'member')}, all whole")
        return _told(damaged)

    def _restore(self, archive: "Archive", wanted: set[int] | None) -> int:
        from pixelrnn.archive.restore import decompress

        out = self.out or Path(self.path.stem)
        with rate("decompressing") as report:
            restored = decompress(
                archive,
                self._model(),
                out,
                wanted=wanted,
                overwrite=self.overwrite,
                skip_existing=self.skip_existing,
                callback=report,
            )
        if self.json:
            show_json(
                {
                    "files": [*map(str, restored.files)],
                    "size": restored.size,
                    "left": [*map(str, restored.left)],
                    "damaged": restored.damaged,
                }
            )
        else:
            left = f"; {len(restored.left):,} that were there are left as they are" if restored.left else ""
            say(f"{plural(len(restored.files), 'file')}, {size_text(restored.size)}, in {out}{left}")
        return _told(restored.damaged)

    def _model(self) -> "AbstractImageModel | None":
        """The model that was named; the archive may hold its own."""
        return None if self.model is None else open_model(self.model)

    def _list(self, archive: "Archive", wanted: set[int] | None) -> None:
        """A line for each member: bytes of its own, size, mode, how it is kept, name."""
        from pixelrnn.codec.container import NO_MODEL

        lines = archive.listing()
        lines = [line for number, line in enumerate(lines) if wanted is None or number in wanted]
        if self.json:
            show_json([dataclasses.asdict(line) for line in lines])
            return
        for line in lines:
            text = f"{line.bytes if line.bytes is not None else 'shared':>10}  {line.what:<28}  {line.name}"
            say(text.replace("\n", "\\n"))  # a name may have several lines
        index = archive.index
        model = "no model" if index.fingerprint == NO_MODEL else f"model {index.fingerprint.hex()}"
        name = archive.named_model
        kind = f"shipped: {name}" if name in zoo.names() else name
        where = "in the archive" if index.has_model else kind
        say(f"{plural(len(lines), 'member')}; {model}{f' ({where})' if where else ''}")


def _told(damaged: Sequence[str]) -> int:
    """Tell what is damaged; returns the exit code."""
    for line in damaged:
        say(f"pixelrnn: {line}", is_error=True)
    return 2 if damaged else 0

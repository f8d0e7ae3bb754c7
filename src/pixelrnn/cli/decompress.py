"""`pixelrnn decompress`, and `unpack`, which is the same."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.archives import plural, rate, size_text
from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.models import open_model
from pixelrnn.config import require_run
from pixelrnn.errors import ArchiveError

if TYPE_CHECKING:
    from pixelrnn.codec.archive import Archive

__all__ = ["Decompress"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decompress:
    """Restore the files of a .pxr archive, all or some of them, or list them.

    Examples:
        pixelrnn decompress photos.pxr --model runs/photos            # into the folder photos/
        pixelrnn decompress photos.pxr --list
        pixelrnn decompress photos.pxr --model runs/photos --only cats/tom.png dogs/ --out some/
        pixelrnn unpack packed.pxr                                    # an archive that holds its model

    Every picture is checked: what is written has the pixels that were compressed. A damaged archive or another model
    is an error, and single members can still be restored if what they need is whole.
    """

    path: tyro.conf.Positional[Path]
    """The archive."""

    model: Path | None = None
    """Run or model folder that it was compressed with; not needed if the archive holds its model."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to write into; the archive's name without .pxr, in the current folder, if not given."""

    only: tuple[str, ...] = ()
    """Names of files or folders in the archive; everything if not given."""

    list: bool = False
    """Show what is in the archive, and write nothing."""

    overwrite: bool = False
    """Replace files that exist."""

    json: bool = False
    """Print JSON: the files written, or the members."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if not self.path.exists():
            raise ArchiveError(f"{self.path}: no such file")
        if self.model is not None:
            require_run(self.model)

    def run(self) -> int:
        """Restore, or list."""
        from pixelrnn.codec.archive import Archive
        from pixelrnn.codec.restore import decompress, select

        with Archive(self.path) as archive:
            wanted = select(archive, self.only) if self.only else None
            if self.list:
                self._list(archive, wanted)
                return 0
            self.machine.prepare()
            model = open_model(self.model) if self.model is not None else archive.model()
            with rate("decompressing") as report:
                restored = decompress(
                    archive,
                    model,
                    self.out or Path(self.path.stem),
                    wanted=wanted,
                    overwrite=self.overwrite,
                    callback=report,
                )
        if self.json:
            show_json({"files": [*map(str, restored.files)], "size": restored.size})
        else:
            say(f"{plural(len(restored.files), 'file')}, {size_text(restored.size)}, in {self.out or self.path.stem}")
        return 0

    def _list(self, archive: "Archive", wanted: set[int] | None) -> None:
        """A line for each member: bytes of its own, size, mode, how it is kept, name."""
        lines = archive.listing()
        lines = [line for number, line in enumerate(lines) if wanted is None or number in wanted]
        if self.json:
            show_json([dataclasses.asdict(line) for line in lines])
            return
        for line in lines:
            say(f"{line.bytes if line.bytes is not None else 'shared':>10}  {line.what:<28}  {printable(line.name)}")
        say(
            f"{plural(len(lines), 'member')}; model {archive.index.fingerprint.hex()}"
            f"{' (in the archive)' if archive.index.has_model else ''}"
        )


def printable(name: str) -> str:
    """A name from an archive, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)

"""`pixelrnn compress`."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.archives import Writing, plural, rate, say_compressed, size_text
from pixelrnn.cli.console import progress, say, say_bad, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, open_model, require_model
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sharding import Sharding, identity
from pixelrnn.errors import ArchiveError, ConfigError
from pixelrnn.scale.places import is_url

if TYPE_CHECKING:
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.scale.parts import Part

__all__ = ["Compress", "merge_parts"]


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

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    source: Annotated[tyro.conf.Positional[str], SOURCE]
    """A folder, with everything below it, or a file."""

    tile: tuple[int, int] | None = None
    """Height and width of the tiles that larger pictures are cut into."""

    json: bool = False
    """Print JSON: the archive, and bytes and numbers of files."""

    sharding: Sharding = dataclasses.field(default_factory=Sharding)
    writing: Writing = dataclasses.field(default_factory=Writing)
    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        self.sharding.refuse(out=self.writing.out is not None)
        if self.sharding.shard is None:
            self._archive()
        elif not Path(self.source).exists():
            raise ArchiveError(f"{self.source}: no such file or folder")
        if self.tile is not None and min(self.tile) < 1:
            raise ConfigError(f"--tile is {self.tile}; sides of 1 or more are allowed")

    def run(self) -> int:
        """Compress, and say what became of the files."""
        from pixelrnn.archive.compress import compress

        self.processor.prepare()
        model = open_model(self.run_folder)
        if self.sharding.is_used:
            return self._shared(model)
        archive = self._archive()
        with rate("compressing") as report:
            done = compress(model, self.source, archive, tile=self.tile, writing=self.writing, callback=report)
        if self.json:
            show_json({"archive": str(archive), **dataclasses.asdict(done)})
        else:
            say_compressed(archive, done)
        return 0

    def _archive(self) -> Path:
        """The file to write; of a source that is elsewhere it is called by the last word of its URL."""
        if not is_url(self.source):
            return self.writing.archive(Path(self.source))
        self.sharding.require_source(self.source)
        return self.writing.unused(Path(f"{self.source.rstrip('/').rpartition('/')[2]}.pxr"))

    def _shared(self, model: "AbstractImageModel") -> int:
        """Compress the files of a part, or all of them elsewhere."""
        from pixelrnn.archive.compress import codec_of
        from pixelrnn.scale.files import compress_part, files_of

        codec = codec_of(model, self.tile)
        about = {"verb": "compress", "model": identity(model), "tile": codec.tile, "source": self.source}
        with self.sharding.begin(about | {"keep_metadata": self.writing.keep_metadata}) as part:
            if self.sharding.engine != "none":
                return self._by_engine(model, part)
            listing = files_of(part, Path(self.source), self.sharding.of, skip_bad=self.writing.skip_bad)
            with rate("compressing") as report:
                compress_part(part, codec, listing, writing=self.writing, callback=report)
            self.sharding.say_done(part, as_json=self.json, what="file")
        return 0

    def _by_engine(self, model: "AbstractImageModel", part: "Part") -> int:
        """Compress all files elsewhere, and merge the archives."""
        from pixelrnn.scale.compressor import Archives, Compressor
        from pixelrnn.scale.files import keep_archive, reading_of_files

        reading = reading_of_files(part, self.source, skip_bad=self.writing.skip_bad)
        call = Archives(Compressor(model, tile=self.tile, writing=self.writing))
        self.sharding.map(part, reading, call, functools.partial(keep_archive, part), title="compressing")
        part.finish()
        merge_parts([part], self._archive(), model, overwrite=self.writing.overwrite, as_json=self.json)
        return 0


def merge_parts(
    parts: "list[Part]", out: Path, model: "AbstractImageModel | None", *, overwrite: bool, as_json: bool
) -> None:
    """Make one archive of those of all parts, and say so."""
    from pixelrnn.archive.merge import merge_archives
    from pixelrnn.scale.files import archives_of
    from pixelrnn.scale.tables import bad_in

    with progress("merging") as report:
        done = merge_archives(archives_of(parts), out, model=model, overwrite=overwrite, callback=report)
    bad = bad_in(columns for part in parts for columns in part.columns())
    if as_json:
        show_json({"archive": str(out), **done._asdict(), **({"unusable": bad} if bad else {})})
        return
    say(f"{out}: {plural(done.files, 'file')}, {size_text(done.size)}, {plural(done.coded, 'picture')} by the model")
    for before, after in done.renamed.items():
        say(f"  {before} is called {after} there, since another file has its name")
    say_bad(bad, "file")

"""`pixelrnn compress`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelrnn.cli.archives import Writing, rate, say_compressed
from pixelrnn.cli.console import show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, open_model, require_model
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sharding import Sharding, identity
from pixelrnn.config import Shard
from pixelrnn.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Compress"]


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

    source: Annotated[tyro.conf.Positional[Path], SOURCE]
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
        if self.sharding.of is None:
            self.writing.archive(self.source)
        elif not self.source.exists():
            raise ArchiveError(f"{self.source}: no such file or folder")
        if self.tile is not None and min(self.tile) < 1:
            raise ConfigError(f"--tile is {self.tile}; sides of 1 or more are allowed")

    def run(self) -> int:
        """Compress, and say what became of the files."""
        from pixelrnn.archive.compress import compress

        self.processor.prepare()
        model = open_model(self.run_folder)
        if self.sharding.of is not None:
            return self._part(model, self.sharding.of)
        archive = self.writing.archive(self.source)
        with rate("compressing") as report:
            done = compress(model, self.source, archive, tile=self.tile, writing=self.writing, callback=report)
        if self.json:
            show_json({"archive": str(archive), **dataclasses.asdict(done)})
        else:
            say_compressed(archive, done)
        return 0

    def _part(self, model: "AbstractImageModel", shard: Shard) -> int:
        """Compress the files of a part."""
        from pixelrnn.archive.compress import codec_of
        from pixelrnn.scale.files import compress_part, files_of

        codec = codec_of(model, self.tile)
        about = {"verb": "compress", "model": identity(model), "tile": codec.tile, "source": str(self.source)}
        with self.sharding.begin(about | {"keep_metadata": self.writing.keep_metadata}) as part:
            listing = files_of(part, self.source, shard, skip_bad=self.writing.skip_bad)
            with rate("compressing") as report:
                compress_part(part, codec, listing, writing=self.writing, callback=report)
            self.sharding.say_done(part, as_json=self.json, what="file")
        return 0

"""`pixelrnn data`: look at a source, and remake the fixed binarisation."""

import collections
import dataclasses
import inspect
from pathlib import Path
from typing import Annotated

import tyro

from pixelrnn.cli.console import say, show_json
from pixelrnn.cli.output import require_file
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sources import load
from pixelrnn.config import DataConfig, require_source
from pixelrnn.errors import SizesError

__all__ = ["DataCommand"]

MOST_SIZES = 10  # that are listed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show:
    """Say what a source holds and how it would be read.

    Example:
        pixelrnn data show photos/ --size 32 --skip-bad
    """

    source: Annotated[tyro.conf.Positional[str], SOURCE]
    """As for train."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)

    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_source(self.source)

    def run(self) -> int:
        """Load and print; of images that differ in size, the sizes."""
        from pixelrnn.data.advice import advise

        try:
            data = load(self.source, self.data, is_silent=self.json)
        except SizesError as error:
            return self._show_sizes(error)
        if self.json:
            advice = advise(data)
            facts = {
                "advice": advice and advice._asdict(),
                "summary": data.summary,
                "skipped": data.skipped,
                "labels": data.label_names,
                "protocol": data.protocol,
            }
            show_json({"shape": data.shape, "levels": data.levels, "images": data.counts, **facts})
            return 0
        say(", ".join(f"{count:,} {name}" for name, count in data.counts.items()))
        say(f"{'x'.join(map(str, data.shape))} (channels x height x width), {data.protocol}")
        if data.label_names:
            say(f"{len(data.label_names)} labels: {', '.join(data.label_names[:20])}")
        return 0

    def _show_sizes(self, error: SizesError) -> int:
        from pixelrnn.data.sources import find

        found = find(self.source, self.data, None)
        sizes = collections.Counter(found.pixels.shape(number)[1:] for number in range(len(found.pixels)))
        names = {f"{width}x{height}": count for (height, width), count in sizes.most_common()}
        if self.json:
            show_json({"summary": found.summary, "skipped": found.skipped, "sizes": names})
            return 0
        say(found.summary)
        shown = dict(list(names.items())[:MOST_SIZES])
        say(", ".join(f"{count:,} of {name} pixels" for name, count in shown.items()))
        if left := len(names) - len(shown):
            say(f"... and {left:,} other sizes")
        say(f"to train on them, {error.advice.replace('`size`', '--size')}, or --crop random for patches")
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binarize:
    """Make the fixed stochastic binarisation of MNIST that our figures use, from the original files.

    Each pixel becomes 1 with probability value/255, drawn once for good: numpy's PCG64 with the seed, over the training
    images followed by the test images. The last --valid training images become the validation split. The result is an
    .npz of bit-packed arrays train, valid and test: train on it with --packed 28 28.

    Example:
        pixelrnn data binarize mnist/ --out mnist_binarized.npz
    """

    source: Annotated[tyro.conf.Positional[str], SOURCE]
    """Folder with the four MNIST files (IDX, .gz or not), or an .npz with train and test."""

    out: Path = Path("mnist_binarized.npz")
    """File to write."""

    overwrite: bool = False
    """Replace the file if it is there."""

    seed: int = 20160125
    """Seed of the draw."""

    valid: int = 10_000
    """Training images, the last ones, that become the validation split."""

    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_source(self.source)
        require_file("--out", self.out, ".npz", overwrite=self.overwrite)

    def run(self) -> int:
        """Draw, pack and write."""
        from pixelrnn.data.binarize import binarize

        counts = binarize(self.source, self.out, seed=self.seed, valid=self.valid)
        if self.json:
            show_json({"file": str(self.out), "images": counts})
        else:
            say(f"{self.out}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataCommand:
    """Look at a source of images, or make the fixed binarisation of MNIST."""

    action: (
        Annotated[Show, tyro.conf.subcommand("show", description=inspect.getdoc(Show))]
        | Annotated[Binarize, tyro.conf.subcommand("binarize", description=inspect.getdoc(Binarize))]
    )

    def run(self) -> int:
        """Do it."""
        return self.action.run()

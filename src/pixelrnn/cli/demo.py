"""`pixelrnn demo`."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrnn.app.tour import Exhibit, tour, write_exhibits
from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.train import INTERRUPTED, train_with_progress
from pixelrnn.config import ModelConfig, TrainConfig
from pixelrnn.errors import RunError
from pixelrnn.progress import Reporter

if TYPE_CHECKING:
    import torch

__all__ = ["Demo"]

MARK = "DEMO.txt"
HEADING = "PixelRNN: image models with exact probability"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demo:
    """Show what shipped models can do, then train a small one on the built-in handwritten digits.

    Example:
        pixelrnn demo --minutes 1

    Samples, completions, a file that is smaller than PNG or WebP make it, what is unusual in an image, and what half a
    minute of training gives: `index.html` in the folder shows it all.
    """

    out: Path = Path("demo")
    """Folder for the results; an earlier demo in it is replaced."""

    minutes: float = 0.5
    """Training time."""

    seed: int = 0
    """Seed of weights, order and samples."""

    json: bool = False
    """Print JSON: the page, the run, and the test images' bits a pixel, by the model and by the histogram."""

    machine: Machine = dataclasses.field(default_factory=Machine)

    def run(self) -> int:
        """Show what is shipped; train, compare, draw; and say what to try next."""
        device, folder = self.machine.prepare(), self._folder()
        with progress("showing what is shipped") as report:
            exhibits = tour(self.out, self.seed, Reporter(report))
        for each in exhibits:
            self._say(f"{self.out / each.file}: {each.text}")
        commands = [
            "pixelrnn studio                         # a page to watch models draw, and to ask them",
            "pixelrnn models",
            f"pixelrnn sample {folder} -n 100 --temperature 0.8",
            f"pixelrnn evaluate {folder}",
            "pixelrnn train YOUR-IMAGES/ --size 32",
        ]
        write_exhibits(self.out / "index.html", exhibits, HEADING, commands)
        learned, measured = self._train(device, folder)
        if not learned:
            return INTERRUPTED
        page = self.out / "index.html"
        write_exhibits(page, [*exhibits, *learned], HEADING, commands)
        self._say(f"\nopen {page}, then try:")
        for command in commands:
            self._say(f"  {command}")
        if self.json:
            show_json({"page": str(page), "run": str(folder), **measured})
        return 0

    def _say(self, text: str) -> None:
        say(text, is_aside=self.json)

    def _train(self, device: "torch.device", folder: Path) -> tuple[list[Exhibit], dict[str, float]]:
        """Train on the digits, and draw what was learned; nothing if it was interrupted. Figures in bits a pixel."""
        from pixelrnn import plots
        from pixelrnn.data import load_data
        from pixelrnn.model.image import ImageModel
        from pixelrnn.scores.baseline import histogram_bits_per_dim
        from pixelrnn.train.evaluation import evaluate

        config = TrainConfig(minutes=self.minutes, seed=self.seed, samples=0, learning_rate=6e-3, weight_decay=0.3)
        data = load_data("digits")
        self._say(
            "\nUCI handwritten digits (Alpaydin, Kaynak 1998; CC BY 4.0), built in: "
            + data.summary
            + ", 17 grey levels"
        )
        model = ImageModel(ModelConfig(shape=data.shape, levels=data.levels, layers=3, hidden=32), seed=self.seed).to(
            device
        )
        self._say(model.extra_repr())
        run = train_with_progress(model, data, config, folder=folder, is_aside=self.json)
        if not run.is_finished:
            return [], {}

        result = evaluate(model, data.test)
        lines = {
            "per-pixel histogram": histogram_bits_per_dim(data.train, data.test, data.levels),
            "uniform": math.log2(data.levels),
        }
        plots.save_curve(self.out / "curve.png", run.metrics, "UCI digits, Diagonal BiLSTM", lines=lines)
        with progress("drawing samples") as report:
            images = model.sample(64, seed=self.seed, callback=report)
        plots.save_image(self.out / "samples.png", plots.grid(images, data.levels))
        self._say(f"\n{result.images} test images, bits per pixel (lower is better)")
        self._say(f"  uniform              {lines['uniform']:.3f}")
        self._say(f"  per-pixel histogram  {lines['per-pixel histogram']:.3f}")
        nats = f"{result.nats:.1f} +- {result.standard_error:.1f} nats per image"
        self._say(f"  Diagonal BiLSTM      {result.bits_per_dim:.3f}   ({nats})")
        if result.bits_per_dim > lines["per-pixel histogram"]:
            self._say("\nworse than the histogram: it has hardly begun to learn; give it more --minutes")
        text = (
            f"64 new digits, by a model that {self.minutes:g} minutes of training made of {len(data.train):,} of them."
        )
        curve = (
            f"{result.bits_per_dim:.3f} bits a pixel on {result.images} test images, where a histogram of each pixel "
            f"needs {lines['per-pixel histogram']:.3f}."
        )
        learned = [Exhibit("samples.png", "Learned here", text), Exhibit("curve.png", "How it learned", curve)]
        return learned, {"bits_per_dim": result.bits_per_dim, "histogram_bits_per_dim": lines["per-pixel histogram"]}

    def _folder(self) -> Path:
        """Where to train: an earlier demo there is removed, anything else is left alone."""
        from pixelrnn.runs.files import write_text

        folder, mark = self.out / "run", self.out / MARK
        if folder.exists() and not mark.exists():
            raise RunError(f"{folder} exists and was not made by a demo; choose another --out")
        if folder.exists():
            shutil.rmtree(folder)
        write_text(mark, "made by: pixelrnn demo\n")
        return folder

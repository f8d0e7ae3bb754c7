"""`pixelrnn bench`."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrnn.cli.console import progress, say, show_json
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.output import require_file
from pixelrnn.config import ModelConfig, to_json
from pixelrnn.config.architectures import ARCHITECTURES
from pixelrnn.errors import ConfigError
from pixelrnn.progress import Reporter

if TYPE_CHECKING:
    from pixelrnn.app.benchmark import Speed

__all__ = ["Bench"]

GROWTH = {"side": (8, 16, 32, 64), "layers": (1, 2, 4, 8, 16), "hidden": (8, 16, 32, 64), "batch": (1, 4, 16, 64, 256)}
LABELS = {"side": "side of the image", "layers": "layers", "hidden": "hidden units h", "batch": "images at once"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure on this machine how fast models train, evaluate and sample, as ratios within the run.

    Examples:
        pixelrnn bench
        pixelrnn bench --architecture row-lstm --hidden 64 --batch 64 --json
        pixelrnn bench --growth growth.png

    Training steps and likelihoods are compared with the same in plain torch and with one large matrix product, sampling
    with one likelihood pass and with rerunning the network for every sub-pixel, compression with sampling. Times are
    medians, on the CPU.
    """

    architecture: str = "all"
    """Which network; all: each that takes the levels."""

    layers: int = 7
    """Residual layers."""

    hidden: int = 16
    """Features h of a layer."""

    batch: int = 32
    """Images at once."""

    side: int = 28
    """Height and width of the images."""

    channels: int = 1
    """Channels of the images."""

    levels: int = 2
    """Values of a sub-pixel."""

    runs: int = 5
    """Runs of which the median is taken."""

    memory: bool = True
    """Also measure the peak memory of training steps, each in a process of its own."""

    growth: Path | None = None
    """Also measure how the speed of the first network falls as side, layers, h and batch grow, and draw it into this
    PNG (some minutes)."""

    overwrite: bool = False
    """Replace the file of --growth."""

    json: bool = False
    """Print JSON: all times in seconds."""

    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        for option, value in (("--batch", self.batch), ("--runs", self.runs)):
            if value < 1:
                raise ConfigError(f"{option} is {value}; at least 1 is needed")
        require_file("--growth", self.growth, ".png", overwrite=self.overwrite)
        self._model(self._architectures[0])

    def run(self) -> int:
        """Measure, and print ratios first."""
        from pixelrnn import plots
        from pixelrnn.app import benchmark

        self.processor.prepare()
        growth: dict[str, list[tuple[int, Speed]]] = {}
        with progress("measuring") as show:
            report = Reporter(show)
            rate = benchmark.matrix_product_rate(self.runs)
            speeds, memory = [], []
            for number, architecture in enumerate(self._architectures):
                report(number / (len(self._architectures) + 8 * bool(self.growth)), architecture)
                config = self._model(architecture)
                speeds.append(benchmark.measure(config, self.batch, runs=self.runs))
                memory.append(self._memory(config))
            if self.growth is not None:
                growth = self._grow(report.part(0.3, 1.0, "growth"))
        about = benchmark.machine()
        if self.growth is not None:
            title = f"{self._architectures[0]}, {about['processor']}, {about['threads']} threads"
            plots.save_growth(self.growth, title, {LABELS[name]: _lines(points) for name, points in growth.items()})
        if self.json:
            show_json(
                {
                    "machine": about,
                    "matrix_product_operations_per_second": rate,
                    "speeds": [_as_json(speed) | used for speed, used in zip(speeds, memory, strict=True)],
                    "growth": {name: [_as_json(speed) for _, speed in points] for name, points in growth.items()},
                }
            )
            return 0
        cores = f"{about['threads']} of {about['cores']} cores"
        say(f"{about['processor']}, {cores}; torch {about['torch']}, numba {about['numba']}")
        say(f"one large matrix product: {rate / 1e9:.0f} GFLOP/s")
        shape = f"{self.channels}x{self.side}x{self.side}"
        say(f"{self.layers} layers, h={self.hidden}, {shape}, {self.levels} levels, batch {self.batch}")
        for speed, used in zip(speeds, memory, strict=True):
            say(_report(speed, rate, used))
        if self.growth is not None:
            say(f"{self.growth} shows how speed falls as models and images grow")
        return 0

    @property
    def _architectures(self) -> tuple[str, ...]:
        if self.architecture != "all":
            return (self.architecture,)
        return tuple(name for name, traits in ARCHITECTURES.items() if self.levels or not traits.outputs)

    def _model(self, architecture: str, **fields: int) -> ModelConfig:
        values: dict[str, Any] = {"layers": self.layers, "hidden": self.hidden, "levels": self.levels}
        side = fields.pop("side", self.side)
        config = ModelConfig(architecture=architecture, shape=(self.channels, side, side), **(values | fields))
        _ = config.resolved_output
        return config

    def _memory(self, config: ModelConfig) -> dict[str, int]:
        """Peak memory of training steps, compiled and in plain torch."""
        from pixelrnn.app.benchmark import peak_memory

        if not self.memory:
            return {}
        used = {"memory": peak_memory(config, self.batch, "auto")}
        if config.traits.has_recurrence:
            used["reference_memory"] = peak_memory(config, self.batch, "reference")
        return used

    def _grow(self, report: Reporter) -> dict[str, list[tuple[int, "Speed"]]]:
        """Speeds of the first architecture as one size after the other grows."""
        from pixelrnn.app.benchmark import measure

        points: dict[str, list[tuple[int, Speed]]] = {}
        total = sum(map(len, GROWTH.values()))
        done = 0
        for name, values in GROWTH.items():
            for value in values:
                report(done / total)
                fields = {} if name == "batch" else {name: value}
                batch = value if name == "batch" else self.batch
                config = self._model(self._architectures[0], **fields)
                points.setdefault(name, []).append((value, measure(config, batch, runs=3)))
                done += 1
        return points


def _as_json(speed: "Speed") -> dict[str, Any]:
    return dataclasses.asdict(speed) | {"model": to_json(speed.model)}


def _lines(points: list[tuple[int, "Speed"]]) -> dict[str, list[tuple[float, float]]]:
    """Images a second of each kind of work."""
    kinds = {
        "likelihood": "likelihood",
        "sampling": "sample",
        "training step": "train",
        "training step, plain torch": "reference_train",
        "sampling by reruns": "rerun_sample",
    }
    return {
        label: [(value, speed.batch / getattr(speed, kind)) for value, speed in points]
        for label, kind in kinds.items()
        if getattr(points[0][1], kind) is not None
    }


def _report(speed: "Speed", rate: float, used: dict[str, int]) -> str:
    """What one model reaches, ratios first."""

    def times(slow: float | None, fast: float) -> str:
        return "" if slow is None else f"{slow / fast:5.1f}x plain torch, "

    def pace(seconds: float) -> str:
        return f"{1e3 * seconds:.0f} ms, {speed.batch / seconds:,.0f} images/s"

    share = speed.operations / speed.train / rate
    lines = [
        f"\n{speed.model.architecture}",
        f"  training step  {times(speed.reference_train, speed.train)}{share:.0%} of the matrix product's rate "
        f"({pace(speed.train)})",
        f"  likelihood     {times(speed.reference_likelihood, speed.likelihood)}({pace(speed.likelihood)})",
        f"  sampling       {speed.sample / speed.likelihood:5.2f} likelihood passes, "
        f"{speed.rerun_sample / speed.sample:,.0f}x faster than reruns ({pace(speed.sample)}), "
        f"with a label and a context image {speed.conditioned_sample / speed.sample:.2f}x the time",
    ]
    if speed.encode is not None and speed.decode is not None:
        encode, decode = speed.encode / speed.sample, speed.decode / speed.sample
        megabytes = speed.batch * math.prod(speed.model.shape) / 1e6
        lines.append(
            f"  compression    {encode:5.2f} times the sampling to compress ({megabytes / speed.encode:.2f} MB/s of "
            f"sub-pixels), {decode:.2f} to restore ({megabytes / speed.decode:.2f} MB/s)"
        )
    if used:
        reference = used.get("reference_memory")
        part = f", {used['memory'] / reference:.0%} of plain torch's" if reference else ""
        lines.append(f"  memory         {used['memory'] / 1e6:,.0f} MB for a training step{part}")
    return "\n".join(lines)

"""`pixelrnn train`."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelrnn.cli.console import is_first_process, progress, say, show_json
from pixelrnn.cli.interrupt import stoppable
from pixelrnn.cli.machine import Machine
from pixelrnn.cli.model_folder import open_run, require_model, warn_if_untrained
from pixelrnn.cli.parser import SOURCE
from pixelrnn.cli.sources import load
from pixelrnn.config import DataConfig, ModelConfig, TrainConfig, require_run, require_source
from pixelrnn.config.names import RUNS
from pixelrnn.errors import ConfigError, RunExistsError
from pixelrnn.progress import Progress

if TYPE_CHECKING:
    from pixelrnn.data import Data
    from pixelrnn.model.base import AbstractImageModel
    from pixelrnn.runs.run import Run

__all__ = ["INTERRUPTED", "Train", "train_with_progress"]

INTERRUPTED = 130
# The levels of a model are those of its images, an option of the data.
MODEL_FIELDS = {field.name for field in dataclasses.fields(ModelConfig)}
MODEL_FIELDS -= {field.name for field in dataclasses.fields(DataConfig)}
MODEL_FIELDS -= {"orders"}  # more of them can be begun with
MODEL_OPTIONS = [f"--{prefix}{name.replace('_', '-')}" for name in sorted(MODEL_FIELDS) for prefix in ("", "no-")]
WITH_RESUME = ("--resume", "--minutes", "--steps", "--epochs", "--device", "--threads", "--cuda-graph", "--json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Train a model on images.

    Examples:
        pixelrnn train digits --minutes 1
        pixelrnn train photos/ --size 32 --architecture pixelcnn --hidden 64
        pixelrnn train mnist_binarized.npz --packed 28 28 --minutes 20 --out runs/mnist
        pixelrnn train letters/ --labels --label-dropout 0.1
        pixelrnn train photos/ --size 32 --scales 3
        pixelrnn train photos/ --size 32 --context grey
        pixelrnn train photos/ --size 32 --start-from cifar-row-lstm
        pixelrnn train --resume runs/mnist
        torchrun --nproc-per-node 2 -m pixelrnn train digits --steps 500

    Ctrl-C saves and stops; --resume goes on from there, and takes only a new budget and machine settings.
    --start-from begins a new run with the weights and the network of a model, on other images or with other options.
    """

    source: Annotated[tyro.conf.Positional[str | None], SOURCE] = None
    """digits, a folder of images, a .zip or .tar of them, .npy, .npz, IDX files, or hf:owner/name."""

    out: Path | None = None
    """Run folder to make; if not given runs/SOURCE-ARCHITECTURE, or that with -2, -3, ... where it exists."""

    resume: Path | None = None
    """Run folder to continue."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    machine: Machine = dataclasses.field(default_factory=Machine)

    cuda_graph: bool = False
    """Record what the networks do in a step once, and replay it: small ones train about twice as fast (on CUDA)."""

    json: bool = False
    """Print JSON at the end: the run's folder, steps and best validation."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if self.resume is not None:
            require_run(self.resume)
        elif self.source is None:
            raise ConfigError("train needs a source: digits, a folder or a file of images (or --resume RUN)")
        else:
            require_source(self.source)
            if self.train.start_from is not None:
                require_model(self.train.start_from)
            else:
                self._check_model(self.model)

    def _check_model(self, model: ModelConfig) -> None:
        """Check what a model is to be against the data and the training."""
        if self.train.separately and model.scales == 1:
            raise ConfigError("separately is for a Multi-Scale model (--scales 2 or more)")
        if model.label_dropout and not self.data.labels:
            raise ConfigError("label_dropout withholds labels; give --labels as well")

    def refuse_ignored(self, arguments: Sequence[str]) -> None:
        """Refuse options that would have to be ignored: of a resumed run, and of a model that is there already."""
        options = [argument.split("=")[0].replace("_", "-") for argument in arguments if argument.startswith("--")]
        if self.resume is not None:
            self._refuse_with_resume(options)
        elif self.train.start_from is not None:
            refused = [option for option in options if option in MODEL_OPTIONS]
            if refused:
                raise ConfigError(
                    f"{refused[0]} cannot be given with --start-from: {self.train.start_from} keeps its own"
                )

    def _refuse_with_resume(self, options: Sequence[str]) -> None:
        refused = [option for option in options if option not in WITH_RESUME]
        if refused or self.source is not None:
            what = refused[0] if refused else "a source"
            raise ConfigError(
                f"{what} cannot be given with --resume, which keeps the run's settings "
                f"({', '.join(WITH_RESUME[1:])} can)"
            )

    def run(self) -> int:
        """Train, draw samples, and say what to do with the result."""
        from pixelrnn.train import distributed

        device = self.machine.prepare()
        if self.cuda_graph and device.type != "cuda":
            raise ConfigError(f"--cuda-graph needs a CUDA device; this is {device}")
        is_silent = not is_first_process()
        with distributed.joined(device):
            source, data_config, train_config = self._settings()
            data = self._named(load(source, data_config, is_silent=is_silent))
            before = self._before.step if self.resume and self._before else None
            model, folder = self._begun(source, data, train_config.seed)
            if not is_silent:
                _announce(model, data, device, is_aside=self.json)
            try:
                run = train_with_progress(
                    model.to(device),
                    data,
                    train_config,
                    folder=folder,
                    resume=bool(self.resume),
                    cuda_graph=self.cuda_graph,
                    is_aside=self.json,
                )
            except RunExistsError:
                if self.out is not None:
                    raise
                # Another process took the name in the same moment: the next free one will do.
                return self.run()
        if run.is_finished and not is_silent:
            if self.json:
                show_json({"run": str(folder), "steps": run.step, "best_valid_nats": run.best})
            if before != run.step:
                _finish(model, run, data, train_config, is_json=self.json)
            elif not self.json:
                say(f"{folder} is complete at step {run.step:,}; to go on, give a larger budget (--steps, --minutes)")
        return 0 if run.is_finished else INTERRUPTED

    def _settings(self) -> tuple[str, DataConfig, TrainConfig]:
        """Source and settings, given or from the run that is resumed."""
        if self.resume is None:
            assert self.source is not None
            return self.source, self.data, self.train
        run = self._before
        assert run is not None
        recorded = run.config(TrainConfig)
        budget: dict[str, Any] = {name: getattr(self.train, name) for name in ("minutes", "steps", "epochs")}
        config = recorded.with_budget(**budget) if any(budget.values()) else recorded
        return str(run.source), run.data, config

    @functools.cached_property
    def _before(self) -> "Run | None":
        """The run of the model that the training goes on with, if there is one; of the hub it is fetched once."""
        before = self.resume or self.train.start_from
        return None if before is None else open_run(before)

    def _named(self, data: "Data") -> "Data":
        """The images with the numbers of the labels in the model that the training goes on with."""
        names = [] if self._before is None else self._before.labels
        return data.relabelled(names) if data.label_names and names else data

    def _begun(self, source: str, data: "Data", seed: int) -> tuple["AbstractImageModel", Path]:
        """The model and the folder of the run that is resumed, or new ones."""
        from pixelrnn.model.loading import load_model
        from pixelrnn.model.multiscale import build_model
        from pixelrnn.train import distributed

        if self.resume is not None:
            return load_model(self.resume), self.resume
        model = build_model(self._model_config(data), seed=seed)
        folder = str(self.out or _free_folder(source, model.config.architecture))
        return model, Path(str(distributed.broadcast(folder)))

    def _model_config(self, data: "Data") -> ModelConfig:
        """The network as given, or that of the model to start from, for these images."""
        if self._before is None:
            return dataclasses.replace(self.model, **data.model_fields, augmented=self.train.augment > 0)
        warn_if_untrained(self._before)
        config = self._before.model
        if 1 < self.model.orders < config.orders:
            raise ConfigError(
                f"--orders is {self.model.orders}; {self.train.start_from} has {config.orders}, and keeps them"
            )
        self._check_model(config)
        # Only sizes may be others: whatever else is, the training refuses.
        context = data.context_shape if config.context else None
        return dataclasses.replace(
            config,
            shape=(config.shape[0], *data.shape[1:]),
            context=context,
            orders=max(config.orders, self.model.orders),
            augmented=config.augmented or self.train.augment > 0,
        )


def _announce(model: "AbstractImageModel", data: "Data", device: object, *, is_aside: bool) -> None:
    sizes = {"training": data.train, "validation": data.valid, "test": data.test}
    counts = ", ".join(f"{len(images):,} {name}" for name, images in sizes.items())
    say(f"{model.extra_repr()}, on {device}", is_aside=is_aside)
    say(f"{counts} images; {data.protocol}", is_aside=is_aside)


RISE = 1.02  # of the best validation, from which a model is said to learn by heart


class _Overfitting:
    """Sees, once, that validation has risen while training went on to fall."""

    def __init__(self) -> None:
        self._best: dict[str, Any] = {}
        self._is_said = False

    def warning(self, line: dict[str, Any]) -> str:
        """What to say after a validation; empty if there is nothing to say."""
        valid, train = line["valid_bits_per_dim"], line.get("train_bits_per_dim", math.inf)
        if not self._best or valid < self._best["valid_bits_per_dim"]:
            self._best = line
        best = self._best["valid_bits_per_dim"]
        has_risen = valid > best + (RISE - 1) * abs(best) and train < self._best.get("train_bits_per_dim", math.inf)
        if self._is_said or not has_risen:
            return ""
        self._is_said = True
        return (
            f"validation has risen since step {self._best['step']:,} while training still falls: the model learns its "
            "images by heart. The best weights are kept; for better ones train on more images, with --dropout 0.1 or "
            "more --weight-decay, or a smaller network"
        )


def train_with_progress(
    model: "AbstractImageModel",
    data: "Data",
    config: TrainConfig,
    *,
    folder: Path,
    resume: bool = False,
    cuda_graph: bool = False,
    is_aside: bool = False,
) -> "Run":
    """Fit with a progress bar; the first Ctrl-C (or SIGTERM) saves and stops, the second one stops at once."""
    from pixelrnn.model.multiscale import MultiScaleModel
    from pixelrnn.train.loop import fit
    from pixelrnn.train.scales import fit_scales

    is_silent, overfitting = not is_first_process(), _Overfitting()
    with progress("training", is_silent=is_silent) as show, stoppable() as should_stop:

        def callback(at: Progress) -> bool:
            part = f"{at.what}, " if at.what else ""
            text = f"{part}step {at.step:,}, {at.bits_per_dim:.3f} bits/dim"
            show(dataclasses.replace(at, text=text))
            if at.line and "valid_nats" in at.line and not is_silent:
                line = at.line
                train = f"train {line['train_bits_per_dim']:.4f}, " if at.step else ""
                say(
                    f"{part}step {line['step']:>7,}  {line['images']:>10,} images  bits/dim: "
                    f"{train}valid {line['valid_bits_per_dim']:.4f} "
                    f"({line['valid_nats']:.3f} nats)",
                    is_aside=is_aside,
                )
                if warning := overfitting.warning(line):
                    say(warning, is_aside=True)
            return should_stop()

        options: dict[str, Any] = {"folder": folder, "resume": resume, "cuda_graph": cuda_graph, "callback": callback}
        if config.separately and isinstance(model, MultiScaleModel):
            run = fit_scales(model, data, config, **options)
        else:
            run = fit(model, data, config, **options)
    if not run.is_finished and not is_silent:
        say(
            f"stopped and saved at step {run.step:,}; continue with: pixelrnn train --resume {folder}",
            is_aside=is_aside,
        )
    return run


def _free_folder(source: str, architecture: str) -> Path:
    path = Path(source).resolve() if Path(source).exists() else Path(source)
    name = path.name.split(".")[0] or "images"
    first = Path(RUNS) / f"{name}-{architecture}"
    return next(
        path
        for n in range(1, 10**6)
        if not (path := first if n == 1 else first.with_name(f"{first.name}-{n}")).exists()
    )


def _finish(model: "AbstractImageModel", run: "Run", data: "Data", config: TrainConfig, *, is_json: bool) -> None:
    """Say what to do with the result, then draw a grid of samples."""
    from pixelrnn import plots
    from pixelrnn.runs.card import sample_command

    folder = run.folder
    assert folder is not None  # the command line always gives one
    if not is_json:
        what = (
            "model.safetensors and the run of each scale"
            if config.separately
            else "model.safetensors, curve.png and more"
        )
        say(f"best validation: {run.best:.3f} nats per image; {what} are in {folder}")
        say("use it:")
        say(f"  pixelrnn evaluate {folder}          # test images: nats, bits/dim")
        say(f"  {sample_command(folder, model.config)}      # new images")
        say(f"  pixelrnn info {folder}              # what it is")
    if not config.samples:
        return
    with progress("drawing samples") as report:
        given = data.valid.conditions(config.samples)
        images = model.sample(**given, seed=config.seed, callback=report)
    shown = plots.grid_with_contexts(images, model.config.levels, given.get("context"))
    plots.save_image(folder / "samples.png", shown)
    say(f"{folder / 'samples.png'} shows {len(images)} new images", is_aside=True)

"""The training loop.

Every random choice is a function of the seed and of a count (step, epoch, item), so a run that was killed and resumed
makes the same steps as one that was not; and any number of processes makes the same steps as one, but for what is
dropped if dropout is wanted. It prints nothing: a callback is told every step.
"""

import contextlib
import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn import plots
from pixelrnn.config import TrainConfig
from pixelrnn.config.names import MODEL
from pixelrnn.data.images import Data, Examples
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.loading import load_model
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.files import read_tensors, write_tensors
from pixelrnn.runs.run import Run
from pixelrnn.scan.pool import Pool
from pixelrnn.train import distributed, networks
from pixelrnn.train import optimiser as rules
from pixelrnn.train.checkpoint import Counters, load_state, save_state
from pixelrnn.train.draws import draw_examples, prepare
from pixelrnn.train.evaluation import evaluate
from pixelrnn.train.folder import RunFolder, description
from pixelrnn.train.journal import Journal
from pixelrnn.train.start import check, take_weights

__all__ = ["fit"]

LINES_PER_EVALUATION = 10


def fit(
    model: AbstractImageModel,
    data: Data,
    config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    cuda_graph: bool = False,
    callback: Callback | None = None,
) -> Run:
    r"""Minimise the mean of :math:`-\ln p(x)` over the training images.

    The model ends with the average weights that were best on the validation images. With a folder, those are kept in
    `model.safetensors`, the training state in `state.safetensors`, numbers in `metrics.jsonl`, pictures in `curve.png`
    and `samples/`; a run that is killed at any moment can be loaded and resumed.

    Args:
        model: Trained in place, on its device, from the weights it has, or those of the model to `start_from`.
        data: What to learn from.
        config: Options of training.
        folder: Where to write; nothing is written if not given.
        resume: Go on from the state in the folder.
        cuda_graph: Record what the networks do in a step once, and replay it; for a model on the current CUDA device.
        callback: Callback that is told the progress after each step; the training is saved and stopped once it returns
            True.

    Raises:
        DataError: If the data does not fit the model, or has no images to train on or to validate on.
        RunError: If the loss is no longer finite (the last state with a finite loss is kept); if the folder exists and
            `resume` is not set, holds no run, is in use, or if its source has changed; if there is no model to
            `start_from`.
        ConfigError: If `resume` is set without a folder, or TensorBoard is wanted and not installed; if dropout or a
            CUDA graph is wanted where it cannot be; if the model to `start_from` is another.
    """
    config = (config or TrainConfig()).for_architecture(model.config.architecture)
    folder = Path(folder) if folder else None
    check(model, data)
    networks.check(model, config, cuda_graph=cuda_graph)
    if config.separately:
        raise ConfigError("separately is set; fit trains all scales together, fit_scales one after the other")
    if resume and folder is None:
        raise ConfigError("resume is set, but no folder is given")
    if config.start_from is not None and not resume:
        take_weights(model, load_model(config.start_from), config.start_from)
    with contextlib.ExitStack() as stack:
        if folder is not None:
            run = RunFolder(folder, model, data, config)
            distributed.on_first(lambda: stack.enter_context(run.opened(resume=resume)))
        training = _Training(model, data, config, folder, cuda_graph=cuda_graph)
        is_finished = training.run(Reporter(callback))
    at, lines = training.at, training.journal.lines
    return Run(folder, lines, at.step, is_finished, at.best, description(model, data, config))


class _Training:
    """A training under way: what `fit` keeps between steps. With a folder it starts from the state there."""

    def __init__(
        self, model: AbstractImageModel, data: Data, config: TrainConfig, folder: Path | None, *, cuda_graph: bool
    ) -> None:
        self.model, self.data, self.config, self.cuda_graph = model, data, config, cuda_graph
        model.origin = ""  # it becomes another than the one that is to be had by this name
        self.writable = folder if distributed.rank() == 0 else None
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimiser = rules.build(model, config)
        self.at = load_state(folder, model, self.average, self.optimiser) if folder else Counters()
        self.best = read_tensors(folder / MODEL)[0] if folder else copy.deepcopy(model.state_dict())
        self.valid = data.valid.spaced(config.valid_images)
        self.journal = Journal(self.writable, step=self.at.step, tensorboard=config.tensorboard)
        self.norm = torch.zeros(())  # of the gradient last computed
        self.pool = Pool()
        self.is_unsaved = False  # though it was validated
        self.begun, self.earlier, self.saved = time.perf_counter(), self.at.seconds, time.perf_counter()

    def run(self, report: Reporter) -> bool:
        """Train until the budget is used (True) or the callback stops it (False)."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.journal.close)
            stack.enter_context(networks.dropping(self.model, self.config.dropout))
            if self.cuda_graph:
                stack.enter_context(networks.recorded(self.model))
            if self.config.start_from is not None and math.isinf(self.at.best):
                self._measure_start(report)
            is_stopped = self._steps(report)
        if self.is_unsaved:  # the end, whose average was measured
            self._save()
        if is_stopped and math.isinf(self.at.best):
            # Nothing was validated yet: what was learned is better than where it began.
            self._keep(self.average)
        self.model.load_state_dict(self.best)
        return self._fraction() >= 1

    def _measure_start(self, report: Reporter) -> None:
        """Validate the weights to start from: they stay the best until others are better."""
        line = {"step": 0, "images": 0, "epoch": 0.0, "seconds": 0.0, **self._validate()}
        self._save()  # first: a run that is killed and resumed does not measure again
        self.journal.add(line)
        report.tell(0.0, bits_per_dim=line["valid_bits_per_dim"], line=line)

    def _steps(self, report: Reporter) -> bool:
        """Make steps until the budget is used (False) or the callback stops it (True)."""
        is_stopped = False
        while self._fraction() < 1:
            loss = self._gradient()
            # Saved between gradient and update: only here is a state known to have a finite loss.
            if is_stopped or self.is_unsaved or time.perf_counter() - self.saved > 60 * self.config.checkpoint_minutes:
                self._save()
            if is_stopped:
                break
            self._update(loss)
            line = self._log()
            at = {"step": self.at.step, "seconds": self.at.seconds, "bits_per_dim": loss / math.log(2), "line": line}
            is_stopped = self._any(report.tell(self._fraction(), **at))
        return is_stopped

    def _fraction(self, ahead: float = 0.0) -> float:
        """Share of the budget that is used, or will be some steps ahead if it is counted in steps."""
        return self.config.used(self.at.step + ahead, self.at.seconds, len(self.data.train))

    def _any(self, wish: bool) -> bool:
        """Whether any process has the wish: they leave the loop together, or the rest would wait for ever."""
        if distributed.world() == 1:
            return wish  # without waiting for the device
        device = self.model.device
        return distributed.sum_over_processes(torch.tensor(float(wish), device=device), device).item() > 0

    def _gradient(self) -> float:
        """Compute the gradient of the next step in place; returns its loss in nats per sub-pixel."""
        self.model.train()
        self.optimiser.zero_grad()
        loss = torch.zeros((), device=self.model.device)
        with self._seeded():
            for part in self._parts():
                with self.pool:
                    nats = self._nats(part.to(self.model.device)) / (self.config.batch * self.data.dims)
                    nats.backward()  # type: ignore[no-untyped-call]
                loss += nats.detach()
                del nats  # and with it what its gradient needed, before the next part needs as much
        for parameter in self.model.parameters():
            # A process whose share of a small batch is empty has no gradients, but the others wait for its sum.
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        self.at.seconds = self._sum(loss, time.perf_counter() - self.begun + self.earlier)
        self.norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if not math.isfinite(loss.item()) or not math.isfinite(self.norm.item()):
            raise self._divergence()
        return loss.item()

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        """Let torch draw what is dropped, anew for each step and process.

        Its generators of the CPU and of the model's CUDA device are left as they were.
        """
        if not self.config.dropout:
            yield
            return
        device = self.model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            numbers = np.random.Philox(key=self.config.seed, counter=[distributed.rank(), 4, 0, self.at.step])
            torch.manual_seed(int(numbers.random_raw()) >> 1)
            yield

    def _divergence(self) -> RunError:
        kept = f"; the last good state is kept in {self.writable}" if self.writable else ""
        advice = "try a lower `learning_rate`"
        if self.model.config.colours != "rgb":
            advice += f", and see that no image has colours that never come from {self.model.config.colours}"
        return RunError(f"the loss is no longer finite after step {self.at.step}{kept}; {advice}")

    def _update(self, loss: float) -> None:
        """Make the step whose gradient was computed."""
        for group in self.optimiser.param_groups:
            group["lr"] = rules.learning_rate(self.config, self._fraction(ahead=0.5))
        if self.config.clip:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.config.clip, self.norm)
        self.optimiser.step()
        rules.average_into(self.average, self.model, self.config.ema, self.at.step)
        self.at.step += 1
        self.at.loss += loss
        self.at.losses += 1

    def _sum(self, loss: Tensor, seconds: float) -> float:
        """Sum gradients and loss over the processes, in place, in one message; returns the mean of their clocks."""
        if distributed.world() == 1:
            return seconds
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat(
            [*(gradient.flatten() for gradient in gradients), torch.stack([loss, loss.new_tensor(seconds)])]
        )
        flat = distributed.sum_over_processes(flat, self.model.device)
        for gradient, part in zip(gradients, torch.split(flat[:-2], [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        loss.copy_(flat[-2])
        return flat[-1].item() / distributed.world()

    def _parts(self) -> Iterator[Examples]:
        """The examples of this step that are this process's to compute, in as many parts as are accumulated."""
        batch = self.config.batch
        numbers = range(self.at.step * batch, (self.at.step + 1) * batch)[distributed.rank() :: distributed.world()]
        size = -(-len(numbers) // self.config.accumulate)
        for start in range(0, len(numbers), size or 1):
            yield draw_examples(self.model.config, self.config, self.data, numbers[start : start + size])

    def _nats(self, examples: Examples) -> Tensor:
        """Negative log-likelihood summed over a batch; the networks in reduced precision if wanted."""
        is_mixed = self.config.precision == "bfloat16"
        # A recording cannot keep the weights that autocast keeps in reduced precision.
        keeps = not self.cuda_graph
        nats = torch.zeros((), device=self.model.device)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=is_mixed, cache_enabled=keeps):
            for x, given in prepare(self.model, examples):
                nats = nats - self.model.map_as_read(x, given).sum()
        return nats

    def _log(self) -> dict[str, Any] | None:
        """Write a journal line if one is due, with a validation if that is due as well."""
        fraction, config = self._fraction(), self.config
        lines, evaluations = (
            int(fraction * config.evaluations * LINES_PER_EVALUATION),
            int(fraction * config.evaluations),
        )
        if lines == self.at.logged:
            return None
        images = self.at.step * config.batch
        line: dict[str, Any] = {
            "step": self.at.step,
            "images": images,
            "epoch": round(images / len(self.data.train), 4),
            "seconds": round(self.at.seconds, 2),
            "learning_rate": rules.learning_rate(config, fraction),
            "train_bits_per_dim": self.at.loss / self.at.losses / math.log(2),
        }
        if evaluations > self.at.evaluated:
            line |= self._validate()
        self.at.logged, self.at.evaluated, self.at.loss, self.at.losses = lines, evaluations, 0.0, 0
        self.journal.add(line)
        if "valid_nats" in line:
            self.journal.draw(self._title())
            self.is_unsaved = True
        return line

    def _validate(self) -> dict[str, float]:
        """Measure the average weights, keep them if they are the best so far, and draw samples."""
        result = evaluate(self.average, self.valid, batch=max(64, self.config.batch))
        if not math.isfinite(result.nats):
            raise self._divergence()
        if result.nats < self.at.best:
            self.at.best, self.at.best_step = result.nats, self.at.step
            self._keep(self.average)
        self._draw_samples()
        return {
            "valid_nats": result.nats,
            "valid_standard_error": result.standard_error,
            "valid_bits_per_dim": result.bits_per_dim,
        }

    def _draw_samples(self) -> None:
        """Draw a grid with the average weights."""
        if self.writable is None or not self.config.samples:
            return
        given = self.valid.conditions(self.config.samples)
        images = self.average.sample(**given, seed=self.config.seed)
        shown = plots.grid_with_contexts(images, self.data.levels, given.get("context"))
        plots.save_image(self.writable / "samples" / f"{self.at.step:08d}.png", shown)

    def _title(self) -> str:
        config = self.model.config
        return (
            f"{config.architecture}, {config.layers} layers, h={config.hidden}, {'x'.join(map(str, self.data.shape))}"
        )

    def _keep(self, model: AbstractImageModel) -> None:
        """Make the weights of a model those that the run is for."""
        self.best = copy.deepcopy(model.state_dict())
        if self.writable:
            write_tensors(self.writable / MODEL, self.best)

    def _save(self) -> None:
        self.saved, self.is_unsaved = time.perf_counter(), False
        if self.writable:
            save_state(self.writable, self.at, self.model, self.average, self.optimiser)

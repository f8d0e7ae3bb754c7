"""Training the scales of a Multi-Scale model one after the other, each in a run folder of its own."""

import contextlib
import dataclasses
import math
from pathlib import Path

from pixelrnn.config import TrainConfig
from pixelrnn.config.names import MODEL
from pixelrnn.config.train import DEFAULT_MINUTES
from pixelrnn.data.images import Data
from pixelrnn.errors import ConfigError
from pixelrnn.model.loading import load_model
from pixelrnn.model.multiscale import MultiScaleModel
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.files import read_tensors, write_tensors
from pixelrnn.runs.run import Run
from pixelrnn.train import distributed, networks
from pixelrnn.train.folder import RunFolder, description
from pixelrnn.train.journal import Journal
from pixelrnn.train.loop import fit
from pixelrnn.train.start import check, take_weights

__all__ = ["fit_scales"]


def fit_scales(
    model: MultiScaleModel,
    data: Data,
    config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    cuda_graph: bool = False,
    callback: Callback | None = None,
) -> Run:
    """Train each scale alone, the smallest first; `fit` trains them together.

    A budget in minutes is shared out in proportion to the pixels that a scale adds; one in steps or epochs holds for
    each scale. With a folder, scale HxW has its own run in `scale-HxW`, which can be evaluated, sampled and resumed
    alone, and the model of all of them is in the folder itself.

    Args:
        model: Trained in place, from the weights it has, or those of the model to `start_from`.
        data: What to learn from, at full size.
        config: Options of training each scale.
        folder: Where to write; nothing is written if not given.
        resume: Go on in the folder: finished scales stay as they are, unless the budget has grown.
        cuda_graph: CUDA graph, as for `fit`.
        callback: Callback, as for `fit`; the fractions are those of the whole.

    Returns:
        The run: metrics are those of the last scale trained, the best validation loss is the sum over the scales.

    Raises:
        DataError, RunError, ConfigError: As `fit`.
    """
    if not isinstance(model, MultiScaleModel):
        raise ConfigError("fit_scales trains a Multi-Scale model; use fit")
    config = (config or TrainConfig()).for_architecture(model.config.architecture)
    folder = Path(folder) if folder else None
    check(model, data)
    networks.check(model, config, cuda_graph=cuda_graph)
    model.require_size((data.shape[1], data.shape[2]))
    if config.start_from is not None and not resume:
        take_weights(model, load_model(config.start_from), config.start_from)
    model.origin, runs, report = "", list[Run](), Reporter(callback)
    with contextlib.ExitStack() as stack:
        if folder is not None:
            whole = RunFolder(folder, model, data, config, has_state=False)
            distributed.on_first(lambda: stack.enter_context(whole.opened(resume=resume)))
            model.load_state_dict(read_tensors(folder / MODEL)[0])  # also what scales that have no run yet begin with
        done = 0.0
        for scale, step, share in zip(model.models, model.steps, model.shares, strict=True):
            part = data.at_scale(step, has_context=bool(runs))
            of_scale = folder / f"scale-{part.shape[1]}x{part.shape[2]}" if folder else None
            run = fit(
                scale,
                part,
                _share(config, share),
                folder=of_scale,
                resume=of_scale is not None and of_scale.exists(),
                cuda_graph=cuda_graph,
                callback=report.part(done, done + share, f"scale {part.shape[1]}x{part.shape[2]}").forward,
            )
            runs.append(run)
            done += share
            if folder is not None and distributed.rank() == 0:
                write_tensors(folder / MODEL, model.state_dict())
            if not run.is_finished:
                break
        is_finished = all(run.is_finished for run in runs)
        best = sum(run.best for run in runs)
        if is_finished:
            journal = Journal(folder if distributed.rank() == 0 else None, step=-1, tensorboard=False)
            reached = {name: runs[-1].metrics[-1][name] for name in ("step", "images", "seconds")}
            journal.add({**reached, "valid_nats": best, "valid_bits_per_dim": best / data.dims / math.log(2)})
    return Run(folder, runs[-1].metrics, runs[-1].step, is_finished, best, description(model, data, config))


def _share(config: TrainConfig, share: float) -> TrainConfig:
    """What is left for one scale: its share of the budget, and the weights that it has by now."""
    config = dataclasses.replace(config, separately=False, start_from=None)
    if config.steps is not None or config.epochs is not None:
        return config
    return config.with_budget(minutes=(config.minutes or DEFAULT_MINUTES) * share)

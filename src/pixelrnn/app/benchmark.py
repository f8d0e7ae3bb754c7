"""How fast a model is here, as ratios within one run: against plain torch, reruns of the network, a matrix product.

Times are medians of repeated runs. A ratio is of two times from the same process, so that it tells about the code and
less about the machine. It knows models and scans; it neither prints nor plots.
"""

import contextlib
import dataclasses
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from pixelrnn.codec import Codec
from pixelrnn.config import ModelConfig
from pixelrnn.model.image import ImageModel
from pixelrnn.scan.pool import Pool

__all__ = ["Speed", "machine", "matrix_product_rate", "measure", "operations", "peak_memory"]

RERUNS = 8  # network passes from which the cost of rerunning it for every sub-pixel is extrapolated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds for one batch, median of the runs.

    Attributes:
        model: What was measured.
        batch: Images at once.
        train: Gradient and optimiser step.
        likelihood: Log probability, without gradients.
        sample: Sampling.
        conditioned_sample: Sampling with a label and a context image of the same size for each image, as far as the
            model takes them.
        encode: Compressing the batch, without decoding it again; None for continuous data.
        decode: Restoring it.
        reference_train: Rate like `train`, in plain torch; None if the architecture has no recurrence.
        reference_likelihood: Rate like `likelihood`, in plain torch.
        rerun_sample: Sampling by rerunning the network for every sub-pixel, extrapolated from a few of its passes.
        operations: Multiplications and additions of a training step by unmasked weights.
    """

    model: ModelConfig
    batch: int
    train: float
    likelihood: float
    sample: float
    conditioned_sample: float
    encode: float | None
    decode: float | None
    reference_train: float | None
    reference_likelihood: float | None
    rerun_sample: float
    operations: int


def machine() -> dict[str, Any]:
    """The machine and the versions that a measurement is of."""
    import numba
    import numpy

    from pixelrnn.kernels.vectors import LANES

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "lanes": LANES,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": numpy.__version__,
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _median(work: Callable[[], Any], runs: int) -> float:
    """Median seconds of some runs after one to warm up."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


@contextlib.contextmanager
def _scan(choice: str) -> Iterator[None]:
    before = os.environ.get("PIXELRNN_SCAN")
    os.environ["PIXELRNN_SCAN"] = choice
    try:
        yield
    finally:
        if before is None:
            del os.environ["PIXELRNN_SCAN"]
        else:
            os.environ["PIXELRNN_SCAN"] = before


def matrix_product_rate(runs: int = 5, side: int = 2048) -> float:
    """Operations a second of one large float32 matrix product: what this machine can do at best."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2 * side**3 / _median(lambda: a @ b, runs)


def operations(model: ImageModel) -> int:
    """Multiplications and additions by weights for one image of the training size, as its network declares them."""
    if hasattr(model.network, "multiplications"):
        weights = int(model.network.multiplications())  # type: ignore[operator]
    else:
        weights = sum(parameter.numel() for parameter in model.network.parameters() if parameter.ndim > 1)
    return 2 * weights * math.prod(model.config.shape[1:])


def measure(config: ModelConfig, batch: int, *, runs: int = 5) -> Speed:
    """Time training step, likelihood, sampling and coding with a new model on the CPU, and what they compare with."""
    model = ImageModel(config, seed=0)
    x = _images(config, batch)
    train, likelihood = _training_step(model, x), _likelihood(model, x)
    with _scan("auto"):
        times = {"train": _median(train, runs), "likelihood": _median(likelihood, runs)}
        times["sample"] = _median(lambda: model.sample(batch, seed=0), runs)
        times["conditioned_sample"] = _median(_conditioned_sample(config, batch), runs)
        rerun = _rerun(model, x)
        encode, decode = _coding(model, x, runs)
    reference_train = reference_likelihood = None
    if config.traits.has_recurrence:
        with _scan("reference"):
            reference_train, reference_likelihood = _median(train, runs), _median(likelihood, runs)
    return Speed(
        model=config,
        batch=batch,
        **times,
        encode=encode,
        decode=decode,
        reference_train=reference_train,
        reference_likelihood=reference_likelihood,
        rerun_sample=rerun,
        operations=3 * batch * operations(model),
    )


def _images(config: ModelConfig, batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if config.levels == 0:
        return torch.randn((batch, *config.shape), generator=generator)
    return torch.randint(0, config.levels, (batch, *config.shape), generator=generator)


def _training_step(model: ImageModel, x: torch.Tensor) -> Callable[[], None]:
    optimiser, pool = torch.optim.AdamW(model.parameters(), 1e-3), Pool()

    def step() -> None:
        optimiser.zero_grad()
        with pool:
            loss = -model.output.log_prob(model(x), x).mean()
            loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _conditioned_sample(config: ModelConfig, batch: int) -> Callable[[], torch.Tensor]:
    shape = (1, *config.shape[1:]) if config.traits.takes_context else None
    model = ImageModel(dataclasses.replace(config, classes=10, context=shape), seed=0)
    generator = torch.Generator().manual_seed(0)
    context = None if shape is None else torch.randn(batch, *shape, generator=generator)
    return lambda: model.sample(batch, label=torch.arange(batch) % 10, context=context, seed=0)


def _likelihood(model: ImageModel, x: torch.Tensor) -> Callable[[], torch.Tensor]:
    return torch.no_grad()(lambda: model.log_prob(x))


def _coding(model: ImageModel, x: torch.Tensor, runs: int) -> tuple[float | None, float | None]:
    """Seconds to compress images, and to restore them; None where archives cannot be."""
    if not model.config.levels or not model.has_walk:
        return None, None
    codec = Codec(model)
    content = codec.encode(x, verify=False)
    return _median(lambda: codec.encode(x, verify=False), runs), _median(lambda: codec.decode(content), runs)


@torch.no_grad()
def _rerun(model: ImageModel, x: torch.Tensor) -> float:
    """Seconds to run the network once for each sub-pixel, on the rows that it needs."""
    channels, height, width = model.config.shape
    rows = torch.linspace(1, height, min(RERUNS, height)).round().int().tolist()
    seconds = [_median(lambda rows=row: model(x[:, :, :rows]), 1) for row in rows]  # type: ignore[misc]
    return statistics.mean(seconds) * channels * height * width


def peak_memory(config: ModelConfig, batch: int, scan: str) -> int:
    """Bytes that three training steps take at their peak beyond the model and its images, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_memory, config, batch, scan, torch.get_num_threads()).result()


def _peak_memory(config: ModelConfig, batch: int, scan: str, threads: int) -> int:
    torch.set_num_threads(threads)
    model = ImageModel(config, seed=0)
    x = _images(config, batch)
    step, warm = _training_step(model, x), _training_step(model, x[:1, :, :2, :2])
    with _scan(scan):
        warm()
        before = _peak()
        for _ in range(3):
            step()
    return _peak() - before


def _peak() -> int:
    """Largest memory that this process has had, in bytes."""
    with contextlib.suppress(OSError):
        with Path("/proc/self/status").open(encoding="utf-8") as lines:
            # Unlike ru_maxrss it begins anew in a new program.
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Shared by all tests: what models are tried, in float64 so that tolerances mean something."""

import itertools
import os
import runpy
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from pixelrnn import AbstractImageModel, ConfigError, ModelConfig, build_model
from pixelrnn.config.architectures import ARCHITECTURES as KNOWN

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and with them all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The models here are tiny: a second thread costs more than it brings.
torch.set_num_threads(1)

OWN = "gated-conv"  # of examples/own_architecture.py
DATA = Path(os.environ.get("PIXELRNN_DATA", "data"))  # the data of docs/results.md, where they are

if OWN not in KNOWN:  # as in a script of somebody else's: a network without a compiled walk
    runpy.run_path(str(Path(__file__).parent.parent / "examples" / "own_architecture.py"))

ARCHITECTURES = [*KNOWN]
WITH_WALK = [name for name in KNOWN if name != OWN]
WITH_CONTEXT = [name for name, traits in KNOWN.items() if traits.takes_context]  # they can have several scales too


def architectures_with(**fields: object) -> list[str]:
    """The architectures that a model with some fields can have."""

    def can_have(name: str) -> bool:
        try:
            ModelConfig(architecture=name, **fields)
        except ConfigError:
            return False
        return True

    return [name for name in ARCHITECTURES if can_have(name)]


LONGEST = [
    "test_portability.py",
    "test_distributed.py",
    "test_complete.py",
    "test_cli.py",
    "test_zoo.py",
    "test_scan.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one of them in the end."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """No test depends on which others ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELRNN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def build(seed: int = 0, *, scale: float = 2.0, **fields) -> AbstractImageModel:
    """A small model in float64 whose weights are larger than at the start, so that every dependence shows."""
    config = ModelConfig(**{"layers": 2, "hidden": 6, "mixtures": 3, **fields})
    model = build_model(config, seed=seed).double().eval()
    enlarge(model, scale, seed)
    return model


@torch.no_grad()
def enlarge(model: torch.nn.Module, scale: float, seed: int) -> None:
    """Scale all weights; those that start from zero, the biases of labels, become random."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.any():
            parameter.mul_(scale)
        else:
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def all_images(shape: tuple[int, int, int], levels: int) -> torch.Tensor:
    """Every image of a tiny shape, `(levels ** dims, C, H, W)`."""
    channels, height, width = shape
    values = itertools.product(range(levels), repeat=channels * height * width)
    return torch.tensor(list(values), dtype=torch.uint8 if levels <= 256 else torch.int64).view(-1, *shape)

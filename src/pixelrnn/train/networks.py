"""How the networks of a model run while it is trained: with dropout, and as CUDA graphs."""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import set_warn_on_accumulate_grad_stream_mismatch

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, TrainConfig
from pixelrnn.errors import ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.nn.network import Network

__all__ = ["check", "dropping", "recorded"]

GIVEN = ("label", "context", "augmentation")  # of a condition, inside of a network


def check(model: AbstractImageModel, config: TrainConfig, *, cuda_graph: bool) -> None:
    """Refuse dropout and CUDA graphs where they cannot be: `ConfigError`."""
    architecture, device = model.config.architecture, model.device
    if config.dropout and not _dropouts(model):
        raise ConfigError(f"dropout is {config.dropout}, which architecture {architecture!r} does not take")
    _check_draws(model.config, config)
    if not cuda_graph:
        return
    if not _networks(model):
        raise ConfigError(f"cuda_graph is set, which architecture {architecture!r} does not take")
    if model.config.orders > 4 and model.config.shape[1] != model.config.shape[2]:
        raise ConfigError(
            "cuda_graph is set, and images that are not square are transposed; each number of them is new"
        )
    if device.type != "cuda" or device.index != torch.cuda.current_device():
        raise ConfigError(f"cuda_graph is set, for a model on the current CUDA device; this one is on {device}")
    if config.accumulate > 1:
        raise ConfigError(f"cuda_graph is set, which takes a batch in one part; accumulate is {config.accumulate}")


def _check_draws(model: ModelConfig, config: TrainConfig) -> None:
    """Refuse orders and augmentations where they cannot be: `ConfigError`."""
    if config.augment:
        reasons = {
            "whose config is not `augmented`": not model.augmented,
            "which has a context": model.context is not None,
            "whose places in a grid tell": model.grid > 1,
        }
        if found := [what for what, is_so in reasons.items() if is_so]:
            raise ConfigError(f"augment is {config.augment}, for a model {found[0]}")
    if config.separately and (model.orders > 1 or config.augment):
        what = f"orders is {model.orders}" if model.orders > 1 else f"augment is {config.augment}"
        raise ConfigError(f"separately is set, and {what}: that is one of all scales")


@contextmanager
def dropping(model: AbstractImageModel, share: float) -> Iterator[None]:
    """Set the share of features that the networks of a model drop while in training mode."""
    layers = _dropouts(model)
    for layer in layers:
        layer.p = share
    try:
        yield
    finally:
        for layer in layers:
            layer.p = 0.0


@contextmanager
def recorded(model: AbstractImageModel) -> Iterator[None]:
    """Record what the networks of a model do in training mode, forward and backward, and replay it from then on.

    What the CPU has to do for them is then a few calls instead of thousands. What a replay gives lies in the memory of
    the recording until the next one: each pass forward needs its pass backward before there is another, and gradients
    must be taken away before the next ones are computed.
    """
    networks = _networks(model)
    for network in networks:
        network.forward = _Recording(network)  # type: ignore[method-assign, assignment]
    # A recording is made on a stream of its own; torch waits for it where it has to, and would say so.
    set_warn_on_accumulate_grad_stream_mismatch(False)
    try:
        yield
    finally:
        set_warn_on_accumulate_grad_stream_mismatch(True)
        for network in networks:
            del network.forward


def _dropouts(model: AbstractImageModel) -> list[nn.Dropout]:
    return [module for module in model.modules() if isinstance(module, nn.Dropout)]


def _networks(model: AbstractImageModel) -> list[Network]:
    return [module for module in model.modules() if isinstance(module, Network)]


class _Recording:
    """Stands for the `forward` of a network; each shape of what it is given has a recording of its own."""

    def __init__(self, network: Network) -> None:
        self.network, self.plain = network, network.forward
        self.replays: dict[Any, Callable[..., Any]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., Tensor]:
        """What a copy of the network has in its place: a recording is of the original's own weights."""
        return types.MethodType(type(self.network).forward, memo[id(self.network)])

    def __call__(self, x: Tensor, condition: Condition) -> Tensor:
        if not (self.network.training and torch.is_grad_enabled()):
            return self.plain(x, condition)
        parts = {name: getattr(condition, name) for name in GIVEN}
        every = (x, *parts.values())
        kinds = tuple(None if tensor is None else (tensor.shape, tensor.dtype) for tensor in every)
        key = (kinds, torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda"))
        given = [tensor for tensor in every if tensor is not None]
        if key not in self.replays:
            plain = _Plain(self.network, self.plain, [name for name in GIVEN if parts[name] is not None])
            samples = tuple(tensor.clone() for tensor in given)
            with torch.random.fork_rng([x.device]):  # so that the first pass draws what it would without
                self.replays[key] = torch.cuda.make_graphed_callables(plain, samples, allow_unused_input=True)
        parameters: Tensor = self.replays[key](*given)
        return parameters


class _Plain(nn.Module):
    """A network of as many arguments as are given: a recording takes no None."""

    def __init__(self, network: Network, plain: Callable[..., Tensor], names: list[str]) -> None:
        super().__init__()
        self.network, self.plain, self.names = network, plain, names

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        return self.plain(x, Condition(**dict(zip(self.names, given, strict=True))))

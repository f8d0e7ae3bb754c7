"""How the networks of a model run while it is trained: with dropout, and as CUDA graphs."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pixelrnn.abstract import AbstractImageModel
from pixelrnn.errors import ConfigError
from pixelrnn.nn.network import Network

__all__ = ["dropping", "recorded"]


@contextmanager
def dropping(model: AbstractImageModel, share: float) -> Iterator[None]:
    """Set the share of features that the networks of a model drop while in training mode.

    Raises:
        ConfigError: If it is above 0 and the networks have none to drop.
    """
    layers = [module for network in _networks(model) for module in network.modules() if isinstance(module, nn.Dropout)]
    if share and not layers:
        raise ConfigError(f"dropout is {share}, which architecture {model.config.architecture!r} does not take")
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

    What the CPU has to do for a step is then a few calls instead of thousands. A gradient lies in the memory of the
    recording: it must be taken away before the next one is computed.

    Raises:
        ConfigError: If the model is not on CUDA, or its networks cannot be recorded.
    """
    networks = _networks(model)
    if model.device.type != "cuda" or not networks:
        what = f"architecture {model.config.architecture!r} on {model.device}"
        raise ConfigError(f"cuda_graph is set, for all but 'local' on CUDA; this is {what}")
    for network in networks:
        network.forward = _Recording(network)  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            # A recording is made on a stream of its own: torch waits for it where it has to, and says so.
            warnings.filterwarnings("ignore", "The AccumulateGrad node's stream does not match")
            yield
    finally:
        for network in networks:
            del network.forward


def _networks(model: AbstractImageModel) -> list[Network]:
    return [module for module in model.modules() if isinstance(module, Network)]


class _Recording:
    """Stands for the `forward` of a network; each shape of what it is given has a recording of its own."""

    def __init__(self, network: Network) -> None:
        self.network, self.plain = network, network.forward
        self.replays: dict[Any, Callable[..., Any]] = {}

    def __call__(self, x: Tensor, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        if not (self.network.training and torch.is_grad_enabled()):
            return self.plain(x, label, context)
        given = [tensor for tensor in (x, label, context) if tensor is not None]
        key = tuple(None if tensor is None else (tensor.shape, tensor.dtype) for tensor in (x, label, context))
        if key not in self.replays:
            plain = _Plain(self.network, self.plain, has_label=label is not None)
            samples = tuple(tensor.clone() for tensor in given)
            with torch.random.fork_rng([x.device]):  # so that the first pass draws what it would without
                self.replays[key] = torch.cuda.make_graphed_callables(plain, samples, allow_unused_input=True)
        parameters: Tensor = self.replays[key](*given)
        return parameters


class _Plain(nn.Module):
    """A network of as many arguments as are given: a recording takes no None."""

    def __init__(self, network: Network, plain: Callable[..., Tensor], *, has_label: bool) -> None:
        super().__init__()
        self.network, self.plain, self.has_label = network, plain, has_label

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        label = conditions[0] if self.has_label else None
        context = conditions[-1] if len(conditions) > self.has_label else None
        return self.plain(x, label, context)

r"""The model: an image's exact probability, and images from it.

.. math:: p(x) = \prod_i p(x_i \mid x_{<i})

over the sub-pixels in raster order, colour by colour within a pixel. It knows networks and outputs, but no files but
its own, no training and no command line.

Shapes: N images, C channels, H rows, W columns, P parameters of a sub-pixel. Logarithms are natural (nats).
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from pixelrnn import outputs, storage
from pixelrnn.announce import compiled_module
from pixelrnn.config import ModelConfig, require_seed
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.nn.network import Network

__all__ = ["MODEL", "ImageModel"]

MODEL = "model.safetensors"


class ImageModel(nn.Module):
    """An autoregressive model of images with exact probability.

    Any height and width can be evaluated and sampled, not only those of `config.shape`: the networks are
    translation-invariant.

    Args:
        config: Architecture, sizes and output.
        seed: Seed of the initial weights; torch's global generator is used if not given, and left alone otherwise.

    Example:
        >>> config = ModelConfig(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=1, hidden=4)
        >>> model = ImageModel(config, seed=0)
        >>> images = torch.randint(0, 2, (3, 1, 4, 4), dtype=torch.uint8)
        >>> model.log_prob(images).shape
        torch.Size([3])
        >>> model.sample(2, seed=0).shape
        torch.Size([2, 1, 4, 4])
    """

    def __init__(self, config: ModelConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.output = outputs.build(config)
        if seed is not None:
            require_seed("seed", seed)
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.default_generator.manual_seed(seed)
            self.network = Network(config, self.output.start())

    def forward(self, x: Tensor) -> Tensor:
        """Parameters of the distribution of every sub-pixel given the earlier ones.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1, or floats for a continuous model.

        Returns:
            `(N, C, P, H, W)` floats; `model.output` says what they mean.
        """
        parameters: Tensor = self.network(self._scaled(x))
        return parameters

    def log_prob_map(self, x: Tensor) -> Tensor:
        """Log probability of each sub-pixel given the earlier ones.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1 (checked), or finite floats for a continuous model.

        Returns:
            `(N, C, H, W)` nats; a log density for a continuous model.

        Raises:
            DataError: If the shape, the type or a value of `x` does not fit the model.
        """
        self._check(x)
        x = x.to(self.device)
        return self.output.log_prob(self(x), x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability of each image in nats, `(N,)`: the sum of `log_prob_map` over the sub-pixels."""
        return self.log_prob_map(x).sum((1, 2, 3))

    def bits_per_dim(self, x: Tensor) -> Tensor:
        """Code length of each image in bits per sub-pixel, `(N,)`: -log2 p(x) / (C H W)."""
        return -self.log_prob(x) / (math.log(2) * math.prod(x.shape[1:]))

    def sample(
        self,
        n: int,
        *,
        size: tuple[int, int] | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        batch: int = 256,
        callback: Callable[[float], None] | None = None,
    ) -> Tensor:
        r"""Draw images, sub-pixel by sub-pixel, by the compiled walk on the CPU.

        Image i is a function of (seed, i): sub-pixel j of it is decided by the j-th number of a random stream of its
        own. The same weights give the same images whatever the batch, the threads and the processor.

        Args:
            n: Number of images.
            size: Height and width; those of the training images if not given.
            temperature: T > 0: every conditional is raised to the power 1/T and normalised (for a continuous mixture
                its weights and each of its components are); below 1 gives likelier values.
            top_k: Draw from the k likeliest values of each conditional only.
            top_p: Draw from the likeliest values that together have this probability only, 0 < p <= 1.
            seed: Non-negative; if not given, one is drawn.
            batch: Images walked at once.
            callback: Called with the finished share, 0 .. 1, after every row; an exception from it ends the walk.

        Returns:
            `(n, C, H, W)` uint8 (int64 above 256 levels, floats for a continuous model).

        Raises:
            ConfigError: If `n`, `size`, `temperature`, `top_k`, `top_p` or `seed` is out of range.
        """
        height, width = size or self.config.shape[1:]
        for name, value in (("n", n), ("height", height), ("width", width), ("batch", batch)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")
        if seed is not None:
            require_seed("seed", seed)
        seed = int(np.random.SeedSequence().entropy) % 2**63 if seed is None else seed  # type: ignore[arg-type]
        shape = (self.config.shape[0], height, width)
        values = np.zeros((n, *shape), np.float32)
        self._walk(values, lambda images: _uniform(seed, images, shape), temperature, top_k, top_p, batch, callback)
        levels = self.config.levels
        dtype = torch.float32 if levels == 0 else torch.uint8 if levels <= 256 else torch.int64
        return torch.from_numpy(values).to(self.device, dtype)

    def _walk(
        self,
        values: "np.ndarray[Any, np.dtype[np.float32]]",
        uniform: "Callable[[range], np.ndarray[Any, np.dtype[np.float64]]]",
        temperature: float,
        top_k: int | None,
        top_p: float,
        batch: int,
        callback: Callable[[float], None] | None,
    ) -> None:
        """Fill in values by the raster face; see `pixelrnn.walk.walk`."""
        if not 0 < temperature < math.inf:
            raise ConfigError(f"temperature is {temperature}; it must be above 0 and finite")
        if not 0 < top_p <= 1:
            raise ConfigError(f"top_p is {top_p}; it lies above 0 and up to 1")
        if top_k is not None and top_k < 1:
            raise ConfigError(f"top_k is {top_k}; at least 1 is needed")
        if self.config.levels == 0 and (top_k is not None or top_p < 1):
            raise ConfigError("top_k and top_p choose among levels; a continuous model has none")
        walk = compiled_module("pixelrnn.walk", "the walk")
        distribution = walk.Distribution(
            output=self.config.resolved_output,
            parameters=self.output.parameters,
            levels=self.config.levels,
            mixtures=self.config.mixtures,
            temperature=temperature,
            top_k=top_k or 0,
            top_p=top_p,
        )
        program = walk.compile_network(self.network, *values.shape[2:])
        walk.walk(program, distribution, values, uniform=uniform, batch=batch, callback=callback)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` into a folder, made if needed."""
        storage.write_json(Path(folder) / "config.json", storage.describe(None, model=self.config))
        storage.write_tensors(Path(folder) / MODEL, self.state_dict())

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a model that `save_pretrained` or a training run wrote.

        Raises:
            RunError: If the folder holds no model, or one that is damaged or does not fit its configuration.
        """
        folder = Path(folder)
        model = cls(storage.read_config(folder, ModelConfig), seed=0)
        storage.load_tensors(folder / MODEL, model)
        return model.eval()

    def extra_repr(self) -> str:
        """What is modelled, and with how many weights."""
        config = self.config
        layers = f"{config.layers} {'layer' if config.layers == 1 else 'layers'}, h={config.hidden}"
        weights = sum(parameter.numel() for parameter in self.parameters())
        return (
            f"{config.architecture}, {layers}, {'x'.join(map(str, config.shape))}, {weights:,} weights, {self.output}"
        )

    def _scaled(self, x: Tensor) -> Tensor:
        """Values as the network reads them: levels spread over [-1, 1], floats as they are."""
        x = x.to(device=self.device, dtype=self.network.last.weight.dtype)
        return x if self.config.levels == 0 else 2 * x / (self.config.levels - 1) - 1

    def _check(self, x: Tensor) -> None:
        channels, levels = self.config.shape[0], self.config.levels
        if x.dim() != 4 or x.shape[1] != channels or 0 in x.shape:
            raise DataError(f"images have shape {tuple(x.shape)}; (N, {channels}, H, W) is needed, nothing empty")
        if levels == 0:
            if not x.is_floating_point() or not bool(x.isfinite().all()):
                raise DataError(f"a continuous model takes finite floats; these are {x.dtype}, or not finite")
            return
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise DataError(f"images are {x.dtype}; integers 0 .. {levels - 1} are needed")
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= levels:
            raise DataError(f"images hold values {low} .. {high}; this model has {levels} levels, 0 .. {levels - 1}")


def _uniform(seed: int, images: range, shape: tuple[int, int, int]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The numbers `(n, H, W, C)` that draw the sub-pixels of some images: each image has a stream of its own."""
    channels, height, width = shape
    # The upper 53 bits of each word, spelt out: NumPy keeps its bit streams for ever, but not its distributions.
    words = [np.random.Philox(key=[seed, image]).random_raw(height * width * channels) for image in images]
    numbers: np.ndarray[Any, np.dtype[np.float64]] = (np.stack(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers.reshape(-1, height, width, channels)

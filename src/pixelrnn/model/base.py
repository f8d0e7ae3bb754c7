r"""What every model can do, whatever it is made of: the vocabulary of the package.

A model gives images an exact probability :math:`p(x \mid label, context)` and fills in what is not known of an image.
It knows no files but its own, no training and no command line.

Shapes: N images, C channels, H rows, W columns. Logarithms are natural (nats).
"""

import abc
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from torch import Tensor, nn

from pixelrnn import zoo
from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, Sampling
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.completion import Completion, Effort, Order, PartlyKnown, complete_in_orders, fill, fill_in_orders
from pixelrnn.model.condition import (
    Supports,
    as_images,
    as_partly_known,
    check_condition,
    planes_of_known,
    require_inside,
)
from pixelrnn.model.orders import join_parts, list_orders, mix_maps, read_in_orders, restore_each
from pixelrnn.model.pictures import Pictures, as_tensor
from pixelrnn.model.sampling import AbstractWalker, uniform_numbers
from pixelrnn.outputs.moments import SurpriseMap
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs import files
from pixelrnn.runs.card import push_to_hub
from pixelrnn.runs.run import Run, describe

__all__ = ["AbstractImageModel"]

if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads, and would wait for them for ever: it has to do with one.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class AbstractImageModel(nn.Module, abc.ABC):
    """A model of images with exact probability."""

    config: ModelConfig
    origin: str = ""  # name by which others can have it as it is: see `pixelrnn.zoo.origin`

    @abc.abstractmethod
    def __init__(self, config: ModelConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config

    @property
    def description(self) -> dict[str, Any]:
        """What it is beside its configuration; nothing but of a mean of models."""
        return {}

    @abc.abstractmethod
    def map_as_read(self, x: Tensor, given: Condition, *, moments: bool = False) -> Tensor:
        """Log probability of each sub-pixel of checked images, read in raster order: `log_prob_map` without its checks.

        Args:
            x: `(N, C, H, W)` as the networks read them: turned, if the model has several orders.
            given: What they are given, checked; rows of biases for labels, see `ModelConfig.label_rows`.
            moments: Give all that is in a `SurpriseMap`, one after the other: `(N, 5 C, H, W)`.
        """

    @overload
    def log_prob_map(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
        order: int | Tensor | None = None,
        moments: Literal[False] = False,
    ) -> Tensor: ...

    @overload
    def log_prob_map(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        order: int | Tensor | None = None,
        moments: Literal[True],
    ) -> SurpriseMap: ...

    def log_prob_map(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
        order: int | Tensor | None = None,
        moments: bool = False,
    ) -> Tensor | SurpriseMap:
        r"""Log probability of each sub-pixel given the earlier ones and the condition.

        Of a model of several orders (`pixelrnn.model.orders`) the maps of all are summed, each weighted by the
        posterior :math:`w_k = p_k(x) / \sum_j p_j(x)` of its order, and what is left of the logarithm of the mean,
        :math:`-\sum_k w_k \ln w_k - \ln K`, is the same everywhere: so the sum of a map is `log_prob`.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1 (checked), or finite floats for a continuous model; or images as
                `pixelrnn.model.pictures.as_tensor` takes them: NumPy arrays of levels, PIL images.
            label: One of 0 .. classes-1 for all images, or `(N,)` of them; -1 or None for no label, if the model was
                trained with `label_dropout`.
            context: `(N, Cc, Hc, Wc)` or one for all, `(Cc, Hc, Wc)`: integers 0 .. levels-1, or floats as the network
                reads them (about -1 .. 1).
            support: The colours that can occur, in all images or in each; all if not given. For local models.
            order: Number of the order in which all images are read, or `(N,)` of them, 0 .. orders-1; the mean over
                all if not given.
            moments: Compute what each distribution expects of its surprise as well: see `SurpriseMap`. Of a model of
                several orders, without `order`, the mean of each over the orders.

        Returns:
            `(N, C, H, W)` nats; a log density for a continuous model; or five such maps.

        Raises:
            DataError: If the shape, the type or a value of `x`, `label` or `context` does not fit the model.
            ConfigError: If a condition is missing, or given to a model that has none; if there is no such order; if
                moments are asked of a continuous model or of a mean of models, or with a support.
        """
        x, given = self.checked(x, Condition(label, context, support))
        if not moments:
            return self.map_of(x, given, order)
        if support is not None:
            raise ConfigError("moments are of all levels; within a support they are not there")
        orders = list_orders(self.config) if order is None else [order]
        maps = [self._map_in(x, given, self.orders(each, len(x)), moments=True) for each in orders]
        return SurpriseMap(*torch.stack(maps).mean(0).chunk(len(SurpriseMap._fields), dim=1))

    def map_of(self, x: Tensor, given: Condition, order: int | Tensor | None = None) -> Tensor:
        """`log_prob_map` of checked images."""
        if order is None and len(list_orders(self.config)) > 1:
            return mix_maps([self._map_in(x, given, self.orders(k, len(x))) for k in list_orders(self.config)])
        return self._map_in(x, given, self.orders(order, len(x)))

    def checked(self, x: Pictures, given: Condition) -> tuple[Tensor, Condition]:
        """Images and what they are given as the model takes them; errors as for `log_prob_map`."""
        x = as_images(self.config, x)
        return x, check_condition(self.config, given, len(x), (x.shape[2], x.shape[3]))

    def _map_in(self, x: Tensor, given: Condition, orders: Tensor, *, moments: bool = False) -> Tensor:
        """`map_as_read` of checked images, each read in an order of its own."""
        if self.config.orders == 1:
            return self.map_as_read(x, given, moments=moments)
        parts = [
            (members, restore_each(self.map_as_read(part, own, moments=moments), orders[members]))
            for members, part, own in read_in_orders(self.config, x, given, orders)
        ]
        return join_parts(parts)

    def orders(self, order: int | Tensor | None, n: int) -> Tensor:
        """The order of each of n images, `(n,)`; the first if none is given."""
        allowed = list_orders(self.config)
        found = torch.as_tensor(allowed[0] if order is None else order).cpu()
        is_whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
        if not is_whole or found.shape not in ((), (n,)) or not set(found.reshape(-1).tolist()) <= {*allowed}:
            raise ConfigError(f"order is {order}; {', '.join(map(str, allowed))} are there, one for all images or each")
        return found.long().expand(n)

    @property
    @abc.abstractmethod
    def stages(self) -> "list[tuple[Any, int]]":
        """The `ImageModel`s that code an image one after the other, each with the distance of its pixels in the image.

        Each but the first has the image of the one before as its context, and copies it.
        """

    @abc.abstractmethod
    def walker(self, size: tuple[int, int], sampling: Sampling) -> AbstractWalker:
        """The raster face for images of a size."""

    @abc.abstractmethod
    def in_order(self, mask: Tensor) -> Tensor:
        """A mask `(N, C, H, W)` of sub-pixels as `(N, D)`, in the order in which they are drawn."""

    def fill(self, what: PartlyKnown, effort: Effort, report: Reporter) -> Completion:
        """Fill in images, as the networks read them, in raster order; what `sample` and `complete` are made of."""
        return fill(self, what, effort, report)

    def log_prob(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
        order: int | Tensor | None = None,
    ) -> Tensor:
        """Log probability of each image in nats, `(N,)`: the sum of `log_prob_map` over the sub-pixels."""
        return self.log_prob_map(x, label=label, context=context, support=support, order=order).sum((1, 2, 3))

    def exact_log_prob(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
    ) -> Tensor:
        """`log_prob` by the walk that draws samples: the same to the last bit in any batch and on any processor.

        Values of a logistic mixture that are less likely than e^-88 count as that. Gradients are not known.

        Returns:
            `(N,)` float64 nats, on the CPU; arguments and errors as for `log_prob`.

        Example:
            >>> from pixelrnn import ImageModel
            >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
            >>> x = model.sample(3, seed=0)
            >>> bool((model.exact_log_prob(x)[1:] == model.exact_log_prob(x[1:])).all())
            True
        """
        known = torch.ones((), dtype=torch.bool)
        given: dict[str, Any] = {"label": label, "context": context, "support": support}
        return self.complete(x, known, **given, particles=1, order="all", seed=0).log_known

    def bits_per_dim(
        self,
        x: Pictures,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        *,
        support: Supports | None = None,
    ) -> Tensor:
        """Code length of each image in bits per sub-pixel, `(N,)`: -log2 p(x) / (C H W)."""
        nats = self.log_prob_map(x, label=label, context=context, support=support)
        return -nats.sum((1, 2, 3)) / (math.log(2) * math.prod(nats.shape[1:]))

    def log_joint(self, x: Pictures, *, prior: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        r"""Log of the joint probability :math:`p(x, y) = p(x \mid y) p(y)` with every label y.

        Args:
            x: Images, as for `log_prob`.
            prior: `(classes,)` probability of each label, in any scale; all alike if not given.
            context: Context, as for `log_prob`.

        Returns:
            `(N, classes)` nats.

        Raises:
            ConfigError: If the model has no classes.
            DataError: If the prior is not `classes` numbers of 0 and above, not all 0.
        """
        classes, x = self.config.classes, as_tensor(self.config, x)
        if classes == 0:
            raise ConfigError("the model has no classes; train it on labelled images with `labels`")
        prior = torch.ones(classes) if prior is None else torch.as_tensor(prior)
        if prior.shape != (classes,) or not bool((prior >= 0).all() and prior.sum() > 0 and prior.isfinite().all()):
            raise DataError(f"prior has shape {tuple(prior.shape)}; {classes} numbers of 0 and above are needed")
        log_prob = torch.stack([self.log_prob(x, label=label, context=context) for label in range(classes)], dim=1)
        return log_prob + (prior.to(log_prob) / prior.sum().to(log_prob)).log()

    def classify(self, x: Pictures, *, prior: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        r"""Log probability of every label, by Bayes' rule.

        .. math:: p(y \mid x) = \frac{p(x \mid y) p(y)}{\sum_{y'} p(x \mid y') p(y')}

        Arguments and errors are those of `log_joint`.

        Returns:
            `(N, classes)` nats; the exponentials of a row sum to 1.

        Example:
            >>> from pixelrnn import ImageModel
            >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4, classes=3), seed=0)
            >>> model.classify(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)).exp().sum(1)
            tensor([1.0000, 1.0000], grad_fn=<SumBackward1>)
        """
        return self.log_joint(x, prior=prior, context=context).log_softmax(1)

    def sample(
        self,
        n: int | Sequence[int],
        *,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        support: Supports | None = None,
        size: tuple[int, int] | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        order: int | Tensor | None = None,
        seed: int | None = None,
        batch: int = 256,
        callback: Callback | None = None,
    ) -> Tensor:
        r"""Draw images, sub-pixel by sub-pixel, by the compiled walk on the CPU.

        Image i is a function of (seed, i): sub-pixel j of it is decided by the j-th number of a random stream of its
        own. The same weights give the same images whatever the batch, the threads and the processor.

        Args:
            n: Number of images, which are images 0 .. n-1; or the numbers of some of them.
            label: Label of all images, or of each, `(n,)`; as for `log_prob_map`.
            context: Context of all images, or of each; as for `log_prob_map`.
            support: Support, as for `log_prob_map`.
            size: Height and width; those of the training images if not given, or those that go with the context.
            temperature: T > 0: every conditional is raised to the power 1/T and normalised (for a continuous mixture
                its weights and each of its components are); below 1 gives likelier values.
            top_k: Draw from the k likeliest values of each conditional only.
            top_p: Draw from the likeliest values that together have this probability only, 0 < p <= 1.
            order: Order in which all images are drawn, or each; if not given, each is drawn in one of its own, which is
                drawn first.
            seed: Non-negative; if not given, one is drawn.
            batch: Images walked at once.
            callback: Callback that is told the progress after every row; see `pixelrnn.progress.Callback`.

        Returns:
            `(n, C, H, W)` uint8 (int64 above 256 levels, floats for a continuous model).

        Raises:
            ConfigError: If `n`, `size`, `temperature`, `top_k`, `top_p`, `seed` or `batch` is out of range, or a
                condition is missing, or given to a model that has none.
            DataError: If a condition does not fit the model.
        """
        numbers = range(n) if isinstance(n, int | np.integer) else [int(number) for number in n]
        if not numbers:
            raise ConfigError(f"n is {n}; at least 1 is needed")
        if min(numbers) < 0:
            raise ConfigError(f"n has {min(numbers)}; images are numbered from 0")
        n = len(numbers)
        given = check_condition(self.config, Condition(label, context, support), n, size)
        if given.context is not None:
            ratio = self.config.context_ratio
            size = given.context.shape[2] * ratio[0], given.context.shape[3] * ratio[1]
        height, width = size or self.config.shape[1:]
        for name, value in (("height", height), ("width", width)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; at least 1 is needed")
        sampling = self._sampling(seed, temperature=temperature, top_k=top_k, top_p=top_p)
        x = torch.zeros(n, self.config.shape[0], height, width, dtype=torch.uint8)
        known = torch.zeros_like(x, dtype=torch.bool)
        orders = self.draw_orders(numbers, sampling.seed) if order is None else self.orders(order, n)
        return fill_in_orders(
            self, PartlyKnown(x, known, given), orders, Effort(sampling, 1, batch, numbers), Reporter(callback)
        ).images

    def draw_orders(self, images: Sequence[int], seed: int) -> Tensor:
        """An order for each image, by its number."""
        every = list_orders(self.config)
        if len(every) == 1:
            return torch.full((len(images),), every[0])
        places = torch.from_numpy(uniform_numbers(seed, images, 1, stream=(0, 0, 3))[:, 0])
        return torch.tensor(every)[(places * len(every)).long()]

    def complete(
        self,
        x: Pictures,
        known: Tensor,
        *,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        support: Supports | None = None,
        particles: int = 256,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        order: Order = None,
        seed: int | None = None,
        batch: int = 256,
        callback: Callback | None = None,
    ) -> Completion:
        r"""Draw what is not known of images, given what is.

        Values known *before* an unknown one, in raster order, condition it exactly. For those that come *after*, P
        walks of each image are drawn, weighted by the probability of the known values that they pass, and resampled
        (sequential Monte Carlo): as P grows the result comes from :math:`p(unknown \mid known)`. With one particle, and
        where nothing known comes after anything unknown, this is plain completion in raster order.

        A model of several orders reads from where nothing known comes after anything unknown, if it can: one of these
        orders is drawn by its p(known), and the completion is exact for their mean. Else it takes the order that has
        least to come after, and particles.

        Args:
            x: `(N, C, H, W)` as for `log_prob_map`; values that are not known do not matter. Repeat an image to get
                several completions of it.
            known: Bool, of a shape that can be broadcast to that of `x`.
            label: Label, as for `log_prob_map`.
            context: Context, as for `log_prob_map`.
            support: Support, as for `log_prob_map`.
            particles: Walks P of each image.
            temperature: Temperature, as for `sample`; it, `top_k` and `top_p` change the distribution that is completed
                from.
            top_k: Top k, as for `sample`.
            top_p: Top p, as for `sample`.
            order: Order in which images are completed; or `all`: P walks in each, of which one order is drawn by its
                estimate of p(known), for the posterior of the mean over all of them.
            seed: Seed, as for `sample`: image i is a function of (seed, i).
            batch: Walks at once, but never less than the particles of one image; memory grows with it.
            callback: Callback, as for `sample`.

        Returns:
            The images, and an estimate of the log probability of what is known, for each of them (on the CPU): its
            exponential is without bias; of a model of several orders for the mean of those that were used: all of them
            with `all`. It is exact in plain raster order, but for values of a logistic mixture, or
            outside of `top_k` and `top_p`, less likely than e^-88, which count as that.

        Raises:
            DataError: If `x`, `known` or a condition does not fit the model.
            ConfigError: As for `sample`.

        Example:
            >>> from pixelrnn import ImageModel
            >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
            >>> known = torch.zeros(4, 4, dtype=torch.bool)
            >>> known[2:] = True
            >>> model.complete(torch.ones(3, 1, 4, 4, dtype=torch.uint8), known, seed=0).images[:, :, 2:].unique()
            tensor([1], dtype=torch.uint8)
        """
        if particles < 1:
            raise ConfigError(f"particles is {particles}; at least 1 is needed")
        x, known = as_partly_known(self.config, x, known)
        x = planes_of_known(self.config, x, known)
        given = check_condition(self.config, Condition(label, context, support), len(x), (x.shape[2], x.shape[3]))
        if given.support is not None:
            require_inside(given.support, x, known)
        sampling = self._sampling(seed, temperature=temperature, top_k=top_k, top_p=top_p)
        if isinstance(order, str) and order != "all":
            raise ConfigError(f"order is {order!r}; a number, 'all' or None is allowed")
        return complete_in_orders(
            self, PartlyKnown(x, known, given), order, Effort(sampling, particles, batch), Reporter(callback)
        )

    def _sampling(self, seed: int | None, **restrictions: Any) -> Sampling:
        seed = int(np.random.SeedSequence().entropy) % 2**63 if seed is None else seed  # type: ignore[arg-type]
        sampling = Sampling(seed=seed, **restrictions)
        if self.config.levels == 0 and sampling.is_restricted:
            raise ConfigError("top_k and top_p choose among levels; a continuous model has none")
        return sampling

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` into a folder, made if needed."""
        files.write_json(Path(folder) / CONFIG, describe(None, model=self.config))
        files.write_tensors(Path(folder) / MODEL, self.state_dict())

    def push_to_hub(self, name: str, *, private: bool = False, licence: str | None = None) -> str:
        """Put the model on the Hugging Face hub, with a card; `hf:owner/name` then stands for it (extra `hub`).

        The card of a run says more, of its data and its validation: see `pixelrnn.push_to_hub`, whose arguments these
        are.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_to_hub(folder, name, private=private, licence=licence)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a model that `save_pretrained` or a training run wrote, a shipped one, or one of the Hugging Face hub.

        Args:
            folder: Folder of the model; the name of a shipped one (`pixelrnn models` lists them); or `hf:owner/name`.

        Raises:
            RunError: If the folder holds no model, or one that is damaged or does not fit its configuration.
            ConfigError: If it holds a model of the other kind, of one or of several scales.
        """
        folder = zoo.find(folder)
        config = Run.open(folder).model
        model = files.load_tensors(folder / MODEL, lambda: cls(config, seed=0), config).eval()
        model.origin = zoo.origin(folder)
        return model

    def extra_repr(self) -> str:
        """What is modelled, and with how many weights."""
        config = self.config
        layers = f"{config.layers} {'layer' if config.layers == 1 else 'layers'}, h={config.hidden}"
        given = [f"{config.classes} classes"] if config.classes else []
        if config.context:
            given.append(f"context {'x'.join(map(str, config.context))}")
        if config.orders > 1:
            given.append(f"{config.orders} orders")
        weights = sum(parameter.numel() for parameter in self.parameters())
        return ", ".join(
            [
                *(config.architecture, layers, *([f"{config.scales} scales"] if config.scales > 1 else [])),
                *("x".join(map(str, config.shape)), *given, f"{weights:,} weights", config.resolved_output),
            ]
        )

r"""Means of models: of the probabilities of whole images, of those of each value, or of weights.

.. math:: p(x) = \sum_m w_m p_m(x) \quad \text{or} \quad p(x_i \mid x_{<i}) = \sum_m w_m p_m(x_i \mid x_{<i})

Both are exactly normalised. The first is at most :math:`-\ln w_m` nats worse than its best model, image by image; the
second lets the models agree on every value, and can be walked and code, as a single model can.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig, Sampling
from pixelrnn.config.fields import to_json
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.completion import (
    Completion,
    Effort,
    PartlyKnown,
    choose_one,
    complete_in_orders,
    fill_in_orders,
    nothing_drawn,
    with_others,
)
from pixelrnn.model.orders import mix_maps
from pixelrnn.model.sampling import AbstractWalker, uniform_numbers
from pixelrnn.progress import Reporter
from pixelrnn.runs import files
from pixelrnn.runs.run import describe

__all__ = ["MeanModel", "mean_model"]

Of = Literal["images", "values"]
COMMON = ("levels", "classes", "context", "copies_context", "colours", "scales", "takes_support")
MOST = 64  # models


class MeanModel(AbstractImageModel):
    """The mean of several models; see `mean_model`, which makes it.

    Args:
        models: Models that agree in what images are.
        weights: Share of each, summing to 1.
        of: Whether whole images or values are averaged.
    """

    def __init__(self, models: Sequence[AbstractImageModel], weights: Sequence[float], of: Of) -> None:
        super().__init__(_common(models, of))
        shares = tuple(map(float, weights))
        if not all(0 < share <= 1 for share in shares) or not math.isclose(sum(shares), 1, rel_tol=1e-6):
            raise ConfigError(f"the shares of the models are {shares}; numbers above 0 that sum to 1 are needed")
        self.each = nn.ModuleList(models)
        self.weights, self.of = shares, of

    @property
    def models(self) -> list[AbstractImageModel]:
        """The models."""
        return [model for model in self.each if isinstance(model, AbstractImageModel)]

    @property
    def description(self) -> dict[str, Any]:
        """What it is a mean of: all that is needed to build it again."""
        models = [to_json(model.config) for model in self.models]
        return {"of": self.of, "weights": list(self.weights), "models": models}

    def map_as_read(self, x: Tensor, given: Condition, *, moments: bool = False) -> Tensor:
        """See `AbstractImageModel`; of whole images as of several orders."""
        if moments:
            raise ConfigError("moments are of single models; ask those of which this is a mean")
        if self.of == "images":
            return mix_maps([model.map_of(x, given) for model in self.models], self.weights)
        logs = [math.log(weight) for weight in self.weights]
        maps = [model.map_as_read(x, given) + log for model, log in zip(self.models, logs, strict=True)]
        return torch.stack(maps).logsumexp(0)

    def fill(self, what: PartlyKnown, effort: Effort, report: Reporter) -> Completion:
        """Fill in images: each by one of the models, drawn by its share and what it says of what is known."""
        if self.of == "values":
            return super().fill(what, effort, report)
        count, seed = len(what.x), effort.sampling.seed
        numbers = range(count) if effort.numbers is None else effort.numbers
        shares = torch.tensor(self.weights, dtype=torch.float64).log().expand(count, -1)
        places = torch.from_numpy(uniform_numbers(seed, numbers, 1, stream=(0, 0, 5)))
        is_new = not bool(what.known.any())
        if is_new:  # nothing to ask: a model is drawn first
            chosen = (shares.exp().cumsum(1) <= places).sum(1).clamp(max=len(self.models) - 1)
            asked = [torch.nonzero(chosen == number)[:, 0] for number in range(len(self.models))]
        else:
            asked = [torch.arange(count)] * len(self.models)
        total, done, found = sum(map(len, asked)), 0, list[tuple[int, Tensor, Tensor]]()
        log_known = torch.full((count, len(self.models)), -math.inf, dtype=torch.float64)
        for number, (model, members) in enumerate(zip(self.models, asked, strict=True)):
            if len(members):
                own_numbers = [numbers[i] for i in members.tolist()]
                part = dataclasses.replace(effort, numbers=own_numbers)
                share = report.part(done / total, (done + len(members)) / total)
                own, others = what.of(members), tuple((each, images) for _, each, images in found) if is_new else ()
                start = functools.partial(nothing_drawn, self, what)
                share = share.showing(functools.partial(with_others, start, others, members, None))
                if is_new:
                    filled = fill_in_orders(model, own, model.draw_orders(own_numbers, seed), part, share)
                else:
                    filled = complete_in_orders(model, own, None, part, share)
                found.append((number, members, filled.images))
                log_known[members, number] = filled.log_known
                done += len(members)
        if is_new:
            return Completion(
                choose_one(found, log_known, places, what.x.shape), torch.zeros(count, dtype=torch.float64)
            )
        weighted = log_known + shares
        return Completion(choose_one(found, weighted, places, what.x.shape), weighted.logsumexp(1))

    @property
    def stages(self) -> list[tuple[Any, int]]:
        """Itself; see `AbstractImageModel`."""
        return [(self, 1)]

    @property
    def has_walk(self) -> bool:
        """Whether values are averaged, of models that have a walk sub-pixel by sub-pixel."""
        return self.of == "values" and all(
            len(model.stages) == 1 and not model.description and stage.has_walk and model.config.traits.sees_far
            for model, stage in zip(self.models, self._singles, strict=True)
        )

    @property
    def _singles(self) -> list[Any]:
        """The `ImageModel`s that the models are, if they are of one scale."""
        return [model.stages[0][0] for model in self.models]

    def require_memory(self, size: tuple[int, int]) -> None:
        """See `ImageModel.require_memory`."""
        for model in self.models:
            for stage, step in model.stages:
                stage.require_memory((size[0] // step, size[1] // step))

    def face(self, size: tuple[int, int], sampling: Sampling | None = None) -> Any:
        """The raster face; see `ImageModel.face`."""
        if not self.has_walk or self.config.levels == 0:
            raise ConfigError(
                "a mean of values is drawn, and codes, if all of its models are of one scale, of levels, and have a "
                "walk sub-pixel by sub-pixel, which local ones have not; give `of` 'images'"
            )
        faces = tuple(model.face(size) for model in self._singles)
        module = compiled_module("pixelrnn.walk.mean", "the walk")
        return module.MeanFace(faces, self.weights, sampling or Sampling())

    def walker(self, size: tuple[int, int], sampling: Sampling) -> AbstractWalker:
        """The raster face for images of a size; what is drawn is as of a single model."""
        return functools.partial(self._singles[0].draw, self.face(size, sampling), sampling.seed, 0)

    def read_condition(self, condition: Condition) -> Condition:
        """See `ImageModel.read_condition`."""
        read: Condition = self._singles[0].read_condition(condition)
        return read

    def extra_repr(self) -> str:
        """Of how many models it is a mean, of what, and what they are of."""
        return (
            f"mean of {len(self.models)} models, of {self.of}: {'; '.join(model.extra_repr() for model in self.models)}"
        )

    def in_order(self, mask: Tensor) -> Tensor:
        """See `AbstractImageModel`."""
        return self.models[0].in_order(mask)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Not of one kind of model: `pixelrnn.load_model` reads it."""
        raise RunError(f"{folder}: pixelrnn.load_model reads a mean of models")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` into a folder, made if needed."""
        files.write_json(Path(folder) / CONFIG, describe(None, model=self.config) | {"mean": self.description})
        files.write_tensors(Path(folder) / MODEL, self.state_dict())


def _common(models: Sequence[AbstractImageModel], of: Of) -> ModelConfig:
    """What the models agree in, in the configuration of the first.

    Raises:
        ConfigError: If they do not.
    """
    if not models:
        raise ConfigError("there are no models to average")
    if len(models) > MOST:
        raise ConfigError(f"{len(models)} models are given; at most {MOST} are averaged")
    if any(model.description for model in models):
        raise ConfigError("one of the models is a mean itself; give its models, with their weights")
    first = models[0].config
    names = (*COMMON, *(("orders",) if of == "values" else ()))
    for other in (model.config for model in models[1:]):
        for name in names:
            if getattr(other, name) != getattr(first, name):
                raise ConfigError(
                    f"{name} is {getattr(first, name)!r} of the first model and {getattr(other, name)!r} of another; a "
                    "mean is of models of the same images"
                )
        if other.shape[0] != first.shape[0]:
            raise ConfigError(f"the models take {first.shape[0]} and {other.shape[0]} channels; they have to agree")
        if first.context is not None and other.context_ratio != first.context_ratio:
            raise ConfigError("contexts of the models are other parts of an image; they have to agree")
    dropout = min(model.config.label_dropout for model in models)
    return dataclasses.replace(first, label_dropout=dropout, orders=1 if of == "images" else first.orders)


def mean_model(
    models: Sequence[AbstractImageModel],
    weights: Sequence[float] | None = None,
    *,
    of: Literal["images", "values", "weights"] = "values",
) -> AbstractImageModel:
    r"""One model that is the mean of several.

    Args:
        models: Models that agree in channels, levels, labels and contexts; of `weights`, in everything.
        weights: Share of each, in any scale; all alike if not given.
        of: `images`: :math:`p(x) = \sum_m w_m p_m(x)`, of any models; `values`: the mean of the conditionals
            :math:`p_m(x_i \mid x_{<i})`, of models that read in the same orders; `weights`: a single model with the
            mean of their weights, as of checkpoints of one training.

    Returns:
        A model as any other, which can be saved and loaded, with likelihoods, samples and completions; a mean of values
        is drawn and codes if its models have levels, one scale and a walk sub-pixel by sub-pixel, which local ones have
        not.

    Raises:
        ConfigError: If the models do not agree, or the weights are no shares.

    Example:
        >>> from pixelrnn import ImageModel
        >>> models = [
        ...     ImageModel(ModelConfig(shape=(1, 3, 3), levels=2, layers=1, hidden=h), seed=0) for h in (2, 4)
        ... ]
        >>> x = torch.randint(0, 2, (5, 1, 3, 3))
        >>> mean = mean_model(models, of="images")
        >>> each = torch.stack([model.log_prob(x) for model in models])
        >>> bool(torch.allclose(mean.log_prob(x), each.logsumexp(0) - math.log(2)))
        True
    """
    given = [1.0] * len(models) if weights is None else [float(weight) for weight in weights]
    if len(given) != len(models) or not all(0 < weight < math.inf for weight in given):
        raise ConfigError(f"weights are {given}; {len(models)} numbers above 0 are needed, one for each model")
    shares = [weight / sum(given) for weight in given]
    if of == "weights":
        return _of_weights(models, shares)
    if of not in get_args(Of):
        raise ConfigError(f"of is {of!r}; 'images', 'values' or 'weights' is allowed")
    return MeanModel(models, shares, of).eval()


@torch.no_grad()
def _of_weights(models: Sequence[AbstractImageModel], shares: Sequence[float]) -> AbstractImageModel:
    """A model with the mean of the weights of models of one configuration."""
    first = _common(models, "values")
    if any(model.config != first for model in models):
        raise ConfigError("the models differ in more than their weights, which alone have a mean then")
    states = [model.state_dict() for model in models]
    mean = {
        name: sum(share * state[name].double() for share, state in zip(shares, states, strict=True))
        for name in states[0]
    }
    made = type(models[0])(first, seed=0).to(models[0].device).eval()
    made.load_state_dict({name: tensor.to(states[0][name].dtype) for name, tensor in mean.items()})
    return made

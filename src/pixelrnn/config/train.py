"""How a model is trained."""

import dataclasses
import math
from typing import Any, Literal, Self

from pixelrnn.config.architectures import ARCHITECTURES
from pixelrnn.config.checks import require, require_choice, require_seed

__all__ = ["DEFAULT_MINUTES", "TrainConfig"]

Optimiser = Literal["muon", "adamw", "adam", "rmsprop"]
Decay = Literal["cosine", "none"]
Precision = Literal["float32", "bfloat16"]


DEFAULT_MINUTES = 20.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained. Of steps, epochs and minutes at most one is given."""

    start_from: str | None = None
    """Run or model folder, name of a shipped model, or hf:owner/name, to train further, instead of a new model."""

    minutes: float | None = None
    """Budget as training time; 20 if no budget is given. Runs repeat exactly only with steps or epochs."""

    steps: int | None = None
    """Budget as optimiser steps."""

    epochs: float | None = None
    """Budget as passes over the training images."""

    batch: int = 32
    """Images per optimiser step, over all processes and accumulated parts."""

    accumulate: int = 1
    """Parts in which a batch is computed, to save memory; the gradient is the same, but for what is dropped."""

    optimiser: Optimiser = "muon"
    """Update rule; muon: orthogonal steps for matrices between layers, else adamw; rmsprop is the paper's."""

    learning_rate: float | None = None
    """Highest learning rate; 4e-3 if not given, 2e-3 for a pixelcnn, whose ReLUs die of more."""

    weight_decay: float = 0.0
    """Decoupled weight decay (muon, adamw), else L2."""

    dropout: float = 0.0
    """Share of the features that each layer adds which is dropped at random, for a model that overfits (not local)."""

    augment: float = 0.0
    """Share of the training images that are shifted, turned or resized a little, of which the network is told: what it
    learns of them helps with the others, whose distribution stays its own."""

    warmup: float = 0.02
    """Share of the budget over which the learning rate rises from 0."""

    decay: Decay = "cosine"
    """Course of the learning rate after the warm-up: cosine falls to 0 at the end of the budget."""

    clip: float = 1.0
    """Largest norm of the gradient of the loss in nats per sub-pixel; 0: no clipping."""

    ema: float = 0.998
    """Decay of the exponential moving average of the weights, which is what is evaluated; 0: none."""

    separately: bool = False
    """Train the scales of a Multi-Scale model one after the other, each in its own run folder, instead of together."""

    precision: Precision = "float32"
    """bfloat16: mixed precision (on CUDA)."""

    evaluations: int = 10
    """Validations over the budget; the best average weights are kept."""

    valid_images: int = 1000
    """Validation images used for those, evenly spaced."""

    samples: int = 16
    """Images in the sample grids drawn at each validation and at the end; 0: none."""

    checkpoint_minutes: float = 2.0
    """Time between two saves of the training state."""

    seed: int = 0
    """Seed of the initial weights, the order of the images and every random draw."""

    tensorboard: bool = False
    """Also write TensorBoard events (extra 'tensorboard')."""

    def __post_init__(self) -> None:
        """Check every field against the others."""
        budgets = [name for name in ("minutes", "steps", "epochs") if getattr(self, name) is not None]
        require(len(budgets) <= 1, f"{' and '.join(budgets)} are both given; give one budget")
        for name in budgets:
            value = getattr(self, name)
            require(0 < value < math.inf, f"{name} is {value}; it must be above 0 and finite")
        for name in ("batch", "accumulate", "evaluations", "valid_images"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; at least 1 is needed")
        require(
            self.accumulate <= self.batch,
            f"accumulate is {self.accumulate}; at most batch ({self.batch}) parts are possible",
        )
        require_choice("optimiser", self.optimiser, Optimiser)
        require_choice("precision", self.precision, Precision)
        require_choice("decay", self.decay, Decay)
        require_seed("seed", self.seed)
        rate = self.learning_rate
        require(rate is None or rate > 0, f"learning_rate is {rate}; it must be above 0")
        require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it is a share of the features, 0 up to 1")
        require(0 <= self.augment < 1, f"augment is {self.augment}; it is a share of the images, 0 up to 1")
        require(0 <= self.warmup < 1, f"warmup is {self.warmup}; it is a share of the budget, 0 up to 1")
        require(0 <= self.ema < 1, f"ema is {self.ema}; it lies between 0 and 1")
        for name in ("weight_decay", "clip", "samples", "checkpoint_minutes"):
            require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it cannot be negative")

    def with_budget(self, **budget: float | None) -> Self:
        """A copy whose budget is the given one of `minutes`, `steps`, `epochs`."""
        fields: dict[str, Any] = {"minutes": None, "steps": None, "epochs": None, **budget}
        return dataclasses.replace(self, **fields)

    def used(self, step: float, seconds: float, images: int) -> float:
        """Share of the budget that is used after so many steps and seconds, of a training on so many images.

        Example:
            >>> TrainConfig(steps=200).used(50, 0.0, 1000)
            0.25
        """
        if self.steps is not None or self.epochs is not None:
            total = self.steps or max(1, math.ceil((self.epochs or 0) * images / self.batch))
            return min(1.0, step / total)
        return min(1.0, seconds / (60 * (self.minutes or DEFAULT_MINUTES)))

    def for_architecture(self, architecture: str) -> Self:
        """A copy with the learning rate that goes with an architecture, if none is given."""
        rate = self.learning_rate or ARCHITECTURES[architecture].learning_rate
        return dataclasses.replace(self, learning_rate=rate)

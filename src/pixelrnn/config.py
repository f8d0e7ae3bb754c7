"""What can be chosen: frozen dataclasses that are the command line, its help, the library's arguments and the JSON.

Knows nothing of torch, so that `pixelrnn --help` and usage errors answer at once. Every field is validated when
the object is made; the docstring under a field is the help of its option.
"""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import tyro

from pixelrnn.errors import ConfigError, DataError, RunError

__all__ = [
    "DataConfig",
    "ModelConfig",
    "TrainConfig",
    "from_json",
    "require_run",
    "require_seed",
    "require_source",
    "to_json",
]

Architecture = Literal["diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn"]
OutputName = Literal["auto", "bernoulli", "softmax", "logistic-mixture", "continuous-mixture"]
Channels = Literal["auto", "grey", "rgb", "rgba"]
Crop = Literal["centre", "random"]
ContextKind = Literal["none", "grey", "shrunk", "subsample", "given"]
Binarize = Literal["none", "threshold", "fixed", "dynamic"]
Optimiser = Literal["adam", "adamw", "rmsprop"]
Decay = Literal["cosine", "none"]
Precision = Literal["float32", "bfloat16"]

Config = TypeVar("Config", "ModelConfig", "DataConfig", "TrainConfig")

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
MAX_CHANNELS = 4
MAX_SEED = 2**63
MAX_LEVELS = 65536
SOFTMAX_LEVELS = 256


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _choice(name: str, value: str, choices: Any) -> None:
    _require(value in get_args(choices), f"{name} is {value!r}; one of {', '.join(get_args(choices))} is allowed")


def require_seed(name: str, value: int) -> None:
    """Check that a seed can be one; raises `ConfigError` with its name if not."""
    _require(0 <= value < MAX_SEED, f"{name} is {value}; 0 to 2^63 - 1 are allowed")


def require_source(source: str) -> None:
    """Check that a source is there, as far as its name tells.

    Raises:
        DataError: If it is neither `digits`, nor a name on the hub, nor a path that exists.
    """
    try:
        is_there = source == "digits" or source.startswith("hf:") or Path(source).exists()
    except OSError:
        is_there = False
    if not is_there:
        raise DataError(f"{source}: no such file or folder (nor 'digits' or hf:owner/name)")


def require_run(folder: Path) -> None:
    """Check that a folder holds a run or a model.

    Raises:
        RunError: If it has no `config.json`.
    """
    if not (folder / "config.json").exists():
        raise RunError(f"{folder}: no config.json here; is this a run or model folder?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What the network is: all that is needed to rebuild it before its weights are loaded."""

    architecture: Architecture = "diagonal-bilstm"
    """Network of the paper: two LSTMs over the image, or masked convolutions."""

    shape: Annotated[tuple[int, int, int], tyro.conf.Suppress] = (1, 28, 28)
    """Channels, height and width of the images trained on; another height and width can be evaluated."""

    levels: Annotated[int, tyro.conf.Suppress] = 256
    """Number of values a sub-pixel can take, 0 .. levels-1; 0 means continuous (float) data."""

    layers: int = 7
    """Number of residual layers after the first, 7x7, masked convolution."""

    hidden: int = 16
    """Features h of a layer: LSTM units per direction; the residual stream has 2h."""

    head: int | None = None
    """Width of the two 1x1 layers before the output; 2h if not given."""

    output: OutputName = "auto"
    """Distribution of a sub-pixel; auto: bernoulli (2 levels), softmax (up to 256), continuous-mixture (floats)."""

    mixtures: int = 10
    """Components of a mixture output."""

    residual: bool = True
    """Add the input of each layer to its output."""

    skip: bool = True
    """Connect every layer to the output head as well."""

    classes: Annotated[int, tyro.conf.Suppress] = 0
    """Number of labels that an image can have, 0 .. classes-1; 0: the model knows no labels."""

    label_dropout: float = 0.0
    """Share of the training images shown without their label; above 0, one model is both conditional and not."""

    context: Annotated[tuple[int, int, int] | None, tyro.conf.Suppress] = None
    """Channels, height and width of the image that conditions every pixel; its sides divide those of shape."""

    copies_context: Annotated[bool, tyro.conf.Suppress] = False
    """The context is every second pixel of every second row of the image itself, and those are copied from it."""

    scales: int = 1
    """Sizes of the Multi-Scale model, each twice the one before (3: sides are multiples of 4); 1: a single model."""

    def __post_init__(self) -> None:
        """Check every field against the others."""
        _choice("architecture", self.architecture, Architecture)
        _choice("output", self.output, OutputName)
        _require(
            len(self.shape) == 3 and min(self.shape) >= 1,
            f"shape is {self.shape}; it is (channels, height, width), each at least 1",
        )
        channels = self.shape[0]
        _require(channels <= MAX_CHANNELS, f"shape has {channels} channels; 1 to {MAX_CHANNELS} are allowed")
        _require(
            self.levels == 0 or 2 <= self.levels <= MAX_LEVELS,
            f"levels is {self.levels}; 2 to {MAX_LEVELS} are allowed, or 0 for continuous data",
        )
        _require(self.layers >= 1, f"layers is {self.layers}; at least 1 is needed")
        _require(
            self.hidden >= channels, f"hidden is {self.hidden}; at least one feature per channel ({channels}) is needed"
        )
        _require(
            self.head is None or self.head >= channels,
            f"head is {self.head}; at least one feature per channel ({channels}) is needed",
        )
        _require(self.mixtures >= 1, f"mixtures is {self.mixtures}; at least 1 is needed")
        self._check_condition()

    def _check_condition(self) -> None:
        sides = self.shape[1:]
        _require(self.classes >= 0, f"classes is {self.classes}; 0 (no labels) or more are allowed")
        _require(
            0 <= self.label_dropout < 1,
            f"label_dropout is {self.label_dropout}; it is a share of the images, 0 up to 1",
        )
        if self.context is not None:
            _require(
                len(self.context) == 3
                and min(self.context) >= 1
                and all(side % small == 0 for side, small in zip(sides, self.context[1:], strict=True)),
                f"context is {self.context}; it is (channels, height, width), whose sides divide {sides}",
            )
        if self.copies_context:
            half = (self.shape[0], sides[0] // 2, sides[1] // 2)
            _require(
                self.context == half and self.context_ratio == (2, 2),
                f"a context to be copied is every second pixel of the image, {half}; context is {self.context}",
            )
        _require(self.scales >= 1, f"scales is {self.scales}; at least 1 is needed")
        _require(
            self.scales == 1 or self.context is None,
            f"scales is {self.scales}; a model of several scales makes its own contexts and takes none from outside",
        )

    @property
    def scale_shapes(self) -> list[tuple[int, int, int]]:
        """The shape of the images of each scale, the smallest first.

        Raises:
            ConfigError: If the sides cannot be halved so often. This is not checked when the object is made, since the
                command line learns the shape from the data later than the number of scales.
        """
        channels, height, width = self.shape
        step = 2 ** (self.scales - 1)
        _require(
            height % step == 0 and width % step == 0,
            f"scales is {self.scales}, so height and width must be multiples of {step}; they are {height} and {width}",
        )
        return [(channels, height >> down, width >> down) for down in range(self.scales - 1, -1, -1)]

    @property
    def context_ratio(self) -> tuple[int, int]:
        """How many rows and columns of the image go to one of the context."""
        assert self.context is not None
        return self.shape[1] // self.context[1], self.shape[2] // self.context[2]

    def _check_output(self) -> None:
        discrete = self.levels != 0
        if self.output == "bernoulli":
            _require(self.levels == 2, f"output 'bernoulli' needs levels 2; levels is {self.levels}")
        if self.output == "softmax":
            _require(
                2 <= self.levels <= SOFTMAX_LEVELS,
                f"output 'softmax' takes 2 to {SOFTMAX_LEVELS} levels; "
                f"levels is {self.levels} (try 'logistic-mixture')",
            )
        if self.output == "logistic-mixture":
            _require(discrete, "output 'logistic-mixture' is for discrete data; levels is 0 (try 'continuous-mixture')")
        if self.output == "continuous-mixture":
            _require(
                not discrete,
                f"output 'continuous-mixture' is for continuous data; levels is {self.levels}, 0 is needed",
            )

    @property
    def resolved_output(self) -> OutputName:
        """The output that `auto` stands for with these levels, or the one given.

        Raises:
            ConfigError: If it does not go with the levels. This is not checked when the object is made, since the
                command line learns the levels from the data later than the output.
        """
        self._check_output()
        if self.output != "auto":
            return self.output
        if self.levels == 0:
            return "continuous-mixture"
        if self.levels == 2:
            return "bernoulli"
        return "softmax" if self.levels <= SOFTMAX_LEVELS else "logistic-mixture"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How images are read from a source and turned into integers."""

    size: int | tuple[int, int] | None = None
    """Side of the images, or height and width; needed when they differ in size."""

    crop: Crop = "centre"
    """centre: resize the image to cover the size, then cut the middle; random: cut patches, no resizing."""

    patches: int = 1
    """Patches cut from each image in an epoch (with --crop random)."""

    channels: Channels = "auto"
    """auto: grey if all images are, else rgb. Transparency is laid over white unless rgba is chosen."""

    levels: int | None = None
    """Values of a sub-pixel after floor quantisation, 2 .. 256; the source's own if not given; 0: keep floats."""

    binarize: Binarize = "none"
    """threshold: value >= half; fixed: one stochastic draw for good; dynamic: a new draw each epoch."""

    binarize_seed: int = 20160125
    """Seed of the stochastic binarisation."""

    source_levels: int | None = None
    """Values that an array's sub-pixels can take, if they are not bytes: 8 for 0 .. 7."""

    packed: tuple[int, int] | None = None
    """Height and width of the images in bit-packed arrays."""

    labels: bool = False
    """Read labels (sub-folder names, or the arrays and files that hold them), and condition the model on them."""

    context: ContextKind = "none"
    """Image that conditions every pixel. grey: the image without colour; shrunk: at half the size, means of 2x2 pixels;
    subsample: every second pixel of it; given: arrays train_context, ... beside the images."""

    subsample: int = 1
    """Keep every n-th pixel of every n-th row."""

    valid_fraction: float = 0.1
    """Share of the images kept for validation when the source has no such split."""

    test_fraction: float = 0.1
    """Share of the images kept for testing when the source has no such split."""

    split_seed: int = 0
    """Seed of the split and of evaluation patches."""

    limit: int | None = None
    """Use at most this many images of each split, evenly spaced."""

    skip_bad: bool = False
    """Skip, count and list files that cannot be read instead of stopping at the first."""

    def __post_init__(self) -> None:
        """Check every field against the others."""
        for name in ("size", "packed"):
            sides = getattr(self, name)
            sides = (sides,) if isinstance(sides, int) else sides
            _require(sides is None or min(sides) >= 1, f"{name} is {sides}; sides are at least 1")
        _choice("crop", self.crop, Crop)
        _require(self.crop == "centre" or self.size is not None, "crop 'random' needs size: the side of the patches")
        _require(self.patches >= 1, f"patches is {self.patches}; at least 1 is needed")
        _require(
            self.patches == 1 or self.crop == "random", f"patches is {self.patches}; more than 1 needs crop 'random'"
        )
        _require(
            self.levels is None or self.levels == 0 or 2 <= self.levels <= 256,
            f"levels is {self.levels}; 2 to 256 are allowed, or 0 for continuous data",
        )
        _require(
            self.source_levels is None or 2 <= self.source_levels <= 256,
            f"source_levels is {self.source_levels}; 2 to 256 are allowed",
        )
        _choice("binarize", self.binarize, Binarize)
        _require(
            self.binarize == "none" or self.levels in (None, 2),
            f"binarize gives 2 levels; levels is {self.levels}, leave it out or give 2",
        )
        _choice("channels", self.channels, Channels)
        require_seed("binarize_seed", self.binarize_seed)
        require_seed("split_seed", self.split_seed)
        for name in ("valid_fraction", "test_fraction"):
            _require(0 < getattr(self, name) < 1, f"{name} is {getattr(self, name)}; it lies between 0 and 1")
        _require(
            self.valid_fraction + self.test_fraction < 1, "valid_fraction and test_fraction leave nothing to train on"
        )
        _require(self.limit is None or self.limit >= 1, f"limit is {self.limit}; at least 1 is needed")
        _choice("context", self.context, ContextKind)
        _require(self.subsample >= 1, f"subsample is {self.subsample}; at least 1 is needed")
        _require(self.context != "given" or self.crop == "centre", "context 'given' does not go with crop 'random'")

    @property
    def height_width(self) -> tuple[int, int] | None:
        """The wanted height and width, if any."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained. Of steps, epochs and minutes at most one is given."""

    minutes: float | None = None
    """Budget as training time; 20 if no budget is given. Runs repeat exactly only with steps or epochs."""

    steps: int | None = None
    """Budget as optimiser steps."""

    epochs: float | None = None
    """Budget as passes over the training images."""

    batch: int = 32
    """Images per optimiser step, over all processes and accumulated parts."""

    accumulate: int = 1
    """Parts in which a batch is computed, to save memory; the gradient is the same."""

    optimiser: Optimiser = "adamw"
    """Update rule; rmsprop is the paper's."""

    learning_rate: float = 4e-3
    """Highest learning rate."""

    weight_decay: float = 0.0
    """Decoupled weight decay (adamw), else L2."""

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
        _require(len(budgets) <= 1, f"{' and '.join(budgets)} are both given; give one budget")
        for name in budgets:
            value = getattr(self, name)
            _require(0 < value < math.inf, f"{name} is {value}; it must be above 0 and finite")
        for name in ("batch", "accumulate", "evaluations", "valid_images"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; at least 1 is needed")
        _require(
            self.accumulate <= self.batch,
            f"accumulate is {self.accumulate}; at most batch ({self.batch}) parts are possible",
        )
        _choice("optimiser", self.optimiser, Optimiser)
        _choice("precision", self.precision, Precision)
        _choice("decay", self.decay, Decay)
        require_seed("seed", self.seed)
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be above 0")
        _require(0 <= self.warmup < 1, f"warmup is {self.warmup}; it is a share of the budget, 0 up to 1")
        _require(0 <= self.ema < 1, f"ema is {self.ema}; it lies between 0 and 1")
        for name in ("weight_decay", "clip", "samples", "checkpoint_minutes"):
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it cannot be negative")

    def with_budget(self, **budget: float | None) -> Self:
        """A copy whose budget is the given one of `minutes`, `steps`, `epochs`."""
        fields: dict[str, Any] = {"minutes": None, "steps": None, "epochs": None, **budget}
        return dataclasses.replace(self, **fields)


def to_json(config: ModelConfig | DataConfig | TrainConfig) -> dict[str, Any]:
    """The fields of a configuration as a JSON object."""
    return dataclasses.asdict(config)


def from_json(kind: type[Config], fields: object, where: str) -> Config:
    """Rebuild a configuration from `to_json`'s object; unknown fields are an error that names `where` it stands."""
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: the {kind.__name__} is not a JSON object")
    known = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(fields) - known):
        raise ConfigError(f"{where}: unknown field {unknown[0]!r} (made by a newer version?)")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: a field has the wrong type ({error})") from error

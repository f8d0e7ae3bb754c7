"""What the network is."""

import dataclasses
import math
from typing import Annotated, Literal

import tyro

from pixelrnn.config.checks import require, require_choice

__all__ = ["Architecture", "Colours", "ModelConfig", "OutputName"]

Architecture = Literal["diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn", "local"]
Colours = Literal["rgb", "jpeg", "photo-cd"]
OutputName = Literal["auto", "bernoulli", "softmax", "logistic-mixture", "continuous-mixture"]

MAX_CHANNELS = 4
MAX_SIDE = 2**24  # whose factors are found by trial
MAX_LEVELS = 65536
SOFTMAX_LEVELS = 256
MAX_COPIES = 8
GRIDS = (1, 2, 8)
MAX_FITTED = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What the network is: all that is needed to rebuild it before its weights are loaded."""

    architecture: Architecture = "diagonal-bilstm"
    """Network of the paper: two LSTMs over the image, or masked convolutions; or local, made for coding: a perceptron
    of the pixels nearby."""

    shape: Annotated[tuple[int, int, int], tyro.conf.Suppress] = (1, 28, 28)
    """Channels, height and width of the images trained on; another height and width can be evaluated."""

    levels: Annotated[int, tyro.conf.Suppress] = 256
    """Number of values a sub-pixel can take, 0 .. levels-1; 0 means continuous (float) data."""

    layers: int = 7
    """Number of residual layers after the first, 7x7, masked convolution (local: between the first and the heads)."""

    hidden: int = 16
    """Features h of a layer: LSTM units per direction; the residual stream has 2h."""

    head: int | None = None
    """Width of the two 1x1 layers before the output; 2h if not given (local: of a channel's own layer; h)."""

    output: OutputName = "auto"
    """Distribution of a sub-pixel; auto: bernoulli (2 levels), softmax (up to 256), continuous-mixture (floats), else
    (and of a local network) logistic-mixture."""

    mixtures: int = 10
    """Components of a mixture output."""

    copies: int = 0
    """Neighbours, up to 8, whose values a local network can copy: point masses in the mixture, for graphics."""

    grid: int = 1
    """Period, 1, 2 or 8, of what depends on the place of a pixel in a local network: 8 for what was once a JPEG."""

    adaptive: bool = False
    """Let a local network predict each sub-pixel by least squares in the pixels around it as well: for photographs."""

    residual: bool = True
    """Add the input of each layer to its output."""

    skip: bool = True
    """Connect every layer to the output head as well."""

    colours: Colours = "rgb"
    """What a model of three channels of 256 levels is of: red, green and blue, or the planes Y, Cb, Cr that they came
    from when they were a JPEG, or on a Photo CD. Colours that none give have probability zero."""

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
        require_choice("architecture", self.architecture, Architecture)
        require_choice("output", self.output, OutputName)
        require(
            len(self.shape) == 3 and min(self.shape) >= 1,
            f"shape is {self.shape}; it is (channels, height, width), each at least 1",
        )
        channels = self.shape[0]
        require(channels <= MAX_CHANNELS, f"shape has {channels} channels; 1 to {MAX_CHANNELS} are allowed")
        require(max(self.shape) <= MAX_SIDE, f"shape is {self.shape}; sides of up to {MAX_SIDE:,} are allowed")
        require(
            self.levels == 0 or 2 <= self.levels <= MAX_LEVELS,
            f"levels is {self.levels}; 2 to {MAX_LEVELS} are allowed, or 0 for continuous data",
        )
        require_choice("colours", self.colours, Colours)
        require(
            self.colours == "rgb" or (self.context is None and self.scales == 1),
            f"colours is {self.colours!r}; contexts and scales are for 'rgb' only",
        )
        require(self.layers >= 1, f"layers is {self.layers}; at least 1 is needed")
        require(
            self.hidden >= channels, f"hidden is {self.hidden}; at least one feature per channel ({channels}) is needed"
        )
        require(
            self.head is None or self.head >= channels,
            f"head is {self.head}; at least one feature per channel ({channels}) is needed",
        )
        require(self.mixtures >= 1, f"mixtures is {self.mixtures}; at least 1 is needed")
        self._check_local()
        self._check_condition()

    def _check_local(self) -> None:
        is_local = self.architecture == "local"
        require(0 <= self.copies <= MAX_COPIES, f"copies is {self.copies}; 0 to {MAX_COPIES} are allowed")
        require(self.grid in GRIDS, f"grid is {self.grid}; one of {', '.join(map(str, GRIDS))} is allowed")
        for name in ("copies", "grid", "adaptive"):
            value, default = getattr(self, name), getattr(ModelConfig, name)
            require(
                is_local or value == default, f"{name} is {value}, for architecture 'local' only; leave it {default}"
            )
        require(
            not self.adaptive or self.levels <= MAX_FITTED,
            f"adaptive is set, for up to {MAX_FITTED} levels; levels is {self.levels}",
        )
        if is_local:
            require(
                self.levels != 0 and self.output in ("auto", "logistic-mixture"),
                f"architecture 'local' has output 'logistic-mixture', of discrete data; output is {self.output!r}, "
                f"levels is {self.levels}",
            )
            require(
                self.context is None and self.scales == 1,
                f"architecture 'local' takes no context, and is no Multi-Scale model; context is {self.context}, "
                f"scales is {self.scales}",
            )
            require(
                self.residual and self.skip, "architecture 'local' has its own connections; leave residual and skip on"
            )

    def _check_condition(self) -> None:
        sides = self.shape[1:]
        require(self.classes >= 0, f"classes is {self.classes}; 0 (no labels) or more are allowed")
        require(
            0 <= self.label_dropout < 1,
            f"label_dropout is {self.label_dropout}; it is a share of the images, 0 up to 1",
        )
        if self.context is not None:
            require(
                len(self.context) == 3
                and min(self.context) >= 1
                and all(side % small == 0 for side, small in zip(sides, self.context[1:], strict=True)),
                f"context is {self.context}; it is (channels, height, width), whose sides divide {sides}",
            )
        if self.copies_context:
            half = (self.shape[0], sides[0] // 2, sides[1] // 2)
            require(
                self.context == half and self.context_ratio == (2, 2),
                f"a context to be copied is every second pixel of the image, {half}; context is {self.context}",
            )
        require(self.scales >= 1, f"scales is {self.scales}; at least 1 is needed")
        require(
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
        require(
            height % step == 0 and width % step == 0,
            f"scales is {self.scales}, so height and width must be multiples of {step}; they are {height} and {width}",
        )
        return [(channels, height >> down, width >> down) for down in range(self.scales - 1, -1, -1)]

    @property
    def context_ratio(self) -> tuple[int, int]:
        """How many rows and columns of the image go to one of the context."""
        assert self.context is not None
        return self.shape[1] // self.context[1], self.shape[2] // self.context[2]

    @property
    def context_factors(self) -> list[tuple[int, int]]:
        """The prime factors of both numbers of `context_ratio`, side by side, the smallest first, filled up with 1.

        Example:
            >>> ModelConfig(shape=(1, 16, 24), context=(1, 4, 4)).context_factors
            [(2, 2), (2, 3)]
        """
        rows, columns = self.context_ratio
        factors = []
        while rows > 1 or columns > 1:
            r, c = _smallest_factor(rows), _smallest_factor(columns)
            factors.append((r, c))
            rows, columns = rows // r, columns // c
        return factors

    @property
    def least_weights(self) -> int:
        """A bound from below of the number of weights: the largest product of sizes that some part of the model has.

        For judging a model from elsewhere before it is built, since its configuration may say anything. There are 10 to
        500 times as many.

        Example:
            >>> ModelConfig(hidden=10**6).least_weights
            7000000000000
        """
        h, head, output = self.hidden, self.head or self.hidden, self.resolved_output
        labels = self.classes * h * (1 if self.architecture == "local" else self.layers)
        parameters = self.levels if output == "softmax" else self.mixtures if output.endswith("mixture") else 1
        context = 0
        if self.context is not None:
            kernels = (9 * rows * columns for rows, columns in self.context_factors)
            context = self.context[0] * h + h * h * max(kernels, default=1)
        return self.scales * max(self.layers * h * h, h * head, head * parameters, labels, context)

    @property
    def takes_support(self) -> bool:
        """Whether colours can be excluded; see `pixelrnn.colours.support`."""
        return self.architecture == "local"

    def _check_data(self) -> None:
        discrete = self.levels != 0
        require(
            self.colours == "rgb" or (self.shape[0] == 3 and self.levels == 256),
            f"colours is {self.colours!r}, of 3 channels and 256 levels; these are {self.shape[0]} and {self.levels}",
        )
        if self.output == "bernoulli":
            require(self.levels == 2, f"output 'bernoulli' needs levels 2; levels is {self.levels}")
        if self.output == "softmax":
            require(
                2 <= self.levels <= SOFTMAX_LEVELS,
                f"output 'softmax' takes 2 to {SOFTMAX_LEVELS} levels; "
                f"levels is {self.levels} (try 'logistic-mixture')",
            )
        if self.output == "logistic-mixture":
            require(discrete, "output 'logistic-mixture' is for discrete data; levels is 0 (try 'continuous-mixture')")
        if self.output == "continuous-mixture":
            require(
                not discrete,
                f"output 'continuous-mixture' is for continuous data; levels is {self.levels}, 0 is needed",
            )

    @property
    def resolved_output(self) -> OutputName:
        """The output that `auto` stands for with these levels, or the one given.

        Raises:
            ConfigError: If output or colours do not go with the levels. This is not checked when the object is made,
                since the command line learns the levels from the data later.
        """
        self._check_data()
        if self.output != "auto":
            return self.output
        if self.architecture == "local":
            return "logistic-mixture"
        if self.levels == 0:
            return "continuous-mixture"
        if self.levels == 2:
            return "bernoulli"
        return "softmax" if self.levels <= SOFTMAX_LEVELS else "logistic-mixture"


def _smallest_factor(number: int) -> int:
    return next((factor for factor in range(2, math.isqrt(number) + 1) if number % factor == 0), number)

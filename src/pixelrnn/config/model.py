"""What the network is."""

import dataclasses
import math
from typing import Annotated, Any, Literal

import tyro

from pixelrnn.config.architectures import ARCHITECTURES, MOST_LEVELS, OUTPUTS, ArchitectureTraits, known
from pixelrnn.config.checks import require, require_choice

__all__ = ["Architecture", "Colours", "ModelConfig", "OutputName"]


def _name(names: str) -> Any:
    """How an option is read whose choices can be added to: any word, which is checked with the other fields."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{names.replace(' ', '')}}}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    )


Architecture = Annotated[str, _name(known(ARCHITECTURES))]
Colours = Literal["rgb", "jpeg", "photo-cd"]
OutputName = Annotated[str, _name(f"auto, {known(OUTPUTS)}")]

MAX_CHANNELS = 4
MAX_SIDE = 2**24  # whose factors are found by trial
MAX_COPIES = 8
GRIDS = (1, 2, 8)
ORDERS = (1, 2, 4, 8)


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

    fits: int = 1
    """Least-squares fits of an adaptive network, 1 or 2. The second sees farther, and the network sees where both were
    wrong nearby: smaller files, somewhat slower."""

    residual: bool = True
    """Add the input of each layer to its output."""

    skip: bool = True
    """Connect every layer to the output head as well."""

    colours: Colours = "rgb"
    """What a model of three channels of 256 levels is of: red, green and blue, or the planes Y, Cb, Cr that they came
    from when they were a JPEG, or on a Photo CD. Colours that none give have probability zero."""

    classes: Annotated[int, tyro.conf.Suppress] = 0
    """Number of labels that an image can have, 0 .. classes-1; 0: the model knows no labels."""

    orders: int = 1
    """Orders in which images are read, 1, 2, 4 or 8: p(x) is the mean over them. 2: from the left or the right; 4: from
    any corner; 8: from any corner along rows or along columns."""

    augmented: Annotated[bool, tyro.conf.Suppress] = False
    """The networks can be told how an image was changed, by the augmentations of a training."""

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
        require(
            self.architecture in ARCHITECTURES,
            f"architecture is {self.architecture!r}; one of {known(ARCHITECTURES)} is allowed "
            "(pixelrnn.register_architecture adds others)",
        )
        require(
            self.output in ("auto", *OUTPUTS),
            f"output is {self.output!r}; one of auto, {known(OUTPUTS)} is allowed "
            "(pixelrnn.register_output adds others)",
        )
        require(
            len(self.shape) == 3 and min(self.shape) >= 1,
            f"shape is {self.shape}; it is (channels, height, width), each at least 1",
        )
        channels = self.shape[0]
        require(channels <= MAX_CHANNELS, f"shape has {channels} channels; 1 to {MAX_CHANNELS} are allowed")
        require(max(self.shape) <= MAX_SIDE, f"shape is {self.shape}; sides of up to {MAX_SIDE:,} are allowed")
        require(
            self.levels == 0 or 2 <= self.levels <= MOST_LEVELS,
            f"levels is {self.levels}; 2 to {MOST_LEVELS} are allowed, or 0 for continuous data",
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
        self._check_options()
        self._check_condition()
        self._check_orders()

    @property
    def traits(self) -> ArchitectureTraits:
        """What the architecture is like."""
        return ARCHITECTURES[self.architecture]

    def _check_options(self) -> None:
        """Check the fields that not every architecture has."""
        name, traits = self.architecture, self.traits
        require(0 <= self.copies <= MAX_COPIES, f"copies is {self.copies}; 0 to {MAX_COPIES} are allowed")
        require(self.grid in GRIDS, f"grid is {self.grid}; one of {', '.join(map(str, GRIDS))} is allowed")
        for owner, others in ARCHITECTURES.items():
            for option in others.options:
                value, default = getattr(self, option), getattr(ModelConfig, option)
                require(
                    value == default or option in traits.options,
                    f"{option} is {value}, for architecture {owner!r} only; leave it {default}",
                )
        require(self.fits in (1, 2), f"fits is {self.fits}; 1 or 2 is allowed")
        require(self.fits == 1 or self.adaptive, f"fits is {self.fits}, for an adaptive network only; set adaptive")
        require(
            self.output == "auto" or not traits.outputs or self.output in traits.outputs,
            f"architecture {name!r} has output {' or '.join(map(repr, traits.outputs))}; output is {self.output!r}",
        )
        require(
            traits.takes_labels or self.classes == 0,
            f"architecture {name!r} takes no labels; classes is {self.classes}",
        )
        require(
            traits.takes_context or (self.context is None and self.scales == 1),
            f"architecture {name!r} takes no context, and is no Multi-Scale model; context is {self.context}, "
            f"scales is {self.scales}",
        )
        require(
            traits.has_connections or (self.residual and self.skip),
            f"architecture {name!r} has its own connections; leave residual and skip on",
        )
        if any(OUTPUTS[output].least for output in traits.outputs):
            require(self.levels != 0, f"architecture {name!r} is for discrete data; levels is 0")

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

    def _check_orders(self) -> None:
        require(self.orders in ORDERS, f"orders is {self.orders}; one of {', '.join(map(str, ORDERS))} is allowed")
        for name, wanted in (("orders", self.orders > 1), ("augmented", self.augmented)):
            require(
                not wanted or self.traits.takes_orders,
                f"{name} is {getattr(self, name)}; architecture {self.architecture!r} cannot be told of it",
            )
        require(
            self.orders == 1 or self.grid == 1,
            f"orders is {self.orders}, and grid {self.grid}: places in a grid are others in mirror images; leave one 1",
        )
        if self.orders > 4 and self.context is not None:
            rows, columns = self.context_ratio
            require(
                rows == columns,
                f"orders is {self.orders}, so a context has as many rows as columns less than the image; "
                f"{rows} and {columns} times fewer are given",
            )

    @property
    def label_rows(self) -> int:
        """How many biases the networks tell labels and orders apart by; 0 if there is nothing to tell.

        Those of order k and label y are in row k (classes + 1) + y, no label being the last of an order; with one order
        there is a row for each label.
        """
        return self.classes if self.orders == 1 else self.orders * (self.classes + 1)

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
        labels = self.classes * h
        parameters = self.levels if output == "softmax" else self.mixtures if output.endswith("mixture") else 1
        context = 0
        if self.context is not None:
            kernels = (9 * rows * columns for rows, columns in self.context_factors)
            context = self.context[0] * h + h * h * max(kernels, default=1)
        return self.scales * max(self.layers * h * h, h * head, head * parameters, labels, context)

    @property
    def takes_support(self) -> bool:
        """Whether colours can be excluded; see `pixelrnn.colours.support`."""
        return self.traits.takes_support

    def _check_data(self) -> None:
        require(
            self.colours == "rgb" or (self.shape[0] == 3 and self.levels == 256),
            f"colours is {self.colours!r}, of 3 channels and 256 levels; these are {self.shape[0]} and {self.levels}",
        )
        if self.output != "auto":
            traits = OUTPUTS[self.output]
            advice = next(name for name, other in OUTPUTS.items() if other.least <= self.levels <= other.most)
            range_ = (
                f"levels {traits.least}" if traits.least == traits.most else f"{traits.least} to {traits.most} levels"
            )
            require(
                traits.least <= self.levels <= traits.most,
                f"output {self.output!r} takes {range_ if traits.most else 'continuous data, levels 0'}; "
                f"levels is {self.levels} (try {advice!r})",
            )

    @property
    def resolved_output(self) -> str:
        """The output that `auto` stands for with these levels, or the one given.

        Raises:
            ConfigError: If output or colours do not go with the levels. This is not checked when the object is made,
                since the command line learns the levels from the data later.
        """
        self._check_data()
        if self.output != "auto":
            return self.output
        if self.traits.outputs:
            return self.traits.outputs[0]
        return next(name for name, traits in OUTPUTS.items() if traits.least <= self.levels <= traits.most)


def _smallest_factor(number: int) -> int:
    return next((factor for factor in range(2, math.isqrt(number) + 1) if number % factor == 0), number)

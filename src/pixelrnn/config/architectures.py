"""What is known of architectures and outputs before torch is imported: names, defaults, what goes with what."""

import dataclasses

__all__ = ["ARCHITECTURES", "OUTPUTS", "ArchitectureTraits", "OutputTraits", "known"]

FINE = 256  # levels up to which a softmax has a logit for each
MOST_LEVELS = 65536


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArchitectureTraits:
    """What an architecture is like.

    Attributes:
        learning_rate: Highest rate of a training, if none is given.
        takes_labels: Whether its images can have labels.
        takes_context: Whether a context image can condition it; such an architecture can have several scales too.
        takes_support: Whether colours can be excluded; see `pixelrnn.colours.support`.
        outputs: Outputs that it can have, the first by default; any if empty.
        options: Fields of `ModelConfig` that only it has.
        has_connections: Whether residual and skip connections can be left out.
        has_recurrence: Whether `scan` computes it, which has a reference in plain torch.
        sees_far: Whether a pixel sees much of the image; else tiles of an archive can be large.
        takes_orders: Whether it looks at labels by `pixelrnn.nn.condition`, and so can be told of orders as well.
        is_portable: Whether the walk gives the same bits on every machine, as archives need.
    """

    learning_rate: float = 4e-3
    takes_labels: bool = True
    takes_context: bool = True
    takes_support: bool = False
    outputs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    has_connections: bool = True
    has_recurrence: bool = False
    sees_far: bool = True
    takes_orders: bool = False
    is_portable: bool = True


@dataclasses.dataclass(frozen=True)
class OutputTraits:
    """What an output is like.

    Attributes:
        least: Levels that it takes at least; 0 for continuous data.
        most: Levels that it takes at most; 0 for continuous data.
    """

    least: int
    most: int


ARCHITECTURES: dict[str, ArchitectureTraits] = {
    "diagonal-bilstm": ArchitectureTraits(has_recurrence=True, takes_orders=True),
    "row-lstm": ArchitectureTraits(has_recurrence=True, takes_orders=True),
    "pixelcnn": ArchitectureTraits(learning_rate=2e-3, takes_orders=True),  # its ReLUs die of more
    "gated-pixelcnn": ArchitectureTraits(takes_orders=True),
    "local": ArchitectureTraits(
        takes_context=False,
        takes_orders=True,
        takes_support=True,
        outputs=("logistic-mixture",),
        options=("copies", "grid", "adaptive", "fits"),
        has_connections=False,
        sees_far=False,
    ),
}
"""Those of the package; `pixelrnn.register_architecture` adds others."""

OUTPUTS: dict[str, OutputTraits] = {
    "bernoulli": OutputTraits(2, 2),
    "softmax": OutputTraits(2, FINE),
    "logistic-mixture": OutputTraits(2, MOST_LEVELS),
    "continuous-mixture": OutputTraits(0, 0),
}
"""Those of the package, in the order in which `auto` tries them; `pixelrnn.register_output` adds others."""


def known(names: dict[str, ArchitectureTraits] | dict[str, OutputTraits]) -> str:
    """Names in a row."""
    return ", ".join(names)

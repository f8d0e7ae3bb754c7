"""How images are read."""

import dataclasses
from typing import Literal

from pixelrnn.config.architectures import MOST_LEVELS
from pixelrnn.config.checks import require, require_choice, require_seed

__all__ = ["IMAGE_SUFFIXES", "ContextKind", "DataConfig"]

Channels = Literal["auto", "grey", "rgb", "rgba", "images"]
Crop = Literal["centre", "random"]
ContextKind = Literal["none", "grey", "shrunk", "subsample", "given"]
Binarize = Literal["none", "threshold", "fixed", "dynamic"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How images are read from a source and turned into integers."""

    size: int | tuple[int, int] | None = None
    """Side of the images, or height and width; needed when they differ in size."""

    crop: Crop = "centre"
    """centre: resize the image to cover the size, then cut the middle; random: cut patches, no resizing."""

    patches: int = 1
    """Patches cut from each image in an epoch (with --crop random)."""

    align: int = 1
    """Patches begin at rows and columns that are multiples of this: for models with a grid, of that."""

    channels: Channels = "auto"
    """auto: grey if all images are, else rgb. Transparency is laid over white unless rgba is chosen. Of files with more
    than 8 bits, or several pages, channels are as they are; images: each is an image of its own."""

    bits: int | None = None
    """8: take the upper 8 bits of files with more, and the first of several pages. Else all pages are images, and all
    values levels, counted as those of arrays (`source_levels`)."""

    levels: int | None = None
    """Values of a sub-pixel after floor quantisation, 2 .. 65536; the source's own if not given; 0: keep floats."""

    binarize: Binarize = "none"
    """threshold: value >= half; fixed: one stochastic draw for good; dynamic: a new draw each epoch."""

    binarize_seed: int = 20160125
    """Seed of the stochastic binarisation."""

    source_levels: int | None = None
    """Values that an array's sub-pixels can take, if they are not bytes: 8 for 0 .. 7. Where there are values above 255
    they are counted, from the lowest to the highest, and `offset` and `step` are set."""

    offset: int = 0
    """The lowest value of an array, which becomes level 0."""

    step: int = 1
    """Distance of the values of an array that become neighbouring levels."""

    clip_range: bool = False
    """Take the nearest level for values beyond those of `offset`, `step`, `source_levels`; else they are an error."""

    packed: tuple[int, int] | None = None
    """Height and width of the images in bit-packed arrays."""

    labels: bool = False
    """Read labels (sub-folder names, or the arrays and files that hold them), and condition the model on them."""

    context: ContextKind = "none"
    """Image that conditions every pixel. grey: the image without colour; shrunk: at half the size, means of 2x2 pixels;
    subsample: every second pixel of it; given: arrays train_context, ... beside the images."""

    support: bool = False
    """Let the model know which colours an image has, where they are few; the others get probability zero. Their own
    cost is not counted. For local models."""

    perturb: float = 0.0
    """Share of the pixels of training and validation images that are replaced by noise, drawn afresh each epoch: for a
    background model, which learns what all images have in common (`pixelrnn score --against`)."""

    shrink: int = 1
    """Read images n times smaller: means of n x n pixels. Other lengths, as size, count pixels of the images before."""

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
            require(sides is None or min(sides) >= 1, f"{name} is {sides}; sides are at least 1")
        require_choice("crop", self.crop, Crop)
        require(self.crop == "centre" or self.size is not None, "crop 'random' needs size: the side of the patches")
        require(self.patches >= 1, f"patches is {self.patches}; at least 1 is needed")
        require(
            self.patches == 1 or self.crop == "random", f"patches is {self.patches}; more than 1 needs crop 'random'"
        )
        require(self.align >= 1, f"align is {self.align}; at least 1 is needed")
        require(self.align == 1 or self.crop == "random", f"align is {self.align}; more than 1 needs crop 'random'")
        require(
            self.levels is None or self.levels == 0 or 2 <= self.levels <= MOST_LEVELS,
            f"levels is {self.levels}; 2 to {MOST_LEVELS} are allowed, or 0 for continuous data",
        )
        require(
            self.source_levels is None or 2 <= self.source_levels <= MOST_LEVELS,
            f"source_levels is {self.source_levels}; 2 to {MOST_LEVELS} are allowed",
        )
        require(self.bits in (None, 8), f"bits is {self.bits}; 8 is allowed, or nothing: all that a file has")
        require(self.step >= 1, f"step is {self.step}; at least 1 is needed")
        require_choice("binarize", self.binarize, Binarize)
        require(
            self.binarize == "none" or self.levels in (None, 2),
            f"binarize gives 2 levels; levels is {self.levels}, leave it out or give 2",
        )
        require(
            not self.support or self.binarize in ("none", "threshold"),
            f"support is set, of colours that are the same each time; binarize {self.binarize!r} draws them",
        )
        require_choice("channels", self.channels, Channels)
        require_seed("binarize_seed", self.binarize_seed)
        require_seed("split_seed", self.split_seed)
        for name in ("valid_fraction", "test_fraction"):
            require(0 < getattr(self, name) < 1, f"{name} is {getattr(self, name)}; it lies between 0 and 1")
        require(
            self.valid_fraction + self.test_fraction < 1, "valid_fraction and test_fraction leave nothing to train on"
        )
        require(self.limit is None or self.limit >= 1, f"limit is {self.limit}; at least 1 is needed")
        require_choice("context", self.context, ContextKind)
        require(0 <= self.perturb <= 1, f"perturb is {self.perturb}; it is a share, 0 to 1")
        require(self.perturb == 0 or self.levels != 0, "perturb draws levels; images with levels 0 have none")
        require(not (self.perturb and self.support), "perturb draws colours that the support would not have")
        require(self.shrink >= 1, f"shrink is {self.shrink}; at least 1 is needed")
        require(
            self.shrink == 1 or self.binarize in ("none", "threshold"),
            f"shrink gives means; binarize {self.binarize!r} draws bits for the pixels of the source",
        )
        require(
            self.crop == "centre" or all(side % self.shrink == 0 for side in self.height_width or ()),
            f"size is {self.size}; of patches of images made {self.shrink} times smaller it is a multiple of that",
        )
        require(self.shrink == 1 or self.context != "given", "context 'given' is not shrunk with the images")
        require(self.subsample >= 1, f"subsample is {self.subsample}; at least 1 is needed")
        require(self.context != "given" or self.crop == "centre", "context 'given' does not go with crop 'random'")

    @property
    def height_width(self) -> tuple[int, int] | None:
        """The wanted height and width, if any."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

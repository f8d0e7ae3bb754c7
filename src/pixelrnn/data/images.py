"""Sets of images as a model takes them: the three splits of a source."""

import dataclasses
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelrnn.colours.support import Support, few
from pixelrnn.condition import Condition
from pixelrnn.config import ContextKind, DataConfig, ModelConfig, Shard
from pixelrnn.data.contexts import context_shape, derive
from pixelrnn.data.pixels import AbstractPixels
from pixelrnn.data.quantise import Quantiser, shrunk
from pixelrnn.errors import DataError

__all__ = ["Data", "Examples", "ImageSet"]

MOST_SUPPORTS = 2**14  # that a set of images keeps


class Examples(NamedTuple):
    """Images and what a model is given with them.

    Attributes:
        images: `(N, C, H, W)` uint8 levels (int32 above 256), or float32 for continuous data.
        condition: Labels, if the set has them; contexts, if it has them; a `Support` for each image, if the set gives
            them, None where the colours are many.
    """

    images: Tensor
    condition: Condition = Condition()

    def given(self, model: ModelConfig) -> dict[str, Any]:
        """What of the condition a model takes: arguments of its likelihoods."""
        given = self.condition
        return {
            "label": given.label if model.classes else None,
            "context": given.context,
            "support": given.support if model.takes_support else None,
        }

    def to(self, device: torch.device) -> "Examples":
        """The same on a device."""
        move = functools.partial(Tensor.to, device=device, non_blocking=True)
        return Examples(move(self.images), self.condition.map(move))

    @staticmethod
    def joined(parts: "Sequence[Examples]") -> "Examples":
        """Several batches as one."""
        images, conditions = zip(*parts, strict=True)
        first = conditions[0]
        supports = None if first.support is None else tuple(itertools.chain(*(given.support for given in conditions)))

        def every(name: str) -> Tensor | None:
            parts = [getattr(given, name) for given in conditions]
            return None if parts[0] is None else torch.cat(parts)

        names = ("label", "context", "augmentation", "order")
        return Examples(torch.cat(images), Condition(support=supports, **{name: every(name) for name in names}))


@dataclasses.dataclass(frozen=True, repr=False)
class ImageSet:
    """Images of one split, read when they are asked for.

    Args:
        pixels: Where the values lie.
        positions: Positions in `pixels` of the images of this set.
        quantiser: Quantiser from source values to model values.
        patch: Height and width of the random patches to cut; whole images if None.
        patches: Patches of each image.
        seed: Seed of the patches.
        labels: Label of every image of `pixels`, if there are any.
        context: Kind of the context of each image.
        contexts: Contexts of all images of `pixels`, if they are given.
        subsample: Every so many pixels and rows of an image, one is kept.
        shrink: Side of the squares of pixels whose means are taken, before that.
        is_fixed: Whether every draw is the same (evaluation) or each draw is fresh (training).
        align: Patches begin at multiples of this.
        has_support: Whether images come with the colours that they have, if these are few.
        perturb: Share of the pixels that are replaced by noise.
        places: Of a part of a set, the place of each image in the whole, which chooses what is random; else None.
    """

    pixels: AbstractPixels
    positions: NDArray[np.int64]
    quantiser: Quantiser
    patch: tuple[int, int] | None = None
    patches: int = 1
    seed: int = 0
    labels: NDArray[np.int64] | None = None
    context: ContextKind = "none"
    contexts: AbstractPixels | None = None
    subsample: int = 1
    is_fixed: bool = True
    align: int = 1
    has_support: bool = False
    perturb: float = 0.0
    shrink: int = 1
    places: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        """How many images, not their values."""
        return f"ImageSet({len(self):,} images)"

    def __len__(self) -> int:
        """Number of images, or of patches."""
        return len(self.positions) * self.patches

    @functools.cached_property
    def fingerprint(self) -> str:
        """What the images of the source are, with their labels and contexts, in any order: the sum of their hashes."""
        total = 0
        for position in map(int, self.positions):
            values, given = self.pixels.read([position])[0], self.contexts
            label = None if self.labels is None else int(self.labels[position])
            found = hashlib.blake2b(f"{values.shape} {label}".encode(), digest_size=16)
            found.update(values.tobytes())
            if given is not None:
                found.update(given.read([position])[0].tobytes())
            total += int.from_bytes(found.digest())
        return f"{total % 2**128:032x}"

    def shape(self, item: int) -> tuple[int, int, int]:
        """Channels, height and width of an image; only whole ones can differ."""
        channels, *whole = self.pixels.shape(int(self.positions[item // self.patches]))
        height, width = self.patch or whole
        return channels, -(-height // self.reduction), -(-width // self.reduction)

    @property
    def reduction(self) -> int:
        """How many times larger the images of the source are."""
        return self.shrink * self.subsample

    def part(self, chosen: Sequence[int] | NDArray[np.int64]) -> "ImageSet":
        """Some of the images (with all patches of each), with all that is random as it is in the whole set."""
        chosen = np.asarray(chosen, np.int64)
        places = chosen if self.places is None else self.places[chosen]
        return dataclasses.replace(self, positions=self.positions[chosen], places=places)

    def original_size(self, item: int) -> tuple[int, int]:
        """Height and width of a whole image as it is in the source."""
        _, height, width = self.pixels.shape(int(self.positions[item // self.patches]))
        return height, width

    def original(self, item: int) -> Tensor:
        """A whole image as it is in the source, `(C, H, W)`."""
        return _tensor(np.array(self.pixels.read([int(self.positions[item // self.patches])])[0]))

    def require_levels(self, levels: int) -> None:
        """Check that the values are those of a model of so many levels; raises `DataError` if not."""
        if self.quantiser.levels != levels:
            raise DataError(f"the images have {self.quantiser.levels} levels; the model has {levels}")

    def batch(self, items: Sequence[int], draw: int = 0) -> Tensor:
        """Some images.

        Args:
            items: Their numbers, 0 .. len-1.
            draw: Number of the draw for what is random; ignored by a fixed set.

        Returns:
            `(N, C, H, W)` uint8 levels (int32 above 256), or float32 for continuous data.
        """
        draw = 0 if self.is_fixed else draw + 1
        positions = [int(self.positions[item // self.patches]) for item in items]
        if self.places is not None:
            items = [int(self.places[item // self.patches]) * self.patches + item % self.patches for item in items]
        images = []
        for item, position, values in zip(items, positions, self.pixels.read(positions), strict=True):
            # The fixed draw belongs to the whole image; everything else is cheaper on the patch alone.
            early = self.patch is not None and self.quantiser.binarize != "fixed"
            values = shrunk(self._cut(values, item, draw) if early else values, self.shrink)
            image = self.quantiser(values, self.pixels.offset(position), item, draw)
            image = image if self.patch is None or early else self._cut(image, item, draw)
            images.append(self._perturbed(image, item, draw) if self.perturb else image)
        return _tensor(np.stack(images)[..., :: self.subsample, :: self.subsample])

    def examples(self, items: Sequence[int], draw: int = 0) -> Examples:
        """Some images with their labels and contexts; see `batch`."""
        images, positions = self.batch(items, draw), self.positions[np.asarray(items, np.int64) // self.patches]
        label = None if self.labels is None else torch.from_numpy(self.labels[positions])
        context: Tensor | None = None
        if self.contexts is not None:
            given = self.contexts.read(positions.tolist())
            context = _tensor(np.stack([self.quantiser.plainly(values) for values in given]))
        elif self.context != "none":
            context = derive(self.context, images)
        support = tuple(self.support(int(position)) for position in positions) if self.has_support else None
        return Examples(images, Condition(label, context, support))

    def support(self, position: int) -> Support | None:
        """The colours of one of the images of `pixels`, all of it, if they are few."""
        known = self._supports
        if position not in known:
            if len(known) >= MOST_SUPPORTS:
                known.pop(next(iter(known)))
            (values,) = self.pixels.read([position])
            known[position] = few(self.quantiser.plainly(shrunk(values, self.shrink)), self.quantiser.levels)
        return known[position]

    @functools.cached_property
    def _supports(self) -> dict[int, Support | None]:
        return {}

    def conditions(self, n: int) -> dict[str, Any]:
        """Arguments of `model.sample` for about n images that show what the conditions do.

        Without conditions n; with labels all of them in turn, evenly; with contexts, those of images of the set.
        """
        if self.context != "none":
            examples = self.spaced(n).examples(range(min(n, len(self))))
            given = examples.condition
            return {"n": len(examples.images), "label": given.label, "context": given.context}
        if self.labels is None:
            return {"n": n}
        classes = int(self.labels.max()) + 1
        return {"n": n, "label": torch.arange(n) * classes // n}

    def spaced(self, n: int) -> "ImageSet":
        """A set of at most n of the images, evenly spaced, so that sorted classes all have their share."""
        return dataclasses.replace(self, positions=spaced(self.positions, n))

    def _perturbed(self, image: NDArray[np.generic], item: int, draw: int) -> NDArray[np.generic]:
        stream = np.random.Generator(np.random.Philox(key=self.seed, counter=[2, 0, item, draw]))
        noise = stream.integers(0, self.quantiser.levels, image.shape).astype(image.dtype)
        return np.where(stream.random(image.shape[1:]) < self.perturb, noise, image)

    def _cut(self, image: NDArray[np.generic], item: int, draw: int) -> NDArray[np.generic]:
        assert self.patch is not None
        height, width = self.patch
        stream = np.random.Generator(np.random.Philox(key=self.seed, counter=[1, 0, item, draw]))
        step = math.lcm(self.align, self.shrink)  # so that patches of what is shrunk are those of the shrunk image
        top = step * stream.integers((image.shape[1] - height) // step + 1)
        left = step * stream.integers((image.shape[2] - width) // step + 1)
        return image[:, top : top + height, left : left + width]


def _tensor(values: NDArray[np.generic]) -> Tensor:
    """Values as a tensor: of uint16 torch knows little."""
    return torch.from_numpy(values.astype(np.int32) if values.dtype == np.uint16 else values)


def spaced(positions: NDArray[np.int64], n: int | None) -> NDArray[np.int64]:
    """At most n of the positions, evenly spaced."""
    count = len(positions)
    return positions if n is None or n >= count else positions[np.arange(n) * count // n]


@dataclasses.dataclass(frozen=True, repr=False)
class Data:
    """The splits of a source.

    Attributes:
        train: Images to learn from; random draws and patches are fresh each epoch.
        valid: Images to select by; all draws fixed.
        test: Images to report on; all draws fixed.
        whole: All images of the source in order; all draws fixed.
        levels: Values of a sub-pixel; 0 for continuous data.
        shape: Channels, height and width.
        context_shape: The same of the contexts, if there are any.
        summary: One line of what was found.
        protocol: One line of how images became values and splits.
        skipped: Files that could not be read, with the reason.
        label_names: Name of each label.
        has_splits: Whether the source itself separates test images from training images.
        names: Names of the files, if the images are files.
        source: What was read.
        config: Configuration by which it was read.
    """

    train: ImageSet
    valid: ImageSet
    test: ImageSet
    whole: ImageSet
    levels: int
    shape: tuple[int, int, int]
    context_shape: tuple[int, int, int] | None
    summary: str
    protocol: str
    skipped: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    has_splits: bool = False
    names: tuple[str, ...] = ()
    source: str = ""
    config: DataConfig = dataclasses.field(default_factory=DataConfig)

    def __repr__(self) -> str:
        """What was found and how it is read, not the values."""
        return f"Data({self.source}: {self.summary}; {self.protocol})"

    def name(self, images: ImageSet, item: int) -> str:
        """How to call one of the images of a split: its file, or its number in the source."""
        position = int(images.positions[item // images.patches])
        return self.names[position] if self.names else f"image {position}"

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)}

    @property
    def fingerprints(self) -> dict[str, str]:
        """What each split holds; see `ImageSet.fingerprint`."""
        return {"train": self.train.fingerprint, "valid": self.valid.fingerprint, "test": self.test.fingerprint}

    @property
    def model_fields(self) -> dict[str, Any]:
        """The fields of `ModelConfig` that the data decide.

        Example:
            >>> from pixelrnn import load_data
            >>> load_data("digits", labels=True).model_fields
            {'shape': (1, 8, 8), 'levels': 17, 'classes': 10, 'context': None, 'copies_context': False}
        """
        return {
            "shape": self.shape,
            "levels": self.levels,
            "classes": len(self.label_names),
            "context": self.context_shape,
            "copies_context": self.config.context == "subsample",
        }

    def relabelled(self, names: Sequence[str]) -> "Data":
        """The same with the numbers that a model gives the labels, by their names.

        Raises:
            DataError: If it has a label that is none of them.
        """
        if tuple(names) == self.label_names:
            return self
        if unknown := [name for name in self.label_names if name not in names]:
            raise DataError(
                f"{self.source}: {unknown[0]!r} is none of the labels that the model knows: {', '.join(names[:20])}"
            )
        numbers = np.array([list(names).index(name) for name in self.label_names], np.int64)
        return self._each(
            lambda images: dataclasses.replace(
                images, labels=None if images.labels is None else numbers[images.labels]
            ),
            label_names=tuple(names),
        )

    def of_shard(self, shard: Shard) -> "Data":
        """The images of a part: by the names of their files, or else by their numbers in the source."""

        def takes(position: int) -> bool:
            return shard.takes(self.names[position]) if self.names else shard.takes_number(position)

        return self._each(lambda images: images.part(np.flatnonzero([takes(int(each)) for each in images.positions])))

    def _each(self, change: Callable[[ImageSet], ImageSet], **fields: Any) -> "Data":
        """A copy with every set of images changed."""
        splits: dict[str, Any] = {name: change(getattr(self, name)) for name in ("train", "valid", "test", "whole")}
        return dataclasses.replace(self, **splits, **fields)

    def uncut(self) -> "Data":
        """The same images whole, which may differ in size, where these are patches of them."""
        protocol = self.protocol.replace(f", patches {self.config.size}", ", whole images")
        return self._each(lambda images: dataclasses.replace(images, patch=None, patches=1), protocol=protocol)

    def at_scale(self, step: int, *, has_context: bool) -> "Data":
        """The data for one scale of a Multi-Scale model: every step-th pixel, given every second one of those."""
        config = dataclasses.replace(
            self.config, subsample=self.config.subsample * step, context="subsample" if has_context else "none"
        )

        def scaled(images: ImageSet) -> ImageSet:
            return dataclasses.replace(images, subsample=config.subsample, context=config.context, contexts=None)

        shape = (self.shape[0], self.shape[1] // step, self.shape[2] // step)
        context = context_shape("subsample", shape) if has_context else None
        return self._each(scaled, shape=shape, context_shape=context, config=config)

    @property
    def dims(self) -> int:
        """Sub-pixels of an image."""
        return math.prod(self.shape)

"""What images depend on beside their own pixels: one carrier, from the data to the compiled walk."""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Condition"]


class Condition(NamedTuple):
    """What a batch of N images is given: tensors or arrays, None for what is not given.

    Attributes:
        label: `(N,)` int64 label of each image, -1 for none.
        context: `(N, Cc, Hc, Wc)` context image of each image; inside of a network, its features at every pixel.
        support: The colours that can occur in each image: of a set of images a `Support` or None for each, of a model
            that has checked them the `Trie` of all.
        augmentation: `(N, A)` floats: how images are changed in training; see `pixelrnn.train.augment`.
        order: `(N,)` int64, on the CPU: the order in which each image is read in training, if there are several.
    """

    label: Any = None
    context: Any = None
    support: Any = None
    augmentation: Any = None
    order: Any = None

    def map(self, change: Callable[[Any], Any]) -> "Condition":
        """The same with label, context and augmentation changed, where they are given."""
        parts = (self.label, self.context, self.augmentation)
        label, context, augmentation = (None if part is None else change(part) for part in parts)
        return Condition(label, context, self.support, augmentation, self.order)

    def of(self, images: Any) -> "Condition":
        """The same for some of the images, by an array of their numbers; its support is a `Trie`."""
        picked = self.map(lambda part: part[images])
        order = None if self.order is None else self.order[images]
        return picked._replace(support=None if self.support is None else self.support.of(images), order=order)

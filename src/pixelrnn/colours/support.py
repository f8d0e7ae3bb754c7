r"""The colours that can occur: all others get probability zero, and those that can share it out among them.

A *support* is a set of colours :math:`S \subset \{0..L-1\}^C`. Given the earlier channels of a pixel, the next one can
have the values that some colour of S has there; with the weights w that a model gives all levels, summing to 1, and a
small :math:`\epsilon` that keeps everything allowed possible,

.. math:: p(v) = \frac{w(v) + \epsilon}{\sum_{u \in A} (w(u) + \epsilon)} \text{ for } v \in A,
          \quad A = \{v : (x_{<c}, v, \ldots) \in S\}, \quad p(v) = 0 \text{ else.}

The sets A are the *rows* of a trie: row 0 has the values of the first channel, and each entry of a row leads to the row
of the next channel that follows it. The tries of several images are put together in one, row after row.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.errors import DataError

__all__ = ["FLOOR", "FREE", "MOST_COLOURS", "OUTSIDE", "Support", "Trie", "build_trie", "few", "rows_of", "trie_of"]

Array = np.ndarray[Any, np.dtype[Any]]

FLOOR = 1e-6
"""The weight that is added to each allowed level."""

FREE, OUTSIDE = -1, -2
"""In the place of a row: of an image without a support, and behind a value that the support does not allow."""


MOST_COLOURS, PIXELS_OF_A_COLOUR = 4096, 4
"""Of an image, most, and least for each of them, for it to be worth while to say which it has."""

LEVELS = 256


class Trie(NamedTuple):
    """The rows of the colours of several images; in each, entries are ascending.

    Attributes:
        roots: `(N,)` int64: the first row of each image, or `FREE`.
        starts: `(R + 1,)` int64: the first entry of each row.
        values: `(E,)` int64: the level of each entry.
        next: `(E,)` int64: the row that follows an entry; `FREE` behind the last channel.
    """

    roots: Array
    starts: Array
    values: Array
    next: Array

    def of(self, images: Array) -> "Trie":
        """The same for some of the images, by number."""
        return self._replace(roots=self.roots[images])


class Support:
    """A set of colours.

    Args:
        colours: `(n, C)` integers, n at least 1; equal ones count once.

    Raises:
        DataError: If these are no colours.

    Example:
        >>> support = Support(np.array([[0, 9], [0, 7], [3, 9], [0, 7]]))
        >>> support.colours.tolist()
        [[0, 7], [0, 9], [3, 9]]
        >>> len(support)
        3
    """

    def __init__(self, colours: Any) -> None:
        array = np.asarray(colours)
        if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iu" or array.min() < 0:
            raise DataError(
                f"a support has colours of {array.dtype}, of shape {array.shape}; (n, channels) integers from 0 on, "
                "n at least 1, are needed"
            )
        self.colours: Array = np.unique(array.astype(np.int64), axis=0)

    @classmethod
    def of(cls, images: Any) -> "Support":
        """The colours of an image `(C, H, W)`, or of several `(N, C, H, W)`: tensors or arrays.

        Example:
            >>> len(Support.of(np.zeros((3, 5, 5), np.uint8)))
            1
        """
        array = np.asarray(images)
        return cls(np.moveaxis(array, -3, -1).reshape(-1, array.shape[-3]))

    def __len__(self) -> int:
        """How many colours there are."""
        return len(self.colours)

    def __eq__(self, other: object) -> bool:
        """Whether another support has the same colours."""
        return isinstance(other, Support) and np.array_equal(self.colours, other.colours)

    def __hash__(self) -> int:
        """Equal supports have the same."""
        return hash(self.colours.tobytes())

    def __repr__(self) -> str:
        """How many colours there are, of how many channels."""
        return f"Support({len(self)} colours of {self.colours.shape[1]} channels)"

    @functools.cached_property
    def trie(self) -> Trie:
        """The trie of an image with this support."""
        colours = self.colours
        # Where a prefix of each length differs from that of the colour before.
        is_new = np.ones(colours.shape, np.bool_)
        is_new[1:] = np.logical_or.accumulate(colours[1:] != colours[:-1], axis=1)
        starts, values, following = [np.zeros(1, np.int64)], [], []
        rows, entries = 1, 0
        for channel in range(colours.shape[1]):
            new = np.flatnonzero(is_new[:, channel])
            values.append(colours[new, channel])
            is_last = channel + 1 == colours.shape[1]
            following.append(np.full(len(new), FREE) if is_last else rows + np.arange(len(new)))
            rows, entries = rows + len(new), entries + len(new)
            if not is_last:
                # The rows of the next channel begin with the entries that have a new prefix.
                starts.append(entries + np.searchsorted(np.flatnonzero(is_new[:, channel + 1]), new))
        starts.append(np.array([entries]))
        return Trie(np.zeros(1, np.int64), np.concatenate(starts), np.concatenate(values), np.concatenate(following))


def few(image: Array, levels: int) -> Support | None:
    """The colours of an image `(C, H, W)` of so many levels, if they are so few that to know them is a gain.

    Example:
        >>> few(np.zeros((3, 8, 8), np.uint8), 256)
        Support(1 colours of 3 channels)
        >>> few(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), 256) is None
        True
    """
    channels = len(image)
    most = min(MOST_COLOURS, image[0].size // PIXELS_OF_A_COLOUR, levels**channels - 1)
    if not 0 < levels <= LEVELS or most < 1:
        return None
    powers = levels ** np.arange(channels, dtype=np.int64)
    found = np.unique(np.tensordot(powers, image.astype(np.int64), 1))
    return Support(found[:, None] // powers % levels) if len(found) <= most else None


def build_trie(supports: Sequence[Support | None]) -> Trie:
    """The trie of some images; those that share a support share its rows.

    Example:
        >>> build_trie([None, Support(np.array([[5]])), Support(np.array([[7], [8]]))])
        Trie(roots=array([-1,  0,  1]), starts=array([0, 1, 3]), values=array([5, 7, 8]), next=array([-1, -1, -1]))
    """
    roots, rows, entries = np.full(len(supports), FREE, np.int64), 0, 0
    known: dict[int, int] = {}
    starts, values, following = list[Array](), list[Array](), list[Array]()
    for image, support in enumerate(supports):
        if support is None:
            continue
        roots[image] = known.setdefault(id(support), rows)
        if roots[image] < rows:
            continue
        own = support.trie
        starts.append(own.starts[:-1] + entries)
        values.append(own.values)
        following.append(np.where(own.next == FREE, FREE, own.next + rows))
        rows, entries = rows + len(own.starts) - 1, entries + len(own.values)
    end = np.array([entries])
    none = np.zeros(0, np.int64)
    return Trie(
        roots, np.concatenate([*starts, end]), np.concatenate([none, *values]), np.concatenate([none, *following])
    )


def trie_of(supports: Sequence[Support | None]) -> Trie | None:
    """The trie of some images; None if none of them has a support."""
    return build_trie(supports) if any(each is not None for each in supports) else None


def rows_of(trie: Trie, images: Array) -> Array:
    """The row that each sub-pixel's value is in, or `FREE`, or `OUTSIDE` if there is none that has it.

    Args:
        trie: Trie of the images.
        images: `(N, C, H, W)` levels.

    Returns:
        `(N, C, H, W)` int64.

    Example:
        >>> support = Support(np.array([[5, 1], [7, 0], [7, 2]]))
        >>> rows_of(build_trie([support]), np.array([[[[5, 7, 7]], [[1, 2, 1]]]])).tolist()
        [[[[0, 0, 0]], [[1, 2, -2]]]]
    """
    levels = int(max(images.max(), trie.values.max(initial=0))) + 1
    lengths = np.diff(trie.starts)
    keys = np.repeat(np.arange(len(lengths)), lengths) * levels + trie.values  # ascending
    rows, row = np.empty(images.shape, np.int64), np.broadcast_to(trie.roots[:, None, None], images[:, 0].shape)
    for channel in range(images.shape[1]):
        wanted = row * levels + images[:, channel].astype(np.int64)
        entry = np.searchsorted(keys, wanted).clip(max=max(0, len(keys) - 1))
        is_inside = np.take(keys, entry) == wanted if len(keys) else np.zeros(row.shape, np.bool_)
        rows[:, channel] = np.where((row >= 0) & ~is_inside, OUTSIDE, row)
        following = np.take(trie.next, entry) if len(keys) else row
        row = np.where(row < 0, row, np.where(is_inside, following, OUTSIDE))
    return rows

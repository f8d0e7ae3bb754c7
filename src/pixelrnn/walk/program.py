r"""From a network to a program: the flat list of instructions and weights that the engine walks an image with.

A program works on *maps*, which hold the features of the current pixel and as many earlier ones as somebody will ask
for, and on one block of images at a time, an image a lane. Instructions are few and small; a layer of the network is a
handful of them (`layers.py`). They run in three phases:

- `START`: once a pixel, for all features: whatever comes from earlier pixels;
- `GROUP`: once a sub-pixel, for the features of its channel's group only: whatever comes from the pixel itself, that
  is from features of this and of earlier groups. Masked weights are zero, so that mask A needs no case of its own;
- passes: once a row before its first pixel, for whole rows: what needs complete rows above.

Before the first pixel, the labels of the images fill maps of biases, and the context image goes through its network,
whose last map the layers read like any other.
"""

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pixelrnn.kernels.vectors import padded

__all__ = [
    "BIAS",
    "CONTEXT_FIELDS",
    "FIELDS",
    "GATE",
    "GROUP",
    "LINEAR",
    "LSTM",
    "MAP_FIELDS",
    "RELU",
    "START",
    "SUM",
    "Array",
    "Map",
    "Program",
    "Writer",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# Instructions, phases and masks as the engine knows them.
BIAS, LINEAR, RELU, GATE, LSTM, SUM = range(6)
START, GROUP = range(2)
CONTEXT_FIELDS = 8  # target, source, rows and columns of the source, both factors, weights, biases
FIELDS = 10  # kind, phase, target, source, other, rows up, columns to the right, width, weights, distance of their rows
MAP_FIELDS = 6  # place, features, rows, distance of rows, distance of columns, left margin


@dataclasses.dataclass(frozen=True)
class Map:
    """Features of a window of pixels.

    Attributes:
        number: Place in the program's table.
        groups: `(F,)` channel of each feature, in non-decreasing order.
    """

    number: int
    groups: Tensor


@dataclasses.dataclass(frozen=True)
class Program:
    """What the engine runs.

    Attributes:
        weights: float32.
        instructions: `(I, FIELDS)` int64.
        maps: `(M, MAP_FIELDS)` int64, places in floats of one lane.
        bounds: `(M, C + 1)` int64: the features of channel c of a map are bounds[c] .. bounds[c + 1].
        passes: `(P, 4)` int64: first instruction and end, row relative to the current one, whether from right to left.
        labelled: `(L, 2)` int64: a map of biases, and the place of its table `(labels, features)` in the weights.
        classes: Number of labels; 0 if there are none.
        context_layers: `(K, CONTEXT_FIELDS)` int64: the layers of the network of the context image.
        context: Number of the map of the context image; -1 if there is none.
        context_shape: Its channels, rows and columns; zeros if there is none.
        pixel: First instruction and end of those of a pixel.
        floats: Size of all maps in floats of one lane.
        image: Number of the map of the image.
        parameters: Number of the map of the parameters of the output.
        rows: Height of the images; 0 if any will do.
        columns: Width of the images.
    """

    weights: Array
    instructions: Array
    maps: Array
    bounds: Array
    passes: Array
    labelled: Array
    classes: int
    context_layers: Array
    context: int
    context_shape: tuple[int, int, int]
    pixel: tuple[int, int]
    floats: int
    image: int
    parameters: int
    rows: int
    columns: int

    def states(self, images: int, rows: int, columns: int) -> Array:
        """Room for the maps of images, as they are before the first sub-pixel."""
        return np.zeros(self.floats * padded(images), np.float32)

    def memory(self, images: int, rows: int, columns: int, levels: int) -> int:
        """Bytes that a walk of images takes, one sub-pixel after the other asked for."""
        return 4 * self.floats * padded(images) + 8 * images * levels


class Writer:
    """Writes a program for images of `channels` channels, a height of `rows` and a width of `columns`."""

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        self.channels, self.rows, self.columns = channels, rows, columns
        self._weights: list[Array] = []
        self._instructions: list[tuple[int, ...]] = []
        self._maps: list[tuple[int, ...]] = []
        self._bounds: list[list[int]] = []
        self._passes: list[tuple[int, ...]] = []
        self._labelled: list[tuple[int, int]] = []
        self._context_layers: list[tuple[int, ...]] = []
        self._classes, self._context, self._context_shape = 0, -1, (0, 0, 0)
        self._size = self._floats = 0

    def map(self, groups: Tensor, *, rows: int = 0, left: int = 0, right: int = 0, columns: int | None = None) -> Map:
        """A new map: of the current pixel only (0 rows), or of rows as wide as the image, with margins of zeros."""
        features = len(groups)
        wide = left + (columns or self.columns) + right if rows else 1
        distances = (wide * features, features) if rows else (0, 0)
        self._maps.append((self._floats, features, max(1, rows), *distances, left))
        self._bounds.append(torch.searchsorted(groups, torch.arange(self.channels + 1)).tolist())
        self._floats += max(1, rows) * wide * features
        return Map(len(self._maps) - 1, groups)

    def labelled(self, groups: Tensor, table: Tensor) -> Map:
        """A map of the biases that the label of an image gives, from a table `(labels, features)`."""
        target = self.map(groups)
        self._labelled.append((target.number, self._store(table)))
        self._classes = len(table)
        return target

    def context(self, channels: int, rows: int, columns: int) -> Map:
        """The map of the context image."""
        image = self.map(torch.zeros(channels), rows=rows, left=1, right=1, columns=columns)
        self._context, self._context_shape = image.number, (channels, rows, columns)
        return image

    def upsample(
        self, source: Map, size: tuple[int, int], factor: tuple[int, int], weight: Tensor, bias: Tensor
    ) -> Map:
        """A layer of the context network, for all pixels of the context at once; returns the map of its output.

        Args:
            source: With margins of one column.
            size: Rows and columns of the source.
            factor: Rows and columns of the output for each of the source.
            weight: `(rows of the factor, columns of it, 3, O, 3, I)`: for each place in the factor, for the rows above,
                at and below a pixel of the source, from three of its columns.
            bias: `(O)`.
        """
        rows, columns = size[0] * factor[0], size[1] * factor[1]
        target = self.map(torch.zeros(len(bias)), rows=rows, left=1, right=1, columns=columns)
        places = self._store(weight), self._store(bias)
        self._context_layers.append((target.number, source.number, *size, *factor, *places))
        return target

    def bias(self, target: Map, bias: Tensor, *, phase: int, plus: Map | None = None) -> None:
        """Target = bias (+ plus)."""
        self._add(BIAS, phase, target, other=plus, weights=self._store(bias))

    def linear(
        self,
        target: Map,
        source: Map,
        weight: Tensor,
        *,
        phase: int,
        up: int = 0,
        right: int = 0,
    ) -> None:
        """Target += weight of a window of the source; nothing if the weight is zero throughout.

        Args:
            target: `(O,)` features.
            source: `(I,)` features.
            weight: `(O, W, I)` for W neighbouring pixels.
            phase: `START`, or `GROUP` with W = 1 for the features of groups that the pixel may use of itself.
            up: How many rows higher the window is; nothing is added if that is above the image.
            right: How many columns further right it begins, negative for left.
        """
        if not weight.any():
            return
        width = weight.shape[1]
        self._add(LINEAR, phase, target, source, None, up, right, width, self._store(weight), width * weight.shape[2])

    def relu(self, target: Map, source: Map) -> None:
        """Target = max(source, 0)."""
        self._add(RELU, GROUP, target, source)

    def gate(self, target: Map, source: Map) -> None:
        """Target = tanh(a) sigmoid(b), a and b being the halves of each group of the source."""
        self._add(GATE, GROUP, target, source)

    def lstm(self, target: Map, source: Map, memory: Map, *, right: int = 0) -> None:
        """One update: hidden state from the four gates of each group; the previous memory is `right` columns off."""
        self._add(LSTM, GROUP, target, source, memory, right=right)

    def sum(self, target: Map, source: Map, other: Map) -> None:
        """Target = source + other."""
        self._add(SUM, GROUP, target, source, other)

    def begin(self) -> int:
        """Where the next instruction will stand."""
        return len(self._instructions)

    def row_pass(self, first: int, *, up: int = 0, is_reversed: bool = False) -> None:
        """Make the instructions since `first` a pass over the row `up` rows above the current one."""
        self._passes.append((first, self.begin(), up, int(is_reversed)))

    def finish(self, first: int, image: Map, parameters: Map) -> Program:
        """The program; the instructions since `first` are those of a pixel."""
        return Program(
            weights=np.concatenate(self._weights),
            instructions=np.array(self._instructions, np.int64),
            maps=np.array(self._maps, np.int64),
            bounds=np.array(self._bounds, np.int64),
            passes=np.array(self._passes, np.int64).reshape(-1, 4),
            labelled=np.array(self._labelled, np.int64).reshape(-1, 2),
            classes=self._classes,
            context_layers=np.array(self._context_layers, np.int64).reshape(-1, CONTEXT_FIELDS),
            context=self._context,
            context_shape=self._context_shape,
            pixel=(first, self.begin()),
            floats=self._floats,
            image=image.number,
            parameters=parameters.number,
            rows=self.rows if self._context >= 0 else 0,
            columns=self.columns,
        )

    def _add(
        self,
        kind: int,
        phase: int,
        target: Map,
        source: Map | None = None,
        other: Map | None = None,
        up: int = 0,
        right: int = 0,
        width: int = 1,
        weights: int = 0,
        distance: int = 0,
    ) -> None:
        source_number, other_number = (-1 if m is None else m.number for m in (source, other))
        self._instructions.append(
            (kind, phase, target.number, source_number, other_number, up, right, width, weights, distance)
        )

    def _store(self, weight: Tensor) -> int:
        values = weight.detach().to("cpu", torch.float32).contiguous().view(-1).numpy()
        place = self._size
        self._weights.append(values)
        self._size += len(values)
        return place

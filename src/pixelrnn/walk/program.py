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
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "BIAS",
    "GATE",
    "GROUP",
    "LINEAR",
    "LSTM",
    "RELU",
    "START",
    "SUM",
    "Array",
    "Instruction",
    "Labelled",
    "Map",
    "Pass",
    "Program",
    "Upsampling",
    "Window",
    "Writer",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# Kinds and phases of instructions.
BIAS, LINEAR, RELU, GATE, LSTM, SUM = range(6)
START, GROUP = range(2)


class Instruction(NamedTuple):
    """What the engine does at a pixel.

    Attributes:
        kind: One of the kinds above.
        phase: Phase in which it is done.
        target: Number of the map that it writes.
        source: Number of the map that it reads; -1 for none.
        other: Number of another map that it reads; -1 for none.
        up: Rows up from the pixel to the window that is read.
        right: Columns to the right from the pixel to the window that is read.
        width: Columns of the window.
        weights: Where in the weights its own begin.
        distance: Distance between the rows of its weights.
    """

    kind: int
    phase: int
    target: int
    source: int = -1
    other: int = -1
    up: int = 0
    right: int = 0
    width: int = 1
    weights: int = 0
    distance: int = 0


class Window(NamedTuple):
    """A map in memory, in floats of one lane.

    Attributes:
        place: Where it begins.
        features: Number of features of a pixel.
        rows: Number of rows that it holds.
        row: Distance of two rows.
        column: Distance of two columns.
        left: Columns of its left margin.
    """

    place: int
    features: int
    rows: int
    row: int
    column: int
    left: int


class Pass(NamedTuple):
    """Instructions for a whole row: the first and the end, rows above the current one, whether from right to left."""

    first: int
    end: int
    up: int
    is_reversed: int


class Labelled(NamedTuple):
    """The number of a map of biases, and where in the weights its table `(labels, features)` begins."""

    target: int
    table: int


class Upsampling(NamedTuple):
    """A layer of the network of the context image: maps, size of the source, both factors, weights and biases."""

    target: int
    source: int
    rows: int
    columns: int
    down: int
    across: int
    weights: int
    biases: int


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
        instructions: int64, an `Instruction` a row.
        maps: int64, a `Window` a row.
        bounds: `(M, C + 1)` int64: the features of channel c of a map are bounds[c] .. bounds[c + 1].
        passes: int64, a `Pass` a row.
        labelled: int64, a `Labelled` a row.
        classes: Number of labels; 0 if there are none.
        context_layers: int64, an `Upsampling` a row.
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


class Writer:
    """Writes a program for images of `channels` channels, a height of `rows` and a width of `columns`."""

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        self.channels, self.rows, self.columns = channels, rows, columns
        self._weights: list[Array] = []
        self._instructions: list[Instruction] = []
        self._maps: list[Window] = []
        self._bounds: list[list[int]] = []
        self._passes: list[Pass] = []
        self._labelled: list[Labelled] = []
        self._context_layers: list[Upsampling] = []
        self._classes, self._context, self._context_shape = 0, -1, (0, 0, 0)
        self._size = self._floats = 0

    def map(self, groups: Tensor, *, rows: int = 0, left: int = 0, right: int = 0, columns: int | None = None) -> Map:
        """A new map: of the current pixel only (0 rows), or of rows as wide as the image, with margins of zeros."""
        features = len(groups)
        wide = left + (columns or self.columns) + right if rows else 1
        distances = (wide * features, features) if rows else (0, 0)
        self._maps.append(Window(self._floats, features, max(1, rows), *distances, left))
        self._bounds.append(torch.searchsorted(groups, torch.arange(self.channels + 1)).tolist())
        self._floats += max(1, rows) * wide * features
        return Map(len(self._maps) - 1, groups)

    def labelled(self, groups: Tensor, table: Tensor) -> Map:
        """A map of the biases that the label of an image gives, from a table `(labels, features)`."""
        target = self.map(groups)
        self._labelled.append(Labelled(target.number, self._store(table)))
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
            source: Source, with margins of one column.
            size: Rows and columns of the source.
            factor: Rows and columns of the output for each of the source.
            weight: `(rows of the factor, columns of it, 3, O, 3, I)`: for each place in the factor, for the rows above,
                at and below a pixel of the source, from three of its columns.
            bias: `(O)`.
        """
        rows, columns = size[0] * factor[0], size[1] * factor[1]
        target = self.map(torch.zeros(len(bias)), rows=rows, left=1, right=1, columns=columns)
        places = self._store(weight), self._store(bias)
        self._context_layers.append(Upsampling(target.number, source.number, *size, *factor, *places))
        return target

    def bias(self, target: Map, bias: Tensor, *, phase: int, plus: Map | None = None) -> None:
        """Target = bias (+ plus)."""
        self._add(BIAS, phase, target, other=_number(plus), weights=self._store(bias))

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
            up: Number of rows by which the window is higher; nothing is added if that is above the image.
            right: Number of columns by which it begins further right; negative for left.
        """
        if not weight.any():
            return
        width = weight.shape[1]
        self._add(
            LINEAR,
            phase,
            target,
            source=source.number,
            up=up,
            right=right,
            width=width,
            weights=self._store(weight),
            distance=width * weight.shape[2],
        )

    def relu(self, target: Map, source: Map) -> None:
        """Target = max(source, 0)."""
        self._add(RELU, GROUP, target, source=source.number)

    def gate(self, target: Map, source: Map) -> None:
        """Target = tanh(a) sigmoid(b), a and b being the halves of each group of the source."""
        self._add(GATE, GROUP, target, source=source.number)

    def lstm(self, target: Map, source: Map, memory: Map, *, right: int = 0) -> None:
        """One update: hidden state from the four gates of each group; the previous memory is `right` columns off."""
        self._add(LSTM, GROUP, target, source=source.number, other=memory.number, right=right)

    def sum(self, target: Map, source: Map, other: Map) -> None:
        """Target = source + other."""
        self._add(SUM, GROUP, target, source=source.number, other=other.number)

    def begin(self) -> int:
        """Where the next instruction will stand."""
        return len(self._instructions)

    def row_pass(self, first: int, *, up: int = 0, is_reversed: bool = False) -> None:
        """Make the instructions since `first` a pass over the row `up` rows above the current one."""
        self._passes.append(Pass(first, self.begin(), up, int(is_reversed)))

    def finish(self, first: int, image: Map, parameters: Map) -> Program:
        """The program; the instructions since `first` are those of a pixel."""
        return Program(
            weights=np.concatenate(self._weights),
            instructions=np.array(self._instructions, np.int64),
            maps=np.array(self._maps, np.int64),
            bounds=np.array(self._bounds, np.int64),
            passes=np.array(self._passes, np.int64).reshape(-1, len(Pass._fields)),
            labelled=np.array(self._labelled, np.int64).reshape(-1, len(Labelled._fields)),
            classes=self._classes,
            context_layers=np.array(self._context_layers, np.int64).reshape(-1, len(Upsampling._fields)),
            context=self._context,
            context_shape=self._context_shape,
            pixel=(first, self.begin()),
            floats=self._floats,
            image=image.number,
            parameters=parameters.number,
            rows=self.rows if self._context >= 0 else 0,
            columns=self.columns,
        )

    def _add(self, kind: int, phase: int, target: Map, **fields: int) -> None:
        self._instructions.append(Instruction(kind, phase, target.number, **fields))

    def _store(self, weight: Tensor) -> int:
        values = weight.detach().to("cpu", torch.float32).contiguous().view(-1).numpy()
        place = self._size
        self._weights.append(values)
        self._size += len(values)
        return place


def _number(of: Map | None) -> int:
    return -1 if of is None else of.number

"""What the compiled functions of the walk share: records of program and images, and where the features of a pixel lie.

A map holds features of a window of pixels, or of the context image, for the images of a block: feature f of lane l at
f LANES + l.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Byte, Float32, Float64, Int64, reader
from pixelrnn.kernels.vectors import LANES, Address, pointer, view
from pixelrnn.outputs.workspace import Output
from pixelrnn.walk.program import Instruction, Labelled, Pass, Upsampling, Window

__all__ = [
    "Block",
    "Code",
    "Images",
    "Job",
    "Pixel",
    "Subpixel",
    "Walk",
    "at",
    "block_of",
    "bound",
    "features",
    "place_of",
    "read_instruction",
    "read_job",
    "read_labelled",
    "read_pass",
    "read_upsampling",
    "read_walk",
]


class Code(NamedTuple):
    """The record of a program: see `pixelrnn.walk.program.Program`."""

    weights: Float32
    instructions: Int64
    maps: Int64
    bounds: Int64
    passes: Int64
    number_of_passes: int
    labelled: Int64
    number_of_labelled: int
    context_layers: Int64
    number_of_context_layers: int
    context_map: int
    first: int
    end: int
    floats: int
    image: int
    parameters: int


class Images(NamedTuple):
    """The record of the images that are walked, of what they are given and of what is wanted; 0 for what is not.

    Attributes:
        images: Number of images.
        channels: Number of channels of an image.
        rows: Number of rows of an image.
        columns: Number of columns of an image.
        states: The maps of all blocks.
        values: `(N, C, H, W)`.
        is_known: `(N, C, H, W)`.
        uniform: `(N, H, W, C)`.
        log_prob: `(N, C, H, W)`, to be filled.
        found: `(N, C, P, H, W)` parameters, to be filled.
        label: `(N)`.
        context: `(N, Cc, Hc, Wc)`, scaled.
    """

    images: int
    channels: int
    rows: int
    columns: int
    states: Float32
    values: Float32
    is_known: Byte
    uniform: Float64
    log_prob: Float32
    found: Float32
    label: Int64
    context: Float32


class Job(NamedTuple):
    """What a task of the walk is told: records, and the sub-pixels to visit.

    Attributes:
        code: A `Code`.
        images: An `Images`.
        output: An `Output`.
        first: Number of the first sub-pixel, in raster order, the colours of a pixel one after the other.
        end: One behind the last.
        pmf: Address where `tabulate` writes the probabilities `(N, levels)`; 0 for nowhere.
        coding: A `pixelrnn.kernels.rans.Coding`, of what is coded.
        image: Number of the first image, among all that are coded.
    """

    code: int
    images: int
    output: int
    first: int
    end: int
    pmf: Float64
    coding: int
    image: int


class Walk(NamedTuple):
    """The records of a job."""

    code: Code
    images: Images
    output: Output


class Block(NamedTuple):
    """A block of images: the number of its first one, how many there are, and the address of its maps."""

    image: int
    lanes: int
    state: Address


class Pixel(NamedTuple):
    """A pixel of the images of a block."""

    state: Address
    row: int
    column: int


class Subpixel(NamedTuple):
    """A sub-pixel of an image."""

    row: int
    column: int
    channel: int


_read_code, _read_images, _read_output = reader(Code), reader(Images), reader(Output)
read_job = reader(Job)
_read_window, _read_instruction = reader(Window), reader(Instruction)
_read_pass, _read_labelled, _read_upsampling = reader(Pass), reader(Labelled), reader(Upsampling)
_WINDOW, _INSTRUCTION, _PASS, _LABELLED, _UPSAMPLING = (
    8 * len(kind._fields) for kind in (Window, Instruction, Pass, Labelled, Upsampling)
)


@inner
def read_walk(job: Job) -> Walk:
    """The records of a job."""
    return Walk(_read_code(job.code), _read_images(job.images), _read_output(job.output))


@inner
def read_instruction(walk: Walk, number: int) -> Instruction:
    """An instruction of the program."""
    return _read_instruction(walk.code.instructions + number * _INSTRUCTION)  # type: ignore[no-any-return]


@inner
def read_pass(walk: Walk, number: int) -> Pass:
    """A pass of the program."""
    return _read_pass(walk.code.passes + number * _PASS)  # type: ignore[no-any-return]


@inner
def read_labelled(walk: Walk, number: int) -> Labelled:
    """A map of biases that labels give."""
    return _read_labelled(walk.code.labelled + number * _LABELLED)  # type: ignore[no-any-return]


@inner
def read_upsampling(walk: Walk, number: int) -> Upsampling:
    """A layer of the network of the context image."""
    return _read_upsampling(walk.code.context_layers + number * _UPSAMPLING)  # type: ignore[no-any-return]


@inner
def block_of(walk: Walk, number: int) -> Block:
    """A block by its number."""
    state = pointer(walk.images.states, number * walk.code.floats * LANES)
    return Block(number * LANES, min(LANES, walk.images.images - number * LANES), state)


@inner
def at(walk: Walk, number: int, pixel: Pixel) -> Address:
    """Where a map has the features of a pixel."""
    m: Window = _read_window(walk.code.maps + number * _WINDOW)
    place = m.place + pixel.row % m.rows * m.row + (pixel.column + m.left) * m.column
    return pointer(pixel.state, place * LANES)


@inner
def features(walk: Walk, number: int) -> Any:
    """How many features a map has."""
    return _read_window(walk.code.maps + number * _WINDOW).features


@inner
def bound(walk: Walk, number: int, group: int) -> Any:
    """The first feature of a group of a map, or the end of the one before."""
    return view(walk.code.bounds, np.int64)[number * (walk.images.channels + 1) + group]


@inner
def place_of(walk: Walk, image: int, spot: Subpixel) -> Any:
    """Where in an array `(N, C, H, W)` a sub-pixel of an image is."""
    plane = image * walk.images.channels + spot.channel
    return (plane * walk.images.rows + spot.row) * walk.images.columns + spot.column

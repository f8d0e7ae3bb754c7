"""Pictures cut into tiles, and tiles put together into groups: a function of their sizes alone.

A tile is coded as an image of its own: pixels at its upper and left border know nothing of the neighbouring tile, which
costs some bits, and lets many tiles be coded at once. The tiles of a picture that has several make groups of their own,
so that it can be restored alone; pictures of one tile share groups.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

from pixelrnn.config import ModelConfig
from pixelrnn.errors import ArchiveError

__all__ = ["LANES", "Tile", "count", "cut", "default_tile", "group", "plan"]

# Tiles in a group: what the entropy coder does at each sub-pixel is shared by so many. Pictures with groups of their
# own have smaller ones, so that several threads can work on one picture.
LANES, OWN_LANES = 64, 32
LARGE = (1024, 1024)
ALONE = 2**19  # pixels of a tile that is a group of its own

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True, order=True)
class Tile:
    """A part of a picture.

    Attributes:
        picture: Its number.
        top: First row.
        left: First column.
        height: Number of rows.
        width: Number of columns.
    """

    picture: int
    top: int
    left: int
    height: int
    width: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width


def default_tile(config: ModelConfig, multiple: int) -> Size:
    """Tiles for a model: up to four times its images' height and twice their width; large ones if it sees little.

    Networks carry on beyond the size that they were trained with; larger tiles were measured to save another half of a
    percent at most, smaller ones cost more (docs/results.md). Models that see little need tiles for threads alone.

    Example:
        >>> default_tile(ModelConfig(shape=(3, 32, 32)), 1)
        (128, 64)
    """
    if not config.traits.sees_far:
        return LARGE
    shape = config.shape
    return tuple(-(-factor * side // multiple) * multiple for factor, side in zip((4, 2), shape[1:], strict=True))  # type: ignore[return-value]


def count(size: Size, tile: Size) -> int:
    """How many tiles a picture has."""
    return -(-size[0] // tile[0]) * -(-size[1] // tile[1])


def cut(picture: int, size: Size, tile: Size) -> list[Tile]:
    """The tiles of a picture, row by row; those at the lower and right border have what is left.

    Example:
        >>> [(tile.top, tile.left, tile.height, tile.width) for tile in cut(0, (5, 4), (4, 4))]
        [(0, 0, 4, 4), (4, 0, 1, 4)]
    """
    height, width = size
    return [
        Tile(picture, top, left, min(tile[0], height - top), min(tile[1], width - left))
        for top in range(0, height, tile[0])
        for left in range(0, width, tile[1])
    ]


def group(tiles: Iterable[Tile]) -> list[list[Tile]]:
    """The groups of a picture: tiles of equal size, in order, in groups as equal as possible of up to `OWN_LANES`.

    A tile of `ALONE` pixels or more is a group of its own.

    The groups come in the order of their first tiles.

    Example:
        >>> [len(members) for members in group(cut(0, (9, 320), (8, 8)))]
        [20, 20, 20, 20]
    """
    of_size: dict[Size, list[Tile]] = {}
    for tile in tiles:
        of_size.setdefault(tile.size, []).append(tile)
    found = []
    for members in of_size.values():
        number = -(-len(members) // (OWN_LANES if members[0].height * members[0].width < ALONE else 1))
        bounds = [len(members) * n // number for n in range(number + 1)]
        found += [members[start:end] for start, end in itertools.pairwise(bounds)]
    return sorted(found)


def plan(sizes: Iterable[tuple[int, Size]], tile: Size, shared: Sequence[int]) -> list[list[Tile]]:
    """The groups of all pictures, in the order of their first tiles.

    Args:
        sizes: Number, height and width of each picture, in order.
        tile: Height and width of the tiles.
        shared: Numbers of tiles of the groups of pictures that have one tile, in order.

    Raises:
        ArchiveError: If these numbers do not fit.

    Example:
        >>> [len(members) for members in plan([(0, (4, 4)), (1, (4, 9)), (2, (4, 4)), (3, (4, 4))], (4, 8), [2, 1])]
        [2, 1, 1, 1]
    """
    found: list[list[Tile]] = []
    is_open: dict[Size, list[Tile]] = {}
    wanted: dict[Size, int] = {}
    left = iter(shared)
    for number, size in sizes:
        tiles = cut(number, size, tile)
        if len(tiles) > 1:
            found += group(tiles)
            continue
        if size not in is_open or len(is_open[size]) == wanted[size]:
            wanted[size] = next(left, 0)
            is_open[size] = []
            found.append(is_open[size])
        if not 0 < wanted[size] <= LANES:
            raise ArchiveError("its groups do not fit its pictures")
        is_open[size] += tiles
    if next(left, None) is not None or any(len(is_open[size]) != wanted[size] for size in is_open):
        raise ArchiveError("its groups do not fit its pictures")
    return found

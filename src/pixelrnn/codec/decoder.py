"""Streams back to pictures: all of a file, or those that are wanted, a group at a time on several threads."""

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from pixelrnn.codec.coder import Coder, least_bytes
from pixelrnn.codec.container import Index, Member, piece_of
from pixelrnn.codec.groups import LANES, Tile, count, plan
from pixelrnn.codec.palettes import unpack_palettes
from pixelrnn.codec.pool import Pool
from pixelrnn.codec.reading import to_rows
from pixelrnn.colours.support import Support, trie_of
from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig
from pixelrnn.errors import ArchiveError
from pixelrnn.model.orders import list_orders, restore, turn

__all__ = ["Damaged", "Streams", "decode", "groups_of", "palette_orders_of", "refuse", "supports_of"]

Array = np.ndarray[Any, np.dtype[Any]]
Damaged = Callable[[int, ArchiveError], None]

NONE: Mapping[int, Support] = types.MappingProxyType({})


def refuse(number: int, error: ArchiveError) -> None:
    """Let damage end the work."""
    raise error


def supports_of(
    index: Index, config: ModelConfig, read: Callable[[int], bytes], needed: AbstractSet[int]
) -> dict[int, Support]:
    """The supports of the needed members, and of those before them, that were coded with one.

    Raises:
        ArchiveError: If their piece is damaged, or is none for the model.
    """
    numbers = _up_to(index.with_colours, needed)
    if not numbers:
        return {}
    if not config.takes_support:
        raise ArchiveError("it holds colours of pictures, which its model does not know of")
    counts = [index.members[number].colours for number in index.with_colours]
    palettes = unpack_palettes(read(int(index.has_model)), counts, config.shape[0], len(numbers))
    supports = [Support(palette) for palette in palettes]
    if any(
        len(support) != index.members[number].colours or support.colours.max() >= config.levels
        for number, support in zip(numbers, supports, strict=True)
    ):
        raise ArchiveError("the colours of its pictures are damaged")
    return dict(zip(numbers, supports, strict=True))


def palette_orders_of(index: Index, read: Callable[[int], bytes], needed: AbstractSet[int]) -> dict[int, bytes]:
    """The orders of the palettes of the needed members, and of those before them, that have one.

    Raises:
        ArchiveError: If their piece is damaged.
    """
    numbers = _up_to(index.with_order, needed)
    if not numbers:
        return {}
    counts = [index.members[number].order for number in index.with_order]
    orders = unpack_palettes(read(index.has_model + bool(index.with_colours)), counts, 1, len(numbers))
    return {number: order.astype(np.uint8).tobytes() for number, order in zip(numbers, orders, strict=True)}


def _up_to(numbers: list[int], needed: AbstractSet[int]) -> list[int]:
    """The first of some ascending numbers, up to the last that is needed: what is packed together comes in order."""
    last = max((number for number in numbers if number in needed), default=-1)
    return [number for number in numbers if number <= last]


def groups_of(index: Index, channels: int) -> list[list[Tile]]:
    """The groups of a file, checked against the lengths of its streams before anything is made of them.

    Raises:
        ArchiveError: If the streams cannot hold what the index says.
    """
    streams = index.pieces[piece_of(index)[1] :]
    coded = [(number, index.members[number].size_as_read) for number in index.coded]
    if sum(count(size, index.tile) for _, size in coded) > LANES * len(streams):
        raise ArchiveError("it has too few streams for its pictures")
    groups = plan(coded, index.tile, index.shared)
    if len(groups) != len(streams):
        raise ArchiveError("its streams do not fit its pictures")
    for members, stream in zip(groups, streams, strict=True):
        if stream.length < least_bytes((len(members), channels, *members[0].size), index.version):
            raise ArchiveError("a stream of it is too short for its pictures")
    return groups


@dataclasses.dataclass(frozen=True)
class Streams:
    """The streams of a file.

    Attributes:
        index: Index of the file.
        groups: Groups of the file, as `groups_of` checked them.
        read: Gives a piece.
    """

    index: Index
    groups: Sequence[list[Tile]]
    read: Callable[[int], bytes]


def decode(
    coder: Coder,
    streams: Streams,
    wanted: AbstractSet[int],
    *,
    contexts: Array | None = None,
    supports: Mapping[int, Support] = NONE,
    damaged: Damaged,
    tell: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Array]]:
    """Restore the levels of coded members.

    Args:
        coder: The model.
        streams: Streams of the file.
        wanted: Numbers of members.
        contexts: Contexts of all members, if the model has one, `(N, Cc, Hc, Wc)`.
        supports: Supports of the members that were coded with one.
        damaged: Called with the number of each wanted member whose stream is not what it must be, and the reason.
        tell: Called with the number of sub-pixels that are finished; what it raises ends the work.

    Yields:
        The number of each wanted member, in the order in which they are finished, and its levels `(C, H, W)`.

    Raises:
        ArchiveError: If the model does not know a label.
    """
    index, channels = streams.index, coder.model.config.shape[0]
    first = piece_of(index)[1]
    config, members = coder.model.config, index.members
    if any(not -1 <= member.label < max(1, config.classes) for member in members):
        raise ArchiveError("it holds a label that the model does not know")
    if any(member.reading not in list_orders(config) for member in index.members):
        raise ArchiveError("it is read in an order that the model does not know")
    labels = to_rows(config, [member.label for member in members], [member.reading for member in members])
    pictures = _Pictures(index, wanted, channels, damaged)
    with Pool[tuple[list[Tile], Array | ArchiveError]](tell) as pool:
        for stream, tiles in enumerate(streams.groups):
            if not wanted.isdisjoint(tile.picture for tile in tiles):
                numbers = [tile.picture for tile in tiles]
                given = None if contexts is None else turn_contexts(contexts, tiles, members)
                try:
                    content = streams.read(first + stream)
                except ArchiveError as error:
                    pictures.lose(tiles, error)
                    continue
                condition = Condition(labels[numbers], given, trie_of([supports.get(number) for number in numbers]))
                for result in pool.submit(_work(coder, content, tiles, condition, index.version)):
                    yield from pictures.finished(*result)
        for result in pool.rest():
            yield from pictures.finished(*result)


def turn_contexts(contexts: Array, tiles: Sequence[Tile], members: Sequence[Member]) -> Array:
    """The contexts of the pictures of some tiles, each turned as its picture."""
    return np.stack([turn(contexts[tile.picture], members[tile.picture].reading) for tile in tiles])


class _Pictures:
    """Puts tiles together."""

    def __init__(self, index: Index, wanted: AbstractSet[int], channels: int, damaged: Damaged) -> None:
        self._index, self._wanted, self._channels, self._damaged = index, set(wanted), channels, damaged
        self._begun: dict[int, Array] = {}
        self._missing: dict[int, int] = {}

    def lose(self, tiles: list[Tile], error: ArchiveError) -> None:
        """Give up the wanted pictures that have tiles of a group."""
        for number in sorted(self._wanted.intersection(tile.picture for tile in tiles)):
            self._wanted.remove(number)
            self._begun.pop(number, None)
            self._damaged(number, error)

    def finished(self, tiles: list[Tile], values: Array | ArchiveError) -> Iterator[tuple[int, Array]]:
        """Take the tiles of a group; returns the wanted pictures that they complete."""
        if isinstance(values, ArchiveError):
            self.lose(tiles, values)
            return
        for tile, part in zip(tiles, values, strict=True):
            number, member = tile.picture, self._index.members[tile.picture]
            if number not in self._wanted:
                continue
            if number not in self._begun:
                self._begun[number] = np.empty((self._channels, *member.size_as_read), part.dtype)
                self._missing[number] = count(member.size_as_read, self._index.tile)
            self._begun[number][:, *tile.place] = part
            self._missing[number] -= 1
            if self._missing[number] == 0:
                yield number, restore(self._begun.pop(number), member.reading)


def _work(
    coder: Coder,
    content: bytes,
    tiles: list[Tile],
    condition: Condition,
    version: int,
) -> Callable[[Callable[[float], None]], tuple[list[Tile], Array | ArchiveError]]:
    shape = (len(tiles), coder.model.config.shape[0], *tiles[0].size)

    def work(tick: Callable[[float], None]) -> tuple[list[Tile], Array | ArchiveError]:
        try:
            return tiles, coder.decode(content, shape, condition, tick, version=version)
        except ArchiveError as error:
            return tiles, error

    return work

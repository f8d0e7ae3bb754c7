"""Many pictures to streams, a group at a time, on several threads.

Each group is decoded again as soon as it is coded, unless that is not wanted, and a picture that costs more than its
limit is left out. Memory holds the groups under way and what they became.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pixelrnn.codec.coder import Coder
from pixelrnn.codec.groups import Tile, cut, group
from pixelrnn.codec.pool import Pool
from pixelrnn.colours.support import trie_of
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError

__all__ = ["Encoded", "Encoder", "Job", "Stream"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_HELD = 2**27  # sub-pixels that wait for their groups to be full; then the oldest goes as it is


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A picture as the model takes it.

    Attributes:
        number: Number of the member.
        values: `(C, H, W)` uint8 levels.
        condition: Label, -1 for none; context `(Cc, Hc, Wc)`, if the model has one: such a picture has one tile; the
            `Support` of the picture's colours, as levels, if no others are to be thought possible.
        limit: Bits above which it is left out.
    """

    number: int
    values: Array
    condition: Condition = Condition(label=-1)  # noqa: RUF009
    limit: float = math.inf


@dataclasses.dataclass(frozen=True)
class Stream:
    """A group that was coded.

    Attributes:
        tiles: Tiles of the group.
        content: The stream.
        bits: Bits of each tile.
        is_shared: Whether its tiles are whole pictures.
    """

    tiles: tuple[Tile, ...]
    content: bytes
    bits: tuple[float, ...]
    is_shared: bool


@dataclasses.dataclass(frozen=True)
class Encoded:
    """What pictures became.

    Attributes:
        streams: Streams, in the order of their tiles.
        bits: Bits of each picture, by the probabilities that it was coded with; of one that is left out, as far as it
            was coded.
        left_out: Numbers of the pictures that cost more than their limits.
    """

    streams: tuple[Stream, ...]
    bits: dict[int, float]
    left_out: frozenset[int]

    @property
    def shared(self) -> list[int]:
        """Numbers of tiles of the groups that pictures share."""
        return [len(stream.tiles) for stream in self.streams if stream.is_shared]


class Encoder:
    """Codes pictures as they come. A context manager: leaving it by an error stops the work under way.

    Args:
        coder: The model.
        tile: Height and width of the tiles.
        is_verified: Whether each group is decoded again.
        tell: Called with the number of sub-pixels that are finished; what it raises ends the work.
    """

    def __init__(
        self,
        coder: Coder,
        tile: tuple[int, int],
        *,
        is_verified: bool = True,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self._coder, self._tile, self._is_verified = coder, tile, is_verified
        self._pool: Pool[Stream] = Pool(tell)
        self._open: dict[tuple[int, int], list[Job]] = {}
        self._held = 0  # sub-pixels in groups that are not full
        self._limits: dict[int, float] = {}
        self._bits: dict[int, float] = {}  # of the streams that are finished
        self._streams: list[Stream] = []

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.__exit__(kind)

    def add(self, job: Job) -> None:
        """Take a picture; waits while enough others are under way."""
        self._limits[job.number], self._bits[job.number] = job.limit, 0.0
        size = job.values.shape[1], job.values.shape[2]
        tiles = cut(job.number, size, self._tile)
        if len(tiles) > 1:
            for members in group(tiles):
                if self._bits[job.number] > job.limit:  # however little the rest takes
                    self._pool.skip(sum(job.values[:, *tile.place].size for tile in members))
                else:
                    self._submit([job] * len(members), members, is_shared=False)
            return
        self._open.setdefault(size, []).append(job)
        self._held += job.values.size
        if len(self._open[size]) == self._coder.at_once(size):
            self._close(size)
        while self._held > MOST_HELD:
            self._close(next(iter(self._open)))

    def report(self) -> None:
        """Have `tell` called."""
        self._pool.report()

    def finish(self) -> Encoded:
        """Wait for everything."""
        for size in list(self._open):
            self._close(size)
        self._take(self._pool.rest())
        left_out = frozenset(number for number, amount in self._bits.items() if amount > self._limits[number])
        kept = []
        for stream in self._streams:
            # Shared groups were coded again without the pictures that are left out, and still tell their bits.
            tiles = tuple(tile for tile in stream.tiles if tile.picture not in left_out)
            if tiles:
                kept.append(dataclasses.replace(stream, tiles=tiles))
        return Encoded(tuple(sorted(kept, key=lambda stream: stream.tiles)), self._bits, left_out)

    def _close(self, size: tuple[int, int]) -> None:
        jobs = self._open.pop(size)
        self._held -= sum(job.values.size for job in jobs)
        self._submit(jobs, [cut(job.number, size, self._tile)[0] for job in jobs], is_shared=True)

    def _submit(self, jobs: list[Job], tiles: list[Tile], *, is_shared: bool) -> None:
        self._take(self._pool.submit(lambda tick: self._encode(jobs, tiles, is_shared, tick)))

    def _take(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            self._streams.append(stream)
            for tile, amount in zip(stream.tiles, stream.bits, strict=True):
                self._bits[tile.picture] += amount

    def _encode(self, jobs: list[Job], tiles: list[Tile], is_shared: bool, tick: Callable[[float], None]) -> Stream:
        times = 2 if self._is_verified else 1
        content, bits = self._code(jobs, tiles, lambda done: tick(done / times))
        stays = [lane for lane, job in enumerate(jobs) if bits[lane] <= job.limit]
        if is_shared and len(stays) < len(jobs):
            content, _ = self._code([jobs[n] for n in stays], [tiles[n] for n in stays], lambda _: None)
        return Stream(tuple(tiles), content, tuple(bits.tolist()), is_shared)

    def _code(self, jobs: Sequence[Job], tiles: Sequence[Tile], tick: Callable[[int], None]) -> tuple[bytes, Array]:
        """Code tiles of one size, and see that they can be restored."""
        if not tiles:
            return b"", np.zeros(0)
        values = np.stack([job.values[:, *tile.place] for job, tile in zip(jobs, tiles, strict=True)])
        given = [job.condition for job in jobs]
        contexts = [each.context for each in given if each.context is not None]
        condition = Condition(
            np.array([each.label for each in given], np.int64),
            np.stack(contexts) if contexts else None,
            trie_of([each.support for each in given]),
        )
        content, bits = self._coder.encode(values, condition, tick)
        if self._is_verified:
            restored = self._coder.decode(content, values.shape, condition, tick)
            if not (restored == values).all():
                raise ArchiveError("decoding did not give back what was coded; nothing is written (please report this)")
        return content, bits

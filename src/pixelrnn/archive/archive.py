"""Archives on disk: what is in them, and out again, all of it or single members."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from PIL import Image

from pixelrnn import zoo
from pixelrnn.archive.examine import opened
from pixelrnn.archive.pictures import FORMS, Planes, checksum, info, to_picture
from pixelrnn.archive.pieces import Pieces
from pixelrnn.codec.codec import require_model
from pixelrnn.codec.coder import Coder
from pixelrnn.codec.container import LEVELS, Kind, Member
from pixelrnn.codec.decoder import Damaged, Streams, decode, groups_of, palette_orders_of, refuse, supports_of
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.codec.groups import Tile
from pixelrnn.codec.weights import unpack_model
from pixelrnn.colours.support import Support
from pixelrnn.config import ModelConfig
from pixelrnn.errors import ArchiveError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.loading import load_model
from pixelrnn.progress import Callback, Reporter

__all__ = ["Archive", "Line"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True)
class Line:
    """What a listing says of a member.

    Attributes:
        name: Name with slashes; a number for an image without name.
        what: Size and mode of a coded picture, or how else the member is kept.
        bytes: Number of bytes of its own; None for one that shares its stream with others.
    """

    name: str
    what: str
    bytes: int | None


class Archive(Pieces):
    """A `.pxr` file, open for reading: its members."""

    @property
    def members(self) -> tuple[Member, ...]:
        """What is in it, in order."""
        return self.index.members

    @property
    def named_model(self) -> str:
        """The name of the model that is needed, as far as it is known: a shipped one, or `hf:owner/name@revision`."""
        return zoo.with_fingerprint(self.index.fingerprint) or self.index.model

    def shape(self, number: int) -> tuple[str, tuple[int, int]]:
        """Mode, and width and height, of a picture that is coded, without decoding it."""
        member = self.members[number]
        member = self.members[member.same_as] if member.kind == Kind.SAME else member
        if not LEVELS < member.form < len(FORMS):
            raise ArchiveError(f"image {number} is no picture; pixelrnn.Codec decodes it")
        return FORMS[member.form], (member.width, member.height)

    def info(self, number: int) -> dict[str, Any]:
        """Profile, EXIF data and transparency of a picture that is coded, without decoding it."""
        member = self.members[number]
        if member.kind == Kind.SAME:
            return self.info(member.same_as)
        self.shape(number)  # refuses what is no picture
        return info(member.form, self.piece(self._pieces[number])) if member.has_extras else {}

    def ordinary(self, number: int) -> bytes:
        """The bytes of a member that is kept as a file: as it was, or the smallest ordinary one of a picture."""
        member = self.members[number]
        if member.kind == Kind.CODED:
            raise ArchiveError(f"{member.name or number} is coded, not a file")
        return self.ordinary(member.same_as) if member.kind == Kind.SAME else self.piece(self._pieces[number])

    def beside(self, number: int) -> list[int]:
        """The numbers of the coded pictures that share a stream with one, and its own."""
        for tiles in groups_of(self.index, 1):
            if any(tile.picture == number for tile in tiles):
                return sorted({tile.picture for tile in tiles})
        return [number]

    def listing(self) -> list[Line]:
        """A line for each member."""
        own = {number: self.index.pieces[piece].length for number, piece in self._pieces.items()}
        shares = set()
        for tiles, piece in zip(groups_of(self.index, 1), self.index.pieces[self.first_stream :], strict=True):
            pictures = {tile.picture for tile in tiles}
            if len(pictures) == 1:
                own[tiles[0].picture] = own.get(tiles[0].picture, 0) + piece.length
            else:
                shares |= pictures
        lines = []
        for number, member in enumerate(self.members):
            match member.kind:
                case Kind.CODED:
                    what = f"{member.width}x{member.height} {FORMS[member.form] if member.form < len(FORMS) else '?'}"
                case Kind.IMAGE:
                    what = "ordinary picture"
                case Kind.FILE:
                    what = "file as it was"
                case _:
                    what = f"same as {self.members[member.same_as].name}"
            size = None if number in shares else own.get(number, 0)
            lines.append(Line(member.name or str(number), what, size))
        return lines

    def model(self, *, may_fetch: bool = True) -> AbstractImageModel | None:
        """The model that the archive holds, or the one that it names: shipped, or fetched from the hub.

        None if it needs another, or one that may not be fetched; raises `RunError` if it cannot be.
        """
        if not self.index.has_model:
            name = zoo.with_fingerprint(self.index.fingerprint) or ""
            if not name and may_fetch and zoo.is_on_hub(self.index.model):
                name = self.index.model
            return load_model(name) if name else None
        try:
            return unpack_model(self.piece(0))
        except ArchiveError as error:
            raise self.named(error) from error

    def extract(
        self,
        model: AbstractImageModel | None,
        wanted: Collection[int] | None = None,
        *,
        damaged: Damaged | None = None,
        callback: Callback | None = None,
    ) -> Iterator[tuple[int, bytes | Image.Image]]:
        """Restore members.

        Args:
            model: The one that they were compressed with, if the archive does not hold it and it is no shipped one.
            wanted: Their numbers; all if not given.
            damaged: Called with the number of each member that is damaged, and the reason; if it is not given, the
                first of them is an error.
            callback: Callback that is told, now and then, the finished sub-pixels and all that are to be decoded.

        Yields:
            The number of each member, in no order, with the bytes of a file, or a picture.

        Raises:
            ArchiveError: If something is damaged, or the model is another one, or missing.
        """
        tell = refuse if damaged is None else damaged
        wanted = set(range(len(self.members)) if wanted is None else wanted)
        needed = wanted | {self.members[number].same_as for number in wanted if self.members[number].kind == Kind.SAME}
        copies: dict[int, list[int]] = {}
        for number in wanted:
            if self.members[number].kind == Kind.SAME:
                copies.setdefault(self.members[number].same_as, []).append(number)

        def tell_all(number: int, error: ArchiveError) -> None:
            for each in [number, *copies.get(number, ())]:
                if each in wanted:
                    name = self.members[each].name or str(each)
                    tell(each, ArchiveError(f"{self.path}: {name} is damaged ({error})"))

        for number, content in self._restored(model, needed, tell_all, Reporter(callback)):
            for each in [number, *copies.get(number, ())]:
                if each in wanted:
                    yield each, content

    def _restored(
        self,
        model: AbstractImageModel | None,
        needed: Collection[int],
        damaged: Damaged,
        report: Reporter,
    ) -> Iterator[tuple[int, bytes | Image.Image]]:
        coded = {number for number in needed if self.members[number].kind == Kind.CODED}
        coder = self._coder(model, coded, damaged) if coded else None
        for number in sorted(set(needed) - coded):
            if self.members[number].kind != Kind.SAME:
                try:
                    content = self.piece(self._pieces[number])
                    yield number, content if self.members[number].kind == Kind.FILE else _opened(content)
                except ArchiveError as error:
                    damaged(number, error)
        if coder is not None:
            try:
                yield from self._decoded(coder, coded, damaged, report)
            except ArchiveError as error:
                raise self.named(error) from error

    def _coder(self, model: AbstractImageModel | None, coded: Collection[int], damaged: Damaged) -> Coder | None:
        """What decodes; a model that is not the one is refused, before anything is restored."""
        if model is None and not self.index.has_model and (model := self.model()) is None:
            name = f"{self.index.model} " if self.index.model else ""
            raise ArchiveError(
                f"{self.path}: the model {name}with fingerprint {self.index.fingerprint.hex()} is needed (`model`)"
            )
        if model is None:
            try:
                model = unpack_model(self.piece(0))
            except ArchiveError as error:
                for number in sorted(coded):
                    damaged(number, ArchiveError(f"the model in the archive is damaged: {error}"))
                return None
        try:
            require_model(self.index, fingerprint(model))
        except ArchiveError as error:
            raise self.named(error) from error
        return Coder(model)

    def _decoded(
        self, coder: Coder, coded: set[int], damaged: Damaged, report: Reporter
    ) -> Iterator[tuple[int, Image.Image]]:
        config = coder.model.config
        channels = config.shape[0]
        groups = groups_of(self.index, channels)
        total = sum(
            channels * tile.height * tile.width
            for tiles in groups
            if any(tile.picture in coded for tile in tiles)
            for tile in tiles
        )
        coded, supports, orders = self._shared(coded, groups, config, damaged)
        for number, values in decode(
            coder,
            Streams(self.index, groups, self.piece),
            coded,
            supports=supports,
            damaged=damaged,
            tell=lambda done: report.amount(done, total, subpixels=done),
        ):
            try:
                picture = self._picture(number, values, orders.get(number, b""), config)
            except ArchiveError as error:
                damaged(number, error)
            else:
                yield number, picture

    def _shared(
        self, coded: set[int], groups: list[list[Tile]], config: ModelConfig, damaged: Damaged
    ) -> tuple[set[int], dict[int, Support], dict[int, bytes]]:
        """Supports and orders of palettes for the coded members; those that need what is damaged are given up.

        A group is decoded whole, so the supports of all its pictures are needed.
        """
        beside = [{tile.picture for tile in tiles} for tiles in groups]
        with_colours, left = set(self.index.with_colours), set(coded)
        needed = set().union(*(pictures for pictures in beside if pictures & left and pictures & with_colours))
        supports, orders = dict[int, Support](), dict[int, bytes]()
        try:
            supports = supports_of(self.index, config, self.piece, needed)
        except ArchiveError as error:
            for number in sorted(left & needed):
                damaged(number, error)
            left -= needed
        try:
            orders = palette_orders_of(self.index, self.piece, left)
        except ArchiveError as error:
            for number in sorted(left.intersection(self.index.with_order)):
                damaged(number, error)
            left.difference_update(self.index.with_order)
        return left, supports, orders

    def _picture(self, number: int, values: Array, order: bytes, config: ModelConfig) -> Image.Image:
        """A coded picture from its levels."""
        member = self.members[number]
        self.shape(number)  # refuses what is no picture
        extras = self.piece(self._pieces[number]) if member.has_extras else b""
        picture = to_picture(Planes(member.form, values, extras, order), config.levels, config.colours)
        if self.index.version == 1 and checksum(picture) != member.checksum:
            raise ArchiveError("it is not what was compressed")
        return picture


def _opened(content: bytes) -> Image.Image:
    picture = opened(content, ("PNG", "WEBP"))
    if isinstance(picture, str):
        raise ArchiveError(f"it is {picture}")
    return picture

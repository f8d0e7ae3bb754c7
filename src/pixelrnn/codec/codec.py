"""Images as bytes and back: the codec for whoever has tensors. For files and folders see `archive.py`."""

import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.codec.coder import Coder
from pixelrnn.codec.container import (
    LEVELS,
    MOST_PIXELS,
    Index,
    Kind,
    Member,
    Piece,
    head_size,
    pack_index,
    unpack_index,
)
from pixelrnn.codec.decoder import Streams, decode, groups_of, refuse, supports_of
from pixelrnn.codec.encoder import Encoder, Job
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.codec.groups import default_tile
from pixelrnn.codec.palettes import pack_palettes
from pixelrnn.codec.reading import find_orders, to_rows
from pixelrnn.codec.supports import support_for
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.completion import as_arrays
from pixelrnn.model.condition import as_contexts, as_images, check_condition, to_colours, to_planes
from pixelrnn.model.orders import turn
from pixelrnn.model.pictures import Pictures
from pixelrnn.progress import Callback, Reporter

__all__ = ["Codec", "require_model"]

Array = np.ndarray[Any, np.dtype[Any]]


class Codec:
    r"""Lossless compression of images by a model: about :math:`-\log_2 p(x)` bits, and the same images again.

    The bytes are a `.pxr` file (`pixelrnn.codec.container`); they decode to the same values on every processor, with
    any number of threads.

    Args:
        model: Any model with levels.
        tile: Height and width of the tiles that larger images are cut into; chosen by the model's shape if not given.

    Raises:
        ConfigError: If the model is none, or continuous, or the tile is not allowed.

    Example:
        >>> from pixelrnn import Codec, ImageModel
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> images = torch.randint(0, 2, (100, 1, 4, 4), dtype=torch.uint8)
        >>> data = Codec(model).encode(images)
        >>> bool((Codec(model).decode(data) == images).all())
        True
    """

    def __init__(self, model: AbstractImageModel, *, tile: tuple[int, int] | None = None) -> None:
        if not isinstance(model, AbstractImageModel):
            raise ConfigError(
                f"a codec takes a model, not {type(model).__name__}; ImageModel.from_pretrained(folder) reads one"
            )
        self.coder = Coder(model)
        self.tile = default_tile(model.config, self.coder.multiple) if tile is None else tile
        is_whole = all(0 < side <= MOST_PIXELS and side % self.coder.multiple == 0 for side in self.tile)
        if not is_whole:
            raise ConfigError(
                f"tile is {self.tile}; sides of 1 or more, multiples of {self.coder.multiple}, are allowed"
            )
        self.fingerprint = fingerprint(model)

    def encode(
        self,
        x: Pictures,
        *,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        verify: bool = True,
        callback: Callback | None = None,
    ) -> bytes:
        """Compress images.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1; or PIL images, as for `log_prob`.
            label: Label, as for `log_prob`; the bytes hold it.
            context: Context, as for `log_prob`; the bytes do not hold it, decoding needs it again.
            verify: Decode everything, and see that it is the same.
            callback: Callback that is told the progress now and then; see `pixelrnn.progress.Callback`.

        Returns:
            The bytes of a `.pxr` file.

        Raises:
            DataError: If images or conditions do not fit the model, or too large ones have a context, or colours have
                probability zero.
            ConfigError: If a condition is missing, or given to a model that has none.
        """
        model = self.coder.model
        x = as_images(model.config, x)
        size = x.shape[2], x.shape[3]
        given = check_condition(model.config, Condition(label, context), len(x), size)
        multiple = self.coder.multiple
        if size[0] % multiple or size[1] % multiple:
            raise DataError(f"images are {size[0]}x{size[1]}; this model takes multiples of {multiple}")
        if size[0] * size[1] > MOST_PIXELS:
            raise DataError(f"images have {size[0] * size[1]:,} pixels; at most {MOST_PIXELS:,} are allowed")
        # What has a context is one tile, and is so however it is turned.
        alone = size if model.config.orders == 1 else (max(size), max(size))
        tile = self.tile if given.context is None else alone
        planes, is_impossible = to_planes(model.config, x.detach().cpu())
        if is_impossible is not None and bool(is_impossible.any()):
            raise DataError(f"the images have colours that never come from {model.config.colours}")
        values = planes.numpy()
        supports = [support_for(model, image) for image in values]
        arrays = as_arrays(given)
        labels, contexts = arrays.label, arrays.context
        numbers = [-1] * len(x) if labels is None else labels.tolist()
        orders = find_orders(model, x, given._replace(support=supports if any(supports) else None))
        rows = to_rows(model.config, numbers, orders).tolist()
        report = Reporter(callback)
        with Encoder(
            self.coder, tile, is_verified=verify, tell=lambda done: report.amount(done, x.numel(), subpixels=done)
        ) as encoder:
            for number, image in enumerate(values):
                order, own = orders[number], None if contexts is None else turn(contexts[number], orders[number])
                encoder.add(Job(number, turn(image, order), Condition(rows[number], own, supports[number])))
            encoded = encoder.finish()
        common = pack_palettes([support.colours for support in supports if support is not None])
        members = [
            Member(
                name="",
                kind=Kind.CODED,
                form=LEVELS,
                height=size[0],
                width=size[1],
                label=of_label,
                colours=0 if support is None else len(support),
                reading=order,
            )
            for image, of_label, support, order in zip(values, numbers, supports, orders, strict=True)
        ]
        contents = [*([common] if common else []), *(stream.content for stream in encoded.streams)]
        pieces = tuple(Piece.of(content) for content in contents)
        index = Index(self.fingerprint, tile, False, tuple(members), tuple(encoded.shared), pieces, model.origin)
        return b"".join([pack_index(index), *contents])

    def decode(self, data: bytes, *, context: Tensor | None = None, callback: Callback | None = None) -> Tensor:
        """Restore images.

        Args:
            data: What `encode` returned.
            context: Context, as it was given to `encode`.
            callback: Callback that is told the progress now and then; see `pixelrnn.progress.Callback`.

        Returns:
            `(N, C, H, W)` uint8 (int64 above 256 levels).

        Raises:
            ArchiveError: If the bytes are damaged, of another model, or hold pictures rather than images of one shape.
        """
        size = head_size(data)
        index = unpack_index(data[:size], len(data))
        require_model(index, self.fingerprint)
        config, members = self.coder.model.config, index.members
        shapes = {(member.height, member.width) for member in members}
        if len(shapes) != 1 or any((member.kind, member.form) != (Kind.CODED, LEVELS) for member in members):
            raise ArchiveError("it holds pictures, or images of several shapes; pixelrnn.archive opens it")
        shape = shapes.pop()
        given = as_arrays(Condition(context=as_contexts(config, context, len(members), shape))).context
        report, total = Reporter(callback), len(members) * config.shape[0] * shape[0] * shape[1]
        starts = np.cumsum([size, *(piece.length for piece in index.pieces)])
        images: dict[int, Array] = {}

        def read(number: int) -> bytes:
            content = data[starts[number] : starts[number + 1]]
            if zlib.crc32(content) != index.pieces[number].checksum:
                raise ArchiveError(f"it is damaged (piece {number})")
            return content

        for number, image in decode(
            self.coder,
            Streams(index, groups_of(index, config.shape[0]), read),
            set(range(len(members))),
            contexts=given,
            supports=supports_of(index, config, read, set(index.with_colours)),
            damaged=refuse,
            tell=lambda done: report.amount(done, total, subpixels=done),
        ):
            if index.version == 1 and _checksum(image) != members[number].checksum:
                raise ArchiveError(f"image {number} is not what was compressed: it is damaged")
            images[number] = image
        found = np.stack([images[number] for number in range(len(members))])
        levels = torch.from_numpy(found).to(torch.uint8 if config.levels <= 256 else torch.int64)
        return to_colours(config, levels)


def require_model(index: Index, known: bytes) -> None:
    """Refuse a file that another model coded."""
    if index.coded and index.fingerprint != known:
        raise ArchiveError(
            f"it was compressed with another model (fingerprint {index.fingerprint.hex()}; this one has {known.hex()})"
        )


def _checksum(image: Array) -> int:
    """CRC-32 of an image's levels, as little-endian integers of 4 bytes: in version 1 one for each."""
    return zlib.crc32(image.astype(np.dtype("<u4")).tobytes())

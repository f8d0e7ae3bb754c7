"""Images as bytes and back: the codec for whoever has tensors. For files and folders see `archive.py`."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn.archive.pictures import LEVELS
from pixelrnn.codec.coder import Coder
from pixelrnn.codec.container import (
    MOST_PIXELS,
    Index,
    Kind,
    Member,
    Piece,
    head_size,
    pack_index,
    unpack_index,
)
from pixelrnn.codec.decoder import decode, groups_of, refuse, supports_of
from pixelrnn.codec.encoder import Encoder, Plate
from pixelrnn.codec.groups import default_tile
from pixelrnn.codec.palettes import pack_palettes
from pixelrnn.codec.supports import support_for
from pixelrnn.codec.weights import fingerprint
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.model import condition
from pixelrnn.model.base import AbstractImageModel

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
        x: Tensor,
        *,
        label: int | Tensor | None = None,
        context: Tensor | None = None,
        verify: bool = True,
        callback: Callable[[float], None] | None = None,
    ) -> bytes:
        """Compress images.

        Args:
            x: `(N, C, H, W)` integers 0 .. levels-1.
            label: As for `log_prob`; the bytes hold it.
            context: As for `log_prob`; the bytes do not hold it, decoding needs it again.
            verify: Decode everything, and see that it is the same.
            callback: Called now and then with the finished share, 0 .. 1.

        Returns:
            The bytes of a `.pxr` file.

        Raises:
            DataError: If images or conditions do not fit the model, or too large ones have a context, or colours have
                probability zero.
            ConfigError: If a condition is missing, or given to a model that has none.
        """
        model = self.coder.model
        condition.images(model.config, x)
        size = x.shape[2], x.shape[3]
        labels = condition.label(model.config, label, len(x))
        given = condition.context(model.config, context, len(x), size)
        multiple = self.coder.multiple
        if size[0] % multiple or size[1] % multiple:
            raise DataError(f"images are {size[0]}x{size[1]}; this model takes multiples of {multiple}")
        if size[0] * size[1] > MOST_PIXELS:
            raise DataError(f"images have {size[0] * size[1]:,} pixels; at most {MOST_PIXELS:,} are allowed")
        tile = self.tile if given is None else size
        planes, is_impossible = condition.planes(model.config, x.detach().cpu())
        if is_impossible is not None and bool(is_impossible.any()):
            raise DataError(f"the images have colours that never come from {model.config.colours}")
        values = planes.numpy()
        supports = [support_for(model, image) for image in values]
        numbers = [-1] * len(x) if labels is None else labels.tolist()
        contexts = [None] * len(x) if given is None else list(_array(given))
        with Encoder(self.coder, tile, is_verified=verify, callback=_shares(callback, x.numel())) as encoder:
            for number, (image, of_label, of_context) in enumerate(zip(values, numbers, contexts, strict=True)):
                encoder.add(Plate(number, image, of_label, of_context, supports[number]))
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
                checksum=_checksum(image),
            )
            for image, of_label, support in zip(values, numbers, supports, strict=True)
        ]
        contents = [*([common] if common else []), *(stream.content for stream in encoded.streams)]
        pieces = tuple(Piece.of(content) for content in contents)
        index = Index(self.fingerprint, tile, False, tuple(members), tuple(encoded.shared), pieces)
        return b"".join([pack_index(index), *contents])

    def decode(
        self, data: bytes, *, context: Tensor | None = None, callback: Callable[[float], None] | None = None
    ) -> Tensor:
        """Restore images.

        Args:
            data: What `encode` returned.
            context: As it was given to `encode`.
            callback: Called now and then with the finished share, 0 .. 1.

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
            raise ArchiveError("it holds pictures, or images of several shapes; pixelrnn.codec.Archive opens it")
        shape = shapes.pop()
        given = condition.context(config, context, len(members), shape)
        starts = np.cumsum([size, *(piece.length for piece in index.pieces)])
        images: dict[int, Array] = {}

        def read(number: int) -> bytes:
            content = data[starts[number] : starts[number + 1]]
            if zlib.crc32(content) != index.pieces[number].checksum:
                raise ArchiveError(f"it is damaged (piece {number})")
            return content

        for number, image in decode(
            self.coder,
            index,
            groups_of(index, config.shape[0]),
            read,
            set(range(len(members))),
            contexts=None if given is None else _array(given),
            supports=supports_of(index, config, read, set(index.with_colours)),
            damaged=refuse,
            callback=_shares(callback, len(members) * config.shape[0] * shape[0] * shape[1]),
        ):
            if _checksum(image) != members[number].checksum:
                raise ArchiveError(f"image {number} is not what was compressed: it is damaged")
            images[number] = image
        found = np.stack([images[number] for number in range(len(members))])
        levels = torch.from_numpy(found).to(torch.uint8 if config.levels <= 256 else torch.int64)
        return condition.pictured(config, levels)


def require_model(index: Index, known: bytes) -> None:
    """Refuse a file that another model coded."""
    if index.coded and index.fingerprint != known:
        raise ArchiveError(
            f"it was compressed with another model (fingerprint {index.fingerprint.hex()}; this one has {known.hex()})"
        )


def _array(context: Tensor) -> Array:
    context = context.detach().cpu()
    array: Array = (context.float() if context.is_floating_point() else context.long()).numpy()
    return array


def _checksum(image: Array) -> int:
    """CRC-32 of an image's levels, as little-endian integers of 4 bytes."""
    return zlib.crc32(image.astype(np.dtype("<u4")).tobytes())


def _shares(callback: Callable[[float], None] | None, total: int) -> Callable[[int], None] | None:
    """A callback of shares as one of sub-pixels."""
    return None if callback is None else lambda done: callback(min(1.0, done / total))

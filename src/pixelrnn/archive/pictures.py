r"""Pictures as the levels that a model codes, and exactly back: modes 1, L, LA, P, RGB and RGBA for any model.

A picture is spread into colour planes and transparency. A grey model takes pictures whose colours are all grey, a
colour model takes every one; a model with four channels takes the transparency too. What the model does not code goes
into the *extras*: transparency of a model without (as a PNG), the palette, ICC profile, EXIF data. A picture fits if
its values are among the levels of the model, spread over 0 .. 255, and if its palette says by its colour which entry a
pixel has.

The checksum is over all that is restored: mode, size, pixels, palette, transparency, profile and EXIF data.
"""

import dataclasses
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from pixelrnn.colours.planes import from_planes, to_planes
from pixelrnn.config import Colours, ModelConfig
from pixelrnn.errors import ArchiveError

__all__ = [
    "FORMS",
    "OPAQUE",
    "Planes",
    "as_png",
    "checksum",
    "from_picture",
    "grid",
    "info",
    "kept",
    "not_kept",
    "require_pictures",
    "saved",
    "spread",
    "to_picture",
]

Array = np.ndarray[Any, np.dtype[Any]]

FORMS = ("levels", "1", "L", "LA", "P", "RGB", "RGBA")
OPAQUE = 255
MOST_EXTRAS = 2**28  # bytes, unpacked
KEPT = ("icc_profile", "exif")  # of `info`, beside the transparency
# Of `info`, what is kept in its own way, or only tells how a file was written or its one frame shown in a film.
TRIVIAL = {"transparency", "jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression", "adobe"}
TRIVIAL |= {"adobe_transform", "compression", "interlace", "version", "extension", "background", "loop", "duration"}
TRIVIAL |= {"timestamp", "blend", "disposal", "default_image", "bbox"}


@dataclasses.dataclass(frozen=True)
class Planes:
    """A picture as a model takes it.

    Attributes:
        form: Index of `FORMS`.
        values: `(C, H, W)` uint8 levels.
        extras: What the model does not code; empty if that is nothing.
        order: Order of the palette, if it has just the colours of the pixels: for each entry its place among those that
            are left of them. Empty if there is none.
    """

    form: int
    values: Array
    extras: bytes
    order: bytes = b""


def grid(levels: int) -> Array:
    """The values 0 .. 255 that the levels of a model stand for, `(levels,)`."""
    values: Array = np.rint(np.arange(levels) * (255 / (levels - 1))).astype(np.uint8)
    return values


def from_picture(picture: Image.Image, channels: int, levels: int, colours_of: Colours = "rgb") -> Planes | str:
    """A picture as levels of a model, or why it has none.

    Args:
        picture: Loaded, of one frame.
        channels: Number of channels of the model: 1, 3 or 4.
        levels: Number of levels of the model, 2 .. 256.
        colours_of: What the channels of the model are.
    """
    if picture.mode not in FORMS:
        return f"mode {picture.mode}"
    if picture.mode == "P" and not _is_told_apart(picture, with_opacity=channels == 4):
        return "a palette that does not tell its entries apart"
    colours, opacity = _spread(picture)
    if channels == 1:
        if not (colours == colours[..., :1]).all():
            return "colours, and a grey model"
        colours = colours[..., :1]
    known, rest, order = _palette_and_key(picture), dict[str, bytes](), b""
    if channels == 4:
        alpha = np.full(colours.shape[:2], OPAQUE, np.uint8) if opacity is None else opacity
        colours = np.concatenate([colours, alpha[..., None]], axis=2)
        if picture.mode == "P" and (order := _order(picture, known, colours)):
            known = {}
    elif opacity is not None and picture.mode != "P":
        rest["alpha"] = saved(Image.fromarray(np.ascontiguousarray(opacity)), "PNG", optimize=True)
    table = np.full(256, -1, np.int16)
    table[grid(levels)] = np.arange(levels)
    values = table[colours.transpose(2, 0, 1)]
    if (values < 0).any():
        return f"values that are none of the {levels} levels"
    planes = to_planes(values.astype(np.uint8), colours_of)
    if planes is None:
        return f"colours that never come from {colours_of}"
    extras = _pack(kept(picture) | known | rest)
    return Planes(FORMS.index(picture.mode), np.ascontiguousarray(planes), extras, order)


def _palette_and_key(picture: Image.Image) -> dict[str, bytes]:
    """Palette and transparent colours, or the opacity of each entry."""
    found = {"palette": _palette(picture)} if picture.mode == "P" else {}
    if (key := picture.info.get("transparency")) is not None:
        is_opacities = isinstance(key, bytes)
        found["opacities" if is_opacities else "transparency"] = key if is_opacities else json.dumps(key).encode()
    return found


def _entries_by_use(colours: Array) -> Array:
    """The colours of a picture `(H, W, 4)`, `(K, 4)`: first those that are not opaque, in both parts the most frequent.

    Equally frequent ones come in the order of their values.
    """
    found, counts = np.unique(colours.reshape(-1, 4), axis=0, return_counts=True)
    return found[np.lexsort((np.arange(len(found)), -counts, found[:, 3] == OPAQUE))]


def _order(picture: Image.Image, known: dict[str, bytes], colours: Array) -> bytes:
    """The order that gives what is known of a palette; empty if it has not just the colours of the pixels.

    For each entry its place among those of `_entries_by_use` that are left: small numbers, as palettes are often made
    in about this order.
    """
    left = list(map(tuple, _entries_by_use(colours).tolist()))
    numbers = []
    for entry in map(tuple, _entries(picture)[: len(_palette(picture)) // 3].tolist()):
        if entry not in left:
            return b""
        numbers.append(left.index(entry))
        del left[numbers[-1]]
    if left or _from_order(bytes(numbers), colours) != known:
        return b""
    return bytes(numbers)


def _from_order(order: bytes, colours: Array) -> dict[str, bytes]:
    """What `_palette_and_key` gives of the picture that an order is of."""
    left = _entries_by_use(colours)
    entries = np.zeros((len(order), 4), np.uint8)
    if len(order) != len(left):
        raise ArchiveError("a palette in it is damaged")
    for number, place in enumerate(order):
        if place >= len(left):
            raise ArchiveError("a palette in it is damaged")
        entries[number] = left[place]
        left = np.delete(left, place, axis=0)
    found = {"palette": entries[:, :3].tobytes()}
    if (transparent := np.flatnonzero(entries[:, 3] != OPAQUE)).size:
        found["opacities"] = entries[: transparent[-1] + 1, 3].tobytes()
    return found


def as_png(picture: Image.Image, **options: Any) -> bytes:
    """A PNG file of a picture, by options of Pillow's, which has everything that the checksum is of.

    Raises:
        ArchiveError: If Pillow's PNG does not keep it: a palette shorter than its pixels need, for one.
    """
    content = saved(picture, "PNG", **kept(picture), **options)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
        again.load()
        if checksum(again) != checksum(picture):
            raise ArchiveError("a PNG file does not keep this picture")
    return content


def kept(picture: Image.Image) -> dict[str, bytes]:
    """Profile and EXIF data of a picture, by the names that Pillow's writers want."""
    return {name: value for name in KEPT if (value := picture.info.get(name))}


def not_kept(picture: Image.Image) -> tuple[str, ...]:
    """What a picture's file says beside it that is not kept, by Pillow's names: resolution, gamma, texts, ..."""
    return tuple(sorted(str(name) for name in picture.info.keys() - TRIVIAL - set(KEPT)))


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    """A file of a picture, in memory."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def spread(picture: Image.Image) -> Array | None:
    """Colours and opacity of a picture, `(4, H, W)` uint8; None if that does not say all of its pixels."""
    if picture.mode not in FORMS or (picture.mode == "P" and not _is_told_apart(picture, with_opacity=True)):
        return None
    colours, opacity = _spread(picture)
    alpha = np.full(colours.shape[:2], OPAQUE, np.uint8) if opacity is None else opacity
    return np.concatenate([colours, alpha[..., None]], axis=2).transpose(2, 0, 1)


def to_picture(planes: Planes, levels: int, colours_of: Colours = "rgb") -> Image.Image:
    """The picture again; arguments as for `from_picture`.

    Raises:
        ArchiveError: If form and extras do not belong together.
    """
    extras = _unpack(planes.extras)
    mode = FORMS[planes.form]
    colours = from_planes(grid(levels)[planes.values], colours_of).transpose(1, 2, 0)
    alpha = colours[..., 3] if colours.shape[2] == 4 else None
    if alpha is None and mode in ("LA", "RGBA"):
        alpha = _from_png(extras.get("alpha", b""), colours.shape[:2])
    if planes.order:
        if alpha is None or mode != "P":
            raise ArchiveError("a palette in it is damaged")
        extras |= _from_order(planes.order, colours)
    colours = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours[..., :3]
    known = _info(mode, extras)
    if mode == "P":
        entries = colours if alpha is None else np.dstack([colours, alpha])
        picture = _from_palette(entries, extras.get("palette", b""), known.get("transparency"))
    elif mode == "RGB":
        picture = Image.fromarray(colours)
    elif mode == "RGBA":
        picture = Image.fromarray(np.dstack([colours, alpha]))  # type: ignore[list-item]
    elif mode == "LA":
        picture = Image.merge("LA", [Image.fromarray(colours[..., 0].copy()), Image.fromarray(np.array(alpha))])
    else:
        picture = Image.fromarray(colours[..., 0].copy())
        picture = picture.point(lambda value: OPAQUE * (value > 127), "1") if mode == "1" else picture
    picture.info.update(known)
    return picture


def info(form: int, extras: bytes) -> dict[str, Any]:
    """Profile, EXIF data and transparency of a picture, as Pillow has them."""
    return _info(FORMS[form], _unpack(extras))


def _info(mode: str, extras: dict[str, bytes]) -> dict[str, Any]:
    known: dict[str, Any] = {name: extras[name] for name in KEPT if name in extras}
    if mode == "P" and len(extras.get("opacities", b"")) in range(1, 257):
        known["transparency"] = extras["opacities"]
    elif "transparency" in extras:
        known["transparency"] = _key(extras["transparency"], mode)
    return known


def checksum(picture: Image.Image) -> int:
    """CRC-32 of all that is kept of a picture."""
    key = picture.info.get("transparency")
    known = [picture.mode, *map(str, picture.size), repr(tuple(key) if isinstance(key, list) else key)]
    value = zlib.crc32("\n".join(known).encode())
    if picture.mode == "P":
        value = zlib.crc32(_palette(picture), value)
    for name in KEPT:
        content = picture.info.get(name) or b""
        value = zlib.crc32(struct.pack("<Q", len(content)) + content, value)
    return zlib.crc32(picture.tobytes(), value)


def _spread(picture: Image.Image) -> tuple[Array, Array | None]:
    """Colours `(H, W, 3)` and opacity `(H, W)`, if there is any."""
    match picture.mode:
        case "1" | "L":
            grey = np.asarray(picture.convert("L"))
            return np.repeat(grey[..., None], 3, axis=2), None
        case "LA":
            both = np.asarray(picture)
            return np.repeat(both[..., :1], 3, axis=2), both[..., 1]
        case "RGB":
            return np.asarray(picture), None
        case "RGBA":
            all_four = np.asarray(picture)
            return all_four[..., :3], all_four[..., 3]
        case _:
            entries, numbers = _entries(picture), np.asarray(picture)
            return entries[numbers, :3], entries[numbers, 3]


def _palette(picture: Image.Image) -> bytes:
    """The colours of the palette, 3 bytes each."""
    return bytes(picture.getpalette("RGB") or ())


def _entries(picture: Image.Image) -> Array:
    """Colour and opacity of each number that a pixel can have, `(256, 4)`; those beyond the palette are black."""
    entries = np.zeros((256, 4), np.uint8)
    colours = np.frombuffer(_palette(picture), np.uint8).reshape(-1, 3)
    entries[: len(colours), :3], entries[:, 3] = colours, OPAQUE
    key = picture.info.get("transparency")
    if isinstance(key, bytes):
        entries[: len(key), 3] = np.frombuffer(key, np.uint8)
    elif isinstance(key, int) and 0 <= key < 256:
        entries[key, 3] = 0
    return entries


def _is_told_apart(picture: Image.Image, *, with_opacity: bool) -> bool:
    """Whether each number that occurs is in the palette, and the first with its entry."""
    if isinstance(key := picture.info.get("transparency"), bytes) and len(key) > 256:
        return False
    used = np.unique(np.asarray(picture))
    if 3 * int(used[-1]) >= len(_palette(picture)):
        return False
    entries = _entries(picture)[:, : 4 if with_opacity else 3]
    return bool((_first(entries, entries[used]) == used).all())


def _first(entries: Array, wanted: Array) -> Array:
    """For each of the wanted colours `(..., K)` the first of the entries `(256, K)` that is equal; -1 for none."""
    powers = (256 ** np.arange(entries.shape[1])).astype(np.int64)
    known, numbers = np.unique(entries @ powers, return_index=True)
    keys = wanted @ powers
    places = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return np.where(known[places] == keys, numbers[places], -1)


def _from_palette(colours: Array, palette: bytes, key: Any) -> Image.Image:
    """The picture whose pixels have these colours, `(H, W, 3)` or with opacity `(H, W, 4)`."""
    if len(palette) % 3 or len(palette) > 768:
        raise ArchiveError("a palette in it is damaged")
    bare = Image.new("P", (1, 1))
    bare.putpalette(palette, "RGB")
    bare.info["transparency"] = key
    numbers = _first(_entries(bare)[:, : colours.shape[2]], colours)
    if (numbers < 0).any():
        raise ArchiveError("a picture in it has colours that its palette has not")
    picture = Image.fromarray(numbers.astype(np.uint8))
    picture.putpalette(palette, "RGB")
    return picture


def _key(content: bytes, mode: str) -> Any:
    """The transparent colour as Pillow has it: three numbers for RGB, else one."""
    try:
        key = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArchiveError("a transparent colour in it is damaged") from error
    numbers = key if isinstance(key, list) else [key]
    is_whole = all(type(number) is int and 0 <= number < 2**16 for number in numbers)
    if not is_whole or isinstance(key, list) != (mode == "RGB") or (mode == "RGB" and len(numbers) != 3):
        raise ArchiveError("a transparent colour in it is damaged")
    return tuple(key) if mode == "RGB" else key


def _from_png(content: bytes, size: tuple[int, ...]) -> Array:
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as plane:
            if plane.mode == "L" and plane.size == (size[1], size[0]):
                return np.asarray(plane)
    except Exception as error:  # decoders raise errors of many kinds for damaged data
        raise ArchiveError(f"transparency in it is damaged ({error})") from error
    raise ArchiveError("transparency in it has another size than its picture")


def _pack(extras: dict[str, bytes]) -> bytes:
    """Names and contents, packed."""
    parts = [struct.pack("<BI", len(name), len(content)) + name.encode() + content for name, content in extras.items()]
    return zlib.compress(b"".join(parts), 9) if parts else b""


def _unpack(packed: bytes) -> dict[str, bytes]:
    extras: dict[str, bytes] = {}
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(packed, MOST_EXTRAS) if packed else b""
        at = 0
        while at < len(content):
            name_size, size = struct.unpack_from("<BI", content, at)
            at += 5
            name = content[at : at + name_size].decode()
            at += name_size
            if at + size > len(content):
                raise ArchiveError("extras of a picture in it are cut off")
            extras[name] = content[at : at + size]
            at += size
    except (zlib.error, struct.error, UnicodeDecodeError) as error:
        raise ArchiveError(f"extras of a picture in it are damaged ({error})") from error
    return extras


def require_pictures(config: ModelConfig) -> None:
    """Refuse a model that files cannot be coded with."""
    if config.shape[0] == 2 or not 2 <= config.levels <= 256:
        raise ArchiveError(
            f"the model has {config.shape[0]} channels and {config.levels} levels; files need 1, 3 or 4, and 2 to 256"
        )
    if config.context is not None or (config.classes and not config.label_dropout):
        raise ArchiveError("the model needs a context or a label, which a file has not; pixelrnn.Codec takes them")

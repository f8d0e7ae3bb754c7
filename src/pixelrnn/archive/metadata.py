"""What a file says beside its pixels, by its own structure: what a decoder skips, it does not tell of."""

from collections.abc import Iterator

__all__ = ["end_of_jpeg", "end_of_png", "parts", "reason_to_keep"]

# Parts that are the picture, are kept, or of which Pillow tells.
PNG = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"sRGB", b"cHRM"}
PNG |= {b"tEXt", b"zTXt", b"iTXt"}
WEBP = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF"}
# Segments of a JPEG by the words that they begin with; of others it does not tell.
JPEG = (
    b"JFIF\0",
    b"Exif\0",
    b"http://ns.adobe.com/xap/1.0/\0",
    b"ICC_PROFILE\0",
    b"MPF\0",
    b"Photoshop 3.0\0",
    b"Adobe",
)
COMMENT, APP, SCAN = 0xFE, range(0xE0, 0xF0), 0xDA
LOOP = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
SRGB_GAMMA = 45455  # in 1/100,000
SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
NEAR = 100  # of these numbers, that are rounded in several ways
BITMAP_SPACES = (b"BGRs", b" niW")  # sRGB and Windows', as they stand in a file


def parts(content: bytes, form: str) -> tuple[str, ...]:
    """What a file of a format has that neither is kept nor is among Pillow's names: chunks, segments, extensions."""
    found = {
        "PNG": lambda: (name.decode("latin-1") for name, _ in _png(content) if name not in PNG),
        "WEBP": lambda: (name.decode("latin-1").strip() for name, _ in _riff(content) if name not in WEBP),
        "JPEG": lambda: (f"APP{kind - APP.start}" for kind, data in _jpeg(content) if not data.startswith(JPEG)),
        "GIF": lambda: (name for name, data in _gif(content) if name != "comment" and data not in LOOP),
    }
    return tuple(sorted(set(found[form]()))) if form in found else ()


def reason_to_keep(content: bytes, form: str) -> str:
    """What of a file changes how it looks, and would be lost; empty if nothing."""
    if form == "PNG":
        return _reason_of_png(dict(_png(content)))
    if form == "BMP" and len(content) >= 74 and int.from_bytes(content[14:18], "little") >= 108:
        return "" if content[70:74] in BITMAP_SPACES else "a colour space that PNG does not keep"
    if form == "GIF" and any(name == "plain text" for name, _ in _gif(content)):
        return "text that is drawn over the picture"
    return ""


def _reason_of_png(chunks: dict[bytes, bytes]) -> str:
    """A colour space other than sRGB that is not kept: a profile is, and counts before gamma and primaries."""
    if b"cICP" in chunks or b"mDCV" in chunks or b"cLLI" in chunks:
        return "a colour space that PNG does not keep"
    if b"iCCP" in chunks or b"sRGB" in chunks:
        return ""
    gamma, primaries = (
        [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]
        for data in (chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    )
    is_usual = all(abs(value - SRGB_GAMMA) <= NEAR for value in gamma) and all(
        abs(value - usual) <= NEAR for value, usual in zip(primaries, SRGB_PRIMARIES, strict=False)
    )
    return "" if is_usual else "a gamma or primaries that PNG does not keep"


def end_of_png(content: bytes) -> int:
    """Where the last chunk ends; -1 if there is none."""
    at = 8
    for name, data in _png(content):
        at += 12 + len(data)
        if name == b"IEND":
            return at
    return -1


def end_of_jpeg(content: bytes) -> int:
    """Where the first picture ends; -1 if it does not."""
    *_, (kind, at) = [(-1, 0), *_segments(content)]
    # What follows is coded so that no marker stands in it.
    return content.find(b"\xff\xd9", at) + 2 if kind == SCAN else -1


def _png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks: names and content."""
    at = 8
    while at + 8 <= len(content):
        size, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        yield name, content[at + 8 : at + 8 + size]
        at += 12 + size
        if name == b"IEND":
            return


def _riff(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Markers up to the first scan, and where they begin."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xFF:  # one that fills
            at += 1
            continue
        yield kind, at
        if kind == SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def _jpeg(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Segments of applications: their markers and content."""
    for kind, at in _segments(content):
        if kind in APP:
            yield kind, content[at + 4 : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")]


def _gif(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Extensions that are more than how the picture is shown: what they are, and their first words."""
    names = {0x01: "plain text", 0xFE: "comment", 0xFF: "application extension"}
    at = 13 + (3 * 2 ** (content[10] % 8 + 1) if len(content) > 10 and content[10] & 0x80 else 0)
    while at + 2 < len(content) and content[at] in b"\x21\x2c":
        if content[at] == 0x2C:  # a picture
            flags = content[at + 9] if at + 9 < len(content) else 0
            at += 11 + (3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0)
        else:
            if content[at + 1] in names:
                yield names[content[at + 1]], content[at + 3 : at + 3 + content[at + 2]]
            at += 2
        while at < len(content) and content[at]:
            at += 1 + content[at]
        at += 1

"""Names of the members of an archive: each says what it has in common with the one before it.

    2 s, own, bytes    2 varints and UTF-8: s bytes of the name before, then so many own ones
    2 d - 1            varint: the name before, with d added to the last number in it, which keeps its zeros

In version 1 of archives all are written in the first way, with s for 2 s.
"""

import re

from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.errors import ArchiveError

__all__ = ["MOST_NAME", "MOST_NAMES", "is_safe", "read_names", "write_names"]

MOST_NAME = 4096  # bytes
MOST_NAMES = 2**27  # bytes of all names together, shared ones counted each time
MOST_MORE = 2**20  # that is added to a number
LAST_NUMBER = re.compile(rb"(?<![0-9])([0-9]{1,15})[^0-9]*\Z")


def write_names(writer: Writer, names: list[str], version: int) -> None:
    """Write names for a version of archives."""
    before = b""
    for each in names:
        name = each.encode("utf-8", "surrogateescape")
        more = _number(name) - _number(before)
        if version > 1 and 0 < more < MOST_MORE and _raised(before, more) == name:
            writer.varints([2 * more - 1])
        else:
            shared = next(
                (i for i, (a, b) in enumerate(zip(before, name, strict=False)) if a != b), min(len(before), len(name))
            )
            writer.varints((shared if version == 1 else 2 * shared, len(name) - shared))
            writer.bytes += name[shared:]
        before = name


def _number(name: bytes) -> int:
    """The last number in a name; far from all others if there is none."""
    found = LAST_NUMBER.search(name)
    return int(found[1]) if found else -(2**62)


def _raised(name: bytes, more: int) -> bytes:
    """A name with something added to the last number in it, which keeps its zeros."""
    found = LAST_NUMBER.search(name)
    if found is None:
        raise ArchiveError("a name in it has no number, though the next one has a higher")
    number = b"%d" % (int(found[1]) + more)
    return name[: found.start(1)] + number.rjust(len(found[1]), b"0") + name[found.end(1) :]


def read_names(reader: Reader, count: int, version: int) -> list[str]:
    """Read so many names, which a version of archives wrote.

    Raises:
        ArchiveError: If they cannot be those, are there twice or lead out of their folder.
    """
    if count > len(reader.content) - reader.at:
        raise ArchiveError("it ends too early")
    names, before, seen, total = [], b"", set(), 0
    for _ in range(count):
        code = reader.varint(2 * MOST_MORE)
        if version > 1 and code % 2:
            before = _raised(before, code // 2 + 1)
        else:
            shared = code if version == 1 else code // 2
            if shared > len(before):
                raise ArchiveError("a name in it begins as no name before it")
            before = before[:shared] + reader.take(reader.varint(MOST_NAME))
        total += len(before)
        if len(before) > MOST_NAME or total > MOST_NAMES:
            raise ArchiveError(f"a name in it has more than {MOST_NAME} bytes, or all have more than {MOST_NAMES:,}")
        name = before.decode("utf-8", "surrogateescape")
        if name and (name in seen or not is_safe(name)):
            raise ArchiveError(f"it holds the name {name[:80]!r}, which is there twice or leads out of its folder")
        seen.add(name)
        names.append(name)
    return names


def is_safe(name: str) -> bool:
    """Whether a name stays within its folder; `pixelrnn.archive.restore` looks at what is special on Windows."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") or "\0" in part for part in parts)

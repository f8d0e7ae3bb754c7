"""What became of files that were compressed."""

import dataclasses
from collections.abc import Sequence

from pixelrnn.archive.ingest import Entry, Ingest
from pixelrnn.brief import brief
from pixelrnn.codec.container import Index, Kind
from pixelrnn.codec.encoder import Encoded

__all__ = ["Compressed", "outcome_of", "restored_pictures"]


@dataclasses.dataclass(frozen=True)
class Compressed:
    """What became of a folder.

    Attributes:
        files: Number of files.
        coded: Number of files that the model codes.
        same: Number of files that are equal to another one.
        kept: Names of the files that are not coded, for each reason.
        links: Number of symbolic links, whose content was taken.
        skipped: What was not taken, each with the reason.
        renamed: Names of files, with those under which they will be restored if these differ: they end in .png.
        lost: Names of the files that lose metadata, for each kind of it.
        original: Bytes of all files.
        pixels: Bytes of all pixels of the coded pictures: one for each sub-pixel.
        coded_original: Bytes of the files of the coded pictures.
        coded_bits: Bits of the coded pictures by the model.
        weights: Bytes of the model in the archive; 0 if it holds none.
        size: Bytes of the archive.
    """

    files: int
    coded: int
    same: int
    kept: dict[str, tuple[str, ...]]
    links: int
    skipped: tuple[str, ...]
    renamed: dict[str, str]
    lost: dict[str, tuple[str, ...]]
    original: int
    pixels: int
    coded_original: int
    coded_bits: float
    weights: int
    size: int

    def __repr__(self) -> str:
        """In a few lines."""
        return brief(self)


def outcome_of(ingest: Ingest, encoded: Encoded, index: Index, channels: int, size: int) -> Compressed:
    """What became of the files, with so many channels coded, in an archive of a size."""
    entries, coded = ingest.entries, index.coded
    kept: dict[str, list[str]] = {}
    lost: dict[str, list[str]] = {}
    for entry in entries:
        if entry.reason:
            kept.setdefault(entry.reason, []).append(entry.file.name)
    for number in sorted(restored_pictures(entries)):
        for what in entries[number].lost:
            lost.setdefault(what, []).append(entries[number].file.name)
    names = [(entry.file.name, member.name) for entry, member in zip(entries, index.members, strict=True)]
    return Compressed(
        files=len(entries),
        coded=len(coded),
        same=sum(entry.kind == Kind.SAME for entry in entries),
        kept={reason: tuple(names) for reason, names in kept.items()},
        links=ingest.listing.links,
        skipped=(*ingest.listing.skipped, *ingest.skipped),
        renamed={before: after for before, after in names if before != after},
        lost={what: tuple(names) for what, names in lost.items()},
        original=sum(entry.file.size for entry in entries),
        pixels=channels * sum(index.members[number].height * index.members[number].width for number in coded),
        coded_original=sum(entries[number].file.size for number in coded),
        coded_bits=sum(encoded.bits[number] for number in coded),
        weights=index.pieces[0].length if index.has_model else 0,
        size=size,
    )


def restored_pictures(entries: Sequence[Entry]) -> set[int]:
    """Numbers of the files that come back as pictures, and not as the bytes that they were."""
    firsts = [entry if entry.same_as < 0 else entries[entry.same_as] for entry in entries]
    return {number for number, first in enumerate(firsts) if first.coded or first.kind == Kind.IMAGE}

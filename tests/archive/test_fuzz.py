"""Damaged and forged files: an error of ours or the right pictures, never anything else, and never for long.

PIXELRNN_FUZZ is the number of files of each kind; the figures in the documentation are of more.
"""

import collections
import io
import os
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrnn.archive.archive import Archive
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import head_size
from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.errors import ArchiveError
from tests.conftest import build

COUNT = int(os.environ.get("PIXELRNN_FUZZ", "400"))
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.pxr"))
MOST_SECONDS = 60.0  # of processor time for one file; an honest one takes a tenth
MOST_MEMORY = 2**30  # bytes that all of them together may add


def damaged(content, generator):
    """A few bytes changed, put in, taken away or repeated, or the file cut off, or only its start as it should be."""
    changed = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        place, length = int(generator.integers(len(changed) + 1)), int(generator.integers(1, 9))
        match generator.integers(7):
            case 0:
                changed[place : place + 1] = generator.bytes(1)
            case 1 if place < len(changed):
                changed[place] ^= 1 << generator.integers(8)
            case 2:
                changed[place:place] = generator.bytes(length)
            case 3:
                del changed[place : place + length]
            case 4:
                changed[place:place] = changed[place : place + length]
            case 5:
                del changed[place:]
            case _:
                changed[5:] = generator.bytes(int(generator.integers(200)))
    return bytes(changed)


def opened(content):
    """The index of a file as it is before it is packed, and the pieces."""
    size = head_size(content)
    reader = Reader(content[5 : size - 4])
    length, unpacked = reader.varints(2)
    plain = reader.take(length)
    return (zlib.decompress(plain, wbits=-15) if unpacked else plain), content[size:]


def closed(start, plain, pieces):
    """A file of an index and pieces behind the first bytes of another, with the right lengths and checksum."""
    writer = Writer()
    writer.bytes += start[:5]  # the version among them
    writer.varints((len(plain), 0))
    writer.bytes += plain
    writer.words([zlib.crc32(writer.bytes)])
    return bytes(writer.bytes) + pieces


def forged_index(content, generator):
    """Somebody changed the index, and made its checksum right."""
    plain, pieces = opened(content)
    return closed(content, damaged(plain, generator), pieces)


def forged_piece(content, generator):
    """Somebody changed a piece, and made its checksum right."""
    plain, pieces = opened(content)
    with Archive(io.BytesIO(content)) as archive:
        number = int(generator.integers(len(archive.index.pieces)))
        start, end = (archive._offsets[number + more] - archive._start for more in (0, 1))
    piece = bytearray(pieces[start:end])
    for _ in range(generator.integers(1, 4)):
        if piece:
            piece[generator.integers(len(piece))] ^= 1 << generator.integers(8)
    before, after = (struct.pack("<I", zlib.crc32(part)) for part in (pieces[start:end], bytes(piece)))
    return closed(content, plain.replace(before, after), pieces[:start] + bytes(piece) + pieces[end:])


def random_bytes(content, generator):
    """Nothing of ours, or nothing but the first bytes."""
    return content[: generator.integers(7)] + generator.bytes(int(generator.integers(300)))


KINDS = {"damaged": damaged, "forged index": forged_index, "forged piece": forged_piece, "random": random_bytes}


def pictures_of(content):
    """All that an archive holds, by name."""
    with Archive(io.BytesIO(content)) as archive:
        archive.listing()
        model = archive.model()
        return {
            archive.members[number].name: each if isinstance(each, bytes) else (each.mode, each.size, each.tobytes())
            for number, each in archive.extract(model)
        }


@pytest.mark.parametrize("kind", KINDS)
def test_archives(kind):
    """Only what somebody forged may come out as something else; it never comes out as a wrong picture of a model."""
    generator = np.random.default_rng(list(KINDS).index(kind))
    originals = [path.read_bytes() for path in GOLDEN]
    right = [pictures_of(content) for content in originals]
    memory, outcomes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, collections.Counter()
    for number in range(COUNT):
        which = number % len(originals)
        content = KINDS[kind](originals[which], generator)
        begun = time.process_time()
        try:
            found = pictures_of(content)
        except ArchiveError:
            outcomes["refused"] += 1
        else:
            outcomes["right" if found == right[which] else "other"] += 1
            assert kind.startswith("forged") or found == right[which]
        assert time.process_time() - begun < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < MOST_MEMORY
    assert outcomes["refused"] > COUNT / 3  # ordinary files come out as they were forged


@pytest.mark.parametrize("kind", ["damaged", "random"])
def test_images(kind):
    generator = np.random.default_rng(1)
    codec = Codec(build(shape=(3, 4, 4), levels=16, layers=1).float())
    images = torch.randint(0, 16, (70, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = codec.encode(images)
    refused = 0
    for _ in range(COUNT):
        try:
            found = codec.decode(KINDS[kind](data, generator))
        except ArchiveError:
            refused += 1
        else:
            assert torch.equal(found, images)
    assert refused > COUNT / 2

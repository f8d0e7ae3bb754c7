"""The same file everywhere: on any processor, with any number of threads, by all later versions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelrnn.archive.archive import Archive
from tests.conftest import PROCESSORS, said_by

GOLDEN = Path(__file__).parent / "golden"

# What the committed archives decode to: SHA-256 of names and contents, or of mode, size and pixels. For ever.
DIGESTS = {
    "adaptive.pxr": "01ecea4782d2dd6eb75291b0e92545d6e742d1affa1209e22318839d45900042",
    "bits.pxr": "283e7d6cce96e6765cc5ec567a2c66fae669ece06c62d0ce825f184f46f634e7",
    "colour.pxr": "92625b4fb18adbcc7421306c955528d57862f05d15424995964ccb582e2944f9",
    "grey.pxr": "87d347cedd50a7810674a1341d94c5492f9aa2f69c9a862fb710bf63c9e12bac",
    "labels.pxr": "c12085b12659f09b9667f3b5722241ea640275796bac23da843dfee400027267",
    "palettes.pxr": "921e4d25f00aa5d543932abf4fe523bcb5d107003b23cc55a4aa08314f9fbe44",
    "planes.pxr": "f8191f55a20e7d71c05f1e1235f0a46477e2bbd0538c407c05642200d2cb0120",
    "scales.pxr": "12c9241cb4a70fd7207423818d76ef9ed1373000e3b4c9fcac966b2af4f2fe19",
}

SCRIPT = """
import hashlib, sys
from pathlib import Path
import torch
from pixelrnn.archive.archive import Archive

threads, folder = int(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(threads)
for path in sorted(folder.glob("*.pxr")):
    digest = hashlib.sha256()
    with Archive(path) as archive:
        model, contents = archive.model(), {}
        # One half and then the other: what is wanted together decides how it is grouped.
        numbers = range(len(archive.members))
        for part in (numbers[::2], numbers[1::2]):
            contents |= dict(archive.extract(model, part))
        coded = len(archive.index.coded)
        for number, member in enumerate(archive.members):
            content = contents[number]
            digest.update(member.name.encode())
            if isinstance(content, bytes):
                digest.update(content)
            else:
                digest.update(f"{content.mode} {content.size}".encode() + content.tobytes())
                digest.update(content.info.get("icc_profile", b""))
    print(path.name, coded, digest.hexdigest())
"""

ENVIRONMENTS = {
    "native, 1 thread": (1, {}),
    "native, 2 threads": (2, {}),
    "generic": (1, PROCESSORS["generic"]),
    "no vector features": (2, PROCESSORS["no vector features"]),
    "AVX2 and FMA": (1, PROCESSORS["AVX2 and FMA"]),
    "less optimised": (1, PROCESSORS["less optimised"]),
}


def decoded(threads, folder, **environment):
    """The digest of each archive, in a process of its own."""
    lines = [line.split() for line in said_by(SCRIPT, threads, folder, **environment).splitlines()]
    assert all(int(coded) >= 3 for _, coded, _ in lines)
    return {name: digest for name, _, digest in lines}


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_the_committed_archives_decode_for_ever(where, compiled_for):
    threads, environment = ENVIRONMENTS[where]
    if os.uname().machine != "x86_64" and "NUMBA_CPU_FEATURES" in environment:
        pytest.skip("processors of another kind have no such features")
    assert decoded(threads, GOLDEN, **compiled_for(**environment)) == DIGESTS


@pytest.mark.parametrize("where", ["native, 2 threads", "no vector features"])
def test_streams_are_the_same_bytes_wherever_they_are_made(where, tmp_path, compiled_for):
    """Made again here, they are those that were committed; PNG files in an archive may be another program's."""
    threads, environment = ENVIRONMENTS[where]
    subprocess.run(
        [sys.executable, str(GOLDEN / "make.py"), str(tmp_path)],
        env=os.environ | compiled_for(**environment) | {"OMP_NUM_THREADS": str(threads)},
        check=True,
    )
    for path in GOLDEN.glob("*.pxr"):
        with Archive(path) as committed, Archive(tmp_path / path.name) as made:
            assert made.index.fingerprint == committed.index.fingerprint
            assert made.index.pieces[made.first_stream :] == committed.index.pieces[committed.first_stream :]

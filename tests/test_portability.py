"""The same bits everywhere: on any processor, with any number of threads, by all later versions.

A process for each kind of processor, which compiles everything once; see `tests/portability.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelrnn.archive.archive import Archive
from pixelrnn.codec.container import VERSION
from tests.portability import GOLDEN

ROOT = Path(__file__).parent.parent

# For ever: a change here changes what every seed draws, and what every file decodes to.
BITS = {
    "walks": "c41a5c35fefa7543cdd9034cbe79a8577f83d12b99edad19ee30eb030c9419b4",
    "conditioned": "967414d0a6bbabcdcc86956e762b0cc360682086081e5ba3b0fe2782cd73f216",
    "local": "9fec62d1840b5969d617b46129af2761eb0ac5ae94d9240be24d20f4acafc34a",
    "deep": "ff1716bccb321c0270ce18df3cdcedff498f3973df7781d6d786d1de7a3e7923",
}
ARCHIVES = {
    "adaptive.pxr": "01ecea4782d2dd6eb75291b0e92545d6e742d1affa1209e22318839d45900042",
    "bits.pxr": "283e7d6cce96e6765cc5ec567a2c66fae669ece06c62d0ce825f184f46f634e7",
    "colour.pxr": "92625b4fb18adbcc7421306c955528d57862f05d15424995964ccb582e2944f9",
    "grey.pxr": "87d347cedd50a7810674a1341d94c5492f9aa2f69c9a862fb710bf63c9e12bac",
    "labels.pxr": "c12085b12659f09b9667f3b5722241ea640275796bac23da843dfee400027267",
    "palettes.pxr": "921e4d25f00aa5d543932abf4fe523bcb5d107003b23cc55a4aa08314f9fbe44",
    "planes.pxr": "f8191f55a20e7d71c05f1e1235f0a46477e2bbd0538c407c05642200d2cb0120",
    "scales.pxr": "12c9241cb4a70fd7207423818d76ef9ed1373000e3b4c9fcac966b2af4f2fe19",
}

# Of version 2 they hold the same pictures.
ARCHIVES |= {name.replace(".pxr", f"-{VERSION}.pxr"): digest for name, digest in ARCHIVES.items()}
ARCHIVES |= {"fits-2.pxr": "01ecea4782d2dd6eb75291b0e92545d6e742d1affa1209e22318839d45900042"}

# Beside this machine's own, fully optimised; compiling everything takes half a minute for each.
PROCESSORS = {
    "SSE2": {"NUMBA_CPU_NAME": "generic"},  # what every x86-64 has
    "AVX2 and FMA, less optimised": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+fma",
        "NUMBA_OPT": "1",
    },
}

TRAINED_AND_DRAWN = """
import torch
from pixelrnn import ImageModel, ModelConfig
model = ImageModel(ModelConfig(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
print(model.log_prob(torch.zeros(1, 1, 4, 4, dtype=torch.uint8)).item(), model.sample(1, seed=0).tolist())
"""


def computed(settings, folder=None, **environment):
    """What a process of its own computes with some numbers of threads and images of a batch, and what it says."""
    command = [sys.executable, "-m", "tests.portability", json.dumps(settings), *map(str, [folder] if folder else [])]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def require_streams_as_committed(folder):
    """Made again, they are those that were committed; PNG files in an archive may be another program's."""
    for path in GOLDEN.glob(f"*-{VERSION}.pxr"):
        with Archive(path) as committed, Archive(folder / path.name) as made:
            assert made.index.fingerprint == committed.index.fingerprint
            assert made.index.pieces[made.first_stream :] == committed.index.pieces[committed.first_stream :]


def test_threads_and_batches(tmp_path):
    settings = [(1, 64), (1, 1), (2, 5), (3, 1)]
    found, _ = computed(settings, tmp_path)
    for threads, batch in settings:
        assert found[f"{threads} {batch}"] == {**BITS, "archives": ARCHIVES}
    require_streams_as_committed(tmp_path)


@pytest.fixture(scope="module", params=PROCESSORS)
def processor(request, tmp_path_factory):
    """The environment of processes that compile for a kind of processor, and keep it in a folder of their own."""
    environment = PROCESSORS[request.param]
    if os.uname().machine != "x86_64" and "NUMBA_CPU_FEATURES" in environment:
        pytest.skip("processors of another kind have no such features")
    return environment | {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}


def test_processors(processor, tmp_path):
    found, said = computed([(2, 64)], tmp_path, **processor)
    for what in ("diagonal-bilstm", "local"):
        assert f"compiling the walk of {what} for this processor, once" in said
    assert found["2 64"] == {**BITS, "archives": ARCHIVES}
    require_streams_as_committed(tmp_path)
    assert found["lanes"] == 8


@pytest.mark.parametrize("processor", ["SSE2"], indirect=True)
def test_what_is_compiled_is_kept(processor):
    """The walks by the test before; then what training needs, once and with a word."""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", TRAINED_AND_DRAWN],
            env=os.environ | processor,
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    )
    assert "compiling the recurrences for this processor" in first.stderr
    assert "compiling the walk" not in first.stderr
    assert second.stderr == ""
    assert first.stdout == second.stdout

"""The same program gives the same bits on every processor: what the codec will stand on."""

import os

import pytest

from tests.conftest import PROCESSORS, said_by

SCRIPT = """
import hashlib, sys
import numpy as np, torch
from pixelrnn import ModelConfig, ImageModel
from pixelrnn.kernels.vectors import LANES
from tests.faces import face_of, run_walk

torch.set_num_threads(int(sys.argv[1]))
digest = hashlib.sha256()
for architecture in ("diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn"):
    for output, levels in (("bernoulli", 2), ("softmax", 9), ("logistic-mixture", 17), ("continuous-mixture", 0)):
        config = ModelConfig(
            architecture=architecture, shape=(3, 6, 7), levels=levels, output=output, layers=6, hidden=7, mixtures=3
        )
        model = ImageModel(config, seed=0)
        generator = np.random.default_rng(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.from_numpy(generator.uniform(-0.7, 0.7, parameter.shape)))
        uniform = generator.random((21, 6, 7, 3))
        values, nats = np.zeros((21, 3, 6, 7), np.float32), np.zeros((21, 3, 6, 7), np.float32)
        for temperature, top_k in ((1.0, None), (0.7, 3 if levels > 2 else None)):
            run_walk(
                face_of(model, (6, 7), temperature=temperature, top_k=top_k),
                values,
                uniform=lambda images: uniform[images.start : images.stop],
                log_prob=nats,
                batch=int(sys.argv[2]),
            )
            digest.update(values.tobytes())
            digest.update(nats.tobytes())
conditioned = hashlib.sha256()
for architecture in ("diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn"):
    config = ModelConfig(
        architecture=architecture, shape=(3, 6, 8), levels=9, layers=3, hidden=7, classes=4, context=(2, 3, 2)
    )
    model = ImageModel(config, seed=0)
    generator = np.random.default_rng(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(generator.uniform(-0.7, 0.7, parameter.shape)))
    uniform, values = generator.random((21, 6, 8, 3)), np.zeros((21, 3, 6, 8), np.float32)
    run_walk(
        face_of(model, (6, 8)),
        values,
        label=np.arange(21) % 4,
        context=generator.uniform(-1, 1, (21, 2, 3, 2)).astype(np.float32),
        uniform=lambda images: uniform[images.start : images.stop],
        batch=int(sys.argv[2]),
    )
    conditioned.update(values.tobytes())
print(LANES, digest.hexdigest(), conditioned.hexdigest())
"""


def run(threads=1, batch=64, **environment):
    """Lanes, and the digests of everything without and with conditions, in a process of its own."""
    return said_by(SCRIPT, threads, batch, **environment).split()


@pytest.fixture(scope="module")
def native():
    return run()


@pytest.mark.parametrize("environment", PROCESSORS.values(), ids=PROCESSORS)
def test_processors(native, environment, compiled_for):
    if os.uname().machine != "x86_64" and "haswell" in environment.values():
        pytest.skip("processors of another kind have no AVX2")
    lanes, *digests = run(**compiled_for(**environment))
    assert digests == native[1:]
    if environment.get("NUMBA_CPU_NAME"):
        assert lanes == "8"


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 5, 64])
def test_threads_and_batches(native, threads, batch):
    assert run(threads=threads, batch=batch) == native


def test_the_bits_are_those_of_all_earlier_versions(native):
    """A change here changes what every seed draws, and later what every file decodes to."""
    assert native[1:] == GOLDEN


GOLDEN = [
    "c41a5c35fefa7543cdd9034cbe79a8577f83d12b99edad19ee30eb030c9419b4",
    "967414d0a6bbabcdcc86956e762b0cc360682086081e5ba3b0fe2782cd73f216",
]

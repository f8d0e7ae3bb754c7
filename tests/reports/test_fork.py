"""A process that forks after use, as servers do: its children sample, measure and code, each on one thread."""

import subprocess
import sys

import pytest

TIMEOUT = 120

SCRIPT = """
import os, sys
import torch
import pixelrnn

torch.set_num_threads(2)

def work(name, size):
    model = pixelrnn.load_model(name)
    images = model.sample(4, size=size, seed=0)
    with torch.no_grad():
        nats = model.log_prob(images)
    codec = pixelrnn.Codec(model)
    assert torch.equal(codec.decode(codec.encode(images)), images)
    return images, nats

MODELS = {"mnist-pixelcnn": (28, 28), "photographs": (16, 16)}
before = {name: work(name, size) for name, size in MODELS.items()}
child = os.fork()
if child == 0:
    good = torch.get_num_threads() == 1
    for name, (images, nats) in before.items():
        mine, found = work(name, MODELS[name])
        good &= torch.equal(mine, images) and torch.allclose(found, nats, rtol=1e-5)
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
assert torch.get_num_threads() == 2
print("all is well")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forking is for Linux")
def test_children_work():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stdout == "all is well\n", done.stderr

"""A process that forks after use, as servers do: its children sample, measure and code, each on one thread."""

import subprocess
import sys

import pytest

TIMEOUT = 120

SCRIPT = """
import os, sys, threading
import torch
import pixelrnn

torch.set_num_threads(2)
model = pixelrnn.load_model(sys.argv[1])
size = None if len(model.config.shape) == 3 and model.config.architecture != "local" else (16, 16)

def work():
    images = model.sample(40, size=size, seed=0)
    with torch.no_grad():
        nats = model.log_prob(images)
    codec = pixelrnn.Codec(model)
    assert torch.equal(codec.decode(codec.encode(images)), images)
    return images, nats

images, nats = work()
child = os.fork()
if child == 0:
    mine, found = work()
    good = torch.equal(mine, images) and torch.allclose(found, nats, rtol=1e-5) and torch.get_num_threads() == 1
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
assert torch.get_num_threads() == 2
print("all is well")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forking is for Linux")
@pytest.mark.parametrize("name", ["mnist-pixelcnn", "photographs"])
def test_children_work(name):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.stdout == "all is well\n", done.stderr

"""Many pages at once: each gets its share, and memory does not grow."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvicorn")

CLIENTS, SECONDS = 20, float(os.environ.get("STUDIO_SECONDS", "6"))


@pytest.fixture
def server(tmp_path):
    """The address of a studio, and its process."""
    command = [sys.executable, "-m", "pixelrnn", "studio", "--port", "0", "--no-browser", "--runs", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+/", process.stdout.readline())[0], process.pid
        finally:
            process.send_signal(signal.SIGINT)


def memory(process: int) -> int:
    """Bytes that a process holds."""
    text = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", text)[1])


def draw(address: str, seed: int) -> int:
    """Draw some samples; returns how many events came."""
    fields = {"model": "mnist-pixelcnn", "n": 4, "seed": seed}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{address}api/draw", json.dumps(fields).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as response:
        events = [json.loads(line) for line in response]
    assert events[-1]["type"] == "done", events[-1]
    return len(events)


def at_once(ask) -> None:
    """Have all clients ask at the same time, and wait for them."""
    threads = [threading.Thread(target=ask, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
def test_twenty_clients_are_served_alike(server):
    address, process = server
    for seed in range(CLIENTS):  # what is compiled and loaded stays
        draw(address, seed)
    at_once(lambda client: [draw(address, client) for _ in range(2)])  # as do threads, and what they hold
    before, ends, counts = memory(process), time.monotonic() + SECONDS, [0] * CLIENTS

    def ask(client: int) -> None:
        while time.monotonic() < ends:
            draw(address, client)
            counts[client] += 1

    at_once(ask)
    assert min(counts) >= 1
    assert min(counts) >= 0.5 * np.median(counts)
    assert memory(process) - before < 40e6
    with urllib.request.urlopen(f"{address}api/jobs") as response:
        assert json.load(response) == {"jobs": []}

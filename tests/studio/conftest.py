"""A studio to ask."""

import base64
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from pixelrnn.studio.server import Studio

PAGE = "http://127.0.0.1:7860"


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path / "runs")


@pytest.fixture
def client(studio):
    with TestClient(studio.app({"127.0.0.1:7860"}), base_url=PAGE, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="session")
def chromium():
    """Where the browser is; tests that need it skip without it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    pytest.importorskip("playwright")
    return found


def told(response):
    """The events of some work."""
    return [json.loads(line) for line in response.text.splitlines()]


def array(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def shown(events):
    """Images by the pixels that were told, `(n, C, H, W)`, and how many came with each event."""
    start = next(event for event in events if event["type"] == "start")
    n, channels, height, width = start["shape"]
    pixels, counts = np.full((n * height * width, channels), -1), []
    for event in [start["drawn"], *(event for event in events if event["type"] == "drawn")]:
        numbers = array(event["pixels"], np.uint32)
        pixels[numbers] = array(event["values"], np.uint8).reshape(-1, channels)
        counts.append(len(numbers))
    return pixels.reshape(n, height, width, channels).transpose(0, 3, 1, 2), counts

"""What is compiled is kept for other processes, as long as it is of these sources and whole; and is no need."""

import subprocess
import sys

import pytest

from pixelrnn.kernels import kept

SCRIPT = """
import sys
from numba import types
from numba.core import caching
from pixelrnn.kernels import kept

if sys.argv[1] == "nowhere":
    caching.CacheImpl._locator_classes = []
if sys.argv[1] == "other sources":
    kept._sources = lambda: "others"

@kept.outer
def half(x):
    return x / 2

print(half(3), *half.stats.cache_hits.values())

@kept.callback(types.intp(types.intp))
def twice(x):
    return 2 * x

print(twice._cache_hits)
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Runs a script in a process that keeps its code in a folder: what it prints, and what it says."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(how="as usual"):
        command = [sys.executable, tmp_path / "script.py", how]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split(), done.stderr

    return run


ANEW, FROM_BEFORE = ["1.5", "0"], ["1.5", "1", "1"]


def test_code_is_kept_until_its_sources_change(ran, tmp_path):
    assert ran() == (ANEW, "")
    assert ran() == (FROM_BEFORE, "")
    files = sorted(path.name for path in (tmp_path / "kept").rglob("*.nb?"))
    assert ran("other sources") == (ANEW, "")
    assert ran("other sources") == (FROM_BEFORE, "")
    assert sorted(path.name for path in (tmp_path / "kept").rglob("*.nb?")) == files, "nothing of the old ones is left"
    assert ran() == (ANEW, "")


def test_damaged_files_are_replaced(ran, tmp_path):
    ran()
    for suffix in ("nbi", "nbc"):
        damaged = list((tmp_path / "kept").rglob(f"*.{suffix}"))
        assert len(damaged) == 2
        for path in damaged:
            path.write_bytes(path.read_bytes()[:10])
        assert ran() == (ANEW, "")
    assert ran() == (FROM_BEFORE, "")


def test_no_folder_to_write_into_is_said_once(ran):
    found, said = ran("nowhere")
    assert found == ANEW
    assert said.count("\n") == 1
    assert "compiled code cannot be kept for later processes (no folder can be written into)" in said
    assert "NUMBA_CACHE_DIR names another folder" in said


def test_no_room_is_said_and_is_no_error(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(kept, "_warn", kept._warn.__wrapped__)

    @kept.outer
    def third(x):
        return x / 3

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(third._cache._cache_file, "_save_index", full)
    assert third(3) == 1
    assert "No space left on device" in caplog.text


WAITING = """
import sys, time
from pixelrnn.kernels import kept, lazy

lazy.PATIENCE = 0.01
(lambda path: open(path, "w").write(
    "import time\\nfrom numba import types\\nfrom pixelrnn.kernels import kept\\n"
    "@kept.callback(types.intp(types.intp))\\ndef twice(x):\\n    return 2 * x\\n\\ntime.sleep(0.3)\\n"
))(sys.argv[1] + "/slow_module.py") if sys.argv[2] == "write" else None
sys.path.insert(0, sys.argv[1])
lazy.compiled_module("slow_module", "what is slow")
"""


def test_a_word_is_said_of_what_is_compiled_and_not_of_what_is_loaded_slowly(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    said = [
        subprocess.run(
            [sys.executable, "-c", WAITING, tmp_path, how], capture_output=True, text=True, timeout=120, check=True
        ).stderr
        for how in ("write", "again")
    ]
    assert said == ["compiling what is slow for this processor, once: this takes about a quarter of a minute\n", ""]

"""Trainings that pages begin: each a process of its own, as in a terminal, which saves when it is stopped."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from pixelrnn.config.architectures import ARCHITECTURES
from pixelrnn.errors import ConfigError, RunError
from pixelrnn.runs.run import Run
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.folders import Folders

__all__ = ["Trainers"]

DIGITS, OWN = "digits", ":digits"  # images of the package, and what a page calls them
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
MOST = 2  # at once
MOST_MINUTES, MOST_SIDE, MOST_LAYERS, MOST_HIDDEN = 100_000, 4_096, 64, 1_024
STOPPED = 130  # exit code after Ctrl-C
PATIENCE = 60.0  # seconds until a training has saved itself
BEHIND = 10  # lets whoever waits for a page go first


class _Training(NamedTuple):
    """A process, and what it says."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]


class Trainers:
    """The trainings that were begun here.

    Args:
        runs: Folder of runs.
        folders: Whose pictures can be trained on.
    """

    def __init__(self, runs: Path, folders: Folders) -> None:
        self.runs, self.folders = runs, folders
        self._begun, self._lock = dict[str, _Training](), threading.Lock()

    def start(self, asked: Asked) -> dict[str, Any]:
        """Begin a training; what is wrong with it is told by `trouble`, once it is known."""
        name, source, architecture = asked.text("name"), asked.text("source"), asked.text("architecture")
        if not NAME.fullmatch(name):
            raise ConfigError(f"name is {name!r:.80}; letters, digits, dots and hyphens make a name of a run")
        if (self.runs / name).exists():
            raise RunError(f"there is a run {name} already; choose another name")
        if architecture not in ARCHITECTURES:
            raise ConfigError(f"architecture is {architecture!r:.60}; one of {', '.join(ARCHITECTURES)} is needed")
        place = DIGITS if source == OWN else str(self.folders.find(source, must_stay=True))
        words = ["--architecture", architecture, "--minutes", str(asked.whole("minutes", 1, MOST_MINUTES))]
        for field, most in (("size", MOST_SIDE), ("layers", MOST_LAYERS), ("hidden", MOST_HIDDEN)):
            if asked.has(field):
                words += [f"--{field}", str(asked.whole(field, 1, most))]
        self._begin(name, [place, *words, "--skip-bad", "--out", str(self.runs / name)])
        return {"run": name}

    def resume(self, asked: Asked, run: Run) -> dict[str, Any]:
        """Go on with a training that was stopped, or, with more minutes, with one that is finished."""
        assert run.folder is not None
        words = ["--resume", str(run.folder)]
        if run.is_finished:
            seconds = run.metrics[-1]["seconds"] if run.metrics else 0.0
            words += ["--minutes", f"{seconds / 60 + asked.whole('more', 1, MOST_MINUTES):.2f}"]
        self._begin(run.folder.name, words)
        return {"run": run.folder.name}

    def stop(self, asked: Asked) -> dict[str, Any]:
        """Have a training save itself and end."""
        name = asked.text("run")
        if not self.is_running(name):
            raise RunError(f"{name!r:.60} was not begun here, or has ended; Ctrl-C stops it in its terminal")
        self._begun[name].process.send_signal(signal.SIGINT)
        return {"run": name}

    def has_begun(self, name: str) -> bool:
        """Whether a training was begun here, or gone on with."""
        return name in self._begun

    def is_running(self, name: str) -> bool:
        """Whether a training was begun here, and goes on."""
        return name in self._begun and self._begun[name].process.poll() is None

    def trouble(self) -> dict[str, str]:
        """The trainings that failed, by their names, and what they said last."""
        return {
            name: _last_line(each.said)
            for name, each in list(self._begun.items())
            if each.process.poll() not in (None, 0, STOPPED)
        }

    @property
    def names(self) -> list[str]:
        """Those that go on."""
        return [name for name in list(self._begun) if self.is_running(name)]

    def close(self) -> None:
        """Stop all of them, and wait until they have saved themselves."""
        for name in self.names:
            self._begun[name].process.send_signal(signal.SIGINT)
        ends = time.monotonic() + PATIENCE
        for each in self._begun.values():
            try:
                each.process.wait(max(0.1, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
            each.said.close()

    def _begin(self, name: str, words: Sequence[str]) -> None:
        with self._lock:
            if len(self.names) >= MOST:
                raise ConfigError(f"{MOST} trainings go on already; stop one, or wait until one has ended")
            if self.is_running(name):
                raise RunError(f"{name} goes on already")
            said = tempfile.TemporaryFile()
            command = [sys.executable, "-m", "pixelrnn", "train", *words]
            # Of a group of its own: Ctrl-C in the terminal ends the studio, which then ends its trainings one by one.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
            if hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, process.pid, BEHIND)
            if name in self._begun:
                self._begun[name].said.close()
            self._begun[name] = _Training(process, said)


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 2_000))
    lines = said.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word")

"""What `pixelrnn studio` says before it serves."""

import importlib.util
import socket
import threading

import pytest

from tests.cli.test_cli import run

pytest.importorskip("uvicorn")

from pixelrnn.studio.trainers import Trainers


@pytest.fixture
def served(monkeypatch):
    """Does not serve; returns the sockets that would have been served."""
    sockets = []

    def serve(self, sockets):
        found.extend(sockets)

    found = sockets
    monkeypatch.setattr("uvicorn.Server.run", serve)
    yield sockets
    for each in sockets:
        each.close()


def test_it_says_where_it_is(served, tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or False)
    assert run("studio", "--port", 0, "--runs", tmp_path / "none") == 0
    said = capsys.readouterr().out
    port = served[0].getsockname()[1]
    assert f"the studio is at http://127.0.0.1:{port}/  (Ctrl-C ends it)" in said
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(1)
    assert opened == [f"http://127.0.0.1:{port}/"]
    assert "no browser could be opened; open the address in one" in said + capsys.readouterr().out


def test_elsewhere_it_asks_for_a_token(served, tmp_path, capsys):
    assert run("studio", "--port", 0, "--host", "0.0.0.0", "--no-browser") == 0
    token = capsys.readouterr().out.split("?token=")[1].split()[0]
    assert len(token) >= 20


def test_trainings_end_with_it(served, tmp_path, capsys, monkeypatch):
    closed = []
    monkeypatch.setattr(Trainers, "names", ["first", "second"])
    monkeypatch.setattr(Trainers, "close", lambda self: closed.append(self))
    assert run("studio", "--port", 0, "--no-browser", "--runs", tmp_path) == 0
    assert "stopping and saving first, second ..." in capsys.readouterr().out
    assert len(closed) == 1


def test_what_is_refused(served, tmp_path, capsys, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "file").write_text("")
        port = taken.getsockname()[1]
        for options, error in (
            (
                ["--port", port],
                f"cannot listen at 127.0.0.1, port {port} (Address already in use); choose another by --port",
            ),
            (["--port", 99_999], "--port is 99999; 0 .. 65535 is allowed"),
            (["--runs", tmp_path / "file"], "file, which is no folder"),
            (["--folders", tmp_path / "file"], "file, which is no folder"),
            (["--models", tmp_path / "none"], "none"),
            (["--models", "mnist-grey"], "not a shipped one"),
        ):
            assert run("studio", "--no-browser", *options) == 2
            assert error in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run("studio", "--no-browser") == 2
    assert "the studio needs starlette; install it with: pip install 'pixelrnn[studio]'" in " ".join(
        capsys.readouterr().err.split()
    )
    assert served == []

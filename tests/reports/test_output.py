"""What is printed can be printed anywhere, errors are one line, and what is written others can read."""

import io
import os
import stat
import subprocess
import sys

import pytest

import pixelrnn
from pixelrnn import load_model
from pixelrnn.archive.compress import compress
from tests.cli.test_cli import run
from tests.pictures import picture

TIMEOUT = 60


@pytest.fixture
def printed(monkeypatch):
    """Runs a command whose output has an encoding: exit code, and what it printed."""

    def run_in(encoding, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = run(*arguments)
        for stream in streams:
            stream.flush()
        return code, *(stream.buffer.getvalue().decode(encoding) for stream in streams)

    return run_in


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_names_that_the_encoding_has_no_letters_for(encoding, printed, tmp_path):
    (tmp_path / "in").mkdir()
    picture("L").save(tmp_path / "in" / "snow-\u2603-\U0001f600.png")
    compress(load_model("mnist-row-lstm"), tmp_path / "in", tmp_path / "a.pxr")
    code, out, err = printed(encoding, "decompress", tmp_path / "a.pxr", "--list")
    assert (code, err) == (0, "")
    snow = "\u2603"
    assert "snow-" + (snow if encoding == "utf-8" else ascii(snow)[1:-1]) in out
    code, out, err = printed(encoding, "train", "--help")
    assert (code, err) == (0, "")
    assert "--learning-rate" in out


def test_a_process_whose_output_is_ascii():
    command = [sys.executable, "-m", "pixelrnn", "train", "--help"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "5"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT, check=True)
    assert b"--learning-rate" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [("--seed", "x", "a whole number"), ("-n", "1.5", "a whole number"), ("--temperature", "warm", "a number")],
)
def test_what_is_no_number_is_said_in_one_line(option, value, wanted, capsys):
    assert run("sample", "mnist-row-lstm", option, value) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"is '{value}'; {wanted} is needed" in said


def test_too_little_memory_is_said_in_one_line(capsys, monkeypatch):
    def lacking(*_, **__):
        raise RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 b"
        )

    monkeypatch.setattr("pixelrnn.model.image.ImageModel.sample", lacking)
    with pytest.raises(RuntimeError):
        run("sample", "mnist-row-lstm", "-n", "1")

    def lacking_bytes(*_, **__):
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes. Error 12"
        )

    monkeypatch.setattr("pixelrnn.model.image.ImageModel.sample", lacking_bytes)
    assert run("sample", "mnist-row-lstm", "-n", "1") == 2
    assert capsys.readouterr().err == "pixelrnn: there is not enough memory for 8.0 GiB at once\n"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_others_can_read_what_the_umask_lets_them(umask, tmp_path):
    before = os.umask(umask)
    try:
        load_model("mnist-row-lstm").save_pretrained(tmp_path / "model")
        options = ["--steps", "2", "--layers", "1", "--hidden", "2", "--samples", "1"]
        assert run("train", "digits", *options, "--out", tmp_path / "run") == 0
    finally:
        os.umask(before)
    for path in [*(tmp_path / "model").rglob("*"), *(tmp_path / "run").rglob("*")]:
        if path.is_file() and path.name != ".lock":
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask, path


def test_the_version_is_told(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"pixelrnn {pixelrnn.__version__}\n"

"""What is printed can be printed anywhere, errors are one line, and what is written others can read."""

import contextlib
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


@pytest.mark.parametrize("raised", ["raise KeyboardInterrupt", "class A:\n  x = B()"])
def test_ctrl_c_while_the_program_is_read_is_a_line(raised):
    """Within a class, Python makes another error of it."""
    before = "class B:\n  def __set_name__(self, *_):\n    raise KeyboardInterrupt\n"
    said = subprocess.run(
        [sys.executable, "-c", f"import pixelrnn.cli\n{before}{raised}"], capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    assert said.stderr == "pixelrnn: interrupted\n"


def test_other_errors_are_not_hidden():
    """Also one that comes while an interrupt is handled; and later they are whose they were before."""
    code = "try:\n  raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n  raise RuntimeError('disk full')"
    said = subprocess.run(
        [sys.executable, "-c", f"import pixelrnn.cli\n{code}"], capture_output=True, text=True, check=False
    )
    assert "RuntimeError: disk full" in said.stderr
    assert sys.excepthook is sys.__excepthook__ or "pixelrnn" not in sys.excepthook.__module__


def test_nothing_large_is_read_before_that():
    code = (
        "import pixelrnn.cli, sys; print([name for name in ('tyro', 'rich', 'numpy', 'torch') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


HELP = ["-h"], ["train", "--help"], ["evaluate", "-h"], ["data", "show", "-h"]


@pytest.mark.parametrize("arguments", HELP)
def test_help_is_running_text_without_what_only_the_parser_knows(arguments, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert "None|" not in said
    if "evaluate" in arguments:  # a sentence that the source breaks in two
        assert "of likelihoods depend on it; samples and what comes out of archives do not." in said


def test_no_colour_where_none_is_wanted(monkeypatch):
    """On a terminal boxes have colours, but for those who do not want them."""
    code = "import sys\nfrom pixelrnn.__main__ import main\nsys.exit(main(['train', '--sed', '3']))"
    said = {}
    for no_colour in ("", "1"):
        main, terminal = os.openpty()
        monkeypatch.setenv("NO_COLOR", no_colour)
        monkeypatch.setenv("TERM", "xterm")
        subprocess.run([sys.executable, "-c", code], stdout=terminal, stderr=terminal, check=False)
        os.close(terminal)
        said[no_colour] = b""
        with contextlib.suppress(OSError):  # at its end
            while part := os.read(main, 2**16):
                said[no_colour] += part
        os.close(main)
    assert b"\x1b[" in said[""]
    assert b"\x1b[" not in said["1"]
    assert b"Unrecognized options" in said["1"]


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

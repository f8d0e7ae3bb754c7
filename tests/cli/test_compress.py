"""Folders into archives and back, from the command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from pixelrnn.cli.console import progress
from pixelrnn.cli.interrupt import insistent
from pixelrnn.progress import Progress
from tests.cli.test_cli import run


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress") / "run"
    options = ["--architecture", "pixelcnn", "--layers", "1", "--hidden", "4", "--steps", "20", "--samples", "0"]
    assert run("train", "digits", *options, "--out", folder) == 0
    return folder


@pytest.fixture
def digits(tmp_path):
    """Eighty digits as PNG files, in two folders, and a text."""
    from pixelrnn import load_data

    source = tmp_path / "digits"
    images = load_data("digits").test.batch(range(80))
    for number, image in enumerate(images):
        path = source / ("even" if number % 2 == 0 else "odd") / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image[0].numpy() * (255 / 16)).astype(np.uint8)).save(path)
    (source / "note.txt").write_text("digits")
    return source


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def contents(folder):
    files = {}
    for path in folder.rglob("*.*"):
        files[path.relative_to(folder).as_posix()] = (
            Image.open(path).tobytes() if path.suffix == ".png" else path.read_bytes()
        )
    return files


def test_there_and_back(model, digits, tmp_path, capsys):
    assert run("compress", model, digits) == 0
    said = capsys.readouterr().out
    assert "digits.pxr: 81 files" in said
    assert "80 pictures by the model" in said
    assert "not an image" in said
    assert run("decompress", "digits.pxr", "--model", model, "--out", "back") == 0
    assert "81 files" in capsys.readouterr().out
    assert contents(tmp_path / "back") == contents(digits)
    assert (tmp_path / "digits.pxr").stat().st_size < sum(path.stat().st_size for path in digits.rglob("*.*")) / 2


def test_what_will_come_back_otherwise_is_said(tmp_path, capsys):
    Image.new("RGB", (90, 70), (1, 2, 3)).save("odd.bmp")
    assert run("compress", "mnist-row-lstm", "odd.bmp") == 0
    said = capsys.readouterr().out
    assert "1 picture will come back as .png: odd.bmp as odd.png" in said
    assert "1 picture will come back without dpi: odd.bmp" in said


def test_listing_and_single_members(model, digits, tmp_path, capsys):
    assert run("compress", model, digits, "-o", "a.pxr", "--no-verify", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["archive"], done["files"], done["coded"]) == ("a.pxr", 81, 80)
    assert run("decompress", "a.pxr", "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "81 members; model" in lines[-1]
    assert [line for line in lines if "8x8 L" in line and line.endswith("odd/003.png")]
    assert run("decompress", "a.pxr", "--list", "--only", "even", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 40
    assert run("decompress", "a.pxr", "--model", model, "--only", "odd/003.png", "note.txt", "--json") == 0
    assert sorted(json.loads(capsys.readouterr().out)["files"]) == ["a/note.txt", "a/odd/003.png"]
    assert contents(tmp_path / "a").keys() == {"note.txt", "odd/003.png"}


def test_one_file(model, digits, tmp_path):
    assert run("compress", model, digits / "odd" / "003.png") == 0
    assert run("decompress", "003.pxr", "--model", model) == 0
    assert Image.open("003/003.png").tobytes() == Image.open(digits / "odd" / "003.png").tobytes()


def test_checking_and_going_on(model, digits, tmp_path, capsys):
    assert run("compress", model, digits, "-o", "a.pxr") == 0
    assert run("decompress", "a.pxr", "--model", model, "--check") == 0
    assert "a.pxr: 81 members, all whole" in capsys.readouterr().out
    assert run("decompress", "a.pxr", "--model", model, "--only", "even") == 0
    assert run("decompress", "a.pxr", "--model", model) == 2
    assert "--skip-existing" in capsys.readouterr().err
    assert run("decompress", "a.pxr", "--model", model, "--skip-existing") == 0
    assert "41 files" in (said := capsys.readouterr().out)
    assert "40 that were there are left as they are" in said
    assert contents(tmp_path / "a") == contents(digits)


def test_damage_is_listed_and_the_exit_code_says_so(model, digits, tmp_path, capsys):
    assert run("compress", model, digits, "-o", "a.pxr") == 0
    content = bytearray((tmp_path / "a.pxr").read_bytes())
    content[-3] ^= 1  # of the last group
    (tmp_path / "a.pxr").write_bytes(content)
    capsys.readouterr()
    assert run("decompress", "a.pxr", "--model", model, "--check") == 2
    checked = capsys.readouterr()
    assert checked.out == ""
    assert len(checked.err.splitlines()) == 16
    assert all(line.startswith("pixelrnn: a.pxr: odd/") for line in checked.err.splitlines())
    assert run("decompress", "a.pxr", "--model", model, "--json") == 2
    restored = capsys.readouterr()
    assert restored.err == checked.err
    assert [f"pixelrnn: {line}" for line in json.loads(restored.out)["damaged"]] == checked.err.splitlines()
    assert len(contents(tmp_path / "a")) == 65


def test_pack_and_unpack(digits, tmp_path, capsys):
    assert run("pack", digits, "--minutes", 0.05) == 0
    said = capsys.readouterr().out
    words = (
        "ordinary files",
        "row-lstm 4x16 ",
        "local 2x48 copies grid",
        "5 bits a weight",
        "of the originals",
        "original files",
        "PNG",
        "WebP",
        "digits.pxr:",
    )
    assert [word for word in words if word not in said] == []
    assert "digits-sizes.png shows this" in said
    with Image.open("digits-sizes.png") as bars:
        assert bars.width > 500
    assert run("unpack", "digits.pxr", "-o", "back") == 0
    assert contents(tmp_path / "back") == contents(digits)


def test_an_interrupt_is_answered_once(capsys):
    from pixelrnn.cli.pack import _Stages

    for what, answer in (
        ("trying a", "ending the training"),
        ("compressing", "the training is over; compressing goes on"),
        ("other formats", "the archive is whole; JPEG XL is left out"),
    ):
        with _Stages(lambda: True, is_aside=False) as stages:
            assert stages.report(Progress(fraction=0.1, what=what))
            assert f"{answer}; Ctrl-C again gives up" in capsys.readouterr().err
            assert stages.report(Progress(fraction=0.1, what="rounding weights"))
            assert capsys.readouterr().err == ""
    with _Stages(lambda: True, is_aside=False) as stages, pytest.raises(KeyboardInterrupt):
        stages.report(Progress(fraction=0.1, what="reading pictures"))  # nothing would be lost


def test_an_interrupt_that_got_lost_comes_again():
    """In a callback of a compiler it is printed, and the program goes on."""
    with insistent(), progress("work") as report:
        report(Progress(fraction=0.1))
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            report(Progress(fraction=0.2))
        report(Progress(fraction=0.3))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_pack_tells_what_it_did_even_if_it_cannot_compare(digits, tmp_path, capsys, monkeypatch):
    from pixelrnn import plots

    def refuse(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(plots, "save_bars", refuse)
    assert run("pack", digits, "--minutes", 0.02, "-o", "a.pxr") == 0
    said = capsys.readouterr()
    assert "a.pxr: 81 files" in said.out
    assert "a.pxr is whole, but the chart of sizes was not drawn (the disk is full)" in said.err


def test_odd_names_do_not_reach_the_terminal(model, digits, tmp_path, capsys):
    odd = digits / os.fsdecode(b"\x1b[31m\xff.txt")
    try:
        odd.write_text("odd")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (digits / "two\nlines.txt").write_text("odder")
    assert run("compress", model, digits, "-o", "a.pxr") == 0
    assert run("decompress", "a.pxr", "--list") == 0
    said = capsys.readouterr().out
    assert said.count(r"\x1b[31m\udcff.txt") == 2
    assert r"  two\nlines.txt" in said
    assert said.encode()  # has no surrogates
    assert "\x1b" not in said


def test_pack_does_not_draw_over_a_picture(digits, tmp_path, capsys):
    (tmp_path / "digits-sizes.png").write_text("mine")
    assert run("pack", digits) == 2
    assert "digits-sizes.png exists" in capsys.readouterr().err
    (tmp_path / "digits-sizes.png").unlink()
    assert run("pack", digits / "odd" / "003.png", "--minutes", 0.01, "-o", digits / "odd" / "003.pxr") == 0
    with Image.open(digits / "odd" / "003.png") as mine:
        assert mine.size == (8, 8)
    assert run("unpack", digits / "odd" / "003.pxr", "--list") == 0
    assert "1 member; no model" in capsys.readouterr().out


def test_pack_as_json_from_a_model(model, digits, capsys):
    assert run("pack", digits, "--minutes", 0.01, "--start-from", model, "--json", "--no-compare", "-o", "a.pxr") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["archive"] == "a.pxr"
    assert done["compressed"]["coded"] == 80
    assert done["model"]["architecture"] == "pixelcnn"
    assert done["formats"] == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "nowhere", "x"], "is neither a folder nor one of the shipped models"),
        (["compress", "MODEL", "nowhere"], "nowhere: no such file or folder"),
        (
            ["compress", "MODEL", "there.txt", "-o", "b.pxr", "--tile", "0", "4"],
            "--tile is (0, 4); sides of 1 or more are allowed",
        ),
        (["compress", "MODEL", "empty"], "empty: there are no files to compress"),
        (["compress", "MODEL", "there.txt", "--out", "there.pxr"], "there.pxr exists; choose another name with --out"),
        (["compress", "MODEL", "there.txt", "--out", "/dev/null/a.pxr"], "/dev/null"),
        (["decompress", "nowhere.pxr"], "nowhere.pxr: no such file"),
        (["decompress", "there.pxr"], "there.pxr: it ends too early"),
        (["decompress", "there.txt"], "there.txt: it is no .pxr file"),
        (["decompress", "empty"], "empty cannot be opened (Is a directory)"),
        (["decompress", "there.pxr", "--model", "nowhere"], "is neither a folder nor one of the shipped models"),
        (["unpack", "there.txt", "--list"], "there.txt: it is no .pxr file"),
        (["unpack", "there.pxr", "--list", "--check"], "--list and --check are both given; give one"),
        (["unpack", "there.pxr", "--overwrite", "--skip-existing"], "--overwrite and --skip-existing are both given"),
        (["pack", "nowhere"], "nowhere: no such file or folder"),
        (["pack", "there.txt"], "there.pxr exists"),
        (["pack", "there.txt", "-o", "b.pxr", "--minutes", "0"], "--minutes is 0.0; it must be above 0 and finite"),
        (["pack", "there.txt", "-o", "b.pxr"], "there are no pictures that a model could learn"),
        (["pack", "empty"], "empty: there are no files to compress"),
        (
            ["pack", "there.txt", "-o", "b.pxr", "--start-from", "nowhere"],
            "is neither a folder nor one of the shipped models",
        ),
    ],
)
def test_refusals(arguments, message, model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.txt").write_text("text, and more of it")
    (tmp_path / "there.pxr").write_bytes(b"\x89PXR\x01")
    assert run(*[model if argument == "MODEL" else argument for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "there.pxr", "there.txt"]


def test_a_model_that_was_trained_further_is_another(model, digits, tmp_path, capsys):
    other = tmp_path / "other"
    options = ["--architecture", "pixelcnn", "--layers", "1", "--hidden", "4", "--steps", "1", "--samples", "0"]
    assert run("train", "digits", *options, "--out", other) == 0
    assert run("compress", model, digits) == 0
    assert run("decompress", "digits.pxr", "--model", other, "-o", "back") == 2
    assert "compressed with another model" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()


def test_ctrl_c_leaves_nothing(model, tmp_path):
    source = tmp_path / "big"
    source.mkdir()
    Image.fromarray(np.zeros((3000, 3000), np.uint8)).save(source / "a.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 17, (3000, 3000), dtype=np.uint8) * 15).save(source / "b.bmp")
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelrnn", "compress", str(model), str(source), "-o", "out/a.pxr"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ,
    )
    for _ in range(600):
        if (tmp_path / "out").exists():
            break
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert b"interrupted" in said
    assert list((tmp_path / "out").iterdir()) == []

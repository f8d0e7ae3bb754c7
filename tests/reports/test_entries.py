"""Entries that are no plain files: links are followed, what leads nowhere is listed, pipes are refused."""

import os
import signal
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrnn import DataError, load_data
from pixelrnn.data.files import Zip
from tests.cli.test_cli import run
from tests.pictures import picture

TIMEOUT = 60


@pytest.fixture
def classes(tmp_path):
    """Two folders of pictures, of which one is a link."""
    for name in ("data/cat", "elsewhere/dogs"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(4):
            picture(seed=number + 10 * len(name)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere" / "dogs")
    return tmp_path / "data"


def test_a_class_folder_may_be_a_link(classes):
    data = load_data(classes, labels=True)
    assert data.label_names == ("cat", "dog")
    assert len(data.whole) == 8
    assert np.array_equal(
        data.whole.batch([4])[0], np.asarray(Image.open(classes / "dog" / "0.png")).transpose(2, 0, 1)
    )


def test_a_link_in_a_circle_adds_nothing(classes):
    (classes / "cat" / "back").symlink_to(classes)
    assert len(load_data(classes).whole) == 8


def test_links_to_nothing_are_listed_and_stop_nothing(classes):
    (classes / "bird").symlink_to(classes.parent / "gone")
    (classes / "cat" / "9.png").symlink_to(classes.parent / "gone.png")
    data = load_data(classes)
    assert len(data.whole) == 8
    assert [line.rpartition(": ")[2] for line in data.skipped] == ["a link to nothing"] * 2
    assert {Path(line.rpartition(": ")[0]).name for line in data.skipped} == {"bird", "9.png"}
    assert "2 unreadable (listed)" in data.summary


@pytest.fixture(autouse=True)
def _hangs_are_errors():
    """A pipe that is opened waits for ever for somebody to write."""

    def stop(*_):
        raise TimeoutError(f"this has taken {TIMEOUT} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(TIMEOUT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("options", [[], ["--skip-bad"]])
@pytest.mark.parametrize("command", [["data", "show"], ["train"]])
def test_a_pipe_is_named_and_nothing_hangs(command, options, classes, capsys):
    os.mkfifo(classes / "cat" / "x.png")
    given = ["--steps", "1", "--layers", "1", "--hidden", "3", "--samples", "0", "--out", classes.parent / "run"]
    assert run(*command, classes, *options, *(given if command == ["train"] else [])) == (0 if options else 2)
    said = " ".join(capsys.readouterr().err.split())
    assert "x.png" in said
    assert "neither a file nor a folder" in said


def test_a_pipe_as_the_source_itself(tmp_path):
    for name in ("x.zip", "x.npy", "x.tar"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match=f"{name}: neither a file nor a folder"):
            load_data(tmp_path / name)


@pytest.mark.parametrize("option", [[], ["--mask"]])
def test_a_pipe_as_a_picture(option, tmp_path, capsys):
    os.mkfifo(tmp_path / "x.png")
    Image.new("L", (28, 28)).save(tmp_path / "good.png")
    given = [tmp_path / "good.png", *option, tmp_path / "x.png"] if option else [tmp_path / "x.png", "--keep", "top"]
    assert run("complete", "mnist-row-lstm", *given) == 2
    assert "x.png cannot be used: neither a file nor a folder" in " ".join(capsys.readouterr().err.split())


LINKS = {
    "dog": "cat",
    "ape": "dog",
    "fox/0.png": "../cat/0.png",
    "fox/9.png": "gone.png",
    "bird": "nowhere",
    "readme": "nowhere.txt",
    "round": "about",
    "about": "round",
}


def _tar(path: Path, form: str) -> None:
    with tarfile.open(path, f"w{form}") as archive:
        for name, target in {**LINKS, "fox/1.png": "cat/1.png"}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE if name == "fox/1.png" else tarfile.SYMTYPE, target
            archive.addfile(member)
        archive.add(path.parent / "cat", "cat")


def _zip(path: Path, form: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, target in {**LINKS, "fox/1.png": "../cat/1.png"}.items():
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(member, target)
        for file in sorted((path.parent / "cat").iterdir()):
            archive.write(file, f"cat/{file.name}")


@pytest.mark.parametrize(("write", "name", "form"), [(_tar, "a.tar", ""), (_tar, "a.tar", ":gz"), (_zip, "a.zip", "")])
def test_links_in_archives(write, name, form, tmp_path):
    for number in range(4):
        path = tmp_path / "cat" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture(seed=number).save(path)
    write(tmp_path / name, form)
    data = load_data(tmp_path / name, labels=True)
    assert data.label_names == ("ape", "cat", "dog", "fox")
    assert len(data.whole) == 4 + 4 + 4 + 2
    images = {name: data.whole.batch([number])[0] for number, name in enumerate(data.names)}
    assert np.array_equal(images["fox/1.png"], images["cat/1.png"])
    assert np.array_equal(images["dog/3.png"], images["cat/3.png"])
    assert np.array_equal(images["ape/2.png"], images["cat/2.png"])
    assert sorted(line.split(":")[1] for line in data.skipped) == ["about", "bird", "fox/9.png", "readme", "round"]
    assert "a link to fox/gone.png, which is not in the archive" in " ".join(data.skipped)


def test_a_device_in_a_tar_archive_is_named(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("x.png")
        member.type = tarfile.FIFOTYPE
        archive.addfile(member)
    with pytest.raises(DataError, match=r"a.tar:x.png cannot be used: neither a file nor a folder"):
        load_data(tmp_path / "a.tar")


def test_many_links_take_no_time(tmp_path):
    """A step for each link and each file, not for all pairs of them; and what a link leads to is a name."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3000):
            for name, target in ((f"l/{number}.png", f"../n/{number}.txt"), (f"m/{number}.png", f"../l/{number}.png")):
                member = zipfile.ZipInfo(name)
                member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(member, target)
            archive.writestr(f"n/{number}.txt", b"x")
        large = zipfile.ZipInfo("large.png")
        large.create_system, large.external_attr, large.compress_type = (
            3,
            (stat.S_IFLNK | 0o777) << 16,
            zipfile.ZIP_DEFLATED,
        )
        archive.writestr(large, b"a" * 2**24)
    names = [name for name, _ in Zip(tmp_path / "a.zip").walk()]
    assert len(names) == 6001
    assert "large.png" in names

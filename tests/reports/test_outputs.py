"""Files of others are never replaced, and nothing of an earlier call is left beside what is new."""

import numpy as np
import pytest
from PIL import Image

from pixelrnn import load_data
from pixelrnn.cli.score_table import COLUMNS, ScoreTable
from pixelrnn.errors import RunError
from tests.cli.test_cli import run
from tests.pictures import picture


@pytest.fixture
def digit(tmp_path):
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def commands(digit, number):
    """Each command that writes a folder, with so many pictures."""
    return {
        "sample": ["sample", "mnist-row-lstm", "-n", number],
        "complete": ["complete", "mnist-row-lstm", digit, "--keep", "top", "-n", number],
    }


@pytest.mark.parametrize("verb", ["sample", "complete"])
def test_a_second_call_leaves_nothing_of_the_first(verb, digit, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*commands(digit, 5)[verb]) == 0
    (folder,) = (tmp_path / "runs" / "mnist-row-lstm").iterdir()
    assert len(list(folder.iterdir())) == 6
    assert run(*commands(digit, 2)[verb]) == 0
    assert len(list(folder.iterdir())) == 3
    # A folder that the user names is replaced only if that is said.
    out = ["--out", tmp_path / "out"]
    assert run(*commands(digit, 5)[verb], *out) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    assert run(*commands(digit, 2)[verb], *out) == 2
    assert "out holds what an earlier call wrote" in " ".join(capsys.readouterr().err.split())
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert run(*commands(digit, 2)[verb], *out, "--overwrite") == 0
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize("verb", ["sample", "complete"])
def test_a_folder_with_files_of_others_is_left_alone(verb, digit, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    picture().save(tmp_path / "mine" / "cat.png")
    before = (tmp_path / "mine" / "cat.png").read_bytes()
    assert run(*commands(digit, 1)[verb], "--out", tmp_path / "mine") == 2
    assert "mine holds files of others (cat.png); choose another folder with --out" in " ".join(
        capsys.readouterr().err.split()
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["cat.png"]
    assert run(*commands(digit, 1)[verb], "--out", tmp_path / "mine", "--overwrite") == 0
    assert (tmp_path / "mine" / "cat.png").read_bytes() == before
    assert run(*commands(digit, 1)[verb], "--out", digit) == 2
    assert "digit.png is no folder" in " ".join(capsys.readouterr().err.split())


def test_samples_do_not_go_among_pictures_that_are_trained_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").mkdir()
    for number in range(4):
        picture(seed=number).save(tmp_path / "photographs" / f"{number}.png")
    assert run("sample", "photographs", "-n", "1", "--size", "8", "8") == 0
    assert len(load_data("photographs").whole) == 4
    assert (tmp_path / "runs" / "photographs" / "samples-0" / "grid.png").exists()


@pytest.mark.parametrize(
    ("command", "option", "suffix"),
    [
        (["score", "mnist-row-lstm"], "--csv", ".csv"),
        (["entropy", "mnist-row-lstm"], "--map", ".png"),
        (["bench"], "--growth", ".png"),
    ],
)
def test_files_are_of_their_kind_and_not_replaced(command, option, suffix, digit, tmp_path, capsys):
    given = [*command, digit] if command[0] != "bench" else command
    wrong = digit if suffix == ".csv" else tmp_path / "x.csv"
    assert run(*given, option, wrong) == 2
    assert f"it names a file that ends in {suffix}" in " ".join(capsys.readouterr().err.split())
    there = tmp_path / f"there{suffix}"
    there.write_bytes(b"mine")
    assert run(*given, option, there) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"there{suffix} exists; choose another name with {option}, or give --overwrite" in said
    assert there.read_bytes() == b"mine"
    assert run(*given, option, f"/proc/there{suffix}") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"/proc/there{suffix} cannot be written (No such file or directory); choose another name with {option}" in said
    )


def test_a_table_that_came_meanwhile_is_not_replaced(tmp_path):
    facts = {"protocol": "", "models": {"m": {"method": "likelihood", "usual_images": 9}}}
    columns = {"name": np.array(["a"])} | {name: np.zeros(1) for name in COLUMNS}
    for name in ("t.csv", "t.parquet"):
        table = ScoreTable(columns, facts)
        table.write(tmp_path / name, overwrite=False)
        first = (tmp_path / name).read_bytes()
        with pytest.raises(RunError, match=r"t\.\w+ cannot be written \(File exists\)"):
            ScoreTable(columns | {"name": np.array(["b"])}, facts).write(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_bytes() == first
        ScoreTable(columns | {"name": np.array(["b"])}, facts).write(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() != first


def test_maps_leave_other_files_alone(digit, tmp_path, capsys):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "notes.txt").write_text("mine")
    command = ["score", "mnist-row-lstm", digit, "--usual", digit, "--maps", tmp_path / "maps"]
    assert run(*command) == 2
    assert "maps holds files of others (notes.txt); choose another folder with --maps" in " ".join(
        capsys.readouterr().err.split()
    )
    assert run(*command, "--overwrite") == 0
    assert (tmp_path / "maps" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "maps" / "index.html").exists()

"""The middle scale: where imports point, how long their chains are, how many parameters, how many special cases."""

import re
from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).parent.parent
PAGES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.fixture
def tree(tmp_path):
    """Writes a small package of files: `walk__face` is walk/face.py."""

    def write(**files):
        (tmp_path / "pixelrnn").mkdir()
        (tmp_path / "pixelrnn" / "__init__.py").touch()
        for name, text in files.items():
            path = tmp_path / "pixelrnn" / Path(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)
        return tmp_path

    return write


def test_imports_point_downward():
    assert house.upward() == []


def test_every_room_has_its_floor():
    rooms = {house.room(name) for name in house.modules()}
    assert rooms == {room for floor in house.FLOORS for room in floor}


def test_figures_stay_within_their_limits():
    figures = house.figures()
    allowed = {
        "modules in the root": 9,
        "longest chain of imports": 16,
        "functions with 8 parameters and more": 5,
        "functions with 6 parameters and more": 40,
        "lines outside of local/ that name it": 8,
        "files with such lines": 5,
    }
    assert allowed.keys() == figures.keys()
    assert {name: figure for name, figure in figures.items() if figure > allowed[name]} == {}


@pytest.mark.parametrize(
    "text",
    [
        "from pixelrnn.cli import page",
        "import pixelrnn.cli.page",
        "def f():\n    from pixelrnn.cli.page import write",
        "if TYPE_CHECKING:\n    from pixelrnn.cli.page import Page",
        "module = compiled_module('pixelrnn.cli.page')",
    ],
)
def test_an_import_upward_is_found_wherever_it_hides(tree, text):
    source = tree(walk__face=text, cli__page="")
    assert house.upward(source) == ["pixelrnn.walk.face -> pixelrnn.cli.page"]


def test_what_is_counted_is_there(tree):
    source = tree(
        errors="",
        kernels__record="from pixelrnn import errors\n",
        walk__face="from pixelrnn.kernels.record import a\ndef f(self, a, *, b, **c): ...\nx = 'local'\n",
        local__network="x = 'local'\n",
    )
    assert house.longest_chain(source) == ["pixelrnn.walk.face", "pixelrnn.kernels.record", "pixelrnn.errors"]
    assert house.functions(source) == [(3, "pixelrnn.walk.face.f")]
    assert house.special_cases(source) == ["pixelrnn.walk.face:3"]


def test_the_page_of_the_architecture_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn, rooms, room = text.split("```")[1], {}, ""
    for line in drawn.splitlines():
        if line.startswith("  "):
            rooms[room] += line.split()
        elif line:
            room = line.split()[0].rstrip("/")
            rooms[room] = []
    wanted = {house.room(name): [] for name in house.modules()}
    for name in house.modules():
        if name.count(".") == 2:
            wanted[house.room(name)].append(name.split(".")[2])
    assert rooms == {room: sorted(names) for room, names in wanted.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_files_that_there_are(page):
    named = set(re.findall(r"\b[a-z_]+/[a-z_]+(?:/[a-z_]+)*\.py\b", page.read_text(encoding="utf-8")))
    places = (ROOT, ROOT / "src" / "pixelrnn")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []

"""The examples run, at a size where they find nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("exploration", ["--seeds", "2", "--episodes", "2"], "with the bonus: 0 of 2 agents reach the goal"),
        (
            "planning",
            ["--seeds", "1", "--episodes", "1", "--transitions", "60", "--minutes", "0.02"],
            "of 1 episodes reach the goal",
        ),
    ],
)
def test_example(name, options, said, tmp_path):
    out = tmp_path / "out.png"
    command = [sys.executable, EXAMPLES / f"{name}.py", "--out", out, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said in done.stdout
    with Image.open(out) as picture:
        assert picture.width > 500

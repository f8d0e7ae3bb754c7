"""The package as people install it: a wheel in an environment of its own, used from outside of the checkout.

pytest -m packaging: some minutes, since torch is installed anew for each environment.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "archive" / "golden"
TIMEOUT = 900

# What a wheel has to bring: shipped models and data, both faces, training, archives of earlier versions.
SCRIPT = """
import sys
from pathlib import Path
import torch
import pixelrnn
from pixelrnn.archive.archive import Archive

assert Path(pixelrnn.__file__).is_relative_to(sys.prefix), pixelrnn.__file__
data = pixelrnn.load_data("digits")
model = pixelrnn.build_model(pixelrnn.ModelConfig(**data.model_fields, layers=1, hidden=4), seed=0)
run = pixelrnn.fit(model, data, pixelrnn.TrainConfig(steps=3, samples=0))
assert run.is_finished and run.step == 3
shipped = pixelrnn.load_model("mnist-row-lstm")
images = shipped.sample(2, seed=0)
assert torch.equal(images, shipped.sample(2, seed=0))
codec = pixelrnn.Codec(shipped)
assert torch.equal(codec.decode(codec.encode(images)), images)
for path in sorted(Path(sys.argv[1]).glob("*.pxr")):
    with Archive(path) as archive:
        if archive.index.has_model or not archive.index.coded:
            assert len(list(archive.extract(None))) == len(archive.members), path
print("all is well")
"""


def run(*command, cwd):
    """The output of a command that has to end well, in an environment that knows nothing of the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIXELRNN"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


def use(python, folder, *install):
    """Install into a new environment of a Python, and use what is there."""
    run(python, "-m", "venv", folder / "env", cwd=folder)
    scripts = folder / "env" / "bin"
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *install, cwd=folder)
    assert "all is well" in run(scripts / "python", "-c", SCRIPT, GOLDEN, cwd=folder)
    run(scripts / "pixelrnn", "sample", "mnist-row-lstm", "-n", "4", "--out", folder / "out", cwd=folder)
    assert (folder / "out" / "grid.png").exists()
    run(scripts / "python", "-m", "pixelrnn", "info", "mnist-row-lstm", cwd=folder)


def test_the_wheel_holds_the_package_and_nothing_else(wheel, tmp_path):
    names = run(sys.executable, "-m", "zipfile", "--list", wheel, cwd=tmp_path)
    files = re.findall(r"^(\S+)", names, re.MULTILINE)[1:]
    assert {name.split("/")[0] for name in files} == {
        "pixelrnn",
        f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info",
    }
    assert "pixelrnn/zoo/mnist-row-lstm/model.safetensors" in files
    assert not any("__pycache__" in name for name in files)


def test_a_bare_environment(wheel, tmp_path):
    use(sys.executable, tmp_path, "--constraint", ROOT / "constraints.txt", wheel)


def test_the_oldest_dependencies_that_are_declared(wheel, tmp_path):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    oldest = [re.sub(r">=([\d.]+).*", r"==\1.*", each) for each in declared]
    assert all("==" in each for each in oldest)
    use(sys.executable, tmp_path, wheel, *oldest)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_newer_pythons(wheel, tmp_path, version):
    # Pyenv has versions that are not on the path, and commands on the path that only say so.
    found = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    works = [path for path in found if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0]
    python = next(iter(works), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    use(python, tmp_path, "--constraint", ROOT / "constraints.txt", wheel)

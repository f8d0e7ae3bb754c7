"""What a script registers has everything that the package's own architectures and outputs have.

The architecture and the output of examples/own_architecture.py are registered in `conftest`, and the truths run over them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixelrnn import ConfigError, ImageModel, ModelConfig, register_architecture, register_output
from pixelrnn.__main__ import main
from tests.conftest import OWN

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_architecture.py"


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "run"
    options = [
        "--architecture",
        OWN,
        "--output",
        "binomial",
        "--hidden",
        4,
        "--layers",
        1,
        "--steps",
        5,
        "--samples",
        0,
    ]
    assert run("train", "digits", *options, "--optimiser", "muon", "--out", folder) == 0
    return folder


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 80


def test_the_example_is_a_program(tmp_path):
    command = [sys.executable, EXAMPLE, "train", "digits", "--architecture", OWN, "--output", "binomial"]
    command += ["--steps", "2", "--hidden", "2", "--layers", "1", "--samples", "0", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["steps"] == 2
    command = [sys.executable, EXAMPLE, "train", "digits", "--architecture", "nothing"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "local, gated-conv is allowed" in " ".join(refused.stderr.split())


def test_every_verb(folder, tmp_path, capsys):
    assert run("info", folder) == 0
    assert "gated-conv" in capsys.readouterr().out
    assert run("evaluate", folder, "--limit", 4) == 0
    assert "nats per image" in capsys.readouterr().out
    assert run("sample", folder, "-n", 2, "--out", tmp_path / "samples") == 0
    assert (
        run("complete", folder, "--keep", "top", "--limit", 1, "-n", 2, "--particles", 2, "--out", tmp_path / "a") == 0
    )
    assert run("score", folder, "--limit", 6, "--json") == 0
    assert run("entropy", folder, "--limit", 6, "--json") == 0
    capsys.readouterr()
    assert run("compress", folder, tmp_path / "samples", "--out", tmp_path / "a.pxr") == 2
    assert "has no compiled walk, whose bits would be the same on every machine" in capsys.readouterr().err


def test_the_walk_by_rerunning_says_so_once(folder, caplog):
    from pixelrnn import load_model
    from pixelrnn.walk import rerun

    rerun._warn.cache_clear()
    model = load_model(folder)
    assert torch.equal(model.sample(1, seed=0), model.sample(1, seed=0))
    said = "gated-conv with binomial has no compiled walk: the network is run again for every sub-pixel"
    assert [record.message for record in caplog.records].count(said) == 1


@pytest.mark.parametrize(
    ("register", "name", "message"),
    [
        (register_architecture, "row-lstm", "architecture 'row-lstm' is known already; choose another name"),
        (register_architecture, "My Net", "'My Net' is no name of an architecture; small letters, digits and hyphens"),
        (register_output, "softmax", "output 'softmax' is known already; choose another name"),
    ],
)
def test_names_that_cannot_be(register, name, message):
    with pytest.raises(ConfigError, match=message):
        register(name, lambda *_: None)


def test_what_is_unknown_is_an_error():
    with pytest.raises(ConfigError, match="architecture is 'nothing'; one of diagonal-bilstm, row-lstm"):
        ModelConfig(architecture="nothing")
    with pytest.raises(ConfigError, match="output is 'nothing'; one of auto, bernoulli, softmax"):
        ModelConfig(output="nothing")


def test_an_output_without_a_table_cannot_be_drawn():
    class Bare:
        parameters = 1

        def __init__(self, config):
            pass

        def start(self):
            return torch.zeros(1)

        def log_prob(self, parameters, x):
            return parameters[:, :, 0] * 0 - torch.log(torch.tensor(2.0))

    register_output("bare", Bare)
    model = ImageModel(ModelConfig(output="bare", shape=(1, 2, 2), levels=2, layers=1, hidden=2), seed=0)
    assert model.log_prob(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)).exp().item() == pytest.approx(1 / 16)
    with pytest.raises(ConfigError, match="output 'bare' has no log_table, by which values could be drawn"):
        model.sample(1)

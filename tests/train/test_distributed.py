"""Real processes: killed and resumed, and two that train as one. What has to do with neither is run in this one."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pixelrnn import load_data, load_model
from pixelrnn.runs.files import read_tensors
from pixelrnn.train import evaluate
from tests.cli.test_cli import run
from tests.processes import Child, free_port

TRAIN = ["train", "digits", "--architecture", "row-lstm", "--layers", "1", "--hidden", "4", "--threads", "1"]
SETTINGS = ["--batch", "6", "--valid-images", "20", "--samples", "0", "--checkpoint-minutes", "0"]
STEPS = 200  # of a run that is killed: more than it makes until a busy machine gets to that, three times
ALONE = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
HANGS = 300  # seconds after which a process is taken not to end


def start(*arguments):
    """A child of this process, as a shell would start it."""
    return Child(arguments, environment=ALONE)


def start_both(*arguments):
    """Two processes that find each other, without torchrun's own: each of its launches takes seconds to import."""
    port = str(free_port())
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [Child(arguments, environment=ALONE | shared | rank) for rank in ranks]


def launch(*arguments):
    """Two processes under torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "pixelrnn"]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ALONE,
    )


def finish_both(processes):
    """What the first of two printed; the other one is silent."""
    (out, _), (other, _) = [finish(process) for process in processes]
    assert other == "", "one process speaks"
    return out


def finish(process, code=0):
    out, err = process.communicate(timeout=HANGS)
    assert process.returncode == code, err
    return out, err


def weights(folder, name="state.safetensors"):
    return read_tensors(Path(folder) / name)[0]


def wait_for_step(process, folder, least):
    """Until the state that a run saves after every step here is that of some step."""
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        path = folder / "state.safetensors"
        if path.exists() and (folder / "metrics.jsonl").exists() and read_tensors(path)[1]["step"] >= least:
            return
        time.sleep(0.005)
    raise AssertionError(f"no step {least} within {HANGS} s")


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_weights(tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert run(*TRAIN, *SETTINGS, "--steps", STEPS, "--out", whole) == 0
    step, arguments = 0, [*TRAIN, *SETTINGS, "--steps", STEPS, "--out", folder]
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = start(*arguments)
        wait_for_step(process, folder, step + 7)
        process.send_signal(number)
        out, err = process.communicate(timeout=HANGS)
        before, step = step, read_tensors(folder / "state.safetensors")[1]["step"]
        assert before + 7 <= step < STEPS
        if number == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130
            assert f"stopped and saved at step {step}; continue with: pixelrnn train --resume {folder}" in out
            assert "Traceback" not in err
        arguments = ["train", "--resume", folder, "--threads", "1"]
    assert run("info", folder) == 0
    assert run(*arguments) == 0
    for name in ("state.safetensors", "model.safetensors"):
        one, two = weights(whole, name), weights(folder, name)
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_two_processes_train_and_evaluate_as_one(tmp_path):
    """Same batches, gradients equal to rounding; batch 6 is shared 3 and 3, validation images unevenly."""
    arguments = [*TRAIN, "--batch", "6", "--valid-images", "21", "--samples", "0", "--evaluations", "2"]
    arguments += ["--steps", "2", "--optimiser", "rmsprop", "--learning-rate", "1e-4"]
    assert run(*arguments, "--out", tmp_path / "one") == 0
    out = finish_both(start_both(*arguments, "--out", tmp_path / "two"))
    assert out.count("best validation") == 1
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one:
        if name.startswith("optimiser"):
            continue
        assert (one[name] - two[name]).abs().max() < 1e-5
    journals = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert journals[0][-1]["valid_nats"] == pytest.approx(journals[1][-1]["valid_nats"], rel=1e-5)
    out = finish_both(start_both("evaluate", tmp_path / "two", "--json"))
    alone = evaluate(load_model(tmp_path / "two"), load_data("digits").test)
    assert json.loads(out)["nats"] == pytest.approx(alone.nats, rel=1e-6)
    assert json.loads(out)["images"] == alone.images == 180


def test_two_processes_are_stopped_and_resumed_together(tmp_path):
    """Under torchrun. And a second run into the folder fails in both of its processes, with one line."""
    folder = tmp_path / "run"
    process = launch(*TRAIN, *SETTINGS, "--steps", "6000", "--evaluations", "1", "--out", folder)
    wait_for_step(process, folder, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANGS)
    assert "stopped and saved at step" in out, err
    both = start_both(*TRAIN, *SETTINGS, "--steps", "2", "--out", folder)
    err = "".join(finish(process, code=2)[1] for process in both)
    assert err.count("exists; continue it with --resume") == 1
    assert "Connection closed" not in err
    finish_both(start_both("train", "--resume", folder, "--steps", "3"))


def test_two_trainings_at_once_get_a_folder_each(tmp_path):
    arguments = [*TRAIN, *SETTINGS, "--steps", "3"]
    for process in [Child(arguments, folder=tmp_path) for _ in range(2)]:
        finish(process)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits-row-lstm", "digits-row-lstm-2"]


GRADIENTS = """
import sys, torch
from pixelrnn import ImageModel, ModelConfig, TrainConfig
from pixelrnn.data import load_data
from pixelrnn.train import evaluate, fit
from pixelrnn.train import distributed
torch.set_num_threads(1)
data = load_data("digits")
model = ImageModel(ModelConfig(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1, hidden=4), seed=0)
with distributed.joined(torch.device("cpu")):
    result = evaluate(model, data.test.spaced(37))
    settings = dict(steps=1, evaluations=1, valid_images=5, samples=0, clip=0, batch=7, optimiser="rmsprop")
    grads = {}
    def keep(at):
        grads.update({name: p.grad.clone() for name, p in model.named_parameters()})
    fit(model, data, TrainConfig(**settings), callback=keep)
    if distributed.rank() == 0:
        torch.save({"gradients": grads, "nats": result.nats, "error": result.standard_error}, sys.argv[1])
"""


def test_gradients_and_evaluation_equal_one_process_s(tmp_path, monkeypatch):
    """Batch 7 and 37 images over 2 processes: shares of 4 and 3, 19 and 18."""
    script = tmp_path / "script.py"
    script.write_text(GRADIENTS)
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "one.pt")])
    runpy.run_path(str(script))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launcher, script, tmp_path / "two.pt"], check=True, env=os.environ | ALONE, timeout=HANGS)
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    for name, gradient in one["gradients"].items():
        assert gradient.abs().max() > 0
        assert (gradient - two["gradients"][name]).abs().max() < 1e-5 * max(1, gradient.abs().max().item())
    assert one["nats"] == pytest.approx(two["nats"], rel=1e-9)
    assert one["error"] == pytest.approx(two["error"], rel=1e-9)

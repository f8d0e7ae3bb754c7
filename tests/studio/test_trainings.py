"""What is told of the runs of a folder."""

import io
import json
import math
import time

import pytest
from PIL import Image

from pixelrnn import ImageModel, ModelConfig, Run, TrainConfig, fit, load_data


@pytest.fixture
def runs(studio):
    """A run that is finished, one that was stopped, one that is damaged, and a folder that is none."""
    data, folder = load_data("digits"), studio.shelf.runs
    for name, steps in (("done", 6), ("stopped", 6)):
        model = ImageModel(ModelConfig(**data.model_fields, architecture="pixelcnn", layers=1, hidden=4), seed=0)
        training = TrainConfig(steps=steps, batch=8, evaluations=3, samples=4, valid_images=8)
        stop = (lambda at: at.step >= 4) if name == "stopped" else None
        fit(model, data, training, folder=folder / name, callback=stop)
    (folder / "damaged").mkdir()
    (folder / "damaged" / "config.json").write_text("{}")
    (folder / "damaged" / "metrics.jsonl").write_text("")
    (folder / "nothing").mkdir()
    return folder


def test_runs_say_how_far_they_are(client, runs):
    found = {each["name"]: each for each in client.get("/api/runs").json()["runs"]}
    assert found.keys() == {"done", "stopped", "damaged"}
    done, run = found["done"], Run.open(runs / "done")
    assert (done["state"], done["step"], done["share"], done["left"]) == ("finished", 6, 1.0, None)
    assert done["protocol"] == "1x8x8, 17 levels, as they are, split 0"
    assert done["unit"] == "bits a sub-pixel"
    assert done["best"] == pytest.approx(run.best / 64 / math.log(2))
    assert [point[2] for point in done["valid"]] == [line["valid_bits_per_dim"] for line in run.validations]
    assert found["stopped"]["state"] in ("running", "stopped")
    assert 0 < found["stopped"]["share"] < 1
    assert found["stopped"]["left"] > 0
    assert "holds no 'model' configuration" in found["damaged"]["error"]


def test_samples_are_served_and_nothing_else(client, runs):
    (first, *_) = next(each for each in client.get("/api/runs").json()["runs"] if each["name"] == "done")["samples"]
    response = client.get(f"/samples/done/{first}")
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size[0] > 8
    for path in ("done/config.json", "done/..%2Fconfig.json", "..%2F..%2Fetc/passwd", "none/1.png", "done/99.png"):
        assert client.get(f"/samples/{path}").status_code == 404


def test_a_long_curve_is_thinned(client, runs):
    path = runs / "done" / "metrics.jsonl"
    line = json.loads(path.read_text().splitlines()[-1])
    path.write_text("".join(json.dumps(line | {"step": n, "train_bits_per_dim": n}) + "\n" for n in range(1, 5001)))
    found = next(each for each in client.get("/api/runs").json()["runs"] if each["name"] == "done")
    assert len(found["train"]) <= 400
    assert found["train"][-1][0] == 5000


@pytest.mark.parametrize("line", ['{"step": 1}', '{"step": 1, "seconds": NaN}', '{"step": "x", "seconds": 1}'])
def test_a_damaged_journal_hides_no_other(client, runs, line):
    (runs / "stopped" / "metrics.jsonl").write_text(line + "\n")
    found = {each["name"]: each for each in client.get("/api/runs").json()["runs"]}
    assert found["stopped"]["error"]
    assert found["done"]["state"] == "finished"


START = {"name": "small", "source": ":digits", "architecture": "pixelcnn", "minutes": 5, "layers": 1, "hidden": 4}


def wait_for(client, name, is_so, seconds=120):
    """What is told of a run, as soon as something is so."""
    for _ in range(10 * seconds):
        told = {each["name"]: each for each in client.get("/api/runs").json()["runs"]}
        if name in told and is_so(told[name]):
            return told[name]
        time.sleep(0.1)
    raise AssertionError(told)


def test_a_training_is_begun_stopped_and_gone_on_with(client, studio):
    try:
        assert client.post("/api/train", json=START).json() == {"run": "small"}
        first = wait_for(client, "small", lambda run: run.get("step", 0) > 0)
        assert (first["state"], first["isHere"]) == ("running", True)
        assert client.post("/api/train/resume", json={"run": "small"}).json()["error"] == "small goes on already"
        assert first["what"] == "pixelcnn, 1 layers, h=4"
        assert "there is a run small already" in client.post("/api/train", json=START).json()["error"]
        assert client.post("/api/train/stop", json={"run": "small"}).status_code == 200
        stopped = wait_for(client, "small", lambda run: not run["isHere"])
        assert "trouble" not in stopped
        assert stopped["state"] == "stopped"
        run = Run.open(studio.shelf.runs / "small")
        assert not run.is_finished
        assert run.step >= first["step"]
        assert (
            "'small' was not begun here, or has ended"
            in client.post("/api/train/stop", json={"run": "small"}).json()["error"]
        )
        assert client.post("/api/train/resume", json={"run": "small"}).json() == {"run": "small"}
        wait_for(client, "small", lambda each: each["step"] > run.step and each["isHere"])
    finally:
        studio.trainers.close()  # which stops it, and waits until it is saved
    assert Run.open(studio.shelf.runs / "small").step > run.step
    assert not studio.trainers.names


def test_what_is_wrong_with_a_training_is_told(client, studio, tmp_path):
    (tmp_path / "parts").mkdir()
    for number, side in enumerate((8, 9)):
        Image.new("L", (side, side)).save(tmp_path / "parts" / f"{number}.png")
    studio.folders._roots.append(tmp_path / "parts")
    client.post("/api/train", json=START | {"source": "parts"})
    failed = wait_for(client, "small", lambda run: not run["isHere"])
    assert "give --size" in failed["error"] or "differ in size" in failed["error"]
    studio.trainers.close()


def test_trainings_are_refused_in_a_line(client, studio, runs):
    for path, asked, error in (
        ("train", START | {"name": "../x"}, "name is '../x'; letters, digits, dots and hyphens make a name of a run"),
        ("train", START | {"name": "done"}, "there is a run done already; choose another name"),
        ("train", START | {"architecture": "magic"}, "architecture is 'magic'; one of diagonal-bilstm"),
        ("train", START | {"source": "/etc"}, "there is no folder '/etc' (any more)"),
        ("train", START | {"minutes": 0}, "minutes is 0; a whole number from 1 to 100,000 is needed"),
        ("train/resume", {"run": "done"}, "more is None; a whole number from 1 to 100,000 is needed"),
        ("train/resume", {"run": "../done"}, "there is no run '../done' (any more)"),
        ("train/stop", {"run": "done"}, "'done' was not begun here"),
    ):
        response = client.post(f"/api/{path}", json=asked)
        assert response.status_code == 400, asked
        assert error in response.json()["error"]
    assert not studio.trainers.names

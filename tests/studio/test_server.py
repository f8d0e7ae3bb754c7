"""What the server of the studio answers: the same images and distributions as the library, and nothing to strangers."""

import asyncio
import errno
import os
import threading
import time

import numpy as np
import pytest
import torch

from pixelrnn import ImageModel, ModelConfig, load_model, mean_model, zoo
from pixelrnn.errors import ConfigError
from pixelrnn.progress import Progress
from pixelrnn.studio import jobs
from pixelrnn.studio.places import places_in_order
from pixelrnn.studio.server import Studio
from tests.conftest import build
from tests.studio.conftest import array, shown, told

DRAW = {"model": "mnist-pixelcnn", "n": 3, "seed": 4}


def test_models_that_were_named_are_there(tmp_path):
    build(architecture="pixelcnn", shape=(1, 4, 4), levels=2).float().save_pretrained(tmp_path / "elsewhere")
    studio = Studio(tmp_path / "runs", (), {"hf:owner/name": tmp_path / "elsewhere"})
    assert "hf:owner/name" in {each["name"] for each in studio.shelf.about()}
    assert studio.shelf.model("hf:owner/name").config.levels == 2


def test_models_say_what_they_are(client, studio):
    model = build(architecture="pixelcnn", shape=(1, 4, 4), levels=2)
    model.save_pretrained(studio.shelf.runs / "mine")
    (studio.shelf.runs / "broken").mkdir()
    (studio.shelf.runs / "broken" / "config.json").write_text("{")
    (studio.shelf.runs / "broken" / "model.safetensors").write_text("")
    found = {each["name"]: each for each in client.get("/api/models").json()["models"]}
    assert found["mnist-classes"]["labels"] == list("0123456789")
    assert found["runs/mine"]["shape"] == [1, 4, 4]
    assert "config.json" in found["runs/broken"]["error"]


def test_a_model_that_cannot_be_read_hides_no_other(client, studio):
    for name, content in (
        ("a", '{"format": 1}'),
        ("b", '{"format": 1, "model": {"architecture": "nope"}}'),
        ("c", '{"format": 1, "model": {"levels": 7, "shape": [1, 8]}}'),
    ):
        (studio.shelf.runs / name).mkdir(parents=True)
        (studio.shelf.runs / name / "config.json").write_text(content)
        (studio.shelf.runs / name / "model.safetensors").write_text("")
    odd = os.path.join(os.fsencode(studio.shelf.runs), b"\xff")  # noqa: PTH118
    os.mkdir(odd)  # noqa: PTH102
    for name in (b"config.json", b"model.safetensors", b"metrics.jsonl"):
        with open(os.path.join(odd, name), "wb"):  # noqa: PTH118, PTH123
            pass
    found = {each["name"]: each for each in client.get("/api/models").json()["models"]}
    assert "error" not in found["mnist-classes"]
    assert all(found[f"runs/{name}"]["error"] for name in "abc")
    assert len(found) == len(zoo.names()) + 3  # a name that is no text is left out
    assert client.get("/api/runs").json() == {"runs": []}


def test_images_are_those_of_the_library(client):
    events = told(client.post("/api/draw", json=DRAW))
    images, counts = shown(events)
    wanted = load_model("mnist-pixelcnn").sample(3, seed=4).numpy()
    np.testing.assert_array_equal(images, wanted * 255)
    assert sum(counts) == wanted.size  # each pixel once
    assert len(events[-1]["pictures"]) == 3


def test_labels_temperature_and_order(client):
    asked = {"model": "mnist-classes", "n": 4, "seed": 1, "temperature": 0.8, "top_p": 0.9}
    model = load_model("mnist-classes")
    images, _ = shown(told(client.post("/api/draw", json=asked | {"label": 7})))
    wanted = model.sample(4, label=7, seed=1, temperature=0.8, top_p=0.9).numpy()
    np.testing.assert_array_equal(images, np.rint(wanted / 15 * 255))
    images, _ = shown(told(client.post("/api/draw", json=asked)))
    wanted = model.sample(4, label=torch.tensor([0, 2, 5, 7]), seed=1, temperature=0.8, top_p=0.9).numpy()
    np.testing.assert_array_equal(images, np.rint(wanted / 15 * 255))
    events = told(client.post("/api/draw", json={"model": "drawn-discs", "n": 3, "seed": 2}))
    wanted = load_model("drawn-discs").sample(3, seed=2).numpy()
    np.testing.assert_array_equal(shown(events)[0], np.rint(wanted / 31 * 255))


def test_a_distribution_is_that_of_the_model(client):
    picture = told(client.post("/api/draw", json=DRAW))[-1]["pictures"][1]
    model = load_model("mnist-pixelcnn")
    x = model.sample(3, seed=4)[1:2]
    nats = model.log_prob_map(x)[0, 0].detach().numpy()
    total = 0.0
    for row, column in ((0, 0), (9, 12), (27, 27)):
        asked = {"model": "mnist-pixelcnn", "picture": picture, "row": row, "column": column}
        found = client.post("/api/value", json=asked).json()
        (channel,) = found["channels"]
        assert found["seen"] == row * 28 + column
        assert sum(channel["probabilities"]) == pytest.approx(1)
        assert channel["value"] == x[0, 0, row, column]
        assert channel["bits"] == pytest.approx(-nats[row, column] / np.log(2), abs=1e-5)
        p = np.array(channel["probabilities"])
        assert channel["expected"] == pytest.approx(-(p * np.log2(p)).sum(), abs=1e-5)
        total += channel["bits"]
    assert total > 0


@pytest.mark.parametrize("name", ["drawn-discs", "cifar-row-lstm"])
def test_distributions_are_those_of_the_order_in_which_a_picture_was_drawn(client, studio, name):
    picture = told(client.post("/api/draw", json={"model": name, "n": 4, "seed": 0}))[-1]["pictures"][3]
    held, model = studio.pictures.find(picture), load_model(name)
    nats = model.log_prob_map(held.x[None], order=held.order)[0].detach()
    found = client.post("/api/value", json={"model": name, "picture": picture, "row": 5, "column": 20}).json()
    for channel, each in enumerate(found["channels"]):
        assert each["bits"] == pytest.approx(float(-nats[channel, 5, 20]) / np.log(2), abs=1e-4)


@pytest.mark.parametrize("name", ["mnist-pixelcnn", "drawn-discs", "cifar-row-lstm"])
def test_another_value_changes_what_comes_after_it_alone(client, studio, name):
    picture = told(client.post("/api/draw", json={"model": name, "n": 3, "seed": 3}))[-1]["pictures"][2]
    held, model = studio.pictures.find(picture), load_model(name)
    channels, height, width = held.x.shape
    at = (channels - 1, 12, 15)
    asked = {"model": name, "picture": picture, "seed": 3, "channel": at[0], "row": at[1], "column": at[2]}
    same = told(client.post("/api/redraw", json=asked | {"value": int(held.x[at])}))[-1]["pictures"][0]
    assert (studio.pictures.find(same).x == held.x).all()  # by the same numbers
    other = (int(held.x[at]) + 1) % model.config.levels
    events = told(client.post("/api/redraw", json=asked | {"value": other}))
    changed = studio.pictures.find(events[-1]["pictures"][0]).x
    places = places_in_order(model, (height, width), held.order)
    assert changed[at] == other
    assert (changed[places < places[at]] == held.x[places < places[at]]).all()
    assert (changed[places > places[at]] != held.x[places > places[at]]).any()
    images, _ = shown(events)
    np.testing.assert_array_equal(images[0], np.rint(changed.numpy() / (model.config.levels - 1) * 255))


@pytest.mark.parametrize("order", range(8))
def test_places_say_when_a_pixel_is_drawn(order):
    model = build(architecture="pixelcnn", shape=(2, 3, 4), levels=3, orders=8)
    places = places_in_order(model, (3, 4), order)
    assert sorted(places.flatten().tolist()) == list(range(24))
    x = torch.zeros(1, 2, 3, 4, dtype=torch.long)
    before = model.log_prob_map(x, order=order)[0]
    for place in ((0, 1, 2), (1, 2, 0)):
        other = x.clone()
        other[(0, *place)] = 1
        is_changed = model.log_prob_map(other, order=order)[0] != before
        assert (places[is_changed] >= places[place]).all()


def test_what_is_asked_wrongly_is_refused_in_a_line(client):
    picture = told(client.post("/api/draw", json=DRAW))[-1]["pictures"][0]
    value = {"model": "mnist-pixelcnn", "picture": picture, "row": 0, "column": 0}
    for path, asked, error in (
        ("draw", DRAW | {"model": "../../etc"}, "there is no model '../../etc' (any more)"),
        ("draw", DRAW | {"model": 3}, "model is 3; a text is needed"),
        ("draw", DRAW | {"n": 0}, "n is 0; a whole number from 1 to 256 is needed"),
        ("draw", DRAW | {"n": True}, "n is True"),
        ("draw", DRAW | {"seed": -1}, "seed is -1"),
        ("draw", DRAW | {"seed": None}, "seed is None"),
        ("draw", DRAW | {"temperature": 0}, "temperature is 0.0"),
        ("draw", DRAW | {"temperature": "hot"}, "temperature is 'hot'; a number is needed"),
        ("draw", DRAW | {"model": "mnist-classes", "label": 10}, "label is 10; a whole number from -1 to 9 is needed"),
        ("draw", [1], "an object of named fields is needed"),
        ("value", value | {"picture": "?"}, "this picture is not in memory any more; draw it again"),
        ("value", value | {"row": 28}, "row is 28; a whole number from 0 to 27 is needed"),
        ("redraw", value | {"seed": 0, "channel": 0, "value": 2}, "value is 2; a whole number from 0 to 1 is needed"),
    ):
        response = client.post(f"/api/{path}", json=asked)
        said = response.json() if response.status_code == 400 else told(response)[-1]
        assert error in said["error"], asked
    response = client.post("/api/draw", content="{", headers={"content-type": "application/json"})
    assert (response.status_code, "the request is no JSON" in response.json()["error"]) == (400, True)


@pytest.mark.parametrize("orders", [1, 8])
def test_every_scale_has_its_own_distributions(client, studio, orders):
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=4, scales=3, orders=orders).float()
    model.save_pretrained(studio.shelf.runs / "scales")
    asked = {"model": "runs/scales", "n": 3, "seed": 0}
    picture = told(client.post("/api/draw", json=asked))[-1]["pictures"][2]
    held = studio.pictures.find(picture)
    nats = model.log_prob_map(held.x[None], order=held.order)[0, 0].detach()
    for row, column in ((0, 0), (4, 4), (2, 6), (3, 6), (7, 1)):
        value = {"model": "runs/scales", "picture": picture, "row": row, "column": column}
        (found,) = client.post("/api/value", json=value).json()["channels"]
        assert sum(found["probabilities"]) == pytest.approx(1)
        assert found["bits"] == pytest.approx(float(-nats[row, column]) / np.log(2), abs=1e-4)


def test_models_without_bars_say_so(client, studio):
    build(architecture="pixelcnn", shape=(1, 4, 4), levels=0, output="continuous-mixture").float().save_pretrained(
        studio.shelf.runs / "floats"
    )
    parts = [ImageModel(ModelConfig(architecture="pixelcnn", shape=(1, 4, 4), levels=2), seed=seed) for seed in (0, 1)]
    mean_model(parts).save_pretrained(studio.shelf.runs / "mean")
    build(architecture="pixelcnn", shape=(3, 4, 4), colours="jpeg").float().save_pretrained(
        studio.shelf.runs / "planes"
    )
    for name, error in (
        ("floats", "are continuous"),
        ("mean", "means of models have no value under the pointer yet"),
        ("planes", "of planes of jpeg"),
    ):
        events = told(client.post("/api/draw", json={"model": f"runs/{name}", "n": 2, "seed": 0}))
        asked = {"model": f"runs/{name}", "picture": events[-1]["pictures"][0], "row": 1, "column": 1}
        assert error in client.post("/api/value", json=asked).json()["error"]


def test_strangers_are_refused(studio, client):
    for headers, status in (
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "Application/JSON ; charset=utf-8"}, 200),
        ({"content-length": "99999999999"}, 413),
    ):
        response = client.post(
            "/api/draw",
            content='{"model":"mnist-pixelcnn","n":1,"seed":0}',
            headers={"content-type": "application/json"} | headers,
        )
        assert response.status_code == status, headers
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers
        assert "set-cookie" not in response.headers
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/nothing", "/api/../etc"):
        assert client.get(path).status_code == 404
    assert client.get("/api/draw").status_code == 405


def test_elsewhere_a_token_is_needed(studio):
    from starlette.testclient import TestClient

    with TestClient(studio.app(set(), "secret"), base_url="http://0.0.0.0:7860") as client:
        assert client.get("/api/models").status_code == 401
        assert client.get("/api/models", headers={"x-token": "wrong"}).status_code == 401
        assert client.get("/?token=secret").status_code == 200
        assert client.get("/api/models", headers={"x-token": "secret"}).status_code == 200


PATHS = (
    "draw", "redraw", "value", "stop", "picture", "surprise", "complete", "fields", "judge", "judged", "bring",
    "compress", "archive", "restore", "train", "train/resume", "train/stop",
)  # fmt: skip


def test_a_disk_that_is_full_is_told_in_a_line(client, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    monkeypatch.setattr("tempfile.mkdtemp", full)
    files = [{"name": "a.png", "content": ""}]
    said = told(client.post("/api/compress", json={"model": "photographs", "files": files}))[-1]["error"]
    assert said == "the disk: No space left on device"
    response = client.post("/api/bring", json={"files": files})
    assert (response.status_code, response.json()["error"]) == (400, "the disk: No space left on device")
    assert not caplog.records


def test_malformed_requests_leave_nothing_behind(client, studio, caplog):
    random = np.random.default_rng(0)
    texts = [
        "{",
        "[]",
        "null",
        '"',
        "0",
        "{}",
        '{"model":{}}',
        '{"model":"mnist-pixelcnn","n":1e400,"seed":0}',
        "[" * 100_000,
    ]
    for number in range(500):
        path = PATHS[number % len(PATHS)]
        content = texts[number % len(texts)].encode() if number % 2 else random.bytes(random.integers(0, 400))
        response = client.post(f"/api/{path}", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert "\n" not in response.json()["error"].strip()
    assert client.get("/api/jobs").json() == {"jobs": []}
    assert not [record for record in caplog.records if record.exc_info]


def run_jobs(work, count, most=60.0):
    """Start so much of some work in a loop, and gather what each tells."""

    async def all_of_them():
        held = jobs.Jobs()
        every = [held.start(f"work {number}", work) for number in range(count)]

        async def listen(job):
            return [event async for event in job.events()]

        return held, await asyncio.wait_for(asyncio.gather(*map(listen, every)), most)

    return asyncio.run(all_of_them())


def test_work_goes_on_in_turns():
    """Of many pieces of work, begun together, none is far ahead."""
    order = []

    def work(job, callback):
        for step in range(20):
            order.append(job.number)
            time.sleep(0.003)
            callback(Progress(fraction=step / 20))
        return [{"type": "done"}]

    held, events = run_jobs(work, 12)
    assert all(each[-1] == {"type": "done"} for each in events)
    assert held.list() == []
    # Once all have begun, each does one step a round.
    middle = order[len(order) // 3 : 2 * len(order) // 3]
    counts = [middle.count(number) for number in set(order)]
    assert max(counts) - min(counts) <= 1


def test_who_stops_listening_ends_the_work():
    ended = threading.Event()

    def work(job, callback):
        try:
            while not callback(Progress(fraction=0.5)):
                job.tell(lambda: {"type": "drawn"})
                time.sleep(0.001)
        finally:
            ended.set()
        return []

    async def leave():
        job = jobs.Jobs().start("endless", work)
        events = job.events()
        await anext(events)
        await events.aclose()

    asyncio.run(leave())
    assert ended.wait(10)


def test_errors_of_work_are_events():
    def fails(job, callback):
        raise ConfigError("no")

    def breaks(job, callback):
        raise ZeroDivisionError

    assert run_jobs(fails, 1)[1] == [[{"type": "error", "error": "no"}]]
    assert run_jobs(breaks, 1)[1] == [[{"type": "error", "error": "this failed; the terminal says more"}]]


def test_there_is_a_most(monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 2)
    with pytest.raises(ConfigError, match="2 pieces of work are going on already; try again when some have ended"):
        run_jobs(lambda job, callback: time.sleep(0.2) or [], 3)


def test_pictures_are_forgotten_before_memory_is_full(monkeypatch):
    from pixelrnn.errors import DataError
    from pixelrnn.studio import pictures

    monkeypatch.setattr(pictures, "MOST_BYTES", 100)
    held = pictures.Pictures()
    names = [held.add(pictures.Picture(torch.full((1, 5, 6), number, dtype=torch.uint8))) for number in range(5)]
    assert held.find(names[-1]).x[0, 0, 0] == 4
    with pytest.raises(DataError, match="this picture is not in memory any more; draw it again"):
        held.find(names[0])
    assert array("AQI=", np.uint8).tolist() == [1, 2]

"""A service asked over HTTP: the figures of the library, in every form of request, and an answer to whatever comes."""

import asyncio
import base64
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from pixelrnn import Scorer, load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.plots import to_image
from pixelrnn.progress import StoppedError
from pixelrnn.runs.run import Run
from pixelrnn.scores.comparison import Comparison
from pixelrnn.service.apart import Apart
from pixelrnn.service.batches import Batches
from pixelrnn.service.server import OPERATIONS, Service
from pixelrnn.service.uploads import BusyError
from pixelrnn.service.work import Worker
from pixelrnn.zoo import find
from tests.cli.test_cli import run
from tests.pictures import png

MODEL = "mnist-grey"
HERE = "http://127.0.0.1:8000"


def service_of(name, comparison=None):
    return Service(Worker(Scorer(find(name), comparison), Run.open(name)), name)


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL)


@pytest.fixture(scope="module")
def x(model):
    return model.sample(5, seed=3)


@pytest.fixture(scope="module")
def files(x):
    return {f"{number}.png": png(values[0].numpy().astype(np.uint8)) for number, values in enumerate(x)}


@pytest.fixture(scope="module")
def comparison(model):
    return Comparison(model, "typicality").fit(model.sample(20, seed=9))


@pytest.fixture(scope="module")
def service(comparison):
    found = service_of(MODEL, comparison)
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(service):
    with TestClient(service.app({"127.0.0.1:8000"}), base_url=HERE, raise_server_exceptions=False) as found:
        yield found


def as_json(files, **fields):
    every = [{"name": name, "content": base64.b64encode(content).decode()} for name, content in files.items()]
    return {"files": every, **fields}


def test_scores_are_those_of_the_library_in_every_form(client, files, x, comparison):
    wanted = comparison.table(x)
    multipart = client.post("/v1/score", files=[(name, (name, content)) for name, content in files.items()])
    alone = [client.post("/v1/score?name=a", content=content).json()["results"][0] for content in files.values()]
    for results in (
        multipart.json()["results"],
        client.post("/v1/score", json=as_json(files)).json()["results"],
        alone,
    ):
        for name, values in wanted.items():
            assert [row[name] for row in results] == pytest.approx(values.tolist(), rel=1e-5, abs=1e-9)
    assert [row["name"] for row in multipart.json()["results"]] == [*files]
    assert alone[0]["name"] == "a"
    assert multipart.json()["model"] == MODEL


def test_what_cannot_be_used_is_a_row_with_a_reason(client, files):
    answer = client.post("/v1/score", files=[("a", ("a.png", files["0.png"])), ("b", ("b.png", b"none"))])
    first, second = answer.json()["results"]
    assert "nats" in first
    assert second == {"name": "b.png", "error": "the picture cannot be used: not an image that is known"}
    answer = client.post("/v1/score", content=b"none")
    assert (answer.status_code, answer.json()) == (422, {"error": second["error"]})
    head = io.BytesIO()
    Image.new("1", (20_000, 1_000)).save(head, "PNG")
    answer = client.post("/v1/score", content=head.getvalue())
    assert "the picture has 20000x1000 pixels; 16,000,000 at most are taken" in answer.json()["error"]


def test_maps_are_bits_of_pixels(client, files, x, model):
    answer = client.post("/v1/map?format=npy", content=files["1.png"])
    bits = np.load(io.BytesIO(answer.content))
    wanted = -model.log_prob_map(x[1:2])[0].detach().double().sum(0).numpy() / np.log(2)
    np.testing.assert_allclose(bits, wanted, rtol=1e-4, atol=1e-4)
    picture = client.post("/v1/map", files={"picture": files["1.png"]})
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as found:
        assert found.size == (28, 28)
        assert np.asarray(found).sum(2)[bits.argmax() // 28, bits.argmax() % 28] > 500  # bright
    assert "format is 'gif'; png or npy is allowed" in client.post("/v1/map?format=gif", content=b"a").json()["error"]
    assert "there are 5 pictures; one is needed" in client.post("/v1/map", json=as_json(files)).json()["error"]
    assert client.post("/v1/map", content=b"none").status_code == 422


def test_archives_hold_all_files(client, files, model, tmp_path):
    given = files | {"notes.txt": b"of the digits"}
    answer = client.post("/v1/compress", files=[(name, (name, content)) for name, content in given.items()])
    (tmp_path / "a.pxr").write_bytes(answer.content)
    with Archive(tmp_path / "a.pxr") as archive:
        assert {member.name for member in archive.members} == given.keys()
        found = {archive.members[number].name: np.asarray(picture) for number, picture in archive.extract(model)}
    for name in files:
        np.testing.assert_array_equal(found[name], np.asarray(Image.open(io.BytesIO(files[name]))))


def decoded(answer):
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in answer.json()["images"]]


def test_completions_are_those_of_the_library(client, files, x, model):
    known = torch.zeros(28, 28, dtype=torch.bool)
    known[:14] = True
    wanted = model.complete(x[:1].expand(2, -1, -1, -1), known, particles=8, seed=5)
    mask = png(np.where(known.numpy(), 255, 0).astype(np.uint8))
    values = x[0, 0].numpy().astype(np.uint8)
    seen = np.stack([values, np.where(known.numpy(), 255, 0).astype(np.uint8)], 2)
    through = io.BytesIO()
    Image.fromarray(seen, "LA").save(through, "PNG")
    for answer in (
        client.post("/v1/complete?n=2&particles=8&seed=5", files={"picture": files["0.png"], "mask": mask}),
        client.post("/v1/complete", json=as_json({"a": files["0.png"], "mask": mask}, n=2, particles=8, seed=5)),
        client.post("/v1/complete?n=2&particles=8&seed=5", content=through.getvalue()),
    ):
        assert [each.tolist() for each in decoded(answer)] == wanted.images[:, 0].tolist()
        assert answer.json()["bits_of_known"] == pytest.approx((-wanted.log_known / np.log(2)).tolist(), rel=1e-6)
        assert answer.json()["seed"] == 5
    assert "nothing is missing" in client.post("/v1/complete", content=files["0.png"]).json()["error"]
    small = client.post("/v1/complete", files={"picture": files["0.png"], "mask": png(np.zeros((2, 2), np.uint8))})
    assert "the mask is 2x2 pixels, the picture is 28x28" in small.json()["error"]
    bad = client.post("/v1/complete", files={"picture": b"none", "mask": mask})
    assert bad.status_code == 422


def test_samples_are_those_of_the_library(client, model):
    answer = client.post("/v1/sample", json={"n": 3, "seed": 7, "temperature": 0.9})
    assert [each.tolist() for each in decoded(answer)] == model.sample(3, seed=7, temperature=0.9)[:, 0].tolist()
    first, second = (client.post("/v1/sample", json={}).json() for _ in range(2))
    assert first["seed"] != second["seed"]


def test_labels_are_named():
    model = load_model("mnist-classes")
    x = model.sample(2, label=torch.tensor([3, 4]), seed=0)
    service, data = service_of("mnist-classes"), Run.open("mnist-classes").data
    reduction = data.shrink * data.subsample
    with TestClient(service.app({"127.0.0.1:8000"}), base_url=HERE) as client:
        shown = np.asarray(to_image(x[0], model.config.levels))
        content = png(np.kron(shown, np.ones((reduction, reduction), np.uint8)))
        by_label = [client.post(f"/v1/score?label={label}", content=content).json() for label in (3, 4)]
        nats = [answer["results"][0]["nats"] for answer in by_label]
        wanted = -model.log_prob(x[:1].expand(2, -1, -1, -1), label=torch.tensor([3, 4])).detach()
        assert nats == pytest.approx(wanted.tolist(), rel=1e-5)
        assert "label is 12; 0 .. 9 are allowed" in client.post("/v1/score?label=12", content=content).json()["error"]
        wrong = client.post("/v1/sample", json={"label": 0.5}).json()["error"]
        assert "label is 0.5; a text or a whole number is needed" in wrong
    service.close()


def test_addresses_are_described_and_counted(client, files):
    described = client.get("/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    assert described["paths"].keys() >= {each.path for each in OPERATIONS.values()}
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described)))
    for reference in references:
        place = described
        for key in reference.split("/"):
            place = place[key]
    for path, operations in described["paths"].items():
        for method in operations:  # each is there
            assert client.request(method, path).status_code in (200, 400)
    client.post("/v1/score", content=files["0.png"])
    text = client.get("/metrics").text
    assert re.search(r'pixelrnn_requests_total\{path="/v1/score",status="200"\} [1-9]', text)
    assert "pixelrnn_batch_pictures_bucket" in text
    assert "pixelrnn_waiting_pictures 0.0" in text
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/v1/model").json()["method"] == "typicality"
    assert client.get("/nothing").json() == {"error": "there is nothing at /nothing"}
    assert client.get("/v1/score").json() == {"error": "GET is not for /v1/score"}


def test_who_may_ask(service, files):
    def ask(app, headers, path="/v1/model"):
        with TestClient(app, base_url=HERE) as client:
            answer = client.get(path, headers=headers)
            if answer.status_code != 200:
                assert answer.json().keys() == {"error"}
            return answer.status_code

    plain = service.app({"127.0.0.1:8000"})
    assert ask(plain, {}) == 200
    assert ask(plain, {"host": "elsewhere"}) == 403
    assert ask(plain, {"origin": "http://elsewhere"}) == 403
    app = service.app(set(), "secret")
    assert ask(app, {"authorization": "Bearer secret"}) == 200
    assert ask(app, {"authorization": "bearer  secret"}) == 200  # the scheme is no name
    assert ask(app, {"x-token": "secret"}) == 200
    assert ask(app, {"authorization": "secret"}) == 401
    assert ask(app, {"authorization": "Bearer other"}) == 401
    with TestClient(app, base_url=HERE) as client:
        assert client.get("/wrong").json() == {"error": "a token is needed: send it as Authorization: Bearer TOKEN"}
    counted = service.metrics.text().decode()
    assert 'pixelrnn_requests_total{path="/v1/model",status="401"}' in counted
    assert 'pixelrnn_requests_total{path="other",status="401"}' in counted
    assert ask(app, {}) == 401
    assert ask(app, {}, "/healthz") == 200  # of who looks whether it lives


def test_requests_that_are_too_large(client):
    def chunks():
        for _ in range(70):
            yield bytes(1_000_000)

    for content in (bytes(65_000_000), chunks()):
        answer = client.post("/v1/score", content=content)
        assert (answer.status_code, answer.json()) == (413, {"error": "a request is larger than 64 MB"})


def test_a_form_that_is_cut_off_is_not_half_answered(client, files):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files.items()
    ]
    form, headers = b"".join(parts) + b"--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}
    assert len(client.post("/v1/score", content=form, headers=headers).json()["results"]) == len(files)
    for length in (len(parts[0]), len(form) - len(parts[-1]) // 2, len(form) - 9, len(form) - 4):
        answer = client.post("/v1/score", content=form[:length], headers=headers)
        assert answer.status_code == 400
        assert "its last boundary is missing" in answer.json()["error"]


def test_fields_come_in_every_form_and_none_is_ignored(client, files):
    asked = {"n": 2, "seed": 4}
    as_query = client.post("/v1/sample?n=2&seed=4").json()
    assert as_query["seed"] == 4
    assert client.post("/v1/sample", json=asked).json() == as_query
    assert client.post("/v1/sample", data=asked).json() == as_query  # as curl --data
    form = b'--b\r\ncontent-disposition: form-data; name="n"\r\n\r\n2\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/sample?seed=4", content=form, headers=headers).json() == as_query
    for path, fields in {"/v1/sample": "n, label, seed, temperature, top_p", "/v1/score": "label, files, name"}.items():
        answer = client.post(f"{path}?temprature=2", content=files["0.png"] if path == "/v1/score" else b"")
        assert answer.status_code == 400
        assert answer.json()["error"] == f"'temprature' is no field of {path}; {fields} may be given"
    assert client.post("/v1/sample", files={"a": files["0.png"]}).json() == {"error": "/v1/sample takes no files"}


def test_files_are_called_as_they_came(client, files):
    named = dict(zip(["a/x.png", "b/x.png", '\u00e4 \n".png'], files.values(), strict=False))
    by_json = client.post("/v1/score", json=as_json(named)).json()["results"]
    form = [("f", (name, content)) for name, content in named.items()]
    by_form = client.post("/v1/score", files=form).json()["results"]
    assert [row["name"] for row in by_json] == [row["name"] for row in by_form] == [*named]
    for name in ("../x.png", "a/../../x.png"):
        answer = client.post("/v1/compress", json=as_json({name: files["0.png"]}))
        assert answer.status_code == 400
        assert answer.json()["error"] == f"{name!r} leads out of the folder that an archive is restored into"


def malformed(random):
    """A request that is wrong in one of many ways: its method, path, headers, and what it brings."""
    path = f"/v1/{random.choice(['score', 'map', 'compress', 'complete', 'sample'])}"
    junk = random.randbytes(random.randrange(300))
    kinds = ["application/json", "multipart/form-data", "multipart/form-data; boundary=a", "image/png", "", "\u00e4/b"]
    picture = png(np.zeros((random.randrange(1, 40), random.randrange(1, 40)), np.uint8))
    body = random.choice(
        [
            junk,
            b"",
            picture[: random.randrange(len(picture))],
            b"--a\r\nContent-Disposition: form-data; name=\"x\"; filename=\"y\"\r\n\r\n" + junk,
            b"--a\r\nContent-Disposition: form-data\r\n\r\n" + junk + b"\r\n--a--\r\n",
            b'{"files": [' * random.randrange(60),
            json.dumps({"files": random.choice([1, [], [1], [{"name": "a"}], [{"name": "a", "content": "!"}]])}).encode(),
            json.dumps({"n": random.choice([-1, 1e9, "a", None, [], True]), "seed": random.choice([-1, "b", 2**70])}).encode(),
            json.dumps(random.choice([[], 1, None, "a", {"temperature": -1, "n": 1, "seed": 0}])).encode(),
            b"[" * 100_000,
            b'{"n": NaN, "top_p": 1e999}',
        ]
    )  # fmt: skip
    query = random.choice(
        ["", "?n=0", "?n=999999", "?seed=x", "?label=99", "?temperature=nan", "?format=", "?particles=-3"]
    )
    headers = {"content-type": random.choice(kinds).encode("latin-1")}
    return random.choice(["POST", "POST", "POST", "PUT", "GET"]), path + query, body, headers


def test_a_thousand_malformed_requests_are_answered(client):
    """Some of them are none: a sample needs nothing, and an archive may hold anything."""
    chance, statuses = random.Random(1), {}
    for _ in range(1_000):
        method, path, body, headers = malformed(chance)
        answer = client.request(method, path, content=body, headers=headers)
        assert answer.status_code in (200, 400, 405, 413, 422), (method, path, body[:200], headers, answer.text)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert "\n" not in error
            assert len(error) < 400
    assert statuses[400] > 300
    assert client.get("/healthz").status_code == 200


def test_what_comes_together_is_scored_together():
    sizes, gate = [], threading.Event()

    def call(cells):
        gate.wait(10)
        if "bad" in cells:
            raise ValueError("bad")
        return [cell.upper() for cell in cells]

    async def ask():
        batches = Batches(call, most=5, waiting=13, seen=sizes.append)
        first = asyncio.create_task(batches.rows(["a"]))
        await asyncio.sleep(0.2)
        others = [asyncio.create_task(batches.rows(list(word))) for word in ("bc", "de", "fghijkl", "m")]
        gone = asyncio.create_task(batches.rows(["n"]))
        await asyncio.sleep(0)
        assert batches.waiting == 13
        with pytest.raises(BusyError, match="13 pictures wait already; try again later"):
            await batches.rows(["o"])
        gone.cancel()
        gate.set()
        found = [await each for each in (first, *others)]
        with pytest.raises(ValueError, match="bad"):
            await batches.rows(["bad"])
        assert await batches.rows(["p"]) == ["P"]
        batches.close()
        with pytest.raises(BusyError):
            await batches.rows(["q"])
        return found

    assert asyncio.run(ask()) == [["A"], ["B", "C"], ["D", "E"], [*"FGHIJKL"], ["M"]]
    assert sizes == [1, 4, 7, 1, 1, 1]


class Mortal:
    """A function that is killed by one of its arguments, once."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, argument):
        if argument == "wrong":
            raise ValueError("wrong")
        if argument == "die" and not self.mark.exists():
            self.mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return argument, os.getpid()


def test_a_process_that_is_lost_is_started_anew(tmp_path):
    apart = Apart(Mortal(tmp_path / "mark"), "warm")
    _, first = apart("a")
    assert first != os.getpid()
    with pytest.raises(ValueError, match="wrong"):
        apart("wrong")
    found, second = apart("die")
    assert found == "die"
    assert second != first
    assert apart("b") == ("b", second)
    apart.close()


def test_work_ends_when_who_asked_goes_away(service, monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def endless(upload, callback):
        begun.set()
        while not callback(None):
            time.sleep(0.01)
        ended.set()
        raise StoppedError

    monkeypatch.setattr(service.worker, "sample", endless)
    app = service.app(None, "t")
    scope = {"type": "http", "method": "POST", "path": "/v1/sample", "query_string": b"token=t", "headers": []}
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if messages:
            return messages.pop(0)
        while not begun.is_set():
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert ended.is_set()


def test_too_much_work_is_refused(service, client, monkeypatch):
    monkeypatch.setattr(service, "_working", 16)
    answer = client.post("/v1/sample", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "16 pieces of work go on already" in answer.json()["error"]


def test_what_the_command_refuses(capsys, monkeypatch, tmp_path):
    def refused(*words):
        assert run("serve", *words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "--port is 70000; 0 .. 65535 is allowed" in refused(MODEL, "--port", 70_000)
    assert "--method ratio needs a background model" in refused(MODEL, "--method", "ratio")
    assert "grace is -1; 0 or more is allowed" in refused(MODEL, "--grace", -1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "prometheus_client" else object())
    assert "the service needs prometheus-client; install it with: pip install 'pixelrnn[serve]'" in refused(MODEL)


def test_a_service_for_others_has_a_token(monkeypatch, capsys, tmp_path):
    """Which is printed, unless it was given; and says so if there is nothing that pictures can be compared with."""
    import uvicorn

    tokens = []

    def serve(server, sockets):
        tokens.append(server.config.app.token)
        sockets[0].close()
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    words = ["serve", MODEL, "--host", "0.0.0.0", "--port", 0]
    assert run(*words) == 0
    said = capsys.readouterr()
    assert f"the token is {tokens[0]}" in said.out
    assert "scores and p-values are left out (--usual names the images that are usual)" in said.err
    assert "compiling what is not compiled yet" in said.err
    assert run(*words, "--usual", tmp_path) == 2  # of what was asked for nothing is left out
    assert "holds no images" in capsys.readouterr().err
    monkeypatch.setenv("PIXELRNN_TOKEN", "mine")
    assert run(*words) == 0
    assert "the token is" not in capsys.readouterr().out
    assert tokens[1] == "mine"


def test_what_is_not_done_in_time_at_the_end_is_said(tmp_path):
    command = [sys.executable, "-m", "pixelrnn", "serve", "cifar-row-lstm", "--port", "0", "--grace", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            request = urllib.request.Request(f"{address}v1/sample?n=256", b"")

            def ask(_):
                with pytest.raises(urllib.error.HTTPError) as found:
                    urllib.request.urlopen(request, timeout=60)
                return found.value.code, json.load(found.value)

            with ThreadPoolExecutor(3) as pool:
                asked = [pool.submit(ask, number) for number in range(3)]
                time.sleep(1)
                os.kill(process.pid, signal.SIGTERM)
                assert [each.result() for each in asked] == [(503, {"error": "the service ends; nothing was done"})] * 3
            assert process.wait(60) == 0
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_a_service_of_its_own_ends_in_good_order(files, model, tmp_path):
    """64 clients at once, none of which is refused; and one that asks while it is told to end."""
    for number, values in enumerate(model.sample(20, seed=9)):
        (tmp_path / f"{number}.png").write_bytes(png(values[0].numpy().astype(np.uint8)))
    command = [sys.executable, "-m", "pixelrnn", "serve", MODEL, "--usual", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]

            def ask(content, path="v1/score", kind="image/png"):
                request = urllib.request.Request(address + path, content, {"content-type": kind})
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)

            with ThreadPoolExecutor(64) as pool:
                answers = list(pool.map(ask, [*files.values()] * 40))
            nats = [answer["results"][0]["nats"] for answer in answers]
            assert nats == pytest.approx(nats[:5] * 40, rel=1e-5)
            with ThreadPoolExecutor(1) as pool:
                last = pool.submit(ask, b'{"n": 200, "seed": 1}', "v1/sample", "application/json")
                time.sleep(0.5)
                os.kill(process.pid, signal.SIGTERM)
                assert len(last.result()["images"]) == 200
            assert process.wait(60) == 0
            assert process.stdout.read().endswith("ended\n")
        finally:
            process.kill()

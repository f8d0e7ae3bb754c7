"""Models on the Hugging Face hub: pushed to, and fetched from, a server that answers as the hub does."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pixelrnn import (
    ImageModel,
    ModelConfig,
    MultiScaleModel,
    RunError,
    TrainConfig,
    fit,
    fit_scales,
    load_data,
    load_model,
    push_to_hub,
)
from pixelrnn.cli.model_folder import home
from pixelrnn.runs.card import _with_places, model_card
from tests.cli.test_cli import run
from tests.processes import Child

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """What the library asks for when one repository is made, filled in one commit, and fetched."""

    files: dict[str, bytes]

    def answer(self, content=b"", status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(self, value, **options):
        self.answer(json.dumps(value).encode(), Content_Type="application/json", **options)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses and self.server.refuses in self.path:
            return self.answer_json({"error": "no"}, status=403)
        if self.path == "/api/repos/create":
            self.answer_json({"url": f"http://{self.headers['Host']}/me/digits"})
        elif self.path.endswith("/preupload/main"):
            self.answer_json(
                {
                    "files": [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in json.loads(body)["files"]
                    ]
                }
            )
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            address = f"http://{self.headers['Host']}/me/digits/commit/{COMMIT}"
            self.answer_json({"commitUrl": address, "commitOid": COMMIT})
        else:
            self.answer_json({})

    def do_GET(self):
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        if not self.files or "/me/digits" not in self.path:
            self.answer_json({"error": "none"}, status=404, X_Error_Code="RepoNotFound")
        elif "/resolve/" in self.path:
            content = self.files[name]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.answer(content, ETag=etag, X_Repo_Commit=COMMIT)
        elif "/tree/" in self.path:
            self.answer_json(
                [
                    {
                        "type": "file",
                        "path": name,
                        "size": len(content),
                        "oid": hashlib.sha256(content).hexdigest()[:40],
                    }
                    for name, content in self.files.items()
                ]
            )
        else:
            names = [{"rfilename": name} for name in self.files]
            self.answer_json({"id": "me/digits", "sha": COMMIT, "siblings": names, "tags": [], "private": False})

    do_HEAD = do_GET  # noqa: N815 (the names are those of http.server)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    refuses = ""  # part of the paths that are answered by a refusal


@pytest.fixture
def hub(tmp_path):
    """The server, its files, and a function that runs a command which takes it for the hub."""
    files: dict[str, bytes] = {}
    server = Server(("127.0.0.1", 0), type("Handler", (Hub,), {"files": files}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hub"),
        "HF_TOKEN": "hf_none",
        "NO_PROXY": "127.0.0.1",
    }

    def command(*arguments):
        child = Child(arguments, environment=environment, folder=tmp_path, forgotten=("huggingface_hub",))
        stdout, stderr = child.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, child.returncode, stdout, stderr)

    yield server, files, command
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "run"
    data = load_data("digits")
    model = ImageModel(ModelConfig(**data.model_fields, architecture="pixelcnn", layers=1, hidden=4), seed=0)
    fit(model, data, TrainConfig(steps=4, batch=4, evaluations=2, valid_images=20, samples=0), folder=folder)
    return folder


def test_what_is_pushed_can_be_fetched(trained, hub, tmp_path):
    _, files, command = hub
    config = json.loads((trained / "config.json").read_text())
    train = config["train"] | {"start_from": "/home/someone/secret/earlier"}
    elsewhere = config | {"source": "/home/someone/secret/digits.zip", "train": train}
    (trained / "config.json").write_text(json.dumps(elsewhere))
    pushed = command("push", trained, "me/digits", "--licence", "mit", "--json")
    (trained / "config.json").write_text(json.dumps(config))
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout)["commit"].endswith(f"/me/digits/commit/{COMMIT}")
    assert sorted(files) == ["README.md", "config.json", "model.safetensors"]
    assert files["model.safetensors"] == (trained / "model.safetensors").read_bytes()
    assert b"digits.zip" in files["README.md"]
    assert b"start_from: earlier" in files["README.md"]
    assert not any(b"secret" in content for content in files.values())
    # Nothing but what the model is made of is fetched.
    files["evil.py"] = b"print(1)"
    said = command("info", "hf:me/digits")
    assert said.returncode == 0, said.stderr
    assert "pixelcnn, 1 layer, h=4" in said.stdout
    (folder,) = (tmp_path / "hub" / "hub" / "models--me--digits" / "snapshots").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    # What is made with it is kept in the working folder, not in the cache of the library.
    assert command("sample", f"hf:me/digits@{COMMIT}", "-n", 2).returncode == 0
    assert (tmp_path / "runs" / "me--digits" / "samples-0" / "grid.png").exists()
    assert home(folder).as_posix() == "runs/me--digits"
    # Where the images were is not where they would be here.
    assert json.loads(files["config.json"])["source"] is None
    said = command("evaluate", "hf:me/digits")
    assert said.returncode == 2
    assert "names no source of images; give one" in said.stderr


@pytest.mark.parametrize(
    ("source", "start_from", "kept"),
    [
        ("digits", "emoji", ("digits", "emoji")),
        ("emoji", "digits", (None, None)),  # folders, that have the names of other things here
        ("hf:me/images", "hf:me/model", ("hf:me/images", "hf:me/model")),
        (None, None, (None, None)),
    ],
)
def test_names_that_mean_the_same_anywhere_are_pushed(source, start_from, kept):
    placed = _with_places({"source": source, "train": {"start_from": start_from}}, lambda _: None)
    assert (placed["source"], placed["train"]["start_from"]) == kept


def is_a_line(said, begin, end=""):
    assert (said.returncode, said.stdout) == (2, "")
    *_, last = said.stderr.splitlines()  # before it the library may tell of its work
    assert last.startswith(f"pixelrnn: {begin}"), said.stderr
    assert last.endswith(end)
    assert "Traceback" not in said.stderr


def test_a_model_that_is_not_there(hub):
    _, files, command = hub
    is_a_line(command("info", "hf:me/nothing"), "hf:me/nothing cannot be fetched (")
    files["README.md"] = b"of another kind"
    is_a_line(command("info", "hf:me/digits"), "hf:me/digits is no model of this package: it has no config.json")


def test_refusals(trained, hub):
    server, files, command = hub
    server.refuses = "/commit/"
    said = command("push", trained, "me/digits")
    is_a_line(said, "me/digits cannot be filled; the repository is there, and as it was (", "to log in: hf auth login")
    server.refuses = "/repos/create"
    is_a_line(command("push", trained, "me/digits"), "me/digits cannot be made (", "to log in: hf auth login")
    assert not files


def test_no_network(trained, hub):
    server, _, command = hub
    server.shutdown()
    server.server_close()
    is_a_line(command("push", trained, "me/digits"), "me/digits cannot be made (")
    is_a_line(command("info", "hf:me/digits"), "hf:me/digits cannot be fetched (")


def test_the_card(trained):
    card = model_card(trained, "me/digits", "mit")
    head, body = card.removeprefix("---\n").split("\n---\n", 1)
    for line in ("license: mit", "library_name: pixelrnn", "pipeline_tag: unconditional-image-generation"):
        assert line in head.splitlines()
    assert re.search(r"Best validation: \*\*\d+\.\d{3} nats\*\* an image \+- \d+\.\d{3}", body)
    assert "steps: 4" in body
    assert "hidden: 4" in body
    assert "pixelrnn sample hf:me/digits -n 64" in body


def test_a_model_without_a_run_is_pushed(monkeypatch):
    pushed = {}

    def upload(folder, name, *, private):
        pushed.update({path.name: path.read_text("utf-8", "replace") for path in folder.iterdir()}, private=private)
        return "address"

    monkeypatch.setattr("pixelrnn.zoo.hub.upload", upload)
    model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
    assert model.push_to_hub("me/small", private=True) == "address"
    assert pushed["private"] is True
    assert "validation" not in pushed["README.md"]
    assert json.loads(pushed["config.json"])["source"] is None


def test_scales_trained_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr("pixelrnn.zoo.hub.upload", lambda folder, name, *, private: "address")
    data = load_data("digits", labels=True)
    config = ModelConfig(**data.model_fields, architecture="pixelcnn", layers=1, hidden=4, scales=2)
    train = TrainConfig(steps=2, batch=4, evaluations=1, valid_images=20, samples=0, separately=True)
    fit_scales(MultiScaleModel(config, seed=0), data, train, folder=tmp_path / "run")
    assert push_to_hub(tmp_path / "run", "me/scales") == "address"
    card = model_card(tmp_path / "run", "me/scales")
    assert "pixelrnn sample hf:me/scales -n 8 --label each" in card
    assert "pipeline_tag" not in card
    (tmp_path / "run" / "metrics.jsonl").unlink()  # as long as a scale is not trained
    with pytest.raises(RunError, match="is not trained yet; go on with: pixelrnn train --resume"):
        push_to_hub(tmp_path / "run", "me/scales")


@pytest.mark.parametrize("name", ["digits", "me/a/b", "me", "me/a b"])
def test_names_of_another_form(name, capsys):
    said = f"{name!r} is no name of a model on the hub; it has the form owner/name"
    with pytest.raises(RunError, match=re.escape(said)):
        load_model(f"hf:{name}")
    assert run("info", f"hf:{name}") == 2
    assert said in capsys.readouterr().err


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match=r"needs the huggingface_hub package: pip install 'pixelrnn\[hub\]'"):
        load_model("hf:me/digits")

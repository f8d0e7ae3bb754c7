"""Work by a real Ray on this machine: the figures of the single run, whatever happens to a worker."""

import csv
import json
import os
import pickle
import signal
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.restore import decompress
from pixelrnn.config import Shard
from pixelrnn.errors import ConfigError
from pixelrnn.scale.engine import QUIET, Cluster, applied, gather, mapped
from pixelrnn.scale.parts import Part
from pixelrnn.scale.reading import reading_of, rows_in
from tests.cli.test_cli import run
from tests.scale.test_reading import content_of, parquet_of, tar_of

MODEL = "mnist-grey"
RAY = ["--engine", "ray", "--actors", 1]
TWO = ["--engine", "ray", "--actors", 2]

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own imports


@pytest.fixture(scope="module")
def ray():
    """Ray on this machine, for all commands of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        ray = pytest.importorskip("ray")
        options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init(address="local", num_cpus=3, object_store_memory=200_000_000, **options)
        yield ray
        ray.shutdown()


@pytest.fixture
def inline(monkeypatch):
    """What is mapped in this process, where it matters what is done and not by whom."""

    def mapped_here(reading, call, cluster, done=frozenset()):
        for piece in pickle.loads(pickle.dumps(reading.pieces)):
            yield from applied(piece, call, done)

    monkeypatch.setattr("pixelrnn.scale.engine.mapped", mapped_here)
    return mapped_here


def said_by(capsys, *words):
    capsys.readouterr()
    assert run(*words) == 0
    return capsys.readouterr().out


def rows_in_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def assert_equal_rows(found, wanted):
    assert [row["name"] for row in found] == [row["name"] for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        for column in ("score", "p_value", "rank", "nats", "bits_per_dim"):
            assert float(one[column]) == pytest.approx(float(other[column]), rel=1e-6, abs=1e-9)


def test_what_engines_refuse(digits, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]

    def refused(*more):
        assert run(*words, *more) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "--address goes with --engine ray" in refused("--address", "auto")
    assert "--cores goes with --engine ray" in refused("--cores", 2)
    assert "--engine ray does all parts; leave out --shard" in refused(*RAY, "--shard", "1/2", "--parts", "p")
    assert "--resume goes on with what --parts holds" in refused(*RAY, "--resume")
    assert "actors is 0; at least 1 is needed" in refused("--engine", "ray", "--actors", 0)
    assert "--maps is of one process; it goes with no --engine" in refused(*RAY, "--maps", "m")
    assert "a model is named twice: mnist-grey, mnist-grey" in refused("--model", MODEL)
    assert "--maps shows the bits of one model" in refused("--model", "mnist-classes", "--maps", "m")
    assert "cores are asked for (--actors times --cores); this machine has" in refused(*RAY[:2], "--cores", 9_999)
    one, other = "mnist-grey 1 channel of 256 levels", "mnist-pixelcnn takes 1 channel of 2 levels"
    assert f"{other}, {one}; ask them one by one" in refused("--model", "mnist-pixelcnn")


def test_no_ray_and_no_cluster_are_lines(monkeypatch):
    reading = rows_in([{"name": ["a"]}])
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \("):
        list(mapped(reading, len, Cluster(address="127.0.0.1:1")))
    with pytest.raises(ConfigError, match="address is 'nowhere'; auto, host:port or ray://host:port are allowed"):
        list(mapped(reading, len, Cluster(address="nowhere")))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"engine ray needs the ray package: pip install 'pixelrnn\[ray\]'"):
        list(mapped(reading, len, Cluster()))


def test_scores_of_a_folder_are_those_of_the_single_run(ray, digits, tmp_path, capsys):
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]
    single = said_by(capsys, *words, "--csv", tmp_path / "single.csv")
    assert said_by(capsys, *words, *TWO, "--csv", tmp_path / "ray.csv", "--parquet", tmp_path / "ray.parquet") == single
    assert_equal_rows(rows_in_csv(tmp_path / "ray.csv"), rows_in_csv(tmp_path / "single.csv"))
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "ray.parquet").to_pydict()
    assert table["name"] == [row["name"] for row in rows_in_csv(tmp_path / "ray.csv")]
    assert table["nats"] == [float(row["nats"]) for row in rows_in_csv(tmp_path / "ray.csv")]


def test_what_cannot_be_used_is_a_row_with_a_reason(inline, digits, tmp_path, capsys):
    source = tmp_path / "s"
    source.mkdir()
    for name in ("a.png", "b.png"):
        (source / name).write_bytes((digits / "new" / "1.png").read_bytes())
    (source / "c.png").write_bytes(b"none")
    words = ["score", MODEL, source, "--usual", digits / "usual", *RAY]
    assert run(*words, "--csv", tmp_path / "a.csv") == 0
    assert "1 image could not be used: c.png: the picture cannot be used: not an" in capsys.readouterr().err
    rows = rows_in_csv(tmp_path / "a.csv")
    assert [(row["name"], row["nats"] == "", row["error"] == "") for row in rows] == [
        ("a.png", False, True),
        ("b.png", False, True),
        ("c.png", True, False),
    ]
    assert json.loads(said_by(capsys, *words, "--json"))["unusable"].keys() == {"c.png"}
    for name in ("a.png", "b.png"):
        (source / name).write_bytes(b"none")
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert "none of 3 images can be used (a.png: the picture cannot be used" in error
    assert "; c.png: the picture" in error


def test_figures_and_several_models_over_one_reading(inline, digits, tmp_path, capsys):
    from pixelrnn import ImageModel, ModelConfig

    config = ModelConfig(architecture="pixelcnn", shape=(1, 28, 28), levels=256, layers=1, hidden=4)
    ImageModel(config, seed=0).save_pretrained(tmp_path / "other")
    tar = tar_of(digits / "new", tmp_path / "new.tar")
    words = ["evaluate", MODEL, tar, "--model", tmp_path / "other", "--json"]
    single, found = (json.loads(said_by(capsys, *words, *more)) for more in ([], RAY))
    for one, other in zip(single["models"], found["models"], strict=True):
        del one["images_per_second"], other["images_per_second"]
        for error in {"standard_error", "difference_error"} & one.keys():
            assert other.pop(error) == pytest.approx(one.pop(error), rel=1e-4)
        assert other.pop("model") == one.pop("model")
        assert other == pytest.approx(one, rel=1e-6)
    words = ["score", MODEL, tar, "--model", tmp_path / "other", "--usual", digits / "usual"]
    for name, more in (("single", []), ("ray", RAY)):
        assert run(*words, *more, "--csv", tmp_path / f"{name}.csv") == 0
    one, other = (rows_in_csv(tmp_path / f"{name}.csv") for name in ("single", "ray"))
    assert one[0].keys() == {"name"} | {
        f"{name}:{column}"
        for name in (MODEL, str(tmp_path / "other"))
        for column in ("score", "p_value", "rank", "nats", "bits_per_dim")
    }
    for row, wanted in zip(other, one, strict=True):
        assert row.pop("name") == wanted.pop("name")
        assert {key: float(value) for key, value in row.items()} == pytest.approx(
            {key: float(value) for key, value in wanted.items()}, rel=1e-6
        )
    parquet = parquet_of(digits / "new", tmp_path / "new.parquet", row_group_size=8)
    single = json.loads(said_by(capsys, "entropy", MODEL, digits / "new", "--json"))
    found = json.loads(said_by(capsys, "entropy", MODEL, parquet, "--json", *RAY))
    assert found["images"] == single["images"]
    for name in ("bits", "position", "position_error"):
        np.testing.assert_allclose(found[name], single[name], rtol=1e-6, atol=1e-9)


def test_images_of_a_run_are_handed_on(inline, tmp_path, capsys):
    """With bits that are drawn at random, by their places in the source, and labels."""
    options = ["--architecture", "pixelcnn", "--layers", 1, "--hidden", 4, "--steps", 4, "--samples", 0, "--labels"]
    assert run("train", "digits", "--binarize", "dynamic", *options, "--out", tmp_path / "run") == 0
    words = ["evaluate", tmp_path / "run", "--json", "--exact"]
    single, found = (json.loads(said_by(capsys, *words, *more)) for more in ([], RAY))
    assert found["nats"] == pytest.approx(single["nats"], rel=1e-12)
    assert found["images"] == single["images"]
    assert found["protocol"] == single["protocol"]


def test_archives_hold_the_same_files(ray, digits, tmp_path, capsys):
    words = ["compress", MODEL, digits / "new"]
    assert run(*words, "--out", tmp_path / "single.pxr") == 0
    url = [*words[:2], (digits / "new").as_uri(), *RAY, "--out", tmp_path / "url.pxr"]
    for more in ([*words, *RAY, "--out", tmp_path / "ray.pxr"], url):
        assert "31 files" in said_by(capsys, *more)
    for name in ("single", "ray", "url"):
        with Archive(tmp_path / f"{name}.pxr") as archive:
            assert not decompress(archive, None, tmp_path / name).damaged
    for name in ("ray", "url"):
        files = {path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file()}
        assert len(files) == 31
        for path in files:
            assert (tmp_path / name / path).read_bytes() == (tmp_path / "single" / path).read_bytes()


def test_samples_are_those_of_the_single_run(inline, tmp_path, capsys):
    words = ["sample", "mnist-classes", "-n", 5, "--seed", 4, "--label", "each", "--batch", 16]
    assert run(*words, "--out", tmp_path / "single") == 0
    assert run(*words, *RAY) == 2
    assert "--engine ray writes samples below --parts" in capsys.readouterr().err
    assert run(*words, *RAY, "--parts", tmp_path / "ray") == 0
    for path in (tmp_path / "single").glob("seed-*.png"):
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes()


class Deadly:
    """Figures that take time, of an actor that is killed in the middle of a batch, once."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, batch):
        for name in batch["name"]:
            if name == "7" and not self.mark.exists():
                self.mark.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
            yield {"name": np.array([name]), "pid": np.array([os.getpid()])}


def test_a_lost_worker_costs_its_batch(ray, tmp_path):
    names = [str(number) for number in range(40)]
    reading = rows_in([{"name": names[start : start + 4]} for start in range(0, 40, 4)])
    with Part.begin(tmp_path, Shard(1, 1), {}, resume=False) as part:
        gather(part, mapped(reading, Deadly(tmp_path / "killed"), Cluster(actors=2)), total=40)
        found = [str(name) for columns in part.columns() for name in columns["name"]]
        workers = {int(pid) for columns in part.columns() for pid in columns["pid"]}
    assert (tmp_path / "killed").exists()
    assert sorted(found, key=int) == names  # nothing twice, nothing lost
    assert len(workers) in (2, 3)


def test_a_score_goes_on_when_a_worker_is_killed(ray, digits, tmp_path, capsys, monkeypatch):
    """One of the two, from outside, as soon as there is a first result."""
    monkeypatch.setattr("pixelrnn.scale.reading.ROWS", 3)
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]
    single = said_by(capsys, *words)
    killed = []

    def kill(columns):
        if not killed:
            killed.append(next(iter(workers_of_ray())))
            os.kill(killed[0], signal.SIGKILL)
        return columns

    original = mapped

    def watched(*arguments):
        return (kill(columns) for columns in original(*arguments))

    monkeypatch.setattr("pixelrnn.scale.engine.mapped", watched)
    assert said_by(capsys, *words, *TWO) == single
    assert killed


def workers_of_ray():
    """Processes of actors that map batches, of this process' Ray: it is their grandparent."""

    def parent(process):
        return (process / "stat").read_text().rpartition(")")[2].split()[1]

    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_actor = b"ray::MapWorker" in (process / "cmdline").read_bytes()
            if is_actor and parent(Path("/proc") / parent(process)) == str(os.getpid()):
                yield int(process.name)
        except OSError:
            continue


def test_what_was_done_is_not_done_again(inline, digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pixelrnn.scale.reading.ROWS", 4)
    monkeypatch.setattr("pixelrnn.scale.engine.MOST_ROWS", 1)
    words = ["score", MODEL, digits / "new", "--usual", digits / "usual"]
    single = said_by(capsys, *words)
    words += [*RAY, "--parts", tmp_path / "parts"]
    seen = []

    def interrupted(*arguments):
        for columns in inline(*arguments):
            if len(seen) == 3:
                raise KeyboardInterrupt
            seen.append(len(columns["name"]))
            yield columns

    monkeypatch.setattr("pixelrnn.scale.engine.mapped", interrupted)
    assert run(*words) == 130
    assert run(*words) == 2
    assert "go on with --resume, or choose another folder" in capsys.readouterr().err
    monkeypatch.setattr(
        "pixelrnn.scale.engine.mapped", lambda *a: (seen.append(len(c["name"])) or c for c in inline(*a))
    )
    assert said_by(capsys, *words, "--resume") == single
    assert sum(seen) == 30
    assert said_by(capsys, "merge", tmp_path / "parts") == single


class Bucket(BaseHTTPRequestHandler):
    """An object store of one bucket, `pictures`, that holds what `files` says: the part of S3 that reading needs."""

    files: ClassVar[dict[str, bytes]] = {}
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        key = urllib.parse.unquote(url.path).removeprefix("/pictures").lstrip("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        if not key:
            prefix = query.get("prefix", "")
            found = sorted(name for name in self.files if name.startswith(prefix))[: int(query.get("max-keys", 1000))]
            rows = "".join(
                f'<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"a"</ETag>'
                f"<Size>{len(self.files[name])}</Size></Contents>"
                for name in found
            )
            space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
            body = f"<ListBucketResult {space}><Name>pictures</Name><Prefix>{prefix}</Prefix><KeyCount>{len(found)}"
            self._answer(200, f"{body}</KeyCount><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())
        elif key not in self.files:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            content, wanted = self.files[key], self.headers.get("Range")
            if wanted:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                self._answer(206, content[int(first) : int(last) + 1], f"bytes {first}-{last}/{len(content)}")
            else:
                self._answer(200, content)

    def _answer(self, status, body, part=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"a"')
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_pictures_of_an_object_store(ray, digits, tmp_path, capsys):
    files = {f"new/{name}": content for name, content in content_of(digits / "new").items()}
    store = type("Store", (Bucket,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=here"
    url = f"s3://key:secret@pictures/new{keys}"
    try:
        assert len(reading_of(url).names) == 30
        words = ["score", MODEL, url, "--usual", digits / "usual"]
        assert run(*words) == 2
        assert "is elsewhere; --engine ray reads it" in capsys.readouterr().err
        assert run(*words, *RAY, "--csv", tmp_path / "ray.csv") == 0
    finally:
        server.shutdown()
    assert run("score", MODEL, digits / "new", "--usual", digits / "usual", "--csv", tmp_path / "single.csv") == 0
    assert_equal_rows(rows_in_csv(tmp_path / "ray.csv"), rows_in_csv(tmp_path / "single.csv"))
    assert run(*words, *RAY, "--split", "test") == 2
    assert "pictures from elsewhere are read one by one: leave out --split" in capsys.readouterr().err


def test_errors_of_workers_are_lines(ray):
    """Of the work itself, not of a picture."""

    def refuse(batch):
        raise ConfigError("the work cannot be done")
        yield

    with pytest.raises(ConfigError, match="the work cannot be done"):
        list(mapped(rows_in([{"name": ["a"]}]), refuse, Cluster(actors=1)))

"""Folders for a page: how odd their pictures are is what the library says, and no page sees another folder."""

import base64
import io
import os

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from pixelrnn import Inspector, load_model
from pixelrnn.app.images import load_as_trained
from pixelrnn.errors import DataError
from pixelrnn.runs.run import Run
from pixelrnn.scores.anomaly import detector
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.folders import Folders
from pixelrnn.studio.server import Studio
from pixelrnn.zoo import find
from tests.studio.conftest import PAGE, array, told

MODEL = "mnist-grey"


def write(folder, images):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:02d}.png")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder of digits, of which the last is upside down and has a spot, and one of usual ones."""
    digits = load_model(MODEL).sample(32, seed=0)[:, 0].numpy().astype(np.uint8)
    root = tmp_path_factory.mktemp("parts")
    odd = digits[7][::-1].copy()
    odd[2:5, 2:5] = 200
    write(root / "new", [*digits[:7], odd])
    write(root / "usual", digits[8:])
    (root / "new" / "bad.png").write_bytes(b"none")
    (root / "words").mkdir()
    (root / "words" / "a.txt").write_text("words")
    return root


@pytest.fixture
def page(parts, tmp_path):
    with TestClient(Studio(tmp_path / "runs", [parts]).app({"127.0.0.1:7860"}), base_url=PAGE) as client:
        yield client


def judged(page, parts, **fields):
    name = parts.name
    asked = {"model": MODEL, "folder": f"{name}/new", "usual": f"{name}/usual", "method": "inspection", **fields}
    return told(page.post("/api/judge", json=asked))[-1]


def test_folders_are_those_that_were_named(page, parts):
    found = {each["name"]: each["pictures"] for each in page.get("/api/folders").json()["folders"]}
    assert found == {parts.name: 33, f"{parts.name}/new": 9, f"{parts.name}/usual": 24}
    for name in ("..", "/etc", f"{parts.name}/..", str(parts), "", "words/a.txt"):
        fields = {"model": MODEL, "folder": name, "method": "inspection"}
        response = page.post("/api/judge", json=fields)
        assert response.status_code == 400
        assert "there is no folder" in response.json()["error"]


def test_inspection_is_that_of_the_library(page, parts):
    event = judged(page, parts)
    run = Run.open(find(MODEL))
    images, usual = (
        load_as_trained(run, str(parts / name), are_whole=True, skip_bad=True).data.whole for name in ("new", "usual")
    )
    inspector = Inspector(load_model(MODEL)).fit(usual)
    found = inspector.predict(images)
    assert [each["odd"] for each in event["pictures"]] == pytest.approx([each.highest for each in found])
    assert [each["pValue"] for each in event["pictures"]] == pytest.approx([each.p_value for each in found])
    assert event["usual"] == pytest.approx(inspector.calibration_.reached.tolist())
    assert event["threshold"] == pytest.approx(found[0].threshold)
    assert [each["odd"] > event["threshold"] for each in event["pictures"]] == [not each.is_usual for each in found]
    assert max(event["pictures"], key=lambda each: each["odd"])["name"] == "07.png"
    assert "bad.png" in event["skipped"][0]
    one = page.post("/api/judged", json={"result": event["result"], "number": 7}).json()
    np.testing.assert_allclose(array(one["map"], np.float32).reshape(28, 28), found[7].exceedance, rtol=1e-5)
    assert [(each["top"], each["left"]) for each in one["regions"]] == [each.box[:2] for each in found[7].regions]
    shown = array(one["values"], np.uint8).reshape(28, 28)
    np.testing.assert_array_equal(shown, np.asarray(Image.open(parts / "new" / "07.png")))
    assert len(one["nearest"]) == 4
    thumbnail = page.get(f"/thumbnails/{event['result']}/pictures/7")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(thumbnail.content))), shown)


@pytest.mark.parametrize("method", ["surprise", "typicality", "complexity", "likelihood"])
def test_scores_are_those_of_the_library(page, parts, method):
    event = judged(page, parts, method=method)
    run = Run.open(find(MODEL))
    images, usual = (
        load_as_trained(run, str(parts / name), are_whole=True, skip_bad=True).data.whole for name in ("new", "usual")
    )
    scorer = detector(method, load_model(MODEL)).fit(usual)
    scores = scorer.score_samples(images)
    assert [each["odd"] for each in event["pictures"]] == pytest.approx((-scores).tolist(), rel=1e-5)
    assert [each["pValue"] for each in event["pictures"]] == pytest.approx(scorer.p_values(scores).tolist())
    assert sum(each > event["threshold"] for each in event["usual"]) <= 1
    one = page.post("/api/judged", json={"result": event["result"], "number": 0}).json()
    bits = -load_model(MODEL).log_prob(images.batch([0])).item() / np.log(2)
    assert array(one["map"], np.float32).sum() == pytest.approx(bits, rel=1e-4)


def test_the_nearest_usual_picture_of_a_usual_one_is_itself(page, parts):
    event = judged(page, parts, folder=f"{parts.name}/usual")
    for number in (0, 5, 23):
        one = page.post("/api/judged", json={"result": event["result"], "number": number}).json()
        assert one["nearest"][0] == {"number": number, "name": f"{number:02d}.png"}


def test_pictures_that_are_brought_are_a_folder(page, parts):
    def content(path):
        return {"name": path.name, "content": base64.b64encode(path.read_bytes()).decode()}

    files = [content(path) for path in sorted((parts / "usual").iterdir())]
    found = page.post("/api/bring", json={"files": [*files, content(parts / "words" / "a.txt")]}).json()
    assert found == {"folder": "brought 1", "left": 1}
    event = judged(page, parts, usual="brought 1")
    assert event["usual"] == judged(page, parts)["usual"]
    none = page.post("/api/bring", json={"files": [content(parts / "words" / "a.txt")]})
    assert none.json()["error"] == "none of these files is called like a picture"


def test_what_cannot_be_judged_says_why(page, parts):
    assert "choose a folder of usual pictures" in judged(page, parts, usual=None)["error"]
    assert "at least 10" in judged(page, parts, usual=f"{parts.name}/new", method="inspection")["error"]
    asked = {"model": MODEL, "folder": f"{parts.name}/new", "method": "taste"}
    assert "method is 'taste'" in page.post("/api/judge", json=asked).json()["error"]
    gone = page.post("/api/judged", json={"result": "none", "number": 0})
    assert gone.json()["error"] == "this folder is not in memory any more; look at it again"
    for path in ("none/pictures/0", f"{judged(page, parts)['result']}/pictures/99"):
        assert page.get(f"/thumbnails/{path}").status_code == 404


def test_one_picture_of_a_folder_is_taken(page, parts):
    for number, name in ((1, "01.png"), (10, "00.png"), (11, "01.png")):  # round and round: nine are called pictures
        asked = {"model": MODEL, "folder": f"{parts.name}/new", "number": number - (number >= 9)}
        found = page.post("/api/picture", json=asked).json()
        wanted = np.asarray(Image.open(parts / "new" / name))
        np.testing.assert_array_equal(array(found["values"], np.uint8).reshape(28, 28), wanted)
    bad = page.post("/api/picture", json={"model": MODEL, "folder": f"{parts.name}/new", "number": 8})
    assert "the picture cannot be used" in bad.json()["error"]
    none = page.post("/api/picture", json={"model": MODEL, "folder": f"{parts.name}/words", "number": 0})
    assert none.json()["error"] == f"{parts.name}/words has no pictures"


def test_links_and_pipes_are_no_pictures(parts, tmp_path):
    """A link would lead out of the folder, and a pipe would be waited for."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.png").symlink_to(parts / "usual" / "00.png")
    (tmp_path / "inside" / "linked").symlink_to(parts / "usual")
    folders = Folders([tmp_path / "inside"])
    assert folders.list(Asked({})) == {"folders": []}
    os.mkfifo(tmp_path / "inside" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe.png is no file of up to 100 MB"):
        folders.picture("inside", 0)


def test_what_cannot_be_kept_is_in_nobodys_way(page, monkeypatch):
    """After a name or a disk that refuses, the next pictures are taken again."""
    picture = {"name": "a.png", "content": ""}
    long = picture | {"name": "\u5b57" * 90 + ".png"}
    assert "is no name of a file" in page.post("/api/bring", json={"files": [long]}).json()["error"]
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert "No space left" in page.post("/api/bring", json={"files": [picture]}).json()["error"]
    assert page.post("/api/bring", json={"files": [picture]}).json()["folder"] == "brought 1"

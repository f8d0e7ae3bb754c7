"""Files for a page: what comes back is what was brought, and the figures are those of the library."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pixelrnn import load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.errors import ArchiveError
from pixelrnn.studio import files
from tests.conftest import build
from tests.studio.conftest import told


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photo(height, width, seed=0):
    """What the model draws, which it codes well."""
    x = load_model("photographs").sample(1, size=(height, width), seed=seed)
    return x[0].permute(1, 2, 0).numpy().astype(np.uint8)


def brought(contents):
    return [{"name": name, "content": base64.b64encode(content).decode()} for name, content in contents.items()]


def compressed(client, contents, model="photographs"):
    return told(client.post("/api/compress", json={"model": model, "files": brought(contents)}))[-1]


def restored(client, archive, numbers, model="photographs"):
    asked = {"archive": archive, "model": model, "numbers": numbers}
    return told(client.post("/api/restore", json=asked))[-1]["members"]


FILES = {"b.png": png(photo(40, 50)), "a.png": png(photo(20, 30, 1)), "c.txt": b"words", "d.png": png(photo(40, 50))}


def test_what_is_compressed_is_what_comes_back(client, tmp_path):
    found = compressed(client, FILES)
    content = client.get(f"/archives/{found['archive']}").content
    assert found["size"] == len(content)
    for name, each in FILES.items():
        (tmp_path / name).write_bytes(each)
    assert compress(load_model("photographs"), tmp_path, tmp_path.with_suffix(".pxr")).size == len(content)
    assert [line["name"] for line in found["lines"]] == sorted(FILES)
    assert [line["what"] for line in found["lines"]] == ["coded", "coded", "not an image", "same as another"]
    assert [line["original"] for line in found["lines"]] == [len(FILES[name]) for name in sorted(FILES)]
    assert all(set(line["formats"]) == {"PNG", "WebP"} for line in found["lines"])
    about = client.post("/api/archive", json={"file": base64.b64encode(content).decode()}).json()
    assert (about["archive"], about["model"], about["count"]) == (found["archive"], "photographs", 4)
    assert about["lines"][1]["what"] == "50x40 RGB"
    members = restored(client, about["archive"], [0, 1, 2, 3])
    content = [base64.b64decode(member["file"]) for member in members]
    for number, (height, width, seed) in {0: (20, 30, 1), 1: (40, 50, 0), 3: (40, 50, 0)}.items():
        assert members[number]["isPicture"]
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content[number]))), photo(height, width, seed))
    assert (content[2], members[2]["isPicture"]) == (b"words", False)


def test_a_model_of_ones_own_is_needed_again(client, studio):
    model = build(architecture="local", shape=(3, 8, 8), levels=256, layers=1, hidden=4).float()
    model.save_pretrained(studio.shelf.runs / "own")
    found = compressed(client, {"a.png": png(photo(64, 64))}, "runs/own")
    assert found["lines"][0]["what"] in ("coded", "larger with the model")
    if found["lines"][0]["what"] == "coded":
        (member,) = restored(client, found["archive"], [0], "runs/own")
        assert member["isPicture"]
        event = told(
            client.post("/api/restore", json={"archive": found["archive"], "model": "photographs", "numbers": [0]})
        )
        assert "the archive needs the model" in event[-1]["error"]


def test_what_cannot_be_taken_is_refused_in_a_line(client, studio):
    build(architecture="pixelcnn", shape=(1, 8, 8), levels=256, classes=3).float().save_pretrained(
        studio.shelf.runs / "labels"
    )

    def error(path, **fields):
        response = client.post(f"/api/{path}", json=fields)
        return (response.json() if response.status_code == 400 else told(response)[-1])["error"]

    picture = brought({"a.png": FILES["a.png"]})
    assert error("compress", model="photographs", files=[]) == "files are 0; 1 to 1,000 are taken"
    assert error("compress", model="photographs", files=3) == "files are none; 1 to 1,000 are taken"
    assert error("compress", model="photographs", files=picture * 2) == "two files are called 'a.png'; rename one"
    for name in ("..", "", "a/..", "x\\..", "a\0", "a" * 201):
        assert "is no name of a file" in error("compress", model="photographs", files=[picture[0] | {"name": name}])
    assert "the model needs a context or a label" in error("compress", model="runs/labels", files=picture)
    codes = {about["name"]: about["codes"] for about in client.get("/api/models").json()["models"]}
    assert (codes["runs/labels"], codes["photographs"]) == (False, True)
    huge = io.BytesIO()
    Image.new("1", (9000, 7000)).save(huge, "PNG")
    large = brought({"huge.png": huge.getvalue()})
    assert "these pictures have 63,000,000 pixels in all; 60,000,000 at most" in error(
        "compress", model="photographs", files=large
    )
    assert "no .pxr" in error("archive", file=base64.b64encode(b"nothing of the kind").decode())
    assert (
        error("restore", archive="?", model="photographs", numbers=[])
        == "this archive is not in memory any more; bring it again"
    )
    assert client.get("/archives/nothing").status_code == 404


def test_names_are_last_parts(client):
    found = compressed(client, {"../../etc/passwd": b"x", "C:\\pictures\\a.txt": b"y"})
    assert [line["name"] for line in found["lines"]] == ["a.txt", "passwd"]


def test_damage_is_told_of_each_member(client):
    found = compressed(client, {"a.txt": b"first" * 9, "b.txt": b"second" * 9})
    content = client.get(f"/archives/{found['archive']}").content
    at = content.index(b"firstfirst")
    damaged = content[:at] + b"F" + content[at + 1 :]
    about = client.post("/api/archive", json={"file": base64.b64encode(damaged).decode()}).json()
    first, second = restored(client, about["archive"], [0, 1])
    assert "a.txt is damaged" in first["error"]
    assert base64.b64decode(second["file"]) == b"second" * 9
    cut = client.post("/api/archive", json={"file": base64.b64encode(content[:-9]).decode()})
    assert cut.status_code == 400
    assert "Traceback" not in cut.text


@pytest.mark.parametrize("name", ["mnist-grey", "emoji"])
def test_pictures_of_other_channels_are_kept(client, name):
    found = compressed(client, {"a.png": FILES["a.png"]}, name)
    assert base64.b64decode(restored(client, found["archive"], [0], name)[0]["file"])


def test_as_much_is_taken_out_as_fits(client, monkeypatch):
    found = compressed(client, {f"{number}.txt": b"words" * 20 for number in range(5)} | {"a.png": FILES["a.png"]})
    names = [line["name"] for line in found["lines"]]
    monkeypatch.setattr(files, "MOST_BYTES", 250)  # copies count, for each of them is sent
    members = restored(client, found["archive"], list(range(6)))
    assert [names[member["number"]] for member in members] == ["0.txt", "1.txt"]
    assert [member["number"] for member in restored(client, found["archive"], [4, 5])] == [4, 5]
    monkeypatch.setattr(files, "MOST_PIXELS", 599)  # of 20x30
    asked = {"archive": found["archive"], "model": "photographs", "numbers": [names.index("a.png")]}
    assert "these pictures have 600 pixels in all" in told(client.post("/api/restore", json=asked))[-1]["error"]


def test_a_coded_picture_is_no_file(client):
    found = compressed(client, {"a.png": FILES["a.png"]})
    with Archive(io.BytesIO(client.get(f"/archives/{found['archive']}").content)) as archive:
        with pytest.raises(ArchiveError, match=r"a.png is coded, not a file"):
            archive.ordinary(0)

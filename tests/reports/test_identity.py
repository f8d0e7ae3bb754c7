"""What was decoded, split and trained on is known by its content, not by size, time or count."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image, features

from pixelrnn import ModelConfig, RunError, TrainConfig, build_model, fit, load_data
from pixelrnn.app.images import load_as_trained
from pixelrnn.data import picture as reading
from tests.cli.test_cli import run
from tests.pictures import picture


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(20):
        picture("L", size=(4, 4), seed=number).save(tmp_path / "in" / f"{number:02d}.bmp")
    return tmp_path / "in"


def test_a_file_that_was_replaced_under_its_size_and_time_is_read_again(folder):
    before = load_data(folder).whole.batch([0])
    state = (folder / "00.bmp").stat()
    picture("L", size=(4, 4), seed=77).save(folder.parent / "new.bmp")
    assert (folder.parent / "new.bmp").stat().st_size == state.st_size
    os.utime(folder.parent / "new.bmp", ns=(state.st_atime_ns, state.st_mtime_ns))
    shutil.copy2(folder.parent / "new.bmp", folder / "00.bmp")
    assert (folder / "00.bmp").stat().st_mtime_ns == state.st_mtime_ns
    after = load_data(folder).whole.batch([0])
    assert not np.array_equal(after, before)
    assert np.array_equal(after[0, 0], np.asarray(Image.open(folder / "00.bmp")))


def test_another_decoder_decodes_again(folder, monkeypatch):
    load_data(folder)
    decoded = []
    monkeypatch.setattr("pixelrnn.data.cache.decode", lambda *a: decoded.append(a) or reading.np.zeros((1, 4, 4), "u1"))
    load_data(folder)
    assert not decoded
    version = reading.decoder_version()
    assert str(features.version("libjpeg_turbo")) in version
    monkeypatch.setattr("pixelrnn.data.cache.decoder_version", lambda: version + " of tomorrow")
    load_data(folder)
    assert len(decoded) == 20


@pytest.fixture
def trained(folder):
    data = load_data(folder)
    model = build_model(ModelConfig(**data.model_fields, output="logistic-mixture", layers=1, hidden=2), seed=0)
    return fit(model, data, TrainConfig(steps=4, samples=0), folder=folder.parent / "run", callback=lambda _: True)


def renamed(folder):
    """Two images change their names: as many as before, but in other splits."""
    data = load_data(folder)
    names = [data.names[data.test.positions[0]], data.names[data.train.positions[0]]]
    (folder / names[0]).rename(folder / "a")
    (folder / names[1]).rename(folder / names[0])
    (folder / "a").rename(folder / names[1])


def test_images_that_moved_between_splits_are_noticed(folder, trained, capsys):
    assert load_as_trained(trained).warning == ""
    before = load_data(folder).fingerprints
    renamed(folder)
    after = load_data(folder).fingerprints
    assert [split for split in before if before[split] != after[split]] == ["train", "test"]
    assert "but others in its splits" in load_as_trained(trained).warning
    assert run("evaluate", folder.parent / "run") == 0
    assert "images drawn for testing may have been trained on" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(RunError, match=r"the images of .*in for train and test are no longer those .*may have been"):
        fit(trained_model(folder), load_data(folder), TrainConfig(steps=6), folder=folder.parent / "run", resume=True)


def trained_model(folder):
    data = load_data(folder)
    return build_model(ModelConfig(**data.model_fields, output="logistic-mixture", layers=1, hidden=2), seed=0)


def test_a_run_of_an_earlier_version_has_no_fingerprints_and_goes_on(folder, trained):
    path = folder.parent / "run" / "config.json"
    recorded = json.loads(path.read_text())
    assert set(recorded["fingerprints"]) == {"train", "valid", "test"}
    del recorded["fingerprints"]
    path.write_text(json.dumps(recorded))
    run_again = fit(
        trained_model(folder), load_data(folder), TrainConfig(steps=4, samples=0), folder=path.parent, resume=True
    )
    assert run_again.is_finished
    assert load_as_trained(run_again).warning == ""


def test_order_does_not_count_but_labels_do(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    labels = np.arange(6) % 2

    def fingerprint(order, of_labels=labels):
        np.savez(tmp_path / "x.npz", train=images[order], train_labels=of_labels[order])
        return load_data(tmp_path / "x.npz", labels=True).whole.fingerprint

    order = np.array([3, 1, 0, 5, 4, 2])
    assert fingerprint(order) == fingerprint(np.arange(6))
    assert fingerprint(order, 1 - labels) != fingerprint(order)

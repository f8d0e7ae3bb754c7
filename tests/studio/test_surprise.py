"""Where the bits of a picture are: those of the model, beside what it draws itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pixelrnn import load_model
from pixelrnn.scores.anomaly import detector
from pixelrnn.studio import surprise
from tests.conftest import build
from tests.studio.conftest import array, told
from tests.studio.test_completing import bring


def looked(client, picture, *names):
    fields = dict(zip(("model", "against"), names, strict=False))
    return told(client.post("/api/surprise", json={"picture": picture, **fields}))[-1]


def test_bits_are_those_of_the_models(client):
    names = ("mnist-diagonal-bilstm", "mnist-pixelcnn")
    x = load_model(names[0]).sample(1, seed=1)
    found = looked(client, bring(client, x[0, 0].numpy() * 255)["picture"], *names)["found"]
    assert len(found) == 2
    for name, one in zip(names, found, strict=True):
        model = load_model(name)
        bits = -model.log_prob_map(x)[0, 0].detach().numpy() / np.log(2)
        np.testing.assert_allclose(array(one["bits"], np.float32).reshape(28, 28), bits, atol=1e-4)
        assert one["total"] == pytest.approx(bits.sum(), rel=1e-5)
        expected = model.log_prob_map(x, moments=True).mean[0, 0].detach().numpy() / np.log(2)
        np.testing.assert_allclose(array(one["expected"], np.float32).reshape(28, 28), expected, atol=1e-4)
        usual = model.sample(64, seed=0)
        drawn = -model.log_prob(usual).detach().numpy() / np.log(2)
        assert (one["drawn"], one["asOdd"]) == (64, int((drawn >= one["total"]).sum()))
        assert one["coded"] > one["total"]
        scorer = detector("complexity", model).fit(usual)
        p_value = scorer.p_values(scorer.score_samples(x))[0]
        assert (1 + one["asOddForTheirSize"]) / 65 == pytest.approx(p_value)


def test_labels_and_sizes(client):
    model = load_model("mnist-classes")
    x = model.sample(1, label=4, seed=0)
    pixels = np.rint(x[0, 0].numpy() / 15 * 255).astype(np.uint8)
    (found,) = looked(client, bring(client, pixels, "mnist-classes", label=4)["picture"], "mnist-classes")["found"]
    assert found["total"] == pytest.approx(-model.log_prob(x, label=4).item() / np.log(2), rel=1e-5)
    photo = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    (found,) = looked(client, bring(client, photo, "photographs")["picture"], "photographs")["found"]
    assert len(array(found["bits"], np.float32)) == 70 * 90
    assert "drawn" not in found  # it is of another size than what the model draws
    wanted = -load_model("photographs").log_prob(torch.from_numpy(photo).permute(2, 0, 1)[None])
    assert found["total"] == pytest.approx(wanted.item() / np.log(2), rel=1e-5)


def test_models_of_other_values_are_not_compared(client, studio):
    picture = bring(client, np.zeros((28, 28), np.uint8))["picture"]
    error = looked(client, picture, "mnist-diagonal-bilstm", "mnist-grey")["error"]
    assert "mnist-grey is of 1 channels of 256 levels, the first model of 1 of 2; they cannot be compared" in error
    build(architecture="pixelcnn", shape=(1, 28, 28), levels=0, output="continuous-mixture").float().save_pretrained(
        studio.shelf.runs / "floats"
    )
    (found,) = looked(client, bring(client, np.zeros((28, 28), np.uint8), "runs/floats")["picture"], "runs/floats")[
        "found"
    ]
    assert found["expected"] is None


def test_large_pictures_come_band_by_band(client, monkeypatch):
    monkeypatch.setattr(surprise, "LARGE", 1_000)
    monkeypatch.setattr(surprise, "BAND", 9_000)
    photo = np.random.default_rng(0).integers(100, 130, (70, 90, 3), np.uint8)
    picture = bring(client, photo, "photographs")["picture"]
    events = told(client.post("/api/surprise", json={"model": "photographs", "picture": picture}))
    bands = [event for event in events if event["type"] == "band"]
    assert [band["top"] for band in bands] == [0, 32, 64]
    bits = np.concatenate([array(band["bits"], np.uint16) for band in bands]).reshape(70, 90) / bands[0]["steps"]
    x = torch.from_numpy(photo).permute(2, 0, 1)[None]
    wanted = -load_model("photographs").log_prob_map(x)[0].sum(0).detach().numpy() / np.log(2)
    np.testing.assert_allclose(bits, wanted, atol=0.51 / bands[0]["steps"])
    assert events[-1]["found"][0]["total"] == pytest.approx(wanted.sum(), rel=1e-5)


def test_what_is_infinite_stays_so_in_a_band():
    sent = []
    bits = torch.tensor([[0.0, 2.0, np.inf, 5000.0]])
    surprise._send_band(SimpleNamespace(send=sent.append), 1, 8, bits)
    assert array(sent[0]["bits"], np.uint16).tolist() == [0, 128, 65535, 65534]

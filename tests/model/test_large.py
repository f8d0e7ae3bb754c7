"""Likelihoods of large images: in bands of rows they are what they are at once; without memory they are refused."""

import pytest
import torch

from pixelrnn import DataError, Support
from pixelrnn.model import large
from tests.cli.test_cli import run
from tests.conftest import build

SIZE = (61, 9)

IN_BANDS = [
    {"architecture": "pixelcnn", "shape": (3, 8, 8), "levels": 5},
    {"architecture": "gated-pixelcnn", "shape": (1, 8, 8), "levels": 2, "classes": 3},
    {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "adaptive": True, "grid": 8},
    {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "adaptive": True, "fits": 2},
    {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "copies": 8, "grid": 2},
]


def images_of(model, count=2):
    generator = torch.Generator().manual_seed(0)
    shape = (count, model.config.shape[0], *SIZE)
    return torch.randint(0, model.config.levels, shape, generator=generator)


def both(model, monkeypatch, **given):
    """Log probabilities at once, and with a bound that makes many bands of eight rows."""
    images = images_of(model)
    with torch.no_grad():
        at_once = model.log_prob_map(images, **given)
        monkeypatch.setattr(large, "AT_ONCE", 2)
        return at_once, model.log_prob_map(images, **given)


@pytest.mark.parametrize("fields", IN_BANDS)
def test_bands_give_the_same(fields, monkeypatch):
    model = build(**fields)
    given = {"label": torch.tensor([2, 0])} if model.config.classes else {}
    at_once, in_bands = both(model, monkeypatch, **given)
    torch.testing.assert_close(in_bands, at_once, rtol=1e-9, atol=1e-9)


def test_bands_of_images_with_a_support(monkeypatch):
    model = build(architecture="local", shape=(3, 8, 8), levels=256)
    images = images_of(model) % 2 * 255
    support = Support(images.movedim(1, 3).reshape(-1, 3).unique(dim=0).numpy())
    with torch.no_grad():
        at_once = model.log_prob_map(images, support=support)
        monkeypatch.setattr(large, "AT_ONCE", 2)
        torch.testing.assert_close(model.log_prob_map(images, support=support), at_once, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fields", IN_BANDS)
def test_a_pixel_sees_so_many_rows_and_no_more(fields):
    model = build(**fields)
    images, above = images_of(model, 1), model.network.rows_above()
    given = {"label": 1} if model.config.classes else {}
    changed = images.clone()
    row = SIZE[0] - above - 2
    changed[:, :, row] = (changed[:, :, row] + 1) % model.config.levels
    with torch.no_grad():
        before, after = model(images, **given), model(changed, **given)
    assert not torch.equal(before[..., row + 1, :], after[..., row + 1, :])
    torch.testing.assert_close(before[..., row + above + 1 :, :], after[..., row + above + 1 :, :], rtol=0, atol=0)


@pytest.mark.parametrize("architecture", ["row-lstm", "diagonal-bilstm", "gated-conv"])
def test_recurrences_are_computed_at_once(architecture, monkeypatch):
    at_once, in_parts = both(build(architecture=architecture, shape=(3, 8, 8), levels=7), monkeypatch)
    torch.testing.assert_close(in_parts, at_once, rtol=1e-12, atol=1e-12)


def test_what_there_is_no_memory_for_is_refused(monkeypatch):
    monkeypatch.setattr(large, "AT_ONCE", 2)
    monkeypatch.setattr(large, "free_memory", lambda: 2.0**20)
    with torch.no_grad(), pytest.raises(DataError, match=r"61x9|9x61 pixels takes about .* GiB .* 0.0 GiB are free"):
        build(architecture="row-lstm", hidden=64, shape=(3, 8, 8), levels=7).log_prob(
            torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
        )
    build(architecture="pixelcnn", hidden=64, shape=(3, 8, 8), levels=7).log_prob(
        torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    )


def test_score_says_so_before_it_begins(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(large, "free_memory", lambda: 2.0**20)
    Image.new("RGB", (1024, 1024)).save(tmp_path / "large.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "small.png")
    given = ["--usual", tmp_path / "small.png"]
    assert run("score", "cifar-row-lstm", tmp_path / "large.png", *given) == 2
    assert "1024x1024 pixels takes about" in capsys.readouterr().err


def test_free_memory_is_known():
    assert 2**20 < large.free_memory() < 2**50

"""From images to verdicts and regions, and the file between calibration and inspection."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ConfigError, DataError, Inspector, RunError, load_data, mean_model
from tests.conftest import build

SHAPE, LEVELS = (1, 14, 14), 6


@pytest.fixture(scope="module")
def model():
    return build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS).float()


@pytest.fixture(scope="module")
def inspector(model):
    return Inspector(model, alpha=0.05).fit(model.sample(120, seed=0))


def test_verdicts_and_regions(model, inspector):
    usual, random = model.sample(60, seed=1), torch.Generator().manual_seed(0)
    found = inspector.predict(usual)
    assert sum(not each.is_usual for each in found) <= 8
    flawed = usual[:8].clone()
    flawed[:, :, 5:10, 4:9] = torch.randint(0, LEVELS, (8, 1, 5, 5), dtype=torch.uint8, generator=random)
    for before, each in zip(found, inspector.predict(flawed), strict=False):
        assert not each.is_usual
        assert each.p_value < min(0.05, before.p_value)
        assert each.mask.any()
        assert each.mask.sum() == sum(region.area for region in each.regions)
        top, left, bottom, right = each.regions[0].box
        assert top < 10
        assert bottom > 5
        assert left < 9
        assert right > 4
        assert each.regions[0].p_value == min(region.p_value for region in each.regions) < 0.1
    for each in found:
        assert each.is_usual == (not each.regions) == (each.p_value >= 0.05)


def test_false_alarms(inspector):
    found = inspector.false_alarms()
    assert found.rate <= 0.15
    assert found.interval[0] <= found.rate <= found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.2
    assert inspector.false_alarms(0.5).interval[1] < found.interval[1]


def test_images_as_people_have_them(model, inspector):
    x = model.sample(3, seed=2)
    wanted = [each.p_value for each in inspector.predict(x)]
    arrays = [image[0].numpy().astype(np.int64) for image in x]
    pictures = [Image.fromarray((array * 256 // LEVELS + 8).astype(np.uint8)) for array in arrays]
    for images in (x.numpy(), list(x), arrays, np.stack(arrays), pictures, tuple(pictures)):
        assert [each.p_value for each in inspector.predict(images)] == pytest.approx(wanted, rel=1e-4)
    assert inspector.predict(pictures[0])[0].p_value == pytest.approx(wanted[0], rel=1e-4)
    sizes = [np.zeros((9, 20), np.uint8), np.zeros((30, 8), np.uint8)]
    assert [each.exceedance.shape for each in inspector.predict(sizes)] == [(9, 20), (30, 8)]
    np.testing.assert_allclose(np.exp(inspector.score_samples(x)), wanted, rtol=1e-4)
    told = []
    inspector.predict(pictures, callback=lambda at: told.append(at.fraction))
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_set_of_images():
    data = load_data("digits")
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).float()
    found = Inspector(model).fit(data.valid)
    assert len(found.predict(data.test.spaced(5))) == 5


def test_images_may_be_read_smaller(model, tmp_path):
    random = np.random.default_rng(0)
    smooth = [np.kron(random.integers(0, 256, (5, 6)), np.ones((3, 3)))[:13, :17].astype(np.uint8) for _ in range(40)]
    inspector = Inspector(model, alpha=0.05, shrink=3).fit([Image.fromarray(array) for array in smooth])
    flawed = smooth[0].copy()
    flawed[3:9, 6:12] = np.kron([[0, 255], [255, 0]], np.ones((3, 3)))
    turned = Image.fromarray(np.rot90(flawed))  # as the EXIF data of cameras say
    turned.getexif()[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    Image.fromarray(flawed).save(tmp_path / "plain.png")
    data = load_data(tmp_path, shrink=3, levels=LEVELS)
    names = [data.name(data.whole, item) for item in range(2)]
    by_set = inspector.predict(data.whole)[names.index("plain.png")]
    with Image.open(tmp_path / "turned.png") as file:
        copied = file.copy()
    for picture in (Image.fromarray(flawed), copied):
        found = inspector.predict(picture)[0]
        assert found.highest == pytest.approx(by_set.highest, rel=1e-6)
        assert found.size == (13, 17) == found.exceedance.shape == found.mask.shape == by_set.mask.shape
        assert found.readings[0].excess.shape == (5, 6)
        np.testing.assert_array_equal(found.exceedance[::3, ::3], found.calibration.exceedance(found.readings))
        np.testing.assert_array_equal(found.exceedance[:3, :3], np.full((3, 3), found.exceedance[0, 0]))
    levels = inspector.predict([flawed // 43])[0]  # an array of levels, whose means are less exact
    assert levels.size == (13, 17)
    with pytest.raises(DataError, match=r"images have shape \(13, 17\)"):
        inspector.predict(flawed)
    inspector.save(tmp_path / "usual")
    assert Inspector.load(tmp_path / "usual", model).predict(picture)[0].highest == found.highest
    with pytest.raises(ConfigError, match="shrink is 0; at least 1 is needed"):
        Inspector(model, shrink=0)


def test_what_cannot_occur_is_a_region():
    model = build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS).float()
    inspector = Inspector(model).fit(model.sample(20, seed=0))
    found = inspector.predict(model.sample(1, seed=5))[0]
    found.readings[0].excess[4, 6] = np.inf
    impossible = dataclasses.replace(found, is_usual=False)
    (region,) = impossible.regions
    assert (region.peak, region.area, region.p_value) == ((4, 6), 1, 0.0)


def test_whatever_is_rejected_has_a_region(model, inspector):
    """Also where no place is above the threshold by itself: then the highest one."""
    for found in inspector.predict(model.sample(12, seed=8)):
        rejected = dataclasses.replace(found, is_usual=False)
        assert rejected.mask.any()
        highest = np.unravel_index(found.exceedance.argmax(), found.exceedance.shape)
        assert rejected.regions[0].peak == highest
        assert rejected.mask.mean() < 0.5


def test_a_set_says_how_small_images_are_read(tmp_path):
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (12, 12), dtype=np.uint8)) for _ in range(20)]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    model = build(architecture="pixelcnn", shape=(1, 6, 6), levels=LEVELS).float()
    data = load_data(tmp_path, shrink=2, levels=LEVELS)
    inspector = Inspector(model).fit(data.whole)
    assert inspector.shrink == 2
    assert inspector.predict(pictures[0])[0].readings[0].excess.shape == (6, 6)
    with pytest.raises(ConfigError, match="the images are read with shrink 1; the inspector has 2"):
        inspector.predict(load_data(tmp_path, levels=LEVELS).whole)


def test_each_order_is_asked():
    model = build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS, orders=4).float()
    x = model.sample(30, seed=0)
    (found, *_) = Inspector(model).fit(x).predict(x[:2])
    for order, evidence in enumerate(found.readings):
        map_ = model.log_prob_map(x[:2], order=order, moments=True)
        np.testing.assert_allclose(evidence.rank, map_.rank[0, 0].detach(), atol=1e-5)
    assert len(found.readings) == 4


def test_what_was_learnt_is_kept(model, inspector, tmp_path):
    path = tmp_path / "usual.thresholds"
    inspector.save(path)
    again, x = Inspector.load(path, model), model.sample(5, seed=3)
    assert again.alpha == 0.05
    assert again.false_alarms() == inspector.false_alarms()
    for one, other in zip(inspector.predict(x), again.predict(x), strict=True):
        assert (one.is_usual, one.p_value, one.regions) == (other.is_usual, other.p_value, other.regions)
        assert (one.exceedance == other.exceedance).all()
    other = build(architecture="pixelcnn", shape=SHAPE, levels=LEVELS, seed=1).float()
    with pytest.raises(RunError, match="is of another model, or of this one with other weights; calibrate again"):
        Inspector.load(path, other)
    with pytest.raises(RunError, match="no nothing here"):
        Inspector.load(tmp_path / "nothing", model)
    model.save_pretrained(tmp_path)
    with pytest.raises(RunError, match=r"is no threshold file; `Inspector.save` and `pixelrnn calibrate` write them"):
        Inspector.load(tmp_path / "model.safetensors", model)


def test_places_are_kept_too(tmp_path):
    model = build(architecture="pixelcnn", shape=(1, 8, 8), levels=17, layers=1).float()
    found = Inspector(model).fit(load_data("digits").valid)
    assert found.calibration_.size == (8, 8)
    found.save(tmp_path / "places")
    images = load_data("digits").test.spaced(4)
    again = Inspector.load(tmp_path / "places", model)
    assert [each.p_value for each in again.predict(images)] == [each.p_value for each in found.predict(images)]


@pytest.mark.parametrize("lost", ["1.mean", "reached"])
def test_a_damaged_file(model, inspector, tmp_path, lost):
    from pixelrnn.runs import files

    inspector.save(tmp_path / "whole")
    tensors, about = files.read_tensors(tmp_path / "whole")
    del tensors[lost]
    files.write_tensors(tmp_path / "part", tensors, about)
    with pytest.raises(RunError, match=f"part is damaged .*{lost}"):
        Inspector.load(tmp_path / "part", model)
    files.write_tensors(tmp_path / "part", tensors, about | {"alpha": 7})
    with pytest.raises(RunError, match=r"part is damaged .*alpha is 7"):
        Inspector.load(tmp_path / "part", model)


def test_what_is_refused(model, inspector):
    with pytest.raises(ConfigError, match=r"alpha is 1.0; above 0 and below 1 is needed"):
        Inspector(model, alpha=1.0)
    with pytest.raises(ConfigError, match=r"Inspector needs fit\(images\) with usual images first, or load"):
        Inspector(model).predict(model.sample(1, seed=0))
    with pytest.raises(DataError, match="3 usual images are given"):
        Inspector(model).fit(model.sample(3, seed=0))
    with pytest.raises(DataError, match="there are no images"):
        inspector.predict(model.sample(1, seed=0)[:0])
    continuous = build(architecture="pixelcnn", shape=SHAPE, levels=0)
    with pytest.raises(ConfigError, match="continuous values do not have"):
        Inspector(continuous).fit(torch.zeros(10, *SHAPE))
    with pytest.raises(ConfigError, match="ask those of which this is a mean"):
        Inspector(mean_model([model, model])).fit(model.sample(10, seed=0))

"""Areas under curves against every threshold tried one by one."""

import numpy as np
import pytest

from pixelrnn import DataError
from pixelrnn.inspection.metrics import area_under_overlap


def by_all_thresholds(maps, regions, most):
    """Regions are lists of masks of single images."""
    inside = [sum(masks, np.zeros(found.shape, bool)) for found, masks in zip(maps, regions, strict=True)]
    values = np.unique(np.concatenate([found.ravel() for found in maps]))
    points = [(0.0, 0.0)]
    for threshold in values[::-1]:
        above = [found >= threshold for found in maps]
        false = sum((a & ~m).sum() for a, m in zip(above, inside, strict=True)) / sum((~m).sum() for m in inside)
        overlap = np.mean([a[m].mean() for a, masks in zip(above, regions, strict=True) for m in masks])
        points.append((false, overlap))
    x, y = np.array(points).T
    keep = x <= most
    x, y = np.append(x[keep], most), np.append(y[keep], np.interp(most, x, y))
    return np.trapezoid(y, x) / most


@pytest.mark.parametrize("most", [0.1, 0.3, 1.0])
def test_area_under_the_overlap(most):
    random = np.random.default_rng(0)
    maps = [random.normal(size=(30, 20)) for _ in range(4)]
    regions = [[], [], [], []]
    for image, box in ((1, np.s_[2:5, 3:9]), (1, np.s_[10:25, 3:9]), (3, np.s_[0:2, 0:2])):
        mask = np.zeros((30, 20), bool)
        mask[box] = True
        regions[image].append(mask)
        maps[image][box] += 1.5
    masks = [sum(each, np.zeros((30, 20), bool)) if each else None for each in regions]
    found = area_under_overlap(maps, masks, most=most)
    assert found == pytest.approx(by_all_thresholds(maps, regions, most), abs=0.01)
    assert 0.3 < found < 0.99


def test_what_says_nothing_has_half_of_the_most():
    random = np.random.default_rng(1)
    mask = np.zeros((200, 200), bool)
    mask[50:100, 60:160] = True
    assert area_under_overlap([random.normal(size=(200, 200))], [mask]) == pytest.approx(0.15, abs=0.02)


def test_what_is_refused():
    with pytest.raises(DataError, match="a mask is 2x3, its image 3x3"):
        area_under_overlap([np.zeros((3, 3))], [np.zeros((2, 3), bool)])
    for mask in (None, np.ones((3, 3), bool)):
        with pytest.raises(DataError, match="no unusual pixels, or no usual ones"):
            area_under_overlap([np.zeros((3, 3))], [mask])

"""Connected regions against a flood fill."""

import numpy as np
import pytest

from pixelrnn.inspection.regions import mask_of, regions_of


def flood(mask):
    """The sets of pixels that touch, also at corners."""
    left, found = {(int(r), int(c)) for r, c in zip(*np.nonzero(mask), strict=True)}, []
    while left:
        region, border = set(), {left.pop()}
        while border:
            r, c = border.pop()
            region.add((r, c))
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            border |= near
            left -= near
        found.append(region)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_regions(seed):
    image = np.random.default_rng(seed).normal(size=(15, 11))
    found = regions_of(image, image > 0.9, lambda height: 1 / (1 + height))
    wanted = sorted(flood(image > 0.9), key=lambda region: -max(image[place] for place in region))
    assert len(found) == len(wanted) > 3
    for region, pixels in zip(found, wanted, strict=True):
        rows, columns = zip(*pixels, strict=True)
        assert region.area == len(pixels)
        assert region.box == (min(rows), min(columns), max(rows) + 1, max(columns) + 1)
        assert region.peak in pixels
        assert image[region.peak] == region.highest == max(image[place] for place in pixels)
        assert region.p_value == 1 / (1 + region.highest)


@pytest.mark.parametrize("seed", range(5))
def test_of_a_region_what_is_near_its_highest(seed):
    image = np.random.default_rng(seed).normal(size=(15, 11))
    wanted = np.zeros(image.shape, bool)
    for region in flood(image > 0.2):
        highest = max(image[place] for place in region)
        for place in region:
            wanted[place] = image[place] >= 0.2 + 0.4 * (highest - 0.2)
    np.testing.assert_array_equal(mask_of(image, 0.2, 0.4), wanted)
    assert wanted.sum() < (image > 0.2).sum()


def test_where_nothing_is_above_there_are_none():
    assert regions_of(np.zeros((3, 3)), np.zeros((3, 3), bool), abs) == []
    assert not mask_of(np.zeros((3, 3)), 0.0, 0.5).any()


def test_what_cannot_occur_is_a_region():
    image = np.zeros((3, 3))
    image[1, 2] = np.inf
    image[0, 1] = 9.0
    assert np.argwhere(mask_of(image, 2.0, 0.5)).tolist() == [[1, 2]]
    image[0, 1] = 0.0
    (region,) = regions_of(image, image > 2, lambda height: 0.0)
    assert (region.peak, region.area) == ((1, 2), 1)

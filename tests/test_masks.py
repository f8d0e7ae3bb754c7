"""The masks themselves, spelled out once by hand; what they bring about is in truths/test_causality.py."""

import pytest
import torch

from pixelrnn.masks import causal_mask, groups, rows_above_mask


@pytest.mark.parametrize(("features", "channels"), [(6, 3), (7, 3), (16, 3), (4, 4), (9, 1)])
def test_groups_are_ordered_and_as_equal_as_possible(features, channels):
    group = groups(features, channels)
    counts = torch.bincount(group, minlength=channels)
    assert (group.diff() >= 0).all()
    assert counts.sum() == features
    assert counts.max() - counts.min() <= 1
    assert counts.min() >= 1


def test_colours_at_the_centre():
    """Figure 4 of the paper: G may use R under mask A, and R and G under mask B."""
    colours = groups(3, 3)
    assert causal_mask("A", colours, colours, 1, 1)[:, :, 0, 0].int().tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert causal_mask("B", colours, colours, 1, 1)[:, :, 0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_all_colours_of_earlier_pixels():
    mask = causal_mask("A", groups(3, 3), groups(6, 3), 3, 5)
    assert mask.shape == (6, 3, 3, 5)
    assert mask[:, :, 0].all()
    assert mask[:, :, 1, :2].all()
    assert not mask[:, :, 1, 3:].any()
    assert not mask[:, :, 2].any()


def test_vertical_stack():
    assert rows_above_mask("B", 2, 2, 3, 3)[1, 0].int().tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]

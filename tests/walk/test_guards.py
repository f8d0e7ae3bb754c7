"""Compiled code trusts its addresses: what does not fit is refused before it runs, by every face."""

import numpy as np
import pytest

from pixelrnn.colours.support import Support, build_trie
from tests.conftest import ARCHITECTURES, architectures_with, build
from tests.faces import face_of, run_walk

SHAPE = (3, 2, 4, 5)


def given(**changes):
    """What fits a model with three labels, for two images."""
    fields = {"label": np.zeros(3, np.int64), "is_known": np.ones(SHAPE, np.uint8)}
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "labels are missing, or given to a network that knows none"),
        ({"label": np.zeros(2, np.int64)}, r"label is int64 \(2,\); contiguous int64 \(3,\) is needed"),
        ({"label": np.array([0, 3, 0])}, r"labels are out of range; -1 \.\. 2 are allowed"),
        ({"label": np.array([0, -2, 0])}, r"labels are out of range; -1 \.\. 2 are allowed"),
        ({"is_known": None}, "uniform is not given; only images that are known throughout do without"),
        ({"is_known": np.ones(SHAPE[1:], np.uint8)}, r"is_known is uint8 \(2, 4, 5\)"),
        ({"is_known": None, "uniform": np.zeros(SHAPE)}, r"uniform is float64 .*; contiguous float64 \(3, 4, 5, 2\)"),
        ({"log_prob": np.zeros(SHAPE)}, "log_prob is float64"),
        ({"context": np.zeros((3, 1, 4, 5), np.float32)}, "a context is missing, or given to a network that has none"),
    ],
)
@pytest.mark.parametrize("architecture", architectures_with(classes=3))
def test_what_does_not_fit_is_refused(architecture, changes, message):
    face = face_of(build(architecture=architecture, shape=SHAPE[1:], levels=4, classes=3).float(), SHAPE[2:])
    values, fields = np.zeros(SHAPE, np.float32), given(**changes)
    if "uniform" in fields:
        uniform = fields.pop("uniform")
        fields["uniform"] = lambda images: uniform[images.start : images.stop]
    run_walk(face, values, **given())
    with pytest.raises(ValueError, match=message):
        run_walk(face, values, **fields)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_values_have_the_shape_and_the_levels_of_the_face(architecture):
    face, known = face_of(build(architecture=architecture, shape=SHAPE[1:], levels=4).float(), SHAPE[2:]), np.uint8(1)
    run_walk(face, np.zeros(SHAPE, np.float32), is_known=np.full(SHAPE, known))
    for shape in ((3, 1, 4, 5), (3, 2, 5, 4)):
        with pytest.raises(ValueError, match=r"values have shape .*; this face is of images \(2, 4, 5\)"):
            run_walk(face, np.zeros(shape, np.float32), is_known=np.full(shape, known))
    for wrong in (-1, 4, np.nan):
        with pytest.raises(ValueError, match=r"known values are out of range; 0 \.\. 3 are allowed"):
            run_walk(face, np.full(SHAPE, wrong, np.float32), is_known=np.full(SHAPE, known))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_supports_go_to_networks_that_take_them(architecture):
    model = build(architecture=architecture, shape=SHAPE[1:], levels=4, output="auto").float()
    values, known = np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.uint8)
    trie = build_trie([Support.of(np.zeros(SHAPE[1:], int))] * 3)
    face = face_of(model, SHAPE[2:])
    if model.config.takes_support:
        run_walk(face, values, is_known=known, support=trie)
        with pytest.raises(ValueError, match="the trie of a support does not fit the images or the levels"):
            run_walk(face, values, is_known=known, support=trie._replace(roots=trie.roots + 9))
    else:
        with pytest.raises(ValueError, match="a support is given to a network that takes none"):
            run_walk(face, values, is_known=known, support=trie)

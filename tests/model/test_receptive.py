"""Receptive fields: what has a derivative is what changes something, and the shapes that the papers draw."""

import pytest
import torch

from pixelrnn.errors import ConfigError
from pixelrnn.model.receptive import receptive_fields
from tests.conftest import build

ARCHITECTURES = ("pixelcnn", "gated-pixelcnn", "row-lstm", "diagonal-bilstm", "local")
SIZE, PIXEL = (9, 11), (5, 6)


def model_and_images(architecture, **options):
    options = {"shape": (1, *SIZE), "levels": 256, "output": "logistic-mixture", "mixtures": 2, "layers": 2, **options}
    model = build(architecture=architecture, hidden=6, **options)
    images = torch.randint(0, 256, (6, *options["shape"]), generator=torch.Generator().manual_seed(1))
    return model, images.to(torch.uint8)


@pytest.mark.parametrize("options", [{}, {"shape": (3, *SIZE)}, {"classes": 3}, {"orders": 2}], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_has_a_derivative_is_what_changes_something(architecture, options):
    model, images = model_and_images(architecture, **options)
    field = receptive_fields(model, images, *PIXEL)[-1]
    label = 0 if model.config.classes else None
    changed = torch.zeros(SIZE, dtype=torch.bool)
    with torch.no_grad():
        before = model(images, label=label)[..., PIXEL[0], PIXEL[1]]
        for place in range(SIZE[0] * SIZE[1]):
            row, column = divmod(place, SIZE[1])
            other = images.clone()
            other[..., row, column] = 255 - other[..., row, column]
            changed[row, column] = bool((model(other, label=label)[..., PIXEL[0], PIXEL[1]] != before).any())
    assert torch.equal(field > 0, changed)
    later = torch.arange(SIZE[0] * SIZE[1]).view(SIZE) > PIXEL[0] * SIZE[1] + PIXEL[1]
    assert not changed[later].any()
    assert changed[PIXEL].item() == (model.config.shape[0] > 1)  # its own earlier colours


def seen(architecture, layer, **options):
    model, images = model_and_images(architecture, **options)
    return ["".join("#" if each > 0 else "." for each in row) for row in receptive_fields(model, images, *PIXEL)[layer]]


def reached(layers):
    """Pixels that masked convolutions reach, one step a layer: half sides, and whether their own pixel is excluded."""
    places = {PIXEL}
    for half, is_first in layers:
        steps = [
            (r, c) for r in range(-half, 1) for c in range(-half, half + 1) if (r, c) < ((0, 0) if is_first else (0, 1))
        ]
        places = {(row + r, column + c) for row, column in places for r, c in steps}
    return ["".join("#" if (r, c) in places else "." for c in range(SIZE[1])) for r in range(SIZE[0])]


def test_stacked_masked_convolutions_have_a_blind_spot():
    rows = seen("pixelcnn", -1)
    assert rows == reached([(1, False), (1, False), (3, True)])
    assert rows[4] == ".#########."  # the cone to the right begins one row up
    assert seen("pixelcnn", 0) == reached([(3, True)])


def test_two_stacks_have_none():
    rows = seen("gated-pixelcnn", -1)
    assert rows[5] == ".#####....."
    assert all(row == ".##########" for row in rows[1:5])


def test_the_first_row_lstm_sees_a_triangle():
    rows = seen("row-lstm", 1)
    for up in range(1, 6):
        left, right = max(0, 6 - 1 - 3 - up), min(11, 6 + 3 + up)
        assert rows[5 - up] == "." * left + "#" * (right - left) + "." * (11 - right)


def test_the_diagonal_bilstm_sees_all_but_the_end_of_the_row_above():
    rows = seen("diagonal-bilstm", 1)
    assert rows[:4] == ["#" * 11] * 4
    assert rows[4][:-1] == "#" * 10


def test_what_cannot_be_measured_is_refused():
    model, images = model_and_images("pixelcnn")
    with pytest.raises(ConfigError, match=r"the pixel \(9, 0\) is not in 9x11"):
        receptive_fields(model, images, 9, 0)
    context = build(shape=(1, 8, 8), context=(1, 4, 4))
    with pytest.raises(ConfigError, match="the model has a context; what it sees of that is not measured"):
        receptive_fields(context, images, 0, 0)
    planes = build(shape=(3, 8, 8), levels=256, colours="jpeg", output="logistic-mixture")
    with pytest.raises(ConfigError, match="the model is of planes of jpeg, not of colours"):
        receptive_fields(planes, images, 0, 0)

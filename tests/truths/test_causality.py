"""What each parameter depends on is exactly the set that the papers' definitions give.

The expected sets are computed here by boolean algebra from those definitions, with no code of the package: a node is a
group of features at a pixel, a layer says which nodes of the layer before it reads, and the sets follow by closure.
"""

import itertools

import numpy as np
import pytest
import torch

from pixelrnn.condition import Condition
from tests.conftest import ARCHITECTURES, build


class Grid:
    """Boolean dependence matrices over the nodes (row, column, group) of an image."""

    def __init__(self, channels, height, width):
        self.nodes = list(itertools.product(range(height), range(width), range(channels)))
        self.count = len(self.nodes)

    def reads(self, rule):
        """Matrix [reader, read] of rule(row offset, column offset, reader's group, group read)."""
        return np.array([[rule(q[0] - p[0], q[1] - p[1], p[2], q[2]) for q in self.nodes] for p in self.nodes])

    def same(self):
        return np.eye(self.count, dtype=bool)


def before(dr, dc):
    return dr < 0 or (dr == 0 and dc < 0)


def mask(kind, rows, columns):
    """A convolution that reaches `rows` up and `columns` to the sides, under mask A or B."""

    def rule(dr, dc, group, read):
        if (dr, dc) == (0, 0):
            return read < group if kind == "A" else read <= group
        return before(dr, dc) and dr >= -rows and abs(dc) <= columns

    return rule


def closure(step, count):
    """Transitive closure, itself included."""
    reached = np.eye(count, dtype=bool)
    while True:
        more = reached | (reached @ step)
        if (more == reached).all():
            return reached
        reached = more


def pixelcnn(grid, layers):
    seen = grid.reads(mask("A", 3, 3))
    for _ in range(layers):
        block = grid.reads(mask("B", 0, 0)) @ grid.reads(mask("B", 1, 1)) @ grid.reads(mask("B", 0, 0))
        seen = seen | (block @ seen)
    return grid.reads(mask("B", 0, 0)) @ seen


def row_lstm(grid, layers):
    seen = grid.reads(mask("A", 3, 3))
    state = closure(grid.reads(lambda dr, dc, _g, _r: dr == -1 and abs(dc) <= 1), grid.count)
    for _ in range(layers):
        own_row = grid.reads(lambda dr, dc, g, r: dr == 0 and ((dc == 0 and r <= g) or dc == -1))
        seen = seen | (grid.reads(mask("B", 0, 0)) @ state @ own_row @ seen)
    return grid.reads(mask("B", 0, 0)) @ seen


def diagonal_bilstm(grid, layers):
    seen = grid.reads(mask("A", 3, 3))
    own = grid.reads(mask("B", 0, 0))

    def memory(side):
        return closure(grid.reads(lambda dr, dc, _g, _r: (dr, dc) in ((0, side), (-1, 0))), grid.count)

    shift = grid.reads(lambda dr, dc, g, r: (dr, dc) == (-1, 0) and r == g)
    for _ in range(layers):
        both = (memory(-1) @ own) | (shift @ memory(1) @ own)
        seen = seen | (own @ both @ seen)
    return own @ seen


def gated_pixelcnn(grid, layers):
    image = grid.same()
    above = grid.reads(lambda dr, dc, _g, _r: -3 <= dr < 0 and abs(dc) <= 3) @ image
    seen = grid.reads(mask("A", 0, 3)) | above
    own = grid.reads(mask("B", 0, 0))
    seen = own @ seen
    for _ in range(layers):
        above = grid.reads(lambda dr, dc, _g, _r: -1 <= dr <= 0 and abs(dc) <= 1) @ above
        seen = seen | own @ ((grid.reads(mask("B", 0, 1)) @ seen) | above)
    return own @ seen


def gated_conv(grid, layers):
    seen = grid.reads(mask("A", 3, 3))
    for _ in range(layers):
        seen = seen | (grid.reads(mask("B", 1, 1)) @ seen)
    return grid.reads(mask("B", 0, 0)) @ seen


THEORY = {
    "gated-conv": gated_conv,
    "pixelcnn": pixelcnn,
    "row-lstm": row_lstm,
    "diagonal-bilstm": diagonal_bilstm,
    "gated-pixelcnn": gated_pixelcnn,
}


def dependence(model, channels, height, width):
    """Which parameters react to which sub-pixels: exact non-zeros of the Jacobian, over several inputs.

    One input would not do: a ReLU that is off hides what its unit reads.
    """
    nodes = list(itertools.product(range(height), range(width), range(channels)))
    found = np.zeros((len(nodes), len(nodes)), dtype=bool)
    generator = torch.Generator().manual_seed(1)
    for _ in range(8):
        x = (torch.rand(1, channels, height, width, generator=generator, dtype=torch.float64) * 2 - 1).requires_grad_()
        weights = torch.randn(model.output.parameters, generator=generator, dtype=torch.float64)
        sums = torch.einsum("nkphw,p->khw", model.network(x, Condition()), weights)
        for index, (row, column, channel) in enumerate(nodes):
            (gradient,) = torch.autograd.grad(sums[channel, row, column], x, retain_graph=True)
            found[index] |= (gradient[0].permute(1, 2, 0).flatten() != 0).numpy()
    return found


@pytest.mark.parametrize("architecture", THEORY)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 6, 9), (3, 3, 5), (4, 2, 6), (2, 5, 1), (1, 1, 9)])
@pytest.mark.parametrize("layers", [1, 2])
def test_receptive_field_is_the_paper_s(architecture, channels, height, width, layers):
    model = build(
        architecture=architecture, shape=(channels, height, width), levels=4, layers=layers, hidden=12, head=48
    )
    grid = Grid(channels, height, width)
    expected = THEORY[architecture](grid, layers)
    assert not np.triu(expected).any(), "the theory itself must be causal"
    found = dependence(model, channels, height, width)
    leaks = [(grid.nodes[i], grid.nodes[j]) for i, j in np.argwhere(found & ~expected)]
    blind = [(grid.nodes[i], grid.nodes[j]) for i, j in np.argwhere(expected & ~found)]
    assert not leaks, f"(parameter, sub-pixel it must not see): {leaks[:5]}"
    assert not blind, f"(parameter, sub-pixel it should see): {blind[:5]}"


def pasts(channels, height, width):
    """All earlier sub-pixels."""
    count = channels * height * width
    return np.tri(count, k=-1, dtype=bool)


def test_diagonal_bilstm_sees_the_whole_past_on_narrow_images():
    grid = Grid(3, 4, 4)
    assert (diagonal_bilstm(grid, 1) == pasts(3, 4, 4)).all()


def test_diagonal_bilstm_misses_only_the_end_of_the_row_above():
    """The one hole in its past: the last channel of the last pixel above, beyond the reach of the 7x7 layer."""
    grid = Grid(2, 4, 9)
    missing = pasts(2, 4, 9) & ~diagonal_bilstm(grid, 3)
    holes = [(grid.nodes[i], grid.nodes[j]) for i, j in np.argwhere(missing)]
    assert holes
    assert all(q == (p[0] - 1, 8, 1) and p[1] < 5 for p, q in holes)


def test_gated_pixelcnn_has_no_blind_spot_where_pixelcnn_has_one():
    grid = Grid(1, 6, 9)
    assert not (pasts(1, 6, 9) & ~gated_pixelcnn(grid, 5)).any()
    missing = pasts(1, 6, 9) & ~pixelcnn(grid, 5)
    # The cone to the right: from (5, 0), nothing further right than one column a row beyond the first layer's reach.
    assert missing[grid.nodes.index((5, 0, 0)), grid.nodes.index((4, 8, 0))]


def test_row_lstm_sees_a_triangle():
    """One more column to the right with each row up, beyond the three that the first layer reaches."""
    grid = Grid(1, 6, 12)
    reader = row_lstm(grid, 1)[grid.nodes.index((5, 0, 0))]
    seen = [node for node, see in zip(grid.nodes, reader, strict=True) if see]
    furthest = [max(column for row, column, _ in seen if row == wanted) for wanted in range(5)]
    # A state d rows up and at most d columns right reads the 7x7 layer there, which adds 3 columns one row higher.
    assert furthest == [3 + (4 - row) for row in range(5)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_changing_a_sub_pixel_changes_nothing_before_it(architecture, channels):
    """The same on whole images of integers, through the model's own scaling: exact equality, not a tolerance."""
    height, width = 4, 5
    model = build(architecture=architecture, shape=(channels, height, width), levels=256, layers=2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (1, channels, height, width), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        base = model(x)
        for row, column, channel in itertools.product(range(height), range(width), range(channels)):
            changed = x.clone()
            changed[0, channel, row, column] = 255 - changed[0, channel, row, column]
            moved = (model(changed) != base).any(2)[0].permute(1, 2, 0).flatten()  # (H W C), in order
            place = (row * width + column) * channels + channel
            assert not moved[: place + 1].any()
            assert row * width + column + 1 == height * width or moved[place + 1 :].any()

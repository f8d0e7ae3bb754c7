"""The register-tiled product against NumPy, and its promise of one order of sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from pixelrnn.kernels.product import Matrix, product, strict_product
from pixelrnn.kernels.vectors import LANES, pointer


def _on_arrays(function):
    @njit
    def run(start, start_row, c, c_row, a, a_row, a_column, b, b_row, rows, columns, depth):
        function(
            Matrix(pointer(start, 0), start_row, 1),
            Matrix(pointer(c, 0), c_row, 1),
            Matrix(pointer(a, 0), a_row, a_column),
            Matrix(pointer(b, 0), b_row, 1),
            rows,
            columns,
            depth,
        )

    return run


RUN = {"fused": _on_arrays(product), "strict": _on_arrays(strict_product)}


@pytest.mark.parametrize("build", RUN)
@given(
    rows=st.integers(1, 21),
    vectors=st.integers(1, 6),
    depth=st.integers(1, 20),
    is_transposed=st.booleans(),
    is_bias=st.booleans(),
    margin=st.integers(0, 3),
)
def test_it_is_the_product(build, rows, vectors, depth, is_transposed, is_bias, margin):
    """Any shape, A transposed or not, a bias or a matrix to start from, rows further apart than they are long."""
    columns = vectors * LANES
    random = np.random.default_rng(rows * 1000 + depth)
    a = random.standard_normal((depth, rows) if is_transposed else (rows, depth)).astype(np.float32)
    b = random.standard_normal((depth, columns + margin)).astype(np.float32)
    start = random.standard_normal((1 if is_bias else rows, columns + margin)).astype(np.float32)
    c = np.full((rows, columns + margin), 7, np.float32)
    steps = (1, rows) if is_transposed else (depth, 1)
    RUN[build](
        start.ravel(), 0 if is_bias else columns + margin, c.ravel(), columns + margin, a.ravel(), *steps, b.ravel(),
        columns + margin, rows, columns, depth,
    )  # fmt: skip
    exact = (a.T if is_transposed else a).astype(np.float64) @ b[:, :columns] + start[:, :columns]
    np.testing.assert_allclose(c[:, :columns], exact, atol=2e-5)
    assert (c[:, columns:] == 7).all(), "what lies between the rows is not touched"


@pytest.mark.parametrize("rows", [1, 3, 4, 8, 13])
def test_a_strict_sum_is_taken_in_the_order_of_the_depth(rows):
    depth, columns = 37, 3 * LANES
    random = np.random.default_rng(0)
    a, b = random.standard_normal((rows, depth)).astype(np.float32), random.standard_normal((depth, columns))
    b, c = b.astype(np.float32), np.zeros((rows, columns), np.float32)
    RUN["strict"](c.ravel(), columns, c.ravel(), columns, a.ravel(), depth, 1, b.ravel(), columns, rows, columns, depth)
    expected = np.zeros((rows, columns), np.float32)
    for k in range(depth):
        expected = expected + a[:, k : k + 1] * b[k]
    assert np.array_equal(c, expected)

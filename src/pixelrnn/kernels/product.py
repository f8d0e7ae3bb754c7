r"""Small matrix products in registers, for blocks that lie in a cache: where compiled loops spend their time.

A tile of rows x vectors of C is held in registers while the whole depth is added to it. Every element of C is one sum,
taken in the order of the depth, so its value depends neither on the other rows nor on the width of the vectors.

Two builds: `product` may fuse multiplications and additions; `strict_product` may not, and gives the same bits on every
processor.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixelrnn.kernels.inner import inner, named
from pixelrnn.kernels.vectors import LANES, Address, splatted, vector_at

__all__ = ["Matrix", "product", "strict_product"]


class Matrix(NamedTuple):
    """A matrix in memory: the address of its first element and the distances of its rows and columns in floats."""

    at: Address
    row: int
    column: int


def _tile(rows: int, vectors: int, *, is_fused: bool) -> Any:
    """The product for the `rows` rows from m on and the `vectors` vectors of columns from n on."""
    flags = ("contract",) if is_fused else ()
    cells = [(i, j) for i in range(rows) for j in range(vectors)]
    integer = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        m, n, depth = arguments[1:]
        at, row, column = zip(
            *[[builder.extract_value(arguments[0], [matrix, f]) for f in range(3)] for matrix in range(4)], strict=True
        )

        def offset(matrix: int, i: int, j: int) -> Any:
            down = builder.mul(row[matrix], builder.add(m, ir.Constant(integer, i)))
            return builder.add(down, builder.add(n, ir.Constant(integer, j * LANES)))

        def load(matrix: int, where: Any) -> Any:
            return builder.load(vector_at(builder, at[matrix], where), align=4)

        start, c, a, b = range(4)
        first = {(i, j): load(start, offset(start, i, j)) for i, j in cells}
        a_rows = [builder.mul(row[a], builder.add(m, ir.Constant(integer, i))) for i in range(rows)]
        before, loop, end = builder.block, builder.append_basic_block("depth"), builder.append_basic_block("end")
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(integer)
        sums = {cell: builder.phi(first[cell].type) for cell in cells}
        across, down = builder.mul(k, column[a]), builder.add(n, builder.mul(k, row[b]))
        vector = [load(b, builder.add(down, ir.Constant(integer, j * LANES))) for j in range(vectors)]
        factor = [splatted(builder, builder.load(builder.gep(at[a], [builder.add(r, across)]))) for r in a_rows]
        added = {
            (i, j): builder.fadd(sums[i, j], builder.fmul(factor[i], vector[j], flags=flags), flags=flags)
            for i, j in cells
        }
        following = builder.add(k, ir.Constant(integer, 1))
        k.add_incoming(ir.Constant(integer, 0), before)
        k.add_incoming(following, loop)
        for cell in cells:
            sums[cell].add_incoming(first[cell], before)
            sums[cell].add_incoming(added[cell], loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)

        builder.position_at_end(end)
        for i, j in cells:
            builder.store(added[i, j], vector_at(builder, at[c], offset(c, i, j)), align=4)
        return context.get_dummy_value()

    @intrinsic
    def tile(context: Any, matrices: Any, m: Any, n: Any, depth: Any) -> Any:
        return types.void(matrices, types.intp, types.intp, types.intp), generate

    return tile


def _build(*, is_fused: bool) -> Any:
    shapes = ((8, 1), (4, 2), (4, 1), (1, 4), (1, 1))
    tile_8x1, tile_4x2, tile_4x1, tile_1x4, tile_1x1 = (_tile(*shape, is_fused=is_fused) for shape in shapes)

    def product(start: Matrix, c: Matrix, a: Matrix, b: Matrix, rows: int, columns: int, depth: int) -> None:
        """C = start + A B, with at least one row and a depth of at least 1.

        Args:
            start: `(rows, columns)`, may be C itself; a bias has rows at distance 0.
            c: `(rows, columns)`, contiguous along the columns like `start` and `b`.
            a: `(rows, depth)`, of any distances.
            b: `(depth, columns)`.
            rows: Number of rows of C and A.
            columns: Number of columns of C and B, a multiple of `LANES`.
            depth: Columns of A, rows of B.
        """
        matrices, eights = (start, c, a, b), rows // 8 * 8
        for n in range(0, columns, LANES):
            for m in range(0, eights, 8):
                tile_8x1(matrices, m, n, depth)
        m = eights
        if rows - m >= 4:
            pairs = columns // (2 * LANES) * (2 * LANES)
            for n in range(0, pairs, 2 * LANES):
                tile_4x2(matrices, m, n, depth)
            if pairs < columns:
                tile_4x1(matrices, m, pairs, depth)
            m += 4
        fours = columns // (4 * LANES) * (4 * LANES)
        for last in range(m, rows):
            for n in range(0, fours, 4 * LANES):
                tile_1x4(matrices, last, n, depth)
            for n in range(fours, columns, LANES):
                tile_1x1(matrices, last, n, depth)

    return inner(named(product, "product" if is_fused else "strict_product"))


product = _build(is_fused=True)
strict_product = _build(is_fused=False)

"""Vectors of whole numbers, `LANES` int32, beside those of floats in `vectors.py`.

Memory is addressed as there: `pointer` counts elements of four bytes.
"""

from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, register_model

from pixelrnn.kernels.vectors import ADDRESS, LANES, VECTOR, Address, Vector, splatted, vector_at

__all__ = [
    "Whole", "at_most", "floats", "load_whole", "look_up", "plus", "scaled", "splat_whole", "store_whole", "truncated",
]  # fmt: skip

Whole: TypeAlias = Any  # in compiled code: LANES of int32

_INTEGER, _LONG = ir.IntType(32), ir.IntType(64)
_IR_WHOLE, _IR_LONG, _IR_VECTOR = (ir.VectorType(kind, LANES) for kind in (_INTEGER, _LONG, ir.FloatType()))


class WholeType(types.Type):
    """Numba's type of a vector of whole numbers."""

    def __init__(self) -> None:
        super().__init__(name=f"int32x{LANES}")


@register_model(WholeType)
class _WholeModel(PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _IR_WHOLE)


WHOLE = WholeType()


@intrinsic
def load_whole(context: Any, start: Address, offset: Any) -> Any:
    """The vector that begins `offset` elements after an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(vector_at(builder, *arguments, kind=_IR_WHOLE), align=4)

    return WHOLE(ADDRESS, types.intp), generate


@intrinsic
def store_whole(context: Any, start: Address, offset: Any, vector: Whole) -> Any:
    """Write a vector `offset` elements after an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset, vector = arguments
        builder.store(vector, vector_at(builder, start, offset, kind=_IR_WHOLE), align=4)
        return context.get_dummy_value()

    return types.void(ADDRESS, types.intp, WHOLE), generate


@intrinsic
def splat_whole(context: Any, number: Any) -> Any:
    """A vector of equal elements."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splatted(builder, builder.trunc(arguments[0], _INTEGER), _IR_WHOLE)

    return WHOLE(types.int64), generate


@intrinsic
def plus(context: Any, a: Whole, b: Whole) -> Any:
    """The sum of each pair."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.add(*arguments)

    return WHOLE(WHOLE, WHOLE), generate


@intrinsic
def floats(context: Any, vector: Whole) -> Any:
    """The nearest floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sitofp(arguments[0], _IR_VECTOR)

    return VECTOR(WHOLE), generate


@intrinsic
def truncated(context: Any, vector: Vector) -> Any:
    """Floats without the digits behind the point, of absolute values below 2^31."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], _IR_WHOLE)

    return WHOLE(VECTOR), generate


@intrinsic
def scaled(context: Any, vector: Whole, factor: Any, digits: Any) -> Any:
    r""":math:`\lfloor x f / 2^d \rfloor` of elements and a factor that are not negative, the product below 2^63."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, factor, digits = arguments
        product = builder.mul(builder.zext(vector, _IR_LONG), splatted(builder, factor, _IR_LONG))
        return builder.trunc(builder.lshr(product, splatted(builder, digits, _IR_LONG)), _IR_WHOLE)

    return WHOLE(WHOLE, types.int64, types.int64), generate


@intrinsic
def at_most(context: Any, a: Whole, b: Whole, x: Whole, y: Whole) -> Any:
    """Elements of x where a <= b, of y elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, x, y = arguments
        return builder.select(builder.icmp_signed("<=", a, b), x, y)

    return WHOLE(WHOLE, WHOLE, WHOLE, WHOLE), generate


@intrinsic
def look_up(context: Any, table: Address, places: Whole) -> Any:
    """The floats of a table at places, which are not negative.

    One load a lane: instructions that gather take twice as long where they exist.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, places = arguments
        found = ir.Constant(_IR_VECTOR, ir.Undefined)
        for lane in range(LANES):
            number = ir.Constant(_INTEGER, lane)
            place = builder.zext(builder.extract_element(places, number), _LONG)
            found = builder.insert_element(found, builder.load(builder.gep(table, [place])), number)
        return found

    return VECTOR(ADDRESS, WHOLE), generate

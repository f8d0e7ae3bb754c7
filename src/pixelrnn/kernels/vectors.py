r"""Vectors of floats as values in compiled loops: `load(a, i)`, arithmetic, `store(a, i, v)`.

Numba vectorises a loop only if it can prove that its arrays do not overlap, and does not keep a block of a matrix in
registers; these few operations say what is meant. A vector has `LANES` float32 elements; a processor with narrower
registers takes several for each. No operation fuses multiplication and addition or reorders anything: what is written
with them gives the same bits on every processor.

Memory is addressed as `pointer(start, offset)`, in floats; nothing is checked.
"""

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

__all__ = [
    "LANES",
    "Address",
    "Vector",
    "address",
    "aligned",
    "choose",
    "exponent",
    "load",
    "mantissa",
    "maximum",
    "minimum",
    "padded",
    "pointer",
    "scale",
    "splat",
    "splatted",
    "store",
    "vector_at",
    "view",
    "zeros",
]


def _lanes() -> int:
    """Floats of the widest vector that the compiler may use: 16 with AVX-512, else 8 (AVX, or pairs of 4)."""
    features = config.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten() if config.CPU_NAME is None else ""
    return 16 if "+avx512f" in features else 8


LANES = _lanes()

Address: TypeAlias = Any  # in compiled code: of a float32
Vector: TypeAlias = Any  # in compiled code: LANES of them


def padded(features: int) -> int:
    """The next multiple of `LANES`."""
    return -(-features // LANES) * LANES


def zeros(floats: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """So many floats, from an address on where vectors are not split."""
    found = np.zeros(floats + LANES, np.float32)
    start = -found.ctypes.data // 4 % LANES
    return found[start : start + floats]


ADDRESS = types.CPointer(types.float32)
_IR_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class VectorType(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


@register_model(VectorType)
class _VectorModel(PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _IR_VECTOR)


VECTOR = VectorType()


def vector_at(builder: Any, start: Any, offset: Any, *, kind: Any = _IR_VECTOR) -> Any:
    """LLVM: pointer to the vector `offset` elements after an address."""
    return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())


def splatted(builder: Any, value: Any, kind: Any = _IR_VECTOR) -> Any:
    """LLVM: a vector of equal elements."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, zeros)


@intrinsic
def pointer(context: Any, start: Any, offset: Any) -> Any:
    """The address `offset` floats after a start: a contiguous float32 array, an address, or one as an integer.

    Numba frees an array after the last line that names it, whoever holds its address: see that one comes later, as the
    loop does whose body takes the address.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset = arguments
        if isinstance(signature.args[0], types.Array):
            start = context.make_array(signature.args[0])(context, builder, start).data
        elif isinstance(signature.args[0], types.Integer):
            start = builder.inttoptr(start, ir.FloatType().as_pointer())
        return builder.gep(start, [offset])

    return ADDRESS(start, types.intp), generate


@intrinsic
def address(context: Any, start: Any) -> Any:
    """An address of float32 as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.intp(ADDRESS), generate


@intrinsic
def aligned(context: Any, array: Any) -> Any:
    """The first address in a contiguous float32 array, at most `LANES` - 1 floats in, where a vector is not split.

    A vector that lies across two lines of the cache takes twice as long. As with `pointer`, name the array later.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, size = ir.IntType(64), 4 * LANES
        start = builder.ptrtoint(context.make_array(signature.args[0])(context, builder, arguments[0]).data, integer)
        up = builder.and_(builder.add(start, ir.Constant(integer, size - 1)), ir.Constant(integer, -size))
        return builder.inttoptr(up, ir.FloatType().as_pointer())

    return ADDRESS(array), generate


@intrinsic
def view(context: Any, place: Any, dtype: Any) -> Any:
    """An address, as an integer, of elements of a NumPy type: read and written by their index."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(dtype.dtype)(types.intp, dtype), generate


@intrinsic
def load(context: Any, start: Any, offset: Any) -> Any:
    """The vector that begins `offset` floats after an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(vector_at(builder, *arguments), align=4)

    return VECTOR(ADDRESS, types.intp), generate


@intrinsic
def store(context: Any, start: Any, offset: Any, vector: Any) -> Any:
    """Write a vector `offset` floats after an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset, vector = arguments
        builder.store(vector, vector_at(builder, start, offset), align=4)
        return context.get_dummy_value()

    return types.void(ADDRESS, types.intp, VECTOR), generate


@intrinsic
def splat(context: Any, value: Any) -> Any:
    """A vector of equal elements."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splatted(builder, arguments[0])

    return VECTOR(types.float32), generate


def _binary(instruction: Callable[[Any, Any, Any], Any], doc: str) -> Any:
    def function(context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return instruction(builder, *arguments)

        return VECTOR(VECTOR, VECTOR), generate

    function.__doc__ = doc
    return intrinsic(function)


def _choice(comparison: str) -> Callable[[Any, Any, Any], Any]:
    # A comparison with what is not a number is false, and then a is taken.
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(comparison, b, a), b, a)


maximum = _binary(_choice(">"), "The larger one of each pair; of a, if either is not a number.")
minimum = _binary(_choice("<"), "The smaller one of each pair; of a, if either is not a number.")


def _define(symbol: Any, instruction: Callable[[Any, Any, Any], Any]) -> None:
    function = _binary(instruction, symbol.__doc__)

    def implementation(a: Any, b: Any) -> Any:
        return function(a, b)

    implementation.__qualname__ = f"vector_{symbol.__name__}"  # a name of its own: see `names.named`

    @overload(symbol)
    def typed(a: Any, b: Any) -> Any:
        return implementation if a == VECTOR and b == VECTOR else None


_define(operator.add, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))


@intrinsic
def choose(context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Elements of x where a < b, of y elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, x, y = arguments
        return builder.select(builder.fcmp_ordered("<", a, b), x, y)

    return VECTOR(VECTOR, VECTOR, VECTOR, VECTOR), generate


_IR_INTEGERS = ir.VectorType(ir.IntType(32), LANES)


def _integers(value: int) -> Any:
    return ir.Constant(_IR_INTEGERS, [value] * LANES)


@intrinsic
def scale(context: Any, x: Any, power: Any) -> Any:
    """X times two to a power: whole numbers from -126 to 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, power = arguments
        biased = builder.add(builder.fptosi(power, _IR_INTEGERS), _integers(127))
        return builder.fmul(x, builder.bitcast(builder.shl(biased, _integers(23)), _IR_VECTOR))

    return VECTOR(VECTOR, VECTOR), generate


@intrinsic
def exponent(context: Any, x: Any) -> Any:
    """The whole number e with 2^e <= x < 2^(e+1), for positive normal x."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _IR_INTEGERS)
        return builder.sitofp(builder.sub(builder.lshr(bits, _integers(23)), _integers(127)), _IR_VECTOR)

    return VECTOR(VECTOR), generate


@intrinsic
def mantissa(context: Any, x: Any) -> Any:
    """X / 2^e, from 1 up to 2, for positive normal x."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.and_(builder.bitcast(arguments[0], _IR_INTEGERS), _integers(0x7FFFFF))
        return builder.bitcast(builder.or_(bits, _integers(0x3F800000)), _IR_VECTOR)

    return VECTOR(VECTOR), generate

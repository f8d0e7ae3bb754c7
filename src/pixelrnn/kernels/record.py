"""Records: what compiled code is told in names, integers and addresses of arrays, and how it is kept alive.

A kind of record is a `NamedTuple` whose fields are integers. A field that holds the address of an array says of what
type its elements are (`Float32`, `Int64`, `Byte`, ...); a plain `int` is a number or the address of another
record. `Record` packs values for compiled code and keeps the arrays; `reader` gives the compiled function that reads
one.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor

__all__ = ["Byte", "Float32", "Float64", "Int64", "Record", "UInt16", "UInt32", "UInt64", "reader"]

Array = np.ndarray[Any, np.dtype[Any]]

Float32: TypeAlias = Annotated[int, np.float32]
Float64: TypeAlias = Annotated[int, np.float64]
Int64: TypeAlias = Annotated[int, np.int64]
UInt64: TypeAlias = Annotated[int, np.uint64]
UInt32: TypeAlias = Annotated[int, np.uint32]
UInt16: TypeAlias = Annotated[int, np.uint16]
Byte: TypeAlias = Annotated[int, np.uint8]

TENSORS = {torch.float32: np.float32, torch.int64: np.int64}


@functools.cache
def _types(kind: type) -> dict[str, Any]:
    """The type of the elements of each field that holds the address of an array; None of the others."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: (get_args(hints[name]) or (int, None))[1] for name in hints}


class Record:
    """A record in memory, with what it holds the addresses of.

    Args:
        kind: A `NamedTuple`.
        values: Values of its fields, each an integer; an array, a tensor or another record, whose address is taken; or
            None for the address 0. Fields that are not named are 0.

    Raises:
        TypeError: If an array is not contiguous, or not of the type that its field says; if a field is unknown.

    Example:
        >>> from typing import NamedTuple
        >>> class Line(NamedTuple):
        ...     count: int
        ...     values: Float32
        >>> record = Record(Line, count=3, values=np.ones(3, np.float32))
        >>> record.count = 2
        >>> int(record.integers[0])
        2
    """

    def __init__(self, kind: Any, /, **values: Any) -> None:
        self._kind: Any
        self._kept: dict[str, Any]
        self.integers: Array
        known = _types(kind)
        if unknown := values.keys() - known.keys():
            raise TypeError(f"{kind.__name__} has no field {min(unknown)!r}")
        # All at once: a walk makes a record for every line of its images.
        integers = [_integer(kind, name, values.get(name)) for name in known]
        self.__dict__.update(_kind=kind, _kept=values, integers=np.array(integers, np.int64))

    @property
    def address(self) -> int:
        """Where the record is."""
        return int(self.integers.ctypes.data)

    def __setattr__(self, name: str, value: Any) -> None:
        """Give a field another value."""
        if name not in _types(self._kind):
            raise TypeError(f"{self._kind.__name__} has no field {name!r}")
        self.integers[self._kind._fields.index(name)] = _integer(self._kind, name, value)
        self._kept[name] = value

    def __getattr__(self, name: str) -> Any:
        """The value that a field was given."""
        try:
            return self.__dict__["_kept"][name]
        except KeyError:
            raise AttributeError(name) from None


def _integer(kind: Any, field: str, value: Any) -> int:
    """What compiled code is told of the value of a field."""
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous or value.dtype != _types(kind)[field]:
            raise _refusal(kind, field, f"{value.dtype}")
        return int(value.ctypes.data)
    if isinstance(value, Record):
        return value.address
    if isinstance(value, Tensor):
        if (
            not value.is_contiguous()
            or value.device.type != "cpu"
            or TENSORS.get(value.dtype) is not _types(kind)[field]
        ):
            raise _refusal(kind, field, f"{value.dtype} on {value.device}")
        return value.data_ptr()
    return int(value)


def _refusal(kind: Any, field: str, found: str) -> TypeError:
    dtype = _types(kind)[field]
    wanted = "an integer" if dtype is None else f"contiguous {np.dtype(dtype).name} on the CPU"
    return TypeError(f"{kind.__name__}.{field} is {found}; {wanted} is needed")


def reader(kind: Any) -> Callable[[Any], Any]:
    """A function, for compiled code, from the address of a record to the record.

    Args:
        kind: A `NamedTuple`.

    Returns:
        A function of an integer, of `Record.integers`, or of the pointer that a task is given (`threads.TASK`).
    """
    fields = kind._fields
    record = types.NamedUniTuple(types.int64, len(fields), kind)

    @intrinsic
    def read(context: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (start,) = arguments
            if isinstance(signature.args[0], types.Array):
                start = context.make_array(signature.args[0])(context, builder, start).data
            elif isinstance(signature.args[0], types.Integer):
                start = builder.inttoptr(start, ir.IntType(64).as_pointer())
            values = [
                builder.load(builder.gep(start, [ir.Constant(ir.IntType(64), place)])) for place in range(len(fields))
            ]
            return context.make_tuple(builder, signature.return_type, values)

        return record(place), generate

    return read  # type: ignore[no-any-return]

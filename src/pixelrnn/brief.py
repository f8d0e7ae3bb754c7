"""Results that print in a few lines, however much they hold."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["brief"]

MOST = 8  # values that are printed; of more, what they are


def brief(result: Any) -> str:
    """What a dataclass or a named tuple holds, arrays, tensors and lists described where they are long.

    Example:
        >>> @dataclasses.dataclass
        ... class Heights:
        ...     mean: float
        ...     all: np.ndarray
        ...     def __repr__(self):
        ...         return brief(self)
        >>> Heights(1.75, np.full((3, 100), 1.75))
        Heights(mean=1.75, all=<float64 (3, 100)>)
    """
    names = [field.name for field in dataclasses.fields(result)] if dataclasses.is_dataclass(result) else result._fields
    fields = [f"{name}={_word(getattr(result, name))}" for name in names]
    return f"{type(result).__name__}({', '.join(fields)})"


def _word(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "tolist"):
        if np.prod(shape) <= MOST:
            return repr(value.tolist())
        return f"<{str(value.dtype).removeprefix('torch.')} {tuple(shape)}>"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str) and len(value) > MOST:
        return f"<{type(value).__name__} of {len(value):,}>"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_word(each)}" for key, each in value.items()) + "}"
    return repr(value)

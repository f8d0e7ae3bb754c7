"""Records that compiled code reads: only what their fields say goes in."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from pixelrnn.kernels.record import Float32, Record


class Line(NamedTuple):
    count: int
    values: Float32


VALUES = np.ones(3, np.float32)


@pytest.mark.parametrize("values", [VALUES, torch.from_numpy(VALUES)])
def test_an_address_is_taken_and_what_is_there_kept(values):
    record = Record(Line, count=3, values=values)
    assert record.integers.tolist() == [
        3,
        values.data_ptr() if isinstance(values, torch.Tensor) else VALUES.ctypes.data,
    ]
    assert record.values is values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            torch.ones(3, dtype=torch.float64),
            "Line.values is torch.float64 on cpu; contiguous float32 on the CPU is needed",
        ),
        (torch.ones(3, 2).T, "Line.values is torch.float32 on cpu; contiguous float32"),
        (torch.ones(3, device="meta"), "Line.values is torch.float32 on meta; contiguous float32"),
        (np.ones(3), "Line.values"),
        (np.ones((3, 2), np.float32).T, "Line.values"),
    ],
)
def test_what_a_field_does_not_take(values, message):
    with pytest.raises(TypeError, match=message):
        Record(Line, values=values)


def test_unknown_fields():
    with pytest.raises(TypeError, match="Line has no field 'counts'"):
        Record(Line, counts=3)
    record = Record(Line)
    with pytest.raises(TypeError, match="Line has no field 'counts'"):
        record.counts = 3
    with pytest.raises(AttributeError, match="counts"):
        record.counts  # noqa: B018

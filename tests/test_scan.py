"""The recurrences against a second implementation, pixel by pixel as the equations read, and their gradients."""

import pytest
import torch

from pixelrnn import scan


def cell(gates, memory):
    i, f, o, g = gates.chunk(4)
    memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(memory), memory


def plain_row_lstm(gates, weight):
    images, features, rows, columns = gates.shape
    hidden = features // 4
    out = torch.zeros(images, hidden, rows, columns, dtype=gates.dtype)
    for image in range(images):
        memory = torch.zeros(hidden, columns, dtype=gates.dtype)
        for row in range(rows):
            for column in range(columns):
                update = gates[image, :, row, column].clone()
                for k in range(weight.shape[2]):
                    source = column + k - weight.shape[2] // 2
                    if row and 0 <= source < columns:
                        update += weight[:, :, k] @ out[image, :, row - 1, source]
                out[image, :, row, column], memory[:, column] = cell(update, memory[:, column].clone())
    return out


def plain_diagonal(gates, weight):
    images, _, features, rows, columns = gates.shape
    hidden = features // 4
    out = torch.zeros(images, 2, hidden, rows, columns, dtype=gates.dtype)
    for image in range(images):
        for direction, order in ((0, range(columns)), (1, range(columns - 1, -1, -1))):
            for row in range(rows):
                memory = left = torch.zeros(hidden, dtype=gates.dtype)
                for column in order:
                    above = out[image, direction, :, row - 1, column] if row else torch.zeros(hidden, dtype=gates.dtype)
                    update = gates[image, direction, :, row, column] + weight[direction] @ torch.cat([left, above])
                    left, memory = cell(update, memory)
                    out[image, direction, :, row, column] = left
    return out


SIZES = [(4, 5), (5, 4), (1, 6), (6, 1), (1, 1), (3, 3)]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("width", [1, 3, 5])
def test_row_lstm(rows, columns, width):
    gates = torch.randn(2, 12, rows, columns, dtype=torch.float64)
    weight = torch.randn(12, 3, width, dtype=torch.float64)
    torch.testing.assert_close(scan.row_lstm(gates, weight), plain_row_lstm(gates, weight))


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_diagonal_bilstm(rows, columns):
    gates = torch.randn(2, 2, 12, rows, columns, dtype=torch.float64)
    weight = torch.randn(2, 12, 6, dtype=torch.float64)
    torch.testing.assert_close(scan.diagonal_bilstm(gates, weight), plain_diagonal(gates, weight))


@pytest.mark.parametrize(
    ("function", "gates", "weight"),
    [(scan.row_lstm, (1, 8, 3, 3), (8, 2, 3)), (scan.diagonal_bilstm, (1, 2, 8, 3, 2), (2, 8, 4))],
    ids=["row", "diagonal"],
)
def test_gradients(function, gates, weight):
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in (gates, weight)]
    assert torch.autograd.gradcheck(function, inputs)

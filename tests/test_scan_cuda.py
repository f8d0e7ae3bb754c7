"""The CUDA kernels against the reference: on a GPU, or where there is none by Triton's interpreter, as NumPy would."""

import functools
import os

import pytest
import torch

from pixelrnn import ConfigError, ImageModel, ModelConfig, scan
from pixelrnn.scan import reference, tiles
from tests import test_scan
from tests.test_scan import (
    LAYERS,
    SIZES,
    assert_differentiates_twice,
    assert_same_without_gradients,
    conditioned,
    each,
    row_weights,
)

HAS_GPU = torch.cuda.is_available()
DEVICE = "cuda" if HAS_GPU else "cpu"
if not HAS_GPU:
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported, and when a kernel is decorated

pytest.importorskip("triton", reason="needs the package triton")
from pixelrnn.scan import cuda  # noqa: E402

assert_agree = functools.partial(test_scan.assert_agree, implementation=cuda, device=DEVICE)


@pytest.fixture(autouse=True)
def no_tf32(monkeypatch):
    """Outside of the kernels as well."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("rows", "columns", "hidden"), [*((*size, 5) for size in SIZES), (4, 3, 1), (3, 4, 16), (4, 3, 17), (2, 18, 3)]
)
def test_kernels_agree_with_the_reference(layer, rows, columns, hidden):
    x = torch.randn(2, 2 * hidden, rows, columns, dtype=torch.float64)
    assert_agree(layer, x, LAYERS[layer](2 * hidden, hidden))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("is_residual", [True, False])
@pytest.mark.parametrize("has_skips", [True, False])
def test_conditions_and_connections_agree(layer, is_residual, has_skips):
    x, context = torch.randn(2, 12, 3, 4, dtype=torch.float64), torch.randn(2, 4, 3, 4, dtype=torch.float64)
    weights = conditioned(LAYERS[layer](12, 6), 2, 4)
    assert_agree(layer, x, weights, context, is_residual=is_residual, has_skips=has_skips)


@pytest.mark.parametrize(("taps", "width"), [(1, 1), (3, 5), (4, 3)])
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_row_kernel_of_other_widths(taps, width, columns):
    x = torch.randn(2, 12, 3, columns, dtype=torch.float64)
    assert_agree("row_lstm", x, row_weights(12, 6, taps, width))


@pytest.mark.parametrize("layer", LAYERS)
def test_kernels_give_the_same_without_gradients(layer):
    assert_same_without_gradients(cuda, layer, *torch.randn(2, 2, 12, 4, 3, device=DEVICE))


@pytest.mark.parametrize("layer", LAYERS)
def test_kernels_differentiate_twice_over_a_kept_graph(layer):
    assert_differentiates_twice(cuda, layer, torch.randn(1, 12, 3, 4, device=DEVICE, requires_grad=True))


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value)")  # as NumPy calls what is meant
@pytest.mark.parametrize("layer", LAYERS)
def test_saturated_gates_stay_finite_and_not_a_number_is_not_hidden(layer):
    weights = each(lambda t: t.float().to(DEVICE), LAYERS[layer](12, 6))
    x = 1e30 * torch.randn(1, 12, 3, 4, device=DEVICE)
    assert getattr(cuda, layer)(x, torch.zeros_like(x), weights, is_residual=False)[1].isfinite().all()
    x = torch.zeros(1, 12, 3, 3, device=DEVICE)
    x[0, 4, 1, 1] = torch.nan
    skips = getattr(cuda, layer)(x, torch.zeros_like(x), weights, is_residual=True)[1]
    assert skips[0, :, 1, 1].isnan().all()
    assert skips[0, :, 0].isfinite().all()


def test_cuda_is_refused_where_it_cannot_be(monkeypatch):
    x, weights = torch.randn(1, 12, 2, 2), each(lambda t: t.float(), row_weights(12, 6))
    monkeypatch.setenv("PIXELRNN_SCAN", "cuda")
    with pytest.raises(ConfigError, match=r"PIXELRNN_SCAN is 'cuda', which takes .*; this is torch\.float32 on cpu"):
        scan.row_lstm(x, None, weights, is_residual=True)


@pytest.mark.parametrize(
    ("hidden", "side", "has_kernels"), [(1, 1, True), (32, 32, True), (16, 64, True), (17, 33, False), (33, 8, False)]
)
def test_which_layers_have_kernels(hidden, side, has_kernels):
    x = torch.empty(1, 1, side, side)
    for tile in (tiles.of_rows(x, hidden), tiles.of_diagonals(x, hidden)):
        assert tile.units >= hidden
        assert tile.lines >= side
        assert (tiles.why_no_kernels(tile) is None) == has_kernels
    wide = torch.empty(1, 1, 8, 128)
    assert tiles.why_no_kernels(tiles.of_diagonals(wide, 16)) is None
    assert "tiles of 16 units x 128 cells" in tiles.why_no_kernels(tiles.of_rows(wide, 16))


def test_without_a_compiler_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(tiles, "_what_is_missing", tiles._what_is_missing.__wrapped__)  # what is asked is not kept
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    assert tiles.why_no_kernels(tiles.Tile(16, 16)) == "no C compiler, which triton needs"


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_gives_what_the_reference_gives(layer, dtype):
    x, skips = torch.randn(2, 2, 12, 3, 4, device=DEVICE, dtype=dtype)
    weights = each(lambda t: t.to(DEVICE, dtype), LAYERS[layer](12, 6))
    found, expected = (
        getattr(implementation, layer)(x, skips, weights, is_residual=True) for implementation in (cuda, reference)
    )
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype == dtype
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


@pytest.mark.skipif(not HAS_GPU, reason="needs a CUDA GPU")
@pytest.mark.parametrize("architecture", ["row-lstm", "diagonal-bilstm"])
@pytest.mark.parametrize("hidden", [9, 16, 24, 32])
def test_models_agree_on_cuda(architecture, hidden, monkeypatch):
    model = ImageModel(ModelConfig(architecture=architecture, shape=(1, 28, 28), levels=2, hidden=hidden), seed=0)
    x = torch.randint(0, 2, (4, 1, 28, 28))
    gradients = []
    for device, choice in (("cpu", "reference"), ("cuda", "cuda")):
        monkeypatch.setenv("PIXELRNN_SCAN", choice)
        model.to(device).zero_grad()
        model.log_prob(x.to(device)).sum().backward()
        gradients.append({name: parameter.grad.cpu().clone() for name, parameter in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=2e-5 * gradient.abs().max().item())

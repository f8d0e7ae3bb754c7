"""The recurrent layers: the reference against the equations pixel by pixel, the kernels against the reference."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from pixelrnn import ConfigError, ImageModel, ModelConfig, scan
from pixelrnn.kernels.vectors import LANES
from pixelrnn.scan import Weights, cpu, reference
from pixelrnn.scan.pool import Pool

SIZES = [(4, 5), (5, 4), (1, 6), (6, 1), (1, 1), (3, 3)]


def row_weights(features, hidden, taps=2, width=3):
    shapes = [(4 * hidden, features, taps), (4 * hidden,), (4 * hidden, hidden, width)]
    shapes += [(features, hidden), (features,), (features, hidden)]
    return Weights(*(torch.randn(shape, dtype=torch.float64) / 2 for shape in shapes))


def diagonal_weights(features, hidden):
    shapes = [(2, 4 * hidden, features), (2, 4 * hidden), (2, 4 * hidden, 2 * hidden)]
    shapes += [(features, hidden), (features,), (features, hidden)]
    return Weights(*(torch.randn(shape, dtype=torch.float64) / 2 for shape in shapes))


LAYERS = {"row_lstm": row_weights, "diagonal_bilstm": diagonal_weights}


def each(function, weights):
    """A function of every weight that is there."""
    return Weights(*(None if weight is None else function(weight) for weight in weights))


def conditioned(weights, images, features):
    """The same with a bias for each image, and weights of a context map."""
    bias = torch.randn(images, *weights.bias.shape, dtype=torch.float64) / 2
    return weights._replace(bias=bias, context=torch.randn(*weights.bias.shape, features, dtype=torch.float64) / 2)


def cell(gates, memory):
    i, f, o, g = gates.chunk(4)
    memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(memory), memory


def projected(x, skips, states, weights, is_residual):
    up = torch.einsum("oh,nhrc->norc", weights.up, states) + weights.up_bias[:, None, None]
    return up + x if is_residual else up, skips + torch.einsum("oh,nhrc->norc", weights.skip, states)


def plain_row_lstm(x, skips, weights, context, is_residual):
    images, _, rows, columns = x.shape
    taps, hidden, width = weights.input.shape[2], *weights.state.shape[1:]
    states = torch.zeros(images, hidden, rows, columns, dtype=x.dtype)
    for image in range(images):
        memory = torch.zeros(hidden, columns, dtype=x.dtype)
        for row in range(rows):
            for column in range(columns):
                update = weights.bias[image] + weights.context @ context[image, :, row, column]
                for tap in range(taps):
                    source = column + tap - taps + 1
                    if source >= 0:
                        update += weights.input[:, :, tap] @ x[image, :, row, source]
                for k in range(width):
                    source = column + k - width // 2
                    if row and 0 <= source < columns:
                        update += weights.state[:, :, k] @ states[image, :, row - 1, source]
                states[image, :, row, column], memory[:, column] = cell(update, memory[:, column].clone())
    return projected(x, skips, states, weights, is_residual)


def plain_diagonal_bilstm(x, skips, weights, context, is_residual):
    images, _, rows, columns = x.shape
    hidden = weights.up.shape[1]
    both = torch.zeros(images, 2, hidden, rows, columns, dtype=x.dtype)
    for image in range(images):
        for direction, order in ((0, range(columns)), (1, range(columns - 1, -1, -1))):
            for row in range(rows):
                memory = side = torch.zeros(hidden, dtype=x.dtype)
                for column in order:
                    above = both[image, direction, :, row - 1, column] if row else torch.zeros(hidden, dtype=x.dtype)
                    update = weights.input[direction] @ x[image, :, row, column] + weights.bias[image, direction]
                    update = update + weights.context[direction] @ context[image, :, row, column]
                    update = update + weights.state[direction] @ torch.cat([side, above])
                    side, memory = cell(update, memory)
                    both[image, direction, :, row, column] = side
    states = both[:, 0].clone()
    states[:, :, 1:] += both[:, 1, :, :-1]
    return projected(x, skips, states, weights, is_residual)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize(("taps", "width"), [(1, 1), (2, 3), (3, 5)])
@pytest.mark.parametrize("is_residual", [True, False])
def test_row_lstm_is_what_the_equations_say(rows, columns, taps, width, is_residual):
    x, skips = torch.randn(2, 2, 5, rows, columns, dtype=torch.float64)
    weights, context = conditioned(row_weights(5, 3, taps, width), 2, 4), torch.randn(2, 4, rows, columns).double()
    out = reference.row_lstm(x, skips, weights, context, is_residual=is_residual)
    torch.testing.assert_close(out, plain_row_lstm(x, skips, weights, context, is_residual))


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("is_residual", [True, False])
def test_diagonal_bilstm_is_what_the_equations_say(rows, columns, is_residual):
    x, skips = torch.randn(2, 2, 5, rows, columns, dtype=torch.float64)
    weights, context = conditioned(diagonal_weights(5, 3), 2, 4), torch.randn(2, 4, rows, columns).double()
    out = reference.diagonal_bilstm(x, skips, weights, context, is_residual=is_residual)
    torch.testing.assert_close(out, plain_diagonal_bilstm(x, skips, weights, context, is_residual))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_bias_for_each_image_may_be_the_same_for_all(layer):
    x, weights = torch.randn(3, 5, 4, 3, dtype=torch.float64), LAYERS[layer](5, 3)
    each = weights._replace(bias=weights.bias.expand(3, *weights.bias.shape))
    outs = [getattr(reference, layer)(x, None, w, is_residual=True)[0] for w in (weights, each)]
    assert torch.equal(*outs)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("is_residual", [True, False])
def test_gradients_of_the_reference(layer, is_residual):
    x, skips = torch.randn(2, 1, 3, 3, 2, dtype=torch.float64)
    weights, context = conditioned(LAYERS[layer](3, 2), 1, 2), torch.randn(1, 2, 3, 2, dtype=torch.float64)

    def function(x, skips, context, *weights):
        return getattr(reference, layer)(x, skips, Weights(*weights), context, is_residual=is_residual)

    assert torch.autograd.gradcheck(function, [tensor.requires_grad_() for tensor in (x, skips, context, *weights)])


def run(implementation, layer, dtype, x, skips, weights, context, d_out, d_skips, *, is_residual):
    """Outputs and gradients of a layer, in float64."""
    names = ["x", "skips", "context_map", *Weights._fields]
    inputs = {
        name: tensor.to(dtype).clone().requires_grad_()
        for name, tensor in zip(names, (x, skips, context, *weights), strict=True)
        if tensor is not None
    }
    layer_weights = Weights(*(inputs.get(name) for name in Weights._fields))
    arguments = (inputs["x"], inputs.get("skips"), layer_weights, inputs.get("context_map"))
    outputs = getattr(implementation, layer)(*arguments, is_residual=is_residual)
    wanted = [(y, d.to(dtype)) for y, d in zip(outputs, (d_out, d_skips), strict=True) if d is not None]
    torch.autograd.backward([y for y, _ in wanted], [d for _, d in wanted])
    found = {f"d_{name}": torch.zeros_like(i) if i.grad is None else i.grad for name, i in inputs.items()}
    found |= {name: y.detach() for name, y in zip(("out", "skips_out"), outputs, strict=True) if y is not None}
    return {name: tensor.double() for name, tensor in found.items()}


def assert_agree(
    layer, x, weights, context=None, *, with_out=True, with_skips=True, has_skips=True, is_residual=True,
    implementation=cpu, device="cpu",
):  # fmt: skip
    """The kernels in float32 against the reference in float64: 1e-5 of each tensor's largest element."""
    skips = torch.randn_like(x) if has_skips else None
    weights = weights if has_skips else weights._replace(skip=None)
    d_out = torch.randn_like(x) if with_out else None
    d_skips = torch.randn_like(x) if with_skips and has_skips else None
    arguments = (x, skips, weights, context, d_out, d_skips)
    exact = run(reference, layer, torch.float64, *arguments, is_residual=is_residual)
    x, skips, context, d_out, d_skips = (t if t is None else t.to(device) for t in (x, skips, context, d_out, d_skips))
    arguments = (x, skips, each(lambda t: t.to(device), weights), context, d_out, d_skips)
    fast = run(implementation, layer, torch.float32, *arguments, is_residual=is_residual)
    assert exact.keys() == fast.keys()
    for name, value in exact.items():
        atol = 1e-5 * max(1.0, value.abs().max().item())
        torch.testing.assert_close(fast[name].cpu(), value, rtol=0, atol=atol, msg=name)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("rows", "columns"), [*SIZES, (9, 31)])
@pytest.mark.parametrize("hidden", [1, 5, LANES, LANES + 1, 2 * LANES])
def test_kernels_agree_with_the_reference(layer, rows, columns, hidden):
    for images in (1, 3):
        x = torch.randn(images, 2 * hidden, rows, columns, dtype=torch.float64)
        assert_agree(layer, x, LAYERS[layer](2 * hidden, hidden))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("is_residual", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"with_skips": False}, {"with_out": False}, {"has_skips": False}], ids=lambda o: str(list(o))
)
def test_kernels_agree_whatever_is_differentiated(layer, is_residual, options):
    x = torch.randn(20, 12, 5, 6, dtype=torch.float64)
    assert_agree(layer, x, LAYERS[layer](12, 6), is_residual=is_residual, **options)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 5), (9, 31)])
@pytest.mark.parametrize("features", [1, 6, LANES])
@pytest.mark.parametrize("images", [1, 3, 20])
def test_conditions_in_the_kernels_agree(layer, rows, columns, features, images):
    x = torch.randn(images, 12, rows, columns, dtype=torch.float64)
    context = torch.randn(images, features, rows, columns, dtype=torch.float64)
    weights = conditioned(LAYERS[layer](12, 6), images, features)
    assert_agree(layer, x, weights, context)
    assert_agree(layer, x, weights._replace(context=None))
    assert_agree(layer, x, LAYERS[layer](12, 6)._replace(context=weights.context), context, has_skips=False)


@pytest.mark.parametrize(("taps", "width"), [(1, 1), (3, 5), (4, 3)])
def test_row_kernel_of_other_widths(taps, width):
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    assert_agree("row_lstm", x, row_weights(12, 6, taps, width))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("features", [12, 2 * LANES])
def test_kernels_take_any_strides(layer, features):
    """With and without padding, which copies."""
    weights = LAYERS[layer](features, features // 2)
    strided = each(lambda t: t.repeat_interleave(2, -1)[..., ::2], weights)
    x = torch.randn(6, 7, 3, features, dtype=torch.float64).permute(2, 3, 1, 0)[:, :, ::2]
    assert_agree(layer, x, strided)


@pytest.mark.parametrize("layer", LAYERS)
def test_kernels_give_the_same_without_gradients(layer):
    """Another path in the kernels: nothing is saved."""
    assert_same_without_gradients(cpu, layer, *torch.randn(2, 5, 12, 6, 7))


def assert_same_without_gradients(implementation, layer, x, skips):
    weights = each(lambda t: t.float().to(x.device), LAYERS[layer](12, 6))
    function = getattr(implementation, layer)
    saved = function(x.clone().requires_grad_(), skips, weights, is_residual=True)
    unsaved = function(x, skips, weights, is_residual=True)
    assert all(torch.equal(a, b) for a, b in zip(saved, unsaved, strict=True))


@pytest.mark.parametrize("layer", LAYERS)
def test_kernels_differentiate_twice_over_a_kept_graph(layer):
    assert_differentiates_twice(cpu, layer, torch.randn(2, 12, 4, 4, requires_grad=True))


def assert_differentiates_twice(implementation, layer, x):
    weights = each(lambda t: t.float().to(x.device), LAYERS[layer](12, 6))
    out, _ = getattr(implementation, layer)(x, None, weights, is_residual=True)
    first = torch.autograd.grad(out.sum(), x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(out.sum(), x)[0])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_saturated_gates_stay_finite(layer, scale):
    weights = each(lambda t: t.float(), LAYERS[layer](12, 6))
    x = scale * torch.randn(3, 12, 5, 6)
    x.requires_grad_()
    out, skips = getattr(cpu, layer)(x, torch.zeros_like(x), weights, is_residual=False)
    (out.sum() + skips.sum()).backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()
    # Hidden states lie between -1 and 1, those of two directions together between -2 and 2.
    assert (skips.abs().amax((0, 2, 3)) <= 2 * weights.skip.abs().sum(1) * (1 + 1e-5)).all()


@pytest.mark.parametrize("layer", LAYERS)
def test_not_a_number_is_not_hidden(layer):
    weights = each(lambda t: t.float(), LAYERS[layer](12, 6))
    x = torch.zeros(1, 12, 3, 3)
    x[0, 4, 1, 1] = torch.nan
    skips = getattr(cpu, layer)(x, torch.zeros_like(x), weights, is_residual=True)[1]
    assert skips[0, :, 1, 1].isnan().all()
    assert skips[0, :, 0].isfinite().all()


@pytest.mark.parametrize("layer", LAYERS)
def test_threads_do_not_change_a_bit(layer):
    """Of the outputs; sums over images are taken in blocks that depend on the threads."""
    weights = each(lambda t: t.float(), LAYERS[layer](32, 16))
    x, before = torch.randn(13, 32, 9, 10), torch.get_num_threads()
    function = getattr(cpu, layer)
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(function(x, x, weights, is_residual=True))
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], result, strict=True))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_without_skip_weight_passes_the_sum_on(layer):
    weights = each(lambda t: t.float(), LAYERS[layer](12, 6))._replace(skip=None)
    x, skips = torch.randn(2, 3, 12, 4, 5)
    for implementation in (cpu, reference):
        assert torch.equal(getattr(implementation, layer)(x, skips, weights, is_residual=True)[1], skips)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_does_not_fit_gets_no_address(layer):
    weights = each(lambda t: t.float(), LAYERS[layer](12, 6))
    function, x = getattr(cpu, layer), torch.randn(3, 12, 4, 5)
    for given in [
        (x[:, :11], None, weights),
        (x, x[:1], weights),
        (x, x, weights._replace(bias=weights.bias[..., 1:])),
        (x, x, weights._replace(bias=weights.bias.expand(2, *weights.bias.shape))),
        (x, x, conditioned(weights, 3, 4), x),
    ]:
        with pytest.raises(ValueError, match=r"a recurrent layer needs .*; this one is"):
            function(*given, is_residual=True)


@pytest.mark.parametrize("layer", LAYERS)
def test_buffers_are_used_again_by_the_owner_of_a_pool(layer):
    weights = each(lambda t: t.float().requires_grad_(), LAYERS[layer](12, 6))
    x = torch.randn(3, 12, 4, 5)

    def taken(x, *, layers=1):
        with pool:
            for _ in range(layers):
                x = getattr(cpu, layer)(x, None, weights, is_residual=True)[0]
            x.sum().backward()
            return [buffer.data_ptr() for buffer in pool._taken]

    pool = Pool()
    first = taken(x, layers=2)
    assert len(set(first)) == 2  # one for each layer: both are needed until the backward pass
    assert set(taken(x, layers=2)) == set(first)
    assert set(taken(x)) < set(first)
    assert len(pool._free) == 1  # what the last pass did not use is given up
    getattr(cpu, layer)(x, None, weights, is_residual=True)[0].sum().backward()  # outside: memory of its own
    assert len(pool._free) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_gradients_are_those_of_memory_of_its_own(layer):
    weights = each(lambda t: t.float().requires_grad_(), LAYERS[layer](12, 6))
    x, pool = torch.randn(2, 3, 12, 4, 5), Pool()

    def gradients():
        tensors = [tensor for tensor in weights if tensor is not None and tensor.requires_grad]
        sums = []
        for each_x in x:
            out = getattr(cpu, layer)(each_x, None, weights, is_residual=True)[0]
            sums += torch.autograd.grad(
                out.square().sum(), [t for t in tensors if t is not weights.skip], allow_unused=True
            )
        return [g for g in sums if g is not None]

    wanted = gradients()
    for _ in range(2):
        with pool:
            assert all(torch.equal(a, b) for a, b in zip(gradients(), wanted, strict=True))


@pytest.mark.parametrize("layer", LAYERS)
def test_several_python_threads_at_once(layer):
    weights = each(lambda t: t.float().requires_grad_(), LAYERS[layer](32, 16))
    batches = [torch.randn(7, 32, 8, 8) for _ in range(6)]
    function = getattr(cpu, layer)

    def step(x, results, index):
        torch.set_num_threads(2)
        out, skips = function(x, x, weights, is_residual=True)
        results[index] = (out.detach(), torch.autograd.grad(out.square().sum() + skips.square().sum(), weights[:6]))

    alone, together = [None] * 6, [None] * 6
    before = torch.get_num_threads()
    try:
        for index, x in enumerate(batches):
            step(x, alone, index)
        threads = [threading.Thread(target=step, args=(x, together, index)) for index, x in enumerate(batches)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        torch.set_num_threads(before)
    for (out, gradients), (other, others) in zip(alone, together, strict=True):
        assert torch.equal(out, other)
        assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))


def test_choice_of_the_implementation(monkeypatch):
    x, weights = torch.randn(1, 12, 2, 2), each(lambda t: t.float(), row_weights(12, 6))
    called = []
    for module in (cpu, reference):
        monkeypatch.setattr(module, "row_lstm", lambda *_, module=module, **__: (called.append(module), None))
    doubles = (x.double(), each(lambda t: t.double(), weights))
    for choice, given, expected in [
        ("auto", (x, weights), cpu),
        ("auto", doubles, reference),
        ("reference", (x, weights), reference),
        ("cpu", (x, weights), cpu),
    ]:
        monkeypatch.setenv("PIXELRNN_SCAN", choice)
        scan.row_lstm(given[0], None, given[1], is_residual=True)
        assert called.pop() is expected
    with pytest.raises(ConfigError, match=r"takes float32 on the CPU; this is torch\.float64"):
        scan.row_lstm(doubles[0], None, doubles[1], is_residual=True)
    monkeypatch.setenv("PIXELRNN_SCAN", "gpu")
    with pytest.raises(ConfigError, match="PIXELRNN_SCAN is 'gpu'; one of auto, cpu, cuda, reference is allowed"):
        scan.row_lstm(x, None, weights, is_residual=True)


@pytest.mark.parametrize("architecture", ["row-lstm", "diagonal-bilstm"])
def test_models_agree_in_both(architecture, monkeypatch):
    config = ModelConfig(architecture=architecture, shape=(3, 7, 6), levels=5, layers=3, hidden=9)
    model = ImageModel(config, seed=0)
    x = torch.randint(0, 5, (4, 3, 7, 6))
    gradients = []
    for choice in ("cpu", "reference"):
        monkeypatch.setenv("PIXELRNN_SCAN", choice)
        model.zero_grad()
        model.log_prob(x).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in gradients[1].items():
        torch.testing.assert_close(gradients[0][name], gradient, rtol=0, atol=1e-5 * gradient.abs().max().item())


FREED = """
import sys
import numpy as np, torch
from pixelrnn import ImageModel, ModelConfig, scan
from pixelrnn.scan import reference
from tests.faces import face_of, run_walk

torch.manual_seed(0)
for architecture in ("row-lstm", "diagonal-bilstm"):
    for residual in (True, False):
        config = ModelConfig(
            architecture=architecture, shape=(2, 5, 6), levels=3, layers=2, hidden=6, residual=residual
        )
        model = ImageModel(config, seed=0)
        x = torch.randint(0, 3, (5, 2, 5, 6))
        gradients = []
        for name in ("row_lstm", "diagonal_bilstm"):
            fast = getattr(scan, name)
            for function in (fast, getattr(reference, name)):
                setattr(scan, name, function)
                model.zero_grad()
                model.log_prob(x).sum().backward()
                gradients.append([parameter.grad.clone() for parameter in model.parameters()])
            setattr(scan, name, fast)
        for others in gradients[1:]:
            for one, other in zip(gradients[0], others):
                torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1.0, one.abs().max().item()))
for output, levels in (("bernoulli", 2), ("softmax", 5), ("logistic-mixture", 9), ("continuous-mixture", 0)):
    model = ImageModel(ModelConfig(shape=(1, 4, 5), levels=levels, output=output, layers=1, hidden=4), seed=0)
    x = torch.randint(0, max(levels, 1), (3, 1, 4, 5)) if levels else torch.randn(3, 1, 4, 5)
    values = x.numpy().astype(np.float32)
    nats = np.zeros_like(values)
    run_walk(face_of(model, x.shape[2:]), values, is_known=np.ones(x.shape, np.uint8), log_prob=nats)
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(nats), model.log_prob_map(x), atol=1e-4, rtol=1e-4)
"""


def test_no_memory_is_read_after_it_was_freed():
    """An allocator that overwrites what is freed at once changes nothing."""
    tunables = "glibc.malloc.tcache_count=0:glibc.malloc.perturb=66"
    environment = os.environ | {"GLIBC_TUNABLES": tunables}
    subprocess.run([sys.executable, "-c", FREED], env=environment, check=True)

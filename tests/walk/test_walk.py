"""The raster face against the parallel one, and its samples against the distributions they are drawn from."""

import threading
import tracemalloc

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, ImageModel, ModelConfig
from pixelrnn.kernels.vectors import LANES
from pixelrnn.model.condition import scale
from pixelrnn.walk.walk import Stops
from tests.conftest import WITH_CONTEXT, all_images, build
from tests.faces import face_of, run_walk

OUTPUTS = {"bernoulli": 2, "softmax": 7, "logistic-mixture": 9, "continuous-mixture": 0}


def random_images(model, number, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (number, model.config.shape[0], *size)
    if model.config.levels == 0:
        return torch.randn(shape, generator=generator)
    return torch.randint(0, model.config.levels, shape, generator=generator)


def follow(model, x, label=None, context=None, **options):
    """Log probabilities and parameters by a walk in which everything is known."""
    values = x.numpy().astype(np.float32)
    nats = np.zeros_like(values)
    parameters = np.zeros((*values.shape[:2], model.output.parameters, *values.shape[2:]), np.float32)
    known, face = np.ones(values.shape, np.uint8), face_of(model, x.shape[2:], **options)
    given = {"label": None if label is None else label.numpy()}
    given["context"] = None if context is None else scale(model.config, context, torch.float32).numpy()
    run_walk(face, values, **given, is_known=known, log_prob=nats, parameters=parameters)
    assert (values == x.numpy()).all(), "known values are never altered"
    return torch.from_numpy(nats), torch.from_numpy(parameters)


def assert_faces_agree(model, x, **given):
    """Every parameter of every conditional to 1e-4, and the probabilities to what that leaves of them."""
    with torch.no_grad():
        parameters, expected = model(x, **given), model.log_prob_map(x, **given)
    nats, found = follow(model, x, **given)
    torch.testing.assert_close(found, parameters, atol=1e-4, rtol=0)
    torch.testing.assert_close(nats, expected, atol=1e-4, rtol=1e-4)


def draw(model, size, uniform, **options):
    """Images and their log probabilities by a walk in which nothing is known."""
    values = np.zeros((len(uniform), model.config.shape[0], *size), np.float32)
    nats = np.zeros_like(values)
    face = face_of(model, size, **options)
    run_walk(face, values, uniform=lambda images: uniform[images.start : images.stop], log_prob=nats)
    return torch.from_numpy(values), torch.from_numpy(nats)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("context", [(1, 3, 2), (2, 6, 8), (1, 1, 4)])
def test_both_faces_agree_under_conditions(architecture, channels, context):
    """Labels, some images without one, and contexts of the image's size and smaller by 2, 4, 6."""
    fields = {"classes": 3, "label_dropout": 0.1, "context": context}
    model = build(scale=1.5, architecture=architecture, shape=(channels, 6, 8), levels=7, **fields).float()
    generator = torch.Generator().manual_seed(0)
    given = {"label": torch.arange(LANES + 3) % 4 - 1}
    given["context"] = torch.randint(0, 7, (LANES + 3, *context), generator=generator)
    assert_faces_agree(model, random_images(model, LANES + 3, (6, 8)), **given)


def test_context_of_another_size():
    model = build(architecture="row-lstm", shape=(1, 4, 4), levels=5, context=(1, 2, 1)).float()
    context = torch.randint(0, 5, (3, 1, 5, 2), generator=torch.Generator().manual_seed(0))
    assert_faces_agree(model, random_images(model, 3, (10, 8)), context=context)


def test_a_walk_goes_on_from_chosen_images():
    """What takes the place of another has everything of it that was drawn, and draws its own numbers from there."""
    model = build(architecture="diagonal-bilstm", shape=(2, 3, 4), levels=5, classes=2).float()
    count, stop = LANES + 3, 2 * (4 + 2)  # before the third pixel of the second row
    uniform = np.random.default_rng(0).random((count, 3, 4, 2))
    label, chosen = np.arange(count) % 2, np.random.default_rng(1).integers(0, count, count)
    face = face_of(model, (3, 4))

    def run(uniform, label, stops=None):
        values = np.zeros((count, 2, 3, 4), np.float32)
        nats = np.zeros_like(values)
        run_walk(face, values, label=label, uniform=lambda _: uniform, log_prob=nats, stops=stops)
        return values, nats

    asked = []
    values, nats = run(uniform, label, Stops(frozenset([stop]), lambda place: asked.append(place) or chosen))
    # The same without stopping: the numbers of the chosen up to there, then each image's own.
    flat = uniform.reshape(count, -1)
    joined = np.concatenate([flat[chosen, :stop], flat[:, stop:]], axis=1).reshape(uniform.shape)
    expected, expected_nats = run(joined, label[chosen])
    assert asked == [stop]
    assert (values == expected).all()
    after = np.arange(24).reshape(3, 4, 2).transpose(2, 0, 1) >= stop
    assert (nats[:, after] == expected_nats[:, after]).all()


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_both_faces_agree(architecture, output, channels):
    fields = {"architecture": architecture, "shape": (channels, 5, 6), "levels": OUTPUTS[output], "output": output}
    # Small scales leave mixtures wide, so that float32 does not blow up what differs in the last bit.
    model = build(scale=1.5, **fields).float()
    for size in [(5, 6), (1, 9), (9, 1), (1, 1), (11, 3)]:
        assert_faces_agree(model, random_images(model, LANES + 1, size))


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(("hidden", "head"), [(3, None), (17, 5)])
def test_both_faces_agree_in_every_network(architecture, residual, skip, hidden, head):
    fields = {"residual": residual, "skip": skip, "hidden": hidden, "head": head, "layers": 3}
    model = build(architecture=architecture, shape=(3, 6, 5), levels=5, **fields).float()
    assert_faces_agree(model, random_images(model, 3, (6, 5)))


@pytest.mark.parametrize("output", ["bernoulli", "softmax", "logistic-mixture"])
def test_every_level_agrees(output):
    """Not only the value that an image has: the whole distribution of the last sub-pixel."""
    model = build(shape=(2, 3, 3), levels=OUTPUTS[output], output=output).float()
    x = random_images(model, 1, (3, 3)).repeat(model.config.levels, 1, 1, 1)
    x[:, -1, -1, -1] = torch.arange(model.config.levels)
    nats = follow(model, x)[0][:, -1, -1, -1]
    assert nats.double().exp().sum().item() == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(nats, model.output.log_table(model(x))[0, -1, :, -1, -1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize("output", OUTPUTS)
def test_samples_are_what_the_parallel_face_says(architecture, output):
    """The stretch of the cumulative distribution that a value owns holds the number that drew it."""
    model = build(scale=1.5, architecture=architecture, shape=(2, 3, 4), levels=OUTPUTS[output], output=output).float()
    uniform = np.random.default_rng(3).random((5, 3, 4, 2))
    images, nats = draw(model, (3, 4), uniform)
    numbers = torch.from_numpy(uniform).permute(0, 3, 1, 2)
    with torch.no_grad():
        parameters = model(images)
        torch.testing.assert_close(
            nats,
            model.output.log_prob(parameters, images.long() if model.config.levels else images),
            atol=2e-4,
            rtol=2e-4,
        )
    if output == "continuous-mixture":
        weights, means, scales = parameters.double().chunk(3, dim=2)
        shares = weights.softmax(2)
        ends = shares.cumsum(2)
        chosen = (numbers.unsqueeze(2) >= ends[:, :, :-1]).sum(2, keepdim=True)
        mean, scale, share, end = (part.gather(2, chosen).squeeze(2) for part in (means, scales, shares, ends))
        inside = torch.special.ndtr((images - mean) / scale.exp())
        torch.testing.assert_close(inside, (numbers - end + share) / share, atol=1e-4, rtol=0)
        return
    table = model.output.log_table(parameters.double()).exp()
    ends = table.cumsum(2).gather(2, images.long().unsqueeze(2)).squeeze(2)
    begins = ends - table.gather(2, images.long().unsqueeze(2)).squeeze(2)
    assert (numbers <= ends + 1e-5).all()
    assert (numbers >= begins - 1e-5).all()


@pytest.mark.parametrize("output", ["bernoulli", "softmax", "logistic-mixture"])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_shares_of_the_values_are_the_probabilities(output, temperature):
    """On evenly spread uniform numbers, up to one part in their count."""
    model, count = build(shape=(1, 1, 1), levels=OUTPUTS[output], output=output).float(), 20_000
    uniform = ((np.arange(count) + 0.5) / count).reshape(count, 1, 1, 1)
    values, nats = draw(model, (1, 1), uniform, temperature=temperature)
    shares = torch.bincount(values.flatten().long(), minlength=model.config.levels) / count
    with torch.no_grad():
        table = model.output.log_table(model(torch.zeros(1, 1, 1, 1).long()).double()).flatten()
    expected = (table / temperature).softmax(0)
    torch.testing.assert_close(shares.double(), expected, atol=2 / count, rtol=0)
    torch.testing.assert_close(nats.flatten().double(), expected.log()[values.flatten().long()], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_continuous_values_follow_the_density(temperature):
    model, count = build(shape=(1, 1, 1), levels=0).float(), 20_000
    uniform = ((np.arange(count) + 0.5) / count).reshape(count, 1, 1, 1)
    values, nats = (array.flatten().double() for array in draw(model, (1, 1), uniform, temperature=temperature))
    with torch.no_grad():
        weights, means, scales = model(torch.zeros(1, 1, 1, 1)).double().flatten().chunk(3)
    shares, widths = (weights / temperature).softmax(0), scales.exp() * temperature**0.5
    ordered = values.sort().values
    cumulative = (shares * torch.special.ndtr((ordered[:, None] - means) / widths)).sum(1)
    assert (cumulative - torch.from_numpy(uniform).flatten()).abs().max() < 3 / count
    density = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(shares), torch.distributions.Normal(means, widths)
    )
    torch.testing.assert_close(nats, density.log_prob(values), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_chi_square_of_many_samples(architecture):
    """200,000 samples of a tiny model against the enumerated distribution of its 64 images."""
    model, number = build(scale=1.5, architecture=architecture, shape=(2, 1, 3), levels=2).float(), 200_000
    with torch.no_grad():
        expected = number * model.log_prob(all_images((2, 1, 3), 2)).double().exp()
    images = model.sample(number, seed=5, batch=4096)
    counts = torch.bincount((images.flatten(1).long() * 2 ** torch.arange(5, -1, -1)).sum(1), minlength=64)
    assert expected.min() > 5
    assert ((counts - expected) ** 2 / expected).sum() < 103.4  # 63 degrees of freedom: exceeded once in 1,000 seeds


def test_known_values_steer_the_rest():
    """What is drawn after known values follows them: the same numbers draw what they would behind a drawn value."""
    model = build(shape=(1, 3, 4), levels=5).float()
    uniform = np.random.default_rng(0).random((7, 3, 4, 1))
    images, _ = draw(model, (3, 4), uniform)
    values, known = np.full(images.shape, 3, np.float32), np.zeros(images.shape, np.uint8)
    known[:, :, 0], known[:, :, 2, 1] = 1, 1
    values[known == 1] = images.numpy()[known == 1]
    run_walk(face_of(model, (3, 4)), values, is_known=known, uniform=lambda i: uniform[i.start : i.stop])
    assert (values == images.numpy()).all()


@pytest.mark.parametrize("output", ["softmax", "logistic-mixture"])
def test_top_k_and_top_p(output):
    model, count = build(shape=(1, 1, 1), levels=9, output=output).float(), 2_000
    uniform = ((np.arange(count) + 0.5) / count).reshape(count, 1, 1, 1)
    with torch.no_grad():
        table = model.output.log_table(model(torch.zeros(1, 1, 1, 1).long()).double()).flatten().exp()
    order = table.argsort(descending=True)
    for options, kept in [
        ({"top_k": 3}, order[:3]),
        ({"top_k": 50}, order),
        ({"top_p": 0.5}, order[: int((table[order].cumsum(0) < 0.5).sum()) + 1]),
        ({"top_p": 1e-9}, order[:1]),
        ({"top_k": 4, "top_p": 0.999}, order[:4]),
    ]:
        values = draw(model, (1, 1), uniform, **options)[0].flatten().long()
        expected = torch.zeros(9, dtype=torch.float64)
        expected[kept] = table[kept] / table[kept].sum()
        shares = torch.bincount(values, minlength=9) / count
        torch.testing.assert_close(shares.double(), expected, atol=2 / count, rtol=0)
        nats = follow(model, torch.arange(9).view(9, 1, 1, 1), **options)[0].flatten().double()
        torch.testing.assert_close(nats.exp(), expected, atol=1e-6, rtol=1e-5)


def test_equals_stay_together():
    """Of levels that are equally likely none can be told from the others."""
    model = build(shape=(1, 1, 1), levels=4).float()
    with torch.no_grad():
        model.network.last.weight.zero_()
        model.network.last.bias.copy_(torch.tensor([1.0, 2.0, 2.0, 0.0]))
    uniform = ((np.arange(100) + 0.5) / 100).reshape(100, 1, 1, 1)
    for options in ({"top_k": 1}, {"top_p": 0.1}):
        values = draw(model, (1, 1), uniform, **options)[0].flatten().long()
        assert torch.bincount(values, minlength=4).tolist() == [0, 50, 50, 0]


def test_very_cold_is_the_likeliest_value():
    model = build(shape=(1, 3, 3), levels=5).float()
    with torch.no_grad():
        images = model.sample(3, temperature=1e-300, seed=0)
        assert torch.equal(images.long(), model.output.log_table(model(images)).argmax(2))


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_an_image_is_the_same_bits_in_any_company(architecture):
    model = build(architecture=architecture, shape=(3, 6, 5), levels=9).float()
    uniform = np.random.default_rng(0).random((64, 6, 5, 3))
    images, nats = draw(model, (6, 5), uniform)
    for number in (1, LANES + 1):
        again = draw(model, (6, 5), uniform[:number])
        assert torch.equal(again[0], images[:number])
        assert torch.equal(again[1], nats[:number])
        assert torch.equal(follow(model, images[:number])[0], nats[:number])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            again = draw(model, (6, 5), uniform)
            assert torch.equal(again[0], images)
            assert torch.equal(again[1], nats)
    finally:
        torch.set_num_threads(before)


def test_several_python_threads_at_once():
    model = build(shape=(1, 8, 8), levels=2).float()
    alone = [model.sample(40, seed=seed) for seed in range(4)]
    together = [None] * 4

    def sample(seed):
        torch.set_num_threads(2)  # of this Python thread
        together[seed] = model.sample(40, seed=seed)

    threads = [threading.Thread(target=sample, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("scale", [30.0, 1e4, 1e30])
def test_extreme_logits_give_values_and_numbers(output, scale):
    """Saturated gates, logits far beyond what an exponential takes: values stay in range, nothing is nan."""
    # Continuous values of any size would feed the next pixel.
    shape = (2, 4, 4) if OUTPUTS[output] else (1, 1, 1)
    model = build(scale=30, shape=shape, levels=OUTPUTS[output], output=output).float()
    with torch.no_grad():
        model.network.last.weight.mul_(scale / 30)
        model.network.last.bias.mul_(scale / 30)
    uniform = np.random.default_rng(0).random((3, *shape[1:], shape[0]))
    for options in ({}, {"temperature": 0.01}, {"temperature": 100.0}):
        images, nats = draw(model, shape[1:], uniform, **options)
        assert images.isfinite().all()
        assert not nats.isnan().any()
        if model.config.levels:
            assert (images >= 0).all()
            assert (images < model.config.levels).all()
            assert (nats <= 1e-5).all()
            assert (images == images.round()).all()


def test_a_number_next_to_one_draws_a_possible_value():
    """Rounding must not lead beyond the last level, nor to one of probability zero."""
    model = build(shape=(1, 1, 1), levels=7).float()
    last = np.full((1, 1, 1, 1), 1 - 2**-53)
    with torch.no_grad():
        table = model.output.log_table(model(torch.zeros(1, 1, 1, 1).long())).flatten()
    assert draw(model, (1, 1), last)[0].item() == 6
    assert draw(model, (1, 1), np.zeros((1, 1, 1, 1)))[0].item() == 0
    kept = set(table.topk(2).indices.tolist())
    assert draw(model, (1, 1), last, top_k=2)[0].item() == max(kept)
    assert draw(model, (1, 1), np.zeros((1, 1, 1, 1)), top_k=2)[0].item() == min(kept)


def test_memory_is_that_of_a_batch():
    """Ten times as many images need memory for their values, and for nothing else."""
    model, peaks = build(shape=(1, 8, 8), levels=2).float(), []
    for number in (64, 640):
        model.sample(number, seed=0, batch=32)
        tracemalloc.start()
        model.sample(number, seed=0, batch=32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2 * (640 - 64) * 64 * 4


def test_it_can_be_cancelled():
    class CancelledError(Exception):
        pass

    def stop(at):
        if at.fraction > 0.4:
            raise CancelledError

    with pytest.raises(CancelledError):
        build(shape=(1, 8, 8), levels=2).float().sample(3, seed=0, callback=stop)


def test_a_model_of_another_type_is_walked_in_float32():
    model = build(shape=(1, 4, 4), levels=3).float()
    images = model.sample(3, seed=0)
    assert torch.equal(model.double().sample(3, seed=0), images)


def test_more_levels_than_a_byte_has():
    model = build(shape=(1, 2, 2), levels=1000).float()
    images = model.sample(5, seed=0)
    assert images.dtype == torch.int64
    assert int(images.max()) > 255
    with torch.no_grad():
        torch.testing.assert_close(follow(model, images)[0], model.log_prob_map(images), atol=1e-3, rtol=1e-4)


def test_continuous_models_have_no_levels_to_choose_among():
    with pytest.raises(ConfigError, match="top_k and top_p choose among levels; a continuous model has none"):
        build(shape=(1, 2, 2), levels=0).float().sample(1, top_k=2)


def test_what_a_seed_draws_never_changes():
    """The random numbers, through the public interface: those of NumPy's Philox stream, whatever its version."""
    model = ImageModel(ModelConfig(shape=(1, 2, 3), levels=256, layers=1, hidden=1), seed=0)
    with torch.no_grad():
        model.network.last.weight.zero_()
    uniform = np.array([np.random.Generator(np.random.Philox(key=[7, index])).random((2, 3)) for index in range(2)])
    assert torch.equal(model.sample(2, seed=7)[:, 0], torch.from_numpy(uniform * 256).to(torch.uint8))
    assert model.sample(1, seed=7).flatten().tolist() == PINNED


PINNED = [223, 75, 107, 103, 21, 178]

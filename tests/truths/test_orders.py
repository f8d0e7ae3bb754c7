"""Several orders: each is a density, so is their mean; samples, completions and archives are of these densities."""

import math

import numpy as np
import pytest
import torch

from pixelrnn import Codec, ConfigError, MultiScaleModel, Support
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.ingest import Entry
from pixelrnn.config.architectures import ARCHITECTURES as KNOWN
from pixelrnn.model.orders import restore, turn
from tests.conftest import WITH_CONTEXT, all_images, build
from tests.model.test_complete import distance, exact, frequencies, mask, noise
from tests.pictures import picture

TOLD = [name for name, traits in KNOWN.items() if traits.takes_orders]
SHAPE = (1, 2, 3)
CONDITIONED = {"classes": 2, "label_dropout": 0.5}


def total(log_prob):
    return log_prob.exp().sum().item()


@pytest.mark.parametrize("orders", [2, 4, 8])
@pytest.mark.parametrize("architecture", TOLD)
@pytest.mark.parametrize(("shape", "levels"), [(SHAPE, 3), ((3, 2, 1), 2), ((1, 3, 3), 2)])
def test_each_order_and_their_mean_sum_to_one(architecture, orders, shape, levels):
    model = build(architecture=architecture, shape=shape, levels=levels, orders=orders)
    images = all_images(shape, levels)
    with torch.no_grad():
        each = torch.stack([model.log_prob(images, order=k) for k in range(orders)])
        mean = model.log_prob(images)
    assert each.exp().sum(1).numpy() == pytest.approx(np.ones(orders), abs=1e-9)
    assert total(mean) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(mean, each.logsumexp(0) - math.log(orders), rtol=1e-9, atol=1e-9)
    # Orders of which the network knows nothing would turn with the images.
    assert all((each[0] - other).abs().max() > 0.05 for other in each[1:])


@pytest.mark.parametrize("architecture", TOLD)
def test_with_labels_each_is_a_density_too(architecture):
    model = build(architecture=architecture, shape=SHAPE, levels=2, orders=8, **CONDITIONED)
    images = all_images(SHAPE, 2)
    with torch.no_grad():
        found = {label: model.log_prob(images, label=label) for label in (None, 0, 1)}
        each = [model.log_prob(images, label=1, order=k) for k in range(8)]
    assert [total(log_prob) for log_prob in (*found.values(), *each)] == pytest.approx([1.0] * 11, abs=1e-9)
    assert (found[0] - found[1]).abs().max() > 0.05
    assert (found[None] - found[1]).abs().max() > 0.05


@pytest.mark.parametrize("architecture", WITH_CONTEXT[:4])
@pytest.mark.parametrize("context", [(1, 2, 4), (2, 1, 2)])
def test_contexts_turn_along(architecture, context):
    model = build(architecture=architecture, shape=(1, 2, 4), levels=2, orders=8, context=context)
    images, given = all_images((1, 2, 4), 2), torch.randint(0, 2, context)
    with torch.no_grad():
        each = torch.stack([model.log_prob(images, context=given, order=k) for k in range(8)])
        assert total(model.log_prob(images, context=given)) == pytest.approx(1, abs=1e-9)
        assert each.exp().sum(1).numpy() == pytest.approx(np.ones(8), abs=1e-9)
        # The network in one order, of the image and the context turned by hand.
        alone = model.map_as_read(*_by_hand(model, images, given, order=5))
    torch.testing.assert_close(alone.sum((1, 2, 3)), each[5])


def _by_hand(model, images, context, order):
    _, given = model.checked(images, model_condition(context=context))
    rows = torch.full((len(images),), order)
    return turn(images, order), given._replace(label=rows, context=turn(given.context, order))


def model_condition(**given):
    from pixelrnn.condition import Condition

    return Condition(**given)


@pytest.mark.parametrize("architecture", WITH_CONTEXT[:4])
def test_several_scales_are_read_in_one_order(architecture):
    model = build(architecture=architecture, shape=(1, 2, 4), levels=2, orders=8, scales=2)
    assert isinstance(model, MultiScaleModel)
    images = all_images((1, 2, 4), 2)
    with torch.no_grad():
        each = torch.stack([model.log_prob(images, order=k) for k in range(8)])
        assert total(model.log_prob(images)) == pytest.approx(1, abs=1e-9)
        # A scale alone keeps the pixels that it is given: of all orders those are two.
        larger, context = model.models[1], torch.tensor([[[1, 0]]])
        fits = images[(images[:, :, ::2, ::2] == context).flatten(1).all(1)]
        assert total(larger.log_prob(fits, context=context)) == pytest.approx(1, abs=1e-9)
    assert each.exp().sum(1).numpy() == pytest.approx(np.ones(8), abs=1e-9)
    with pytest.raises(ConfigError, match="order is 1; 0, 4 are there"):
        larger.log_prob(fits, context=context, order=1)


def test_a_support_is_that_of_every_order():
    model = build(architecture="local", shape=(3, 1, 2), levels=3, orders=8)
    support = Support(np.array([[0, 1, 2], [2, 2, 0], [1, 0, 0]]))
    colours = torch.from_numpy(support.colours)
    images = torch.stack([torch.stack([a, b], 1)[:, None] for a in colours for b in colours])
    with torch.no_grad():
        assert total(model.log_prob(images, support=support)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("architecture", TOLD)
def test_a_map_adds_up_and_lies_where_the_pixels_are(architecture):
    model = build(architecture=architecture, shape=(1, 3, 4), levels=2, orders=8)
    images = torch.randint(0, 2, (5, 1, 3, 4))
    with torch.no_grad():
        found = model.log_prob_map(images)
        torch.testing.assert_close(found.sum((1, 2, 3)), model.log_prob(images))
        # The first pixel that an order reads depends on nothing: it is the same for all images that agree in it.
        for order, place in ((0, (0, 0)), (1, (0, -1)), (2, (-1, 0)), (3, (-1, -1)), (5, (0, -1))):
            first = model.log_prob_map(images, order=order)[:, 0, *place]
            for value in (0, 1):
                same = first[images[:, 0, *place] == value]
                assert same.numel() < 2 or (same - same[0]).abs().max() < 1e-12


def test_orders_may_differ_from_image_to_image():
    model = build(architecture="row-lstm", shape=(1, 2, 3), levels=2, orders=8)
    images, orders = torch.randint(0, 2, (9, 1, 2, 3)), torch.arange(9) % 8
    with torch.no_grad():
        found = model.log_prob(images, order=orders)
        alone = torch.cat([model.log_prob(images[n : n + 1], order=int(k)) for n, k in enumerate(orders)])
    torch.testing.assert_close(found, alone)
    for wrong in (8, -1, 1.0, True, torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(ConfigError, match="order is"):
            model.log_prob(images, order=wrong)


@pytest.mark.parametrize("architecture", TOLD)
def test_both_faces_read_in_the_same_orders(architecture):
    model = build(architecture=architecture, shape=SHAPE, levels=3, orders=8, **CONDITIONED).float()
    images = torch.randint(0, 3, (6, *SHAPE))
    for order in (0, 3, 6):
        known = torch.ones(SHAPE, dtype=torch.bool)
        found = model.complete(images, known, label=1, order=order)
        with torch.no_grad():
            wanted = model.log_prob(images, label=1, order=order).double()
        assert (found.images == images).all()
        torch.testing.assert_close(found.log_known, wanted, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        whole = model.log_prob(images, label=1).double()
    torch.testing.assert_close(model.complete(images, known, label=1).log_known, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["row-lstm", "local"])
def test_samples_come_from_the_mean(architecture):
    model = build(architecture=architecture, shape=SHAPE, levels=2, orders=8).float()
    count = 20_000
    with torch.no_grad():
        wanted = model.log_prob(all_images(SHAPE, 2)).double().exp()
        in_one = model.log_prob(all_images(SHAPE, 2), order=6).double().exp()
    assert distance(frequencies(model, model.sample(count, seed=0)), wanted) < 2 * noise(wanted, count)
    assert distance(frequencies(model, model.sample(count, seed=0, order=6)), in_one) < 2 * noise(in_one, count)
    assert distance(wanted, in_one) > 4 * noise(in_one, count)


def test_an_image_is_a_function_of_seed_and_number():
    model = build(architecture="row-lstm", shape=(1, 3, 5), levels=3, orders=8).float()
    whole = model.sample(12, seed=3)
    assert torch.equal(model.sample(7, seed=3), whole[:7])
    assert torch.equal(model.sample(12, seed=3, batch=5), whole)
    assert whole.shape == (12, 1, 3, 5)


@pytest.mark.parametrize("architecture", ["row-lstm", "local"])
def test_what_is_known_below_is_exact_in_an_order_from_below(architecture):
    model = build(architecture=architecture, shape=(1, 3, 3), levels=2, orders=4).float()
    x, known, count = torch.tensor([[[0, 0, 0], [0, 1, 0], [1, 0, 1]]]), mask("...", ".x.", "xxx"), 20_000
    images = all_images((1, 3, 3), 2)
    with torch.no_grad():
        each = torch.stack([model.log_prob(images, order=k) for k in range(4)]).double()
    fits = ((images == x) | ~known).flatten(1).all(1)
    # In none is the middle of its row known before both neighbours: one order alone, from below.
    for rows, orders in ((mask("...", "..x", "xxx"), [3]), (mask("...", "...", "xxx"), [2, 3])):
        fits = ((images == x) | ~rows).flatten(1).all(1)
        mean = each[orders].logsumexp(0) - math.log(len(orders))
        evidence = mean[fits].logsumexp(0)
        posterior = torch.where(fits, (mean - evidence).exp(), 0.0)
        done = model.complete(x.expand(count, 1, 3, 3), rows, seed=0, particles=1)
        assert done.log_known.numpy() == pytest.approx(evidence.item(), abs=1e-4)
        assert distance(frequencies(model, done.images), posterior) < 2 * noise(posterior, count)


def test_particles_in_all_orders_come_to_the_posterior_of_the_mean():
    model = build(architecture="row-lstm", shape=(1, 3, 3), levels=2, orders=8, layers=1, hidden=4).float()
    x, known, count = torch.tensor([[[0, 0, 1], [0, 1, 0], [1, 0, 1]]]), mask("..x", ".x.", "x.."), 2_000
    posterior, evidence = exact(model, x, known)
    done = model.complete(x.expand(count, 1, 3, 3), known, seed=0, particles=32, order="all")
    assert done.log_known.exp().mean().log().item() == pytest.approx(evidence, abs=0.02)
    assert distance(frequencies(model, done.images), posterior) < 2 * noise(posterior, count)
    single = model.complete(x.expand(count, 1, 3, 3), known, seed=0, particles=32)
    assert distance(frequencies(model, single.images), posterior) > distance(frequencies(model, done.images), posterior)
    with pytest.raises(ConfigError, match="order is 'best'"):
        model.complete(x[None], known, order="best")


@pytest.mark.parametrize("fields", [{}, CONDITIONED, {"context": (1, 2, 3)}, {"scales": 2, "shape": (1, 4, 6)}])
def test_tensors_are_coded_in_their_best_order(fields):
    fields = {"shape": (1, 2, 3)} | fields
    model = build(architecture="row-lstm", levels=5, orders=8, **fields).float()
    images = model.sample(
        40, seed=0, **({"context": torch.randint(0, 5, (40, 1, 2, 3))} if "context" in fields else {})
    )
    given = {"context": torch.randint(0, 5, (40, 1, 2, 3))} if "context" in fields else {}
    label = {"label": torch.arange(40) % 3 - 1} if "classes" in fields else {}
    data = Codec(model).encode(images, **given, **label)
    assert torch.equal(Codec(model).decode(data, **given), images)
    with torch.no_grad():
        each = torch.stack([model.log_prob(images, **given, **label, order=k) for k in range(8)])
    least, first = (-each.max(0).values.sum() / math.log(2) / 8).item(), (-each[0].sum() / math.log(2) / 8).item()
    assert len(data) < least + 40 * 3 / 8 + 400  # of indices: a checksum for each image
    assert len(data) - 400 < first or first - least < 60


def test_pictures_are_coded_in_their_best_order(tmp_path, monkeypatch):
    monkeypatch.setattr(Entry, "limit", 10**6)  # noise is smaller without a model
    (tmp_path / "in").mkdir()
    for number in range(6):
        picture(seed=number, size=(17, 23)).save(tmp_path / "in" / f"{number}.png")
    model = build(architecture="local", shape=(3, 8, 8), levels=256, orders=8, scale=1.0).float()
    model.save_pretrained(tmp_path / "model")
    done = compress(model, tmp_path / "in", tmp_path / "a.pxr", tile=(8, 16))
    assert done.coded
    with Archive(tmp_path / "a.pxr") as archive:
        assert archive.index.is_turned
        for number, content in archive.extract(model):
            name = archive.members[number].name
            before = picture(seed=int(name.split(".")[0]), size=(17, 23))
            assert archive.shape(number)[1] == before.size
            assert content.tobytes() == before.tobytes()


def test_turning_and_turning_back():
    x = torch.arange(24).view(2, 3, 4)
    assert all(torch.equal(restore(turn(x, k), k), x) for k in range(8))
    assert all(np.array_equal(restore(turn(x.numpy(), k), k), x.numpy()) for k in range(8))
    assert len({tuple(turn(x, k).flatten().tolist()) for k in range(8)}) == 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"orders": 3}, "orders is 3; one of 1, 2, 4, 8 is allowed"),
        ({"orders": 2, "architecture": "gated-conv"}, "'gated-conv' cannot be told of it"),
        (
            {"orders": 2, "architecture": "local", "grid": 8},
            "grid 8: places in a grid are others in mirror images; leave",
        ),
        ({"orders": 8, "shape": (1, 4, 6), "context": (1, 2, 2)}, "as many rows as columns less"),
    ],
)
def test_what_orders_do_not_go_with(fields, message):
    with pytest.raises(ConfigError, match=message):
        build(**fields)


def test_a_number_of_any_kind_is_an_order():
    model = build(architecture="row-lstm", shape=(1, 2, 3), levels=2, orders=4).float()
    x, known = model.sample(3, seed=0), torch.ones(2, 3, dtype=torch.bool)
    wanted = [model.complete(x, known, order=order).log_known for order in (1, [0, 1, 2])]
    for order, same in ((np.int64(1), wanted[0]), (torch.tensor([0, 1, 2]), wanted[1])):
        assert torch.equal(model.complete(x, known, order=order).log_known, same)
    with pytest.raises(ConfigError, match="order is"):
        model.complete(x, known, order=1.5)


def test_an_output_of_somebody_else_is_drawn_in_orders():
    """By rerunning the network, which is told the order as by the walk."""
    known = torch.ones(1, 2, 3, dtype=torch.bool)
    model = build(architecture="pixelcnn", shape=(1, 2, 3), levels=3, orders=8).float()
    images = model.sample(5, seed=0)
    wanted = model.complete(images, known, order=3).log_known
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(model), "has_walk", False)
        torch.testing.assert_close(model.complete(images, known, order=3).log_known, wanted, rtol=1e-4, atol=1e-4)
        assert model.sample(4, seed=1).shape == (4, 1, 2, 3)

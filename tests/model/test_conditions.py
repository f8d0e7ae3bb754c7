"""Labels and contexts as arguments: what is taken, and what is refused with a sentence."""

import numpy as np
import pytest
import torch

from pixelrnn import ConfigError, DataError, ModelConfig
from tests.conftest import WITH_CONTEXT, build

X = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
LABELLED = {"shape": (1, 4, 4), "levels": 3, "classes": 4}
GIVEN = {"shape": (1, 4, 4), "levels": 3, "context": (2, 2, 2)}


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_every_weight_of_the_conditions_is_used(architecture):
    model = build(architecture=architecture, shape=(3, 4, 4), levels=3, classes=4, context=(2, 2, 2), hidden=12)
    x, context = torch.randint(0, 3, (8, 3, 4, 4)), torch.randint(0, 3, (8, 2, 2, 2))
    model.log_prob(x, label=torch.arange(8) % 4, context=context).sum().backward()
    unused = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]
    assert not unused
    assert all(p.grad.any(1).all() for name, p in model.named_parameters() if name.endswith("condition.label"))


def test_one_label_or_context_for_all_or_one_for_each():
    model = build(shape=(1, 4, 4), levels=3, classes=4, context=(1, 2, 2)).float()
    context = torch.randint(0, 3, (1, 2, 2))
    one = {"label": 2, "context": context}
    each = {"label": torch.tensor([2, 2]), "context": context.expand(2, 1, 2, 2)}
    assert torch.equal(model.log_prob(X, **one), model.log_prob(X, **each))
    assert torch.equal(model.sample(2, **one, seed=0), model.sample(2, **each, seed=0))


def test_contexts_of_floats_are_read_as_they_are():
    model = build(**GIVEN)
    levels = torch.tensor([0, 1, 2]).repeat(6)[:16].view(2, 2, 2, 2)
    floats = levels.double() - 1
    assert torch.equal(model.log_prob(X, context=levels), model.log_prob(X, context=floats))


def test_without_a_label_if_some_were_withheld_in_training():
    model = build(**LABELLED, label_dropout=0.1)
    assert torch.equal(model.log_prob(X), model.log_prob(X, label=-1))
    mixed = model.log_prob(X, label=torch.tensor([-1, 3]))
    assert torch.equal(mixed, torch.stack([model.log_prob(X)[0], model.log_prob(X, label=3)[1]]))


@pytest.mark.parametrize(
    ("fields", "given", "error", "message"),
    [
        (LABELLED, {}, ConfigError, "the model needs a label, 0 .. 3: give `label`"),
        (LABELLED, {"label": 4}, DataError, "labels are 4 .. 4; 0 .. 3 are allowed"),
        (LABELLED, {"label": -1}, DataError, "labels are -1 .. -1; 0 .. 3 are allowed"),
        ({**LABELLED, "label_dropout": 0.5}, {"label": -2}, DataError, "0 .. 3, or -1 for none are allowed"),
        (LABELLED, {"label": torch.tensor([1, 2, 3])}, DataError, r"of shape \(3,\); 2 integers are needed"),
        (LABELLED, {"label": torch.tensor([1.0, 2.0])}, DataError, "labels are torch.float32"),
        (LABELLED, {"label": True}, DataError, "labels are torch.bool"),
        (LABELLED, {"label": "one"}, DataError, "label is 'one'; integers are needed"),
        (LABELLED, {"label": 1, "context": X}, ConfigError, "a context is given, but the model has none"),
        (GIVEN, {}, ConfigError, "the model needs a context image of 2x2x2"),
        (
            GIVEN,
            {"label": 1, "context": torch.zeros(2, 2, 2)},
            ConfigError,
            "a label is given, but the model has no classes",
        ),
        (GIVEN, {"context": torch.zeros(2, 3, 2)}, DataError, r"shape \(2, 3, 2\); \(2, 2, 2, 2\) is needed"),
        (GIVEN, {"context": torch.zeros(3, 2, 2, 2)}, DataError, r"context has shape \(3, 2, 2, 2\)"),
        (GIVEN, {"context": torch.zeros(2, 2)}, DataError, r"context has shape \(2, 2\)"),
        (
            GIVEN,
            {"context": torch.full((2, 2, 2), 3)},
            DataError,
            "contexts hold values 3 .. 3; this model has 3",
        ),
        (GIVEN, {"context": torch.full((2, 2, 2), torch.nan)}, DataError, "floats that are not finite"),
        ({**GIVEN, "levels": 0}, {"context": torch.zeros(2, 2, 2).int()}, DataError, "floats are needed"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(fields, given, error, message):
    model = build(**fields)
    x = X.float() if fields["levels"] == 0 else X
    with pytest.raises(error, match=message):
        model.log_prob(x, **given)
    with pytest.raises(error):
        model.sample(2, **given, size=(4, 4))


def test_a_copied_context_takes_no_floats():
    model = build(shape=(1, 4, 4), levels=3, context=(1, 2, 2), copies_context=True)
    with pytest.raises(DataError, match=r"the context is torch.float32; integers are needed"):
        model.log_prob(X, context=torch.zeros(1, 2, 2))


def test_size_comes_from_the_context():
    model = build(**GIVEN)
    assert model.sample(1, context=torch.zeros(2, 3, 5), seed=0).shape == (1, 1, 6, 10)
    with pytest.raises(DataError, match=r"context has shape \(2, 3, 5\); \(1, 2, 2, 2\) is needed"):
        model.sample(1, context=torch.zeros(2, 3, 5), size=(4, 4))
    with pytest.raises(DataError, match=r"context has shape \(2, 2, 2\); \(2, 2, 2.5, 2\) is needed"):
        model.log_prob(torch.zeros(2, 1, 5, 4, dtype=torch.uint8), context=torch.zeros(2, 2, 2))


def test_classify_is_refused_without_classes_or_with_an_odd_prior():
    with pytest.raises(ConfigError, match="the model has no classes; train it on labelled images"):
        build(shape=(1, 4, 4), levels=3).classify(X)
    for prior in (torch.ones(3), torch.tensor([1.0, 1, 1, -1]), torch.zeros(4), torch.full((4,), torch.nan)):
        with pytest.raises(DataError, match="4 numbers of 0 and above are needed"):
            build(**LABELLED).classify(X, prior=prior)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": -1}, "classes is -1"),
        ({"label_dropout": 1.0}, "label_dropout is 1.0; it is a share of the images, 0 up to 1"),
        (
            {"context": (1, 3, 4)},
            r"context is \(1, 3, 4\); it is \(channels, height, width\), whose sides divide \(4, 4\)",
        ),
        ({"context": (0, 4, 4)}, "whose sides divide"),
        ({"context": (1, 4, 4), "copies_context": True}, r"every second pixel of the image, \(1, 2, 2\)"),
        ({"context": (2, 2, 2), "copies_context": True}, r"every second pixel of the image, \(1, 2, 2\)"),
        ({"scales": 0}, "scales is 0"),
    ],
)
def test_configurations_that_make_no_sense(fields, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(shape=(1, 4, 4), **fields)


def test_other_kinds_of_numbers():
    model = build(shape=(1, 4, 4), levels=3, classes=4, context=(1, 2, 2)).float()
    context = torch.randint(0, 3, (1, 2, 2))
    expected, images = model.log_prob(X, label=2, context=context), model.sample(2, label=2, context=context, seed=0)
    for label, given in [
        (np.array([2, 2], np.int32), context.numpy()),
        (torch.tensor([2, 2], dtype=torch.uint16), context.to(torch.uint16)),
        ([2, 2], (context - 1.0).requires_grad_()),
        (2, (context - 1.0).bfloat16()),
    ]:
        assert torch.equal(model.log_prob(X.to(torch.uint16), label=label, context=given), expected)
        assert torch.equal(model.sample(2, label=label, context=given, seed=0), images)
    with pytest.raises(DataError, match="images are a str; a tensor, an array or PIL images are needed"):
        model.log_prob("a.png", label=2, context=context)
    with pytest.raises(ConfigError, match="n is -1; at least 1 is needed"):
        model.sample(-1, label=2, context=context)


def test_continuous_contexts_are_copied_as_samples_hold_them():
    model = build(shape=(1, 4, 4), levels=0, context=(1, 2, 2), copies_context=True)
    context = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    images = model.sample(3, context=context, seed=0)
    assert model.log_prob(images, context=context).isfinite().all()
    done = model.complete(images, torch.ones(4, 4, dtype=torch.bool), context=context)
    assert torch.equal(done.images, images)


def test_label_and_context_come_after_the_images():
    model = build(shape=(1, 4, 4), levels=3, classes=4, context=(1, 2, 2))
    context = torch.randint(0, 3, (1, 2, 2))
    for name in ("log_prob", "log_prob_map", "bits_per_dim", "forward"):
        method = getattr(model, name)
        assert torch.equal(method(X, 2, context), method(X, label=2, context=context))

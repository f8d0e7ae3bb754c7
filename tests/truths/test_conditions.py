"""Conditions: exact normalisation for each of their values, causality beside them, and Bayes' rule."""

import pytest
import torch

from pixelrnn import ImageModel, ModelConfig, TrainConfig, classify, fit, load_data
from pixelrnn.condition import Condition
from tests.conftest import WITH_CONTEXT, all_images, architectures_with, build

SHAPE, CONTEXT = (2, 2, 2), (1, 1, 2)
FIELDS = {"shape": SHAPE, "levels": 2, "classes": 3, "label_dropout": 0.1, "context": CONTEXT}


@pytest.mark.parametrize("architecture", architectures_with(classes=3))
def test_probabilities_sum_to_one_for_each_label(architecture):
    model, images = (
        build(architecture=architecture, shape=SHAPE, levels=2, classes=3, label_dropout=0.1),
        all_images(SHAPE, 2),
    )
    with torch.no_grad():
        found = torch.stack([model.log_prob(images, label=label).exp() for label in range(-1, 3)])
    torch.testing.assert_close(found.sum(1), torch.ones(4, dtype=torch.float64), atol=1e-9, rtol=0)
    differences = torch.cdist(found, found, p=1) + torch.eye(4)
    assert differences.min() > 1e-4


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_probabilities_sum_to_one_for_each_condition(architecture):
    """Every label, and none, with every context; and no two of these sixteen distributions are alike."""
    model, images = build(architecture=architecture, **FIELDS), all_images(SHAPE, 2)
    with torch.no_grad():
        found = torch.stack(
            [
                model.log_prob(images, label=label, context=context).exp()
                for label in range(-1, 3)
                for context in all_images(CONTEXT, 2)
            ]
        )
    torch.testing.assert_close(found.sum(1), torch.ones(16, dtype=torch.float64), atol=1e-9, rtol=0)
    differences = torch.cdist(found, found, p=1) + torch.eye(16)
    assert differences.min() > 1e-4


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_causality_beside_conditions(architecture):
    """With conditions a parameter depends on the same sub-pixels as without them, and on all of the condition."""
    fields = {"architecture": architecture, "shape": (2, 4, 4), "levels": 3}
    plain = build(**fields)
    model = build(**fields, classes=2, context=(1, 2, 2))
    label, tries = torch.tensor([1]), range(6)  # at a single x a ReLU or a gate may hide what is there
    xs, contexts = torch.randn(6, 1, 2, 4, 4, dtype=torch.float64), torch.randn(6, 1, 1, 2, 2, dtype=torch.float64)

    def depends(function, *arguments):
        """Which parameter (C, H, W) depends on which number of an argument."""
        jacobian = torch.autograd.functional.jacobian
        each = [jacobian(function, tuple(a[n] for a in arguments)) for n in tries]
        return [torch.stack(j).abs().sum((0, 1, 3, 6)) > 0 for j in zip(*each, strict=True)]

    (without,) = depends(plain.network, xs)
    on_x, on_context = depends(lambda x, context: model.network(x, Condition(label, context)), xs, contexts)
    assert torch.equal(on_x, without)
    assert on_context[:, :, :, 0].any(-1).any(-1).all(), "every sub-pixel knows something of the context"
    first, second = (model.network(xs[:, 0], Condition(torch.full((6,), label), contexts[:, 0])) for label in range(2))
    assert ((first - second).abs().amax((0, 2)) > 0).all(), "the label reaches every sub-pixel"


def test_context_network_reads_a_square_around_its_pixel():
    """Nothing is masked: 3x3 in each of three layers, the second of which goes to the finer grid."""
    model = build(architecture="pixelcnn", shape=(1, 24, 24), levels=2, context=(1, 12, 12), hidden=16)
    context = torch.randn(1, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    features = model.network.context(context)
    assert features.shape == (1, 16, 24, 24)
    (gradient,) = torch.autograd.grad(features[0, :, 12, 12].sum(), context)
    # Row 12 reads rows 11 .. 13; those read rows 4 .. 7 of the coarse grid; and those 3 .. 8.
    expected = torch.zeros(12, 12, dtype=torch.bool)
    expected[3:9, 3:9] = True
    assert torch.equal(gradient[0, 0] != 0, expected)


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
def test_classify_is_bayes_rule(architecture):
    """Against the joint distribution, enumerated, with a prior that has a zero."""
    model, images = build(architecture=architecture, **FIELDS), all_images(SHAPE, 2)
    context, prior = torch.tensor([[[1, 0]]]), torch.tensor([2.0, 0.0, 6.0])
    with torch.no_grad():
        joint = torch.stack([model.log_prob(images, label=y, context=context).exp() for y in range(3)], 1) * prior / 8
        posterior = model.classify(images, prior=prior, context=context).exp()
    torch.testing.assert_close(posterior, joint / joint.sum(1, keepdim=True))
    torch.testing.assert_close(joint.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_a_copied_context_is_certain_and_the_rest_sums_to_one():
    model = build(architecture="diagonal-bilstm", shape=(1, 2, 4), levels=2, context=(1, 1, 2), copies_context=True)
    images, context = all_images((1, 2, 4), 2), torch.tensor([[[1, 0]]])
    log_prob = model.log_prob(images, context=context)
    is_equal = (images[:, 0, 0, ::2] == torch.tensor([1, 0])).all(1)
    assert (log_prob[~is_equal] == -torch.inf).all()
    assert log_prob[is_equal].exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert log_prob[is_equal].std() > 0.1


def test_a_model_learns_what_labels_and_contexts_tell():
    """Digits: a few steps must be worth more with the label or the context than without, and find labels by Bayes."""
    config = TrainConfig(steps=150, samples=0, evaluations=1, batch=32)
    nats = {}
    for name, options in {"none": {}, "label": {"labels": True}, "context": {"context": "shrunk"}}.items():
        data = load_data("digits", **options)
        model = ImageModel(ModelConfig(**data.model_fields, architecture="row-lstm", layers=2, hidden=16), seed=0)
        nats[name] = fit(model, data, config).best
        if name == "label":
            assert classify(model, data.test).accuracy > 0.5
    assert nats["label"] < nats["none"] - 1
    assert nats["context"] < nats["none"] - 5

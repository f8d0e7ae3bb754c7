"""Measuring: what is counted and compared; never how long it takes."""

import math

import torch

from pixelrnn import ImageModel, ModelConfig
from pixelrnn.app import benchmark


def test_operations_are_two_a_used_weight():
    """By hand: 7x7 mask A, 2h -> h, 3x3 mask B, up, skip, two 1x1 layers; h = 4, one channel."""
    config = ModelConfig(architecture="pixelcnn", shape=(1, 5, 6), levels=2, layers=2, hidden=4)
    layer = 8 * 4 + 4 * 4 * 5 + 4 * 8 + 4 * 8
    assert benchmark.operations(ImageModel(config, seed=0)) == 2 * 30 * (24 * 8 + 2 * layer + 8 * 8 + 8)


def test_operations_count_recurrences():
    config = ModelConfig(architecture="diagonal-bilstm", shape=(1, 5, 6), levels=2, layers=1, hidden=4, skip=False)
    weights = 24 * 8 + 2 * (16 * 8 + 16 * 8) + 4 * 8 + 8 * 8 + 8
    assert benchmark.operations(ImageModel(config, seed=0)) == 2 * 30 * weights


def test_speeds_are_of_what_was_asked():
    config = ModelConfig(architecture="row-lstm", shape=(1, 4, 5), levels=2, layers=1, hidden=4)
    speed = benchmark.measure(config, 3, runs=1)
    assert (speed.model, speed.batch) == (config, 3)
    assert speed.operations == 3 * 3 * benchmark.operations(ImageModel(config, seed=0))
    compared = (speed.conditioned_sample, speed.reference_train, speed.rerun_sample)
    for seconds in (speed.train, speed.likelihood, speed.sample, *compared):
        assert 0 < seconds < math.inf


def test_only_recurrences_have_a_reference():
    speed = benchmark.measure(ModelConfig(architecture="pixelcnn", shape=(1, 4, 5), levels=0, layers=1), 2, runs=1)
    assert speed.reference_train is None
    assert speed.reference_likelihood is None


def test_memory_grows_with_the_batch():
    config = ModelConfig(architecture="row-lstm", shape=(1, 28, 28), levels=2, layers=4)
    small, large = (benchmark.peak_memory(config, batch, "auto") for batch in (1, 64))
    # Four layers keep at least the activations of their gates.
    assert large - small > 4 * 63 * 28 * 28 * 64 * 4


def test_the_machine_is_named():
    about = benchmark.machine()
    assert about["torch"] == torch.__version__
    assert about["processor"]

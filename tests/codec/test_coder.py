"""Images as bits: the same again, in as many bits as the model says."""

import math

import numpy as np
import pytest
import torch

from pixelrnn import Codec, ConfigError, DataError
from pixelrnn.codec import codec as codec_module
from pixelrnn.codec.coder import MOST_SUBPIXELS, Coder
from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError
from pixelrnn.kernels.rans import LOWEST
from pixelrnn.progress import StoppedError
from tests.conftest import WITH_CONTEXT, build

OUTPUTS = [(1, "bernoulli", 2), (3, "softmax", 7), (1, "softmax", 256), (3, "logistic-mixture", 256)]


def bits(model, x, **given):
    return -model.log_prob(x, **given).sum().item() / math.log(2)


def images(n, shape, levels, seed=0):
    return torch.randint(0, levels, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("architecture", WITH_CONTEXT)
@pytest.mark.parametrize(("channels", "output", "levels"), OUTPUTS)
def test_size_is_what_the_model_says(architecture, channels, output, levels):
    model = build(architecture=architecture, shape=(channels, 6, 6), levels=levels, output=output).float()
    codec, x = Codec(model), model.sample(130, seed=0)
    data = codec.encode(x)
    assert (codec.decode(data) == x).all()
    assert codec.decode(data).dtype == torch.uint8
    assert len(data) <= 1.005 * bits(model, x) / 8 + 24 * 130
    assert len(data) >= 0.995 * bits(model, x) / 8
    one = codec.encode(x[:1])
    assert (codec.decode(one) == x[:1]).all()
    assert len(one) <= bits(model, x[:1]) / 8 + 64


def test_overhead_is_five_bytes_an_image():
    model = build(shape=(1, 8, 8), levels=2).float()
    x = model.sample(640, seed=1)
    assert len(Codec(model).encode(x)) <= bits(model, x) / 8 + 5 * 640 + 64


def test_any_image_can_be_coded():
    """However unlikely, also where the model is certain of something else."""
    model = build(shape=(1, 5, 5), levels=256, output="softmax").float()
    with torch.no_grad():
        model.network.last.weight.mul_(300)
    x = images(20, (1, 5, 5), 256)
    assert bits(model, x) > 100 * x.numel()
    data = Codec(model).encode(x)
    assert (Codec(model).decode(data) == x).all()
    assert len(data) <= 30 / 8 * x.numel() + 5 * 20 + 64  # intervals are parts of 2^30


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (40, 6), (33, 40), (30, 500)])
def test_any_size(size):
    """In tiles of 24 x 12: one or several, whole or cut off."""
    model = build(architecture="row-lstm", shape=(3, 6, 6), levels=4).float()
    x = images(3, (3, *size), 4)
    codec = Codec(model)
    assert codec.tile == (24, 12)
    assert (codec.decode(codec.encode(x)) == x).all()
    tall = Codec(model, tile=(64, 64))
    data = tall.encode(x)
    assert (codec.decode(data) == x).all()
    assert len(data) <= bits(model, x) / 8 + 30 * 3 + 64


def test_tiles_are_coded_as_images_of_their_own():
    model = build(shape=(1, 4, 4), levels=2, output="bernoulli").float()
    x = images(1, (1, 8, 70 * 4), 2)
    tiles = x.view(1, 2, 4, 70, 4).permute(1, 3, 0, 2, 4).reshape(-1, 1, 4, 4)
    data = Codec(model, tile=(4, 4)).encode(x)
    assert abs(len(data) - bits(model, tiles) / 8) < 64 + 3 * 16


def test_several_scales():
    model = build(shape=(3, 8, 8), levels=5, scales=3).float()
    codec, x = Codec(model), images(70, (3, 8, 8), 5)
    data = codec.encode(x)
    assert (codec.decode(data) == x).all()
    assert len(data) <= 1.005 * bits(model, x) / 8 + 5 * 70 + 64
    with pytest.raises(DataError, match="multiples of 4"):
        codec.encode(images(1, (3, 6, 8), 5))
    with pytest.raises(ConfigError, match="multiples of 4"):
        Codec(model, tile=(6, 8))
    with pytest.raises(ConfigError, match=r"a codec takes a model, not str; .*from_pretrained"):
        Codec("runs/digits")


def test_labels_are_in_the_bytes():
    model = build(shape=(1, 4, 4), levels=3, classes=4, label_dropout=0.1).float()
    codec, x = Codec(model), images(90, (1, 4, 4), 3)
    label = torch.arange(90) % 5 - 1
    data = codec.encode(x, label=label)
    assert (codec.decode(data) == x).all()
    assert len(data) <= 1.005 * bits(model, x, label=label) / 8 + 7 * 90 + 64
    assert data != codec.encode(x, label=0)
    with pytest.raises(DataError, match="labels are"):
        codec.encode(x, label=4)


@pytest.mark.parametrize("copies", [False, True])
def test_contexts_are_needed_again(copies):
    model = build(shape=(1, 4, 4), levels=3, context=(1, 2, 2), copies_context=copies).float()
    codec, x = Codec(model), images(70, (1, 4, 4), 3)
    context = x[:, :, ::2, ::2] if copies else images(70, (1, 2, 2), 3, seed=1)
    data = codec.encode(x, context=context)
    assert (codec.decode(data, context=context) == x).all()
    assert len(data) <= 1.005 * bits(model, x, context=context) / 8 + 5 * 70 + 64
    with pytest.raises(ConfigError, match="needs a context"):
        codec.decode(data)
    with pytest.raises(ArchiveError):
        codec.decode(data, context=context.flip(0))


def test_values_that_differ_from_a_copied_context_are_refused():
    model = build(shape=(1, 4, 4), levels=3, context=(1, 2, 2), copies_context=True).float()
    x = images(2, (1, 4, 4), 3)
    with pytest.raises(DataError, match="differ from the context"):
        Codec(model).encode(x, context=(x[:, :, ::2, ::2] + 1) % 3)


def test_a_continuous_model_is_refused():
    with pytest.raises(ConfigError, match="continuous"):
        Codec(build(shape=(1, 4, 4), levels=0))


def test_another_model_is_refused():
    model, other = (build(seed=seed, shape=(1, 4, 4), levels=2) for seed in (0, 1))
    data = Codec(model).encode(images(2, (1, 4, 4), 2))
    with pytest.raises(ArchiveError, match="another model"):
        Codec(other).decode(data)


def test_decoding_takes_no_longer_than_the_size_allows():
    """A blank image takes next to no bits; its stream is filled up."""
    model = build(shape=(1, 8, 8), levels=2, output="bernoulli").float()
    with torch.no_grad():
        model.network.last.weight.zero_()
        model.network.last.bias.fill_(-40)
    x = torch.zeros(1, 1, 512, 512, dtype=torch.uint8)
    codec = Codec(model, tile=(512, 64))
    data = codec.encode(x, verify=False)
    assert 512 * 512 // MOST_SUBPIXELS <= len(data) < 100
    assert (codec.decode(data) == 0).all()
    coder = Coder(model)
    with pytest.raises(ArchiveError, match="cannot hold"):
        coder.decode(b"\0" * 4, (1, 1, 512, 512), Condition(np.array([-1])), lambda _: None)


def test_encoding_sees_that_decoding_gives_the_same(monkeypatch):
    model = build(shape=(1, 4, 4), levels=2).float()
    decode = Coder.decode
    monkeypatch.setattr(Coder, "decode", lambda *arguments: 1 - decode(*arguments))
    with pytest.raises(ArchiveError, match="did not give back"):
        Codec(model).encode(images(2, (1, 4, 4), 2))
    assert Codec(model).encode(images(2, (1, 4, 4), 2), verify=False)


def test_memory_is_bounded_before_it_is_taken():
    model = build(shape=(1, 4, 4), levels=2).float()
    stream = b"\x01" + LOWEST.to_bytes(8, "little") + bytes(2**18)
    with pytest.raises(ArchiveError, match="bytes of memory"):
        Coder(model).decode(stream, (1, 1, 1, 2**26), Condition(np.array([-1])), lambda _: None)
    with pytest.raises(DataError, match="at most"):
        Codec(model).encode(torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(1, 1, 2**14, 2**14))
    with pytest.raises(ConfigError, match="tile is"):
        Codec(model, tile=(2**28, 4))


def test_programs_of_many_sizes_are_not_all_kept():
    model = build(architecture="row-lstm", shape=(1, 4, 4), levels=2, layers=1).float()
    codec = Codec(model)
    for width in range(1, 9):
        for height in range(1, 7):
            x = images(1, (1, height, width), 2)
            assert (codec.decode(codec.encode(x, verify=False)) == x).all()
    assert len(model._programs._kept) <= 32


def test_progress_rises_to_one_and_can_end_the_work():
    model = build(shape=(1, 8, 8), levels=2).float()
    shares = []
    data = Codec(model).encode(images(300, (1, 8, 8), 2), callback=lambda at: shares.append(at.fraction))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    shares.clear()
    Codec(model).decode(data, callback=lambda at: shares.append(at.fraction))
    assert shares[-1] == 1

    def give_up(at):
        raise KeyboardInterrupt

    for stop, error in ((give_up, KeyboardInterrupt), (lambda at: True, StoppedError)):
        with pytest.raises(error):
            Codec(model).encode(images(300, (1, 8, 8), 2), callback=stop)


def test_a_stream_that_no_image_gives_is_refused():
    coder = Coder(build(shape=(1, 4, 4), levels=2).float())
    with pytest.raises(ArchiveError, match="a stream holds what no image can give"):
        coder.decode(b"\x01" + b"\x7f" * 80, (20, 1, 4, 4), Condition(), lambda _: None)
    with pytest.raises(ArchiveError, match="a stream begins as none does"):
        coder.decode(b"\x01" + bytes(80), (20, 1, 4, 4), Condition(), lambda _: None)
    with pytest.raises(ArchiveError, match="cannot hold 20 images of its shape"):
        coder.decode(b"\x01" + b"\x7f" * 7, (20, 1, 4, 4), Condition(), lambda _: None)


def test_too_many_pixels_are_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(codec_module, "MOST_PIXELS", 35)
    codec = Codec(build(shape=(1, 6, 6), levels=2).float())
    with pytest.raises(DataError, match="images have 36 pixels; at most 35 are allowed"):
        codec.encode(images(1, (1, 6, 6), 2))

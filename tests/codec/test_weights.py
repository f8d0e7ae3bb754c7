"""A model as bytes: exactly the one that codes."""

import json

import numpy as np
import pytest
import torch

from pixelrnn import ImageModel, ModelConfig, load_model, zoo
from pixelrnn.codec import weights
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.codec.varints import Writer
from pixelrnn.codec.weights import BITS, pack_model, unpack_model
from pixelrnn.errors import ArchiveError
from tests.conftest import architectures_with, build


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        (architecture, fields)
        for fields in ({"levels": 2}, {"levels": 9, "scales": 2}, {"levels": 256, "classes": 3})
        for architecture in architectures_with(shape=(3, 4, 4), **fields)
    ],
)
@pytest.mark.parametrize("bits", BITS)
def test_what_is_packed_again_is_the_same(architecture, fields, bits):
    model = build(architecture=architecture, shape=(3, 4, 4), **fields).float()
    kept = unpack_model(pack_model(model, bits))
    assert kept.config == model.config
    assert fingerprint(unpack_model(pack_model(kept, bits))) == fingerprint(kept)
    assert pack_model(kept, bits) == pack_model(unpack_model(pack_model(kept, bits)), bits)


def test_more_bits_are_closer():
    model = build(shape=(1, 6, 6), levels=16).float()
    x = model.sample(50, seed=0)
    with torch.no_grad():
        exact = model.log_prob(x)
        errors = [(unpack_model(pack_model(model, bits)).log_prob(x) - exact).abs().mean().item() for bits in BITS]
    sizes = [len(pack_model(model, bits)) for bits in (5, 6, 7, 8, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01
    assert sizes == sorted(sizes)


def test_weights_that_a_mask_takes_away_are_not_kept():
    model = build(architecture="pixelcnn", shape=(3, 4, 4), levels=4).float()
    before = pack_model(model, 8)
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "mask"):
                module.weight[(~module.mask.bool()).expand_as(module.weight)] = 123.0
    assert pack_model(model, 8) == before


def test_the_fingerprint_is_of_weights_and_configuration():
    config = ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4)
    model = ImageModel(config, seed=0)
    known = fingerprint(model)
    assert known == fingerprint(ImageModel(config, seed=0)) == fingerprint(ImageModel(config, seed=0).double())
    assert known != fingerprint(ImageModel(config, seed=1))
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-6
    assert known != fingerprint(model)


def packed(fields, bits=8, rest=b""):
    writer = Writer()
    text = json.dumps(fields).encode()
    writer.varints((len(text),))
    writer.bytes += text
    writer.varints((bits,))
    return bytes(writer.bytes) + rest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "ends too early"),
        (packed({}, bits=9), "weights of 9 bits"),
        (packed([]), "not a JSON object"),
        (packed({"hidden": "many"}), "cannot be|wrong type"),
        (packed({"hidden": 10**9}), "larger than any"),
        (packed({"layers": 10**9}), "larger than any"),
        (packed({"layers": 4000, "scales": 1000}), "larger than any"),
        (packed({"hidden": 4096}), "more weights than it has room for"),
        (packed({"hidden": 4096}, rest=bytes(5000)), "more weights than it has room for"),
        (packed({"architecture": "gated-pixelcnn", "hidden": 500, "layers": 1}, rest=bytes(2000)), "more weights than"),
        (packed({"layers": 1.5}, rest=bytes(5000)), "layers is 1.5; an integer is needed"),
        (packed({"nonsense": 1}), "unknown field"),
        (packed({"layers": 1, "hidden": 4}, rest=bytes(50)), "ends too early"),
        (packed({"layers": 1, "hidden": 4}, rest=bytes(5000)), "damaged"),
    ],
)
def test_what_is_no_model_is_refused(content, message):
    with pytest.raises(ArchiveError, match=message):
        unpack_model(content)


def test_every_cut_is_refused():
    content = pack_model(build(shape=(1, 4, 4), levels=2, layers=1).float(), 6)
    for length in range(0, 150, 3):
        with pytest.raises(ArchiveError):
            unpack_model(content[:length])


def test_a_model_of_zeros():
    model = build(shape=(1, 4, 4), levels=2, layers=1).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    kept = unpack_model(pack_model(model, 5))
    assert all(bool((tensor == 0).all()) for tensor in kept.state_dict().values())
    assert np.isfinite(kept.log_prob(torch.zeros(1, 1, 4, 4, dtype=torch.uint8)).item())


def test_what_torch_refuses_is_said(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no such sizes")

    monkeypatch.setattr(weights, "build_model", refuse)
    with pytest.raises(ArchiveError, match=r"its model cannot be built \(no such sizes\)"):
        unpack_model(packed({}, rest=bytes(10**6)))


@pytest.mark.parametrize("bits", [3, 8, 16])
def test_what_began_as_a_shipped_model_is_kept_as_differences(bits):
    start, model = load_model("photographs"), load_model("photographs")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.003 * torch.randn(parameter.shape, generator=generator))
    content = pack_model(model, bits, start)
    kept = unpack_model(content)
    assert fingerprint(unpack_model(pack_model(kept, bits, start))) == fingerprint(kept)
    for (name, tensor), before in zip(kept.state_dict().items(), start.state_dict().values(), strict=True):
        change = model.state_dict()[name] - before
        if not change.numel():
            continue
        torch.testing.assert_close(
            tensor - before, change, atol=change.abs().max().item() / 2 ** (min(bits, 12) - 2), rtol=0
        )
    if bits == 3:
        assert len(content) < 0.5 * len(pack_model(model, 7))


def test_what_began_as_another_model_is_refused():
    start = load_model("photographs")
    content = pack_model(start, 5, start)
    known = fingerprint(start).hex().encode()
    with pytest.raises(ArchiveError, match="which this version does not have"):
        unpack_model(content.replace(known, b"0123456789abcdef"))
    other = next(name for name in zoo.names() if name.startswith("mnist"))
    with pytest.raises(ArchiveError, match="another than the shipped one that it began as"):
        unpack_model(content.replace(known, zoo.card(other).fingerprint.encode()))

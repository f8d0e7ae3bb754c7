r"""A model as bytes inside a file.

Weights are kept with few bits: those of a tensor W of two or more dimensions as integers k with
:math:`w = k s, \; s = \max |W| / (2^{b-1} - 1)`, entropy coded with the frequencies of all integers; biases and scales
as float16. Weights that a mask takes away are not kept. What codes images is a model with exactly the kept weights.
Of a model whose training began with a shipped one, the differences of all weights are kept in this way.

    length and text of the changed fields of the configuration (JSON),    varint, UTF-8
    and `start`: the fingerprint of the shipped model, if there is one
    bits b of a weight; 16: all weights are float16                       varint
    float16 of all biases and scales (16 bits: of all weights)            in the order of the model's tensors
    frequency of each integer -2^(b-1) .. 2^(b-1) - 1                     varints
    stream of the range coder                                             the rest
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelrnn import zoo
from pixelrnn.codec.fingerprint import changed_fields, fingerprint
from pixelrnn.codec.varints import Reader, Writer
from pixelrnn.config import ModelConfig, from_json
from pixelrnn.errors import ArchiveError
from pixelrnn.kernels.range_coder import WORD, decode_all, decoder, encode_all, encoder, finish
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.model.multiscale import build_model, kind_of
from pixelrnn.nn.conv import MaskedConv2d
from pixelrnn.runs.files import build_within

__all__ = ["BITS", "LEAST_WHOLE", "pack_model", "unpack_model"]

Array = np.ndarray[Any, np.dtype[Any]]

BITS = (3, 4, 5, 6, 7, 8, 10, 16)
"""Bits that a weight can have."""

LEAST_WHOLE = 5
"""Of these, the least that weights which are no differences bear."""

FLOAT = 16
START = "start"
HALF = np.dtype("<f2")
MOST_CONFIG = 4096  # bytes
MOST_FIELD = 4096  # of any number in a configuration but the sides of the image
MOST_WEIGHTS = 64  # for each byte of a stream


def pack_model(model: AbstractImageModel, bits: int, start: AbstractImageModel | None = None) -> bytes:
    """A model with weights of so many bits, one of `BITS`; as differences to those of a shipped one, if that is given.

    Example:
        >>> from pixelrnn import ImageModel
        >>> from pixelrnn.codec.fingerprint import fingerprint
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> kept = unpack_model(pack_model(model, 8))
        >>> fingerprint(unpack_model(pack_model(kept, 8))) == fingerprint(kept)
        True
    """
    halves, integers = [], []
    top = 2 ** (bits - 1) - 1
    before = _state(start)
    for name, tensor, mask in _tensors(model):
        kept = tensor.detach().cpu().double() - before.get(name, 0)
        values = (kept if mask is None else kept[mask]).flatten().numpy()
        if bits == FLOAT or tensor.dim() < 2:
            halves.append(values.astype(HALF))
            continue
        scale = (np.abs(values).max(initial=0) / top).astype(HALF)
        scale = max(scale, np.finfo(HALF).smallest_subnormal)
        halves.append(np.array([scale], HALF))
        integers.append(np.rint(values / np.float64(scale)).clip(-top - 1, top).astype(np.int32) + top + 1)
    text = _text(model, start).encode()
    writer = Writer()
    writer.varints((len(text),))
    writer.bytes += text
    writer.varints((bits,))
    writer.bytes += np.concatenate(halves).tobytes()
    if bits == FLOAT:
        return bytes(writer.bytes)
    symbols = np.concatenate(integers)
    counts = np.bincount(symbols, minlength=2**bits)
    writer.varints(counts.tolist())
    coder = encoder(len(symbols))
    if len(symbols):
        encode_all(coder.integers, counts / counts.sum(), symbols)
    return bytes(writer.bytes) + finish(coder).ljust(_least_bytes(len(symbols)), b"\0")


def unpack_model(content: bytes) -> AbstractImageModel:
    """The model that `pack_model` kept, ready to code.

    Raises:
        ArchiveError: If the bytes are damaged, or hold a model that no file has room for.
    """
    reader = Reader(content)
    text = reader.take(reader.varint(MOST_CONFIG))
    bits = reader.varint(FLOAT)
    if bits not in BITS:
        raise ArchiveError(f"its model has weights of {bits} bits; {', '.join(map(str, BITS))} are known")
    config, start = _read_config(text)
    try:
        # Masks take away about half of the weights.
        model = build_within(2 * MOST_WEIGHTS * len(content), lambda: build_model(config, seed=0), config).eval()
    except OverflowError as error:
        raise ArchiveError("its model has more weights than it has room for") from error
    except (ValueError, TypeError, RuntimeError) as error:  # ours, and torch's for sizes of a wrong kind
        raise ArchiveError(f"its model cannot be built ({error})") from error
    tensors = list(_tensors(model))
    sizes = [int(tensor.numel() if mask is None else mask.sum()) for _, tensor, mask in tensors]
    is_whole = [bits == FLOAT or tensor.dim() < 2 for _, tensor, _ in tensors]
    halves = np.frombuffer(
        reader.take(HALF.itemsize * sum(size if whole else 1 for size, whole in zip(sizes, is_whole, strict=True))),
        HALF,
    )
    integers = np.zeros(0, np.int64)
    if bits != FLOAT:
        integers = _read_integers(reader, bits, sum(n for n, whole in zip(sizes, is_whole, strict=True) if not whole))
    state: dict[str, Tensor] = {}
    before = _state(start)
    half = integer = 0
    for (name, tensor, mask), size, whole in zip(tensors, sizes, is_whole, strict=True):
        if whole:
            values, half = halves[half : half + size].astype(np.float32), half + size
        else:
            values = integers[integer : integer + size].astype(np.float32) * np.float32(halves[half])
            half, integer = half + 1, integer + size
        if not np.isfinite(values).all():
            raise ArchiveError("its model holds numbers that are not finite")
        state[name] = _filled(tensor, mask, values) + before.get(name, 0)
    model.load_state_dict(state)
    return model


def _tensors(model: AbstractImageModel) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Each tensor of a model with the mask of what counts of it, if there is one."""
    masks = {
        f"{name}.weight": module.mask.bool().expand_as(module.weight)
        for name, module in model.named_modules()
        if isinstance(module, MaskedConv2d)
    }
    for name, tensor in model.state_dict().items():
        yield name, tensor, masks.get(name)


def _state(model: AbstractImageModel | None) -> dict[str, Tensor]:
    return {} if model is None else model.state_dict()


def _text(model: AbstractImageModel, start: AbstractImageModel | None) -> str:
    """The configuration, and what the model started from."""
    fields = json.loads(changed_fields(model.config))
    if start is not None:
        fields[START] = fingerprint(start).hex()
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def _filled(tensor: Tensor, mask: Tensor | None, values: Array) -> Tensor:
    new = torch.zeros(tensor.shape)
    if mask is None:
        return torch.from_numpy(values.copy()).view(tensor.shape)
    new[mask] = torch.from_numpy(values.copy())
    return new


def _least_bytes(weights: int) -> int:
    """The size that the stream of so many weights has at least, in whole words."""
    return -(-weights // (MOST_WEIGHTS * WORD.itemsize)) * WORD.itemsize


def _read_integers(reader: Reader, bits: int, count: int) -> Array:
    """The integers of all weights, around 0."""
    counts = np.array(reader.varints(2**bits, 2**40), np.int64)
    stream = reader.take(len(reader.content) - reader.at)
    if counts.sum() != count or len(stream) % WORD.itemsize or len(stream) < _least_bytes(count):
        raise ArchiveError("the weights of its model are damaged")
    if count == 0:
        return np.zeros(0, np.int64)
    symbols, coder = np.empty(count, np.int64), decoder(stream)
    if not decode_all(coder.integers, counts / counts.sum(), symbols):
        raise ArchiveError("the weights of its model are damaged")
    around: Array = symbols - 2 ** (bits - 1)
    return around


def _read_config(text: bytes) -> tuple[ModelConfig, AbstractImageModel | None]:
    """A configuration that is not too large, and the shipped model that weights are differences to."""
    try:
        fields = json.loads(text)
        known = bytes.fromhex(fields.pop(START, "")) if isinstance(fields, dict) else b""
        config = from_json(ModelConfig, fields, "its model")
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveError(f"its model cannot be read ({error})") from error
    numbers = [config.layers, config.hidden, config.head or 1, config.mixtures, config.classes, config.scales]
    if max(numbers) > MOST_FIELD or config.layers * config.scales > MOST_FIELD or config.levels > 2**16:
        raise ArchiveError("its model is larger than any that is made")
    return config, _shipped(known, config) if known else None


def _shipped(known: bytes, config: ModelConfig) -> AbstractImageModel:
    """The shipped model of a fingerprint."""
    name = zoo.with_fingerprint(known)
    if name is None:
        raise ArchiveError(f"its model began as the shipped model {known[:8].hex()}, which this version does not have")
    model = kind_of(config).from_pretrained(zoo.find(name))
    if model.config != config:
        raise ArchiveError("its model is another than the shipped one that it began as")
    return model

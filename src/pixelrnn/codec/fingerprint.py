"""What tells which model a file needs."""

import dataclasses
import hashlib
import json

import numpy as np

from pixelrnn.config.model import ModelConfig
from pixelrnn.model.base import AbstractImageModel

__all__ = ["changed_fields", "fingerprint"]


def changed_fields(config: ModelConfig) -> str:
    """The fields of a configuration that are not at their defaults, as JSON: new fields change no old model."""
    fields = {field.name: field.default for field in dataclasses.fields(config)}
    changed = {name: value for name, value in dataclasses.asdict(config).items() if value != fields[name]}
    return json.dumps(changed, sort_keys=True, separators=(",", ":"))


def fingerprint(model: AbstractImageModel) -> bytes:
    """8 bytes that tell a model from all others: of its configuration and its weights in float32."""
    digest = hashlib.sha256(changed_fields(model.config).encode())
    if model.description:
        digest.update(json.dumps(model.description, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        values = tensor.detach().cpu().float().numpy().astype(np.dtype("<f4"))
        digest.update(f"\n{name} {values.shape}\n".encode() + values.tobytes())
    return digest.digest()[:8]

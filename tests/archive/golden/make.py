"""How the archives beside this file were made, once: they must decode to the same pictures for ever.

    python -m tests.archive.golden.make

writes them again; a new version of the format gets new files, beside these.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pixelrnn import ModelConfig, build_model
from pixelrnn.archive.compress import PackedModel, compress
from pixelrnn.archive.pictures import grid
from pixelrnn.codec.container import VERSION
from pixelrnn.codec.weights import pack_model, unpack_model
from pixelrnn.colours.planes import from_planes
from pixelrnn.config import Writing

KINDS = {
    "bits": {"architecture": "diagonal-bilstm", "shape": (1, 8, 8), "levels": 2},
    "grey": {"architecture": "row-lstm", "shape": (1, 8, 8), "levels": 256, "output": "logistic-mixture"},
    "colour": {"architecture": "pixelcnn", "shape": (3, 8, 8), "levels": 256, "output": "softmax"},
    "scales": {"architecture": "gated-pixelcnn", "shape": (4, 8, 8), "levels": 17, "scales": 2},
    "labels": {"architecture": "row-lstm", "shape": (1, 8, 8), "levels": 17, "classes": 3, "label_dropout": 0.5},
    "adaptive": {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "adaptive": True, "grid": 2},
    "fits": {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "adaptive": True, "fits": 2},
    "palettes": {"architecture": "local", "shape": (4, 8, 8), "levels": 256, "copies": 5},
    "planes": {"architecture": "local", "shape": (3, 8, 8), "levels": 256, "colours": "jpeg", "grid": 8},
}


def pictures(folder: Path, levels: int, name: str) -> None:
    """A dozen pictures of several modes with values of the levels, and a file that is none."""
    generator = np.random.default_rng(0)
    # Noise: with random weights, anything else would be smaller as PNG and stay that.
    values = grid(levels)[generator.integers(0, levels, (12, 9, 8, 4))]
    if name == "palettes":  # each picture has some of the colours of its first row
        values = values[:, 0][np.arange(12)[:, None, None], generator.integers(0, 7, (12, 9, 8))]
    elif name == "planes":
        values[..., :3] = from_planes(values[..., :3].transpose(3, 0, 1, 2), "jpeg").transpose(1, 2, 3, 0)
    for number, pixels in enumerate(values):
        rows = pixels[: 8 - 2 * (number % 2)].copy()
        grey = np.repeat(rows[..., :1], 3, axis=2)
        modes = {
            0: Image.fromarray(rows[..., 0]),
            1: Image.fromarray(rows[..., :3].copy()),
            2: Image.fromarray(rows),
            3: Image.fromarray(grey).quantize(4) if levels == 256 else Image.fromarray(grey),
        }
        modes[number % 4].save(folder / f"{number:02d}.png")
    Image.fromarray(values[..., :2].reshape(72, 24)[:, :18].copy()).save(folder / "tiles.png", icc_profile=b"profile")
    (folder / "note.txt").write_bytes(b"not a picture\n")
    (folder / "same.txt").write_bytes(b"not a picture\n")


@torch.no_grad()
def main(folder: Path) -> None:
    """Write all archives."""
    for name, fields in KINDS.items():
        model = build_model(ModelConfig(layers=2, hidden=6, mixtures=3, **fields), seed=0)
        generator = np.random.default_rng(1)
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(generator.uniform(-0.5, 0.5, parameter.shape)))
        packed = pack_model(model, 8)
        with tempfile.TemporaryDirectory() as source:
            pictures(Path(source), fields["levels"], name)
            compress(
                unpack_model(packed),
                source,
                folder / f"{name}-{VERSION}.pxr",
                packed=PackedModel(packed),
                writing=Writing(overwrite=True),
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

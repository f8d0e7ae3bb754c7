"""How fast pictures are coded on one core: the table of performance.md.

    python benchmarks/coding.py photograph.png

codes the first 512x512 pixels of a picture by local models, and 64 random images of 28x28 by a Diagonal BiLSTM. Weights
are those that a training begins with: the time does not depend on them.
"""

import dataclasses
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from pixelrnn import Codec, ModelConfig, build_model

LOCAL = {
    "local 1x24": {"layers": 1, "hidden": 24},
    "local 2x48": {"layers": 2, "hidden": 48},
    "local 2x48 adaptive": {"layers": 2, "hidden": 48, "adaptive": True},
    "local 3x96 adaptive": {"layers": 3, "hidden": 96, "adaptive": True},
    "local 2x48 adaptive, two fits": {"layers": 2, "hidden": 48, "adaptive": True, "fits": 2},
}
RECURRENT = ModelConfig(architecture="diagonal-bilstm", shape=(1, 28, 28), layers=7, hidden=16)


@dataclasses.dataclass(frozen=True)
class Speed:
    """MB, a million sub-pixels, in a second."""

    encoding: float
    decoding: float


def speed(config: ModelConfig, x: torch.Tensor, runs: int) -> Speed:
    """The best of some runs, without the first, which may compile."""
    codec, times = Codec(build_model(config, seed=0)), []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        content = codec.encode(x, verify=False)
        coded = time.perf_counter()
        restored = codec.decode(content)
        times.append((coded - begun, time.perf_counter() - coded))
        if not torch.equal(restored, x):
            raise SystemExit("an image was not restored")
    encoding, decoding = (min(each) for each in zip(*times[1:], strict=True))
    return Speed(x.numel() / encoding / 1e6, x.numel() / decoding / 1e6)


def main(picture: Path, /, runs: int = 3) -> None:
    """Measure everything.

    Args:
        picture: Photograph of at least 512x512 pixels.
        runs: Of each model; the best one counts.
    """
    torch.set_num_threads(1)
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))[:512, :512].transpose(2, 0, 1)
    models = {
        name: (ModelConfig(architecture="local", shape=(3, 48, 48), levels=256, mixtures=6, **fields), pixels[None])
        for name, fields in LOCAL.items()
    }
    random = np.random.default_rng(0)
    for levels in (2, 256):
        config = dataclasses.replace(RECURRENT, levels=levels)
        models[f"Diagonal BiLSTM 7x16, {levels} levels"] = config, random.integers(0, levels, (64, 1, 28, 28))
    print("| | encoding, MB/s | decoding, MB/s |\n| --- | --- | --- |")
    for name, (config, x) in models.items():
        found = speed(config, torch.tensor(x.astype(np.uint8)), runs)
        print(f"| {name} | {found.encoding:.2f} | {found.decoding:.2f} |", flush=True)


if __name__ == "__main__":
    tyro.cli(main)

"""Models of colour images of 32x32 pixels side by side: the tables of results.md.

    python benchmarks/colour.py photos photos-small.zip --minutes 40 --out benchmarks/out
    python benchmarks/colour.py cifar cifar10-jpeg.tar.xz --minutes 40 --out benchmarks/out

Each model is trained for so many minutes on one thread, and measured on all test images. What was measured before is
not done again, and a training that was interrupted goes on (not that of the plain model): `--only` does one at a time.
"""

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from PIL import Image
from plain_pixelcnn import count_weights, train, with_weights
from torch import Tensor

import pixelrnn
from pixelrnn.archive.pictures import saved
from pixelrnn.plots import grid, save_image
from pixelrnn.runs.files import write_json

SIDE, SHOWN, PLAIN = 32, 36, "plain PyTorch PixelCNN, softmax"
PLAIN_BLOCKS, PLAIN_BATCH = 7, 16

SETS = {
    # 40 patches of each image, test images included, at places drawn with seed 0.
    "photos": {"size": SIDE, "crop": "random", "patches": 40, "skip_bad": True},
    "cifar": {},
}
ROW = {"architecture": "row-lstm", "layers": 5, "hidden": 32}
LOCAL = {"architecture": "local", "layers": 2, "hidden": 96, "mixtures": 6}
MODELS = {
    "Row LSTM, softmax": {**ROW, "output": "softmax"},
    "Row LSTM, logistic mixture": {**ROW, "output": "logistic-mixture"},
    "local, logistic mixture": LOCAL,
    "local, of JPEG colours": {**LOCAL, "colours": "jpeg", "grid": 8},
}
BATCH = {"row-lstm": 16, "local": 64}
OF_JPEG = "local, of JPEG colours"  # photographs that were no JPEG have colours that it does not know


@dataclasses.dataclass(frozen=True)
class Figure:
    """What a model came to on the test images."""

    name: str
    weights: int
    images_seen: int
    bits_per_dim: float
    standard_error: float
    minutes: float


def ours(name: str, data: pixelrnn.Data, minutes: float, folder: Path) -> Figure:
    """Train, or go on training, a model of the package."""
    config = pixelrnn.ModelConfig(**MODELS[name], **data.model_fields)
    model = pixelrnn.build_model(config, seed=0)
    batch = BATCH[config.architecture]
    settings = pixelrnn.TrainConfig(minutes=minutes, batch=batch, valid_images=500, samples=0)
    run = pixelrnn.fit(model, data, settings, folder=folder, resume=folder.exists())
    save_image(folder / "drawn.png", grid(model.sample(SHOWN, seed=0), 256))
    bits, error = measured(lambda x: -model.log_prob(x), data.test)
    return Figure(name, count_weights(model), run.step * batch, bits, error, minutes)


def plain(data: pixelrnn.Data, weights: int, minutes: float, learning_rate: float) -> Figure:
    """Train the plain model, as large as another."""
    torch.manual_seed(0)
    model = with_weights(weights, PLAIN_BLOCKS)
    passes = itertools.count()

    def batches(random: np.random.Generator) -> Iterator[Tensor]:
        order, epoch = random.permutation(len(data.train)), next(passes)
        for start in range(0, len(order) - PLAIN_BATCH + 1, PLAIN_BATCH):
            yield data.train.batch(order[start : start + PLAIN_BATCH].tolist(), epoch)

    steps = train(model, batches, minutes, learning_rate)
    return Figure(PLAIN, count_weights(model), steps * PLAIN_BATCH, *measured(model.nats, data.test), minutes)


@torch.no_grad()
def measured(nats_of: Callable[[Tensor], Tensor], images: pixelrnn.ImageSet) -> tuple[float, float]:
    """Bits a sub-pixel, and the standard error over images, whose patches are not independent."""
    places = np.array_split(np.arange(len(images)), -(-len(images) // 64))
    nats = torch.cat([nats_of(images.batch(part.tolist())) for part in places]).double()
    bits = nats.reshape(-1, images.patches).mean(1) / math.log(2) / (3 * SIDE * SIDE)
    return float(bits.mean()), float(bits.std() / math.sqrt(len(bits)))


def jpeg_xl(images: pixelrnn.ImageSet) -> dict[str, float]:
    """Bits a sub-pixel of JPEG XL at effort 9: a file for each image, and all in one picture."""
    import pillow_jxl  # noqa: F401

    x = images.batch(range(len(images))).permute(0, 2, 3, 1).numpy()
    size = sum(len(saved(Image.fromarray(each), "JXL", lossless=True, effort=9)) for each in x)
    columns = math.isqrt(len(x))
    rows = len(x) // columns
    tiled = x[: rows * columns].reshape(rows, columns, SIDE, SIDE, 3).swapaxes(1, 2)
    mosaic = Image.fromarray(tiled.reshape(rows * SIDE, columns * SIDE, 3))
    return {
        "JPEG XL, a file each": size * 8 / x.size,
        "JPEG XL, all in one": len(saved(mosaic, "JXL", lossless=True, effort=9)) * 8 / np.asarray(mosaic).size,
    }


def main(
    kind: tyro.conf.Positional[Literal["photos", "cifar"]],
    source: tyro.conf.Positional[str],
    minutes: float = 40.0,
    plain_rate: float = 1e-3,
    only: str | None = None,
    out: Path = Path("benchmarks/out"),
) -> None:
    """Train, measure and print.

    Args:
        kind: photos: 40 patches of each image; cifar: images as they are.
        source: As `pixelrnn train` takes it.
        minutes: Of training, for each model.
        plain_rate: Learning rate of the plain model.
        only: Name of one model, or JPEG XL; all if not given.
        out: Folder to write to.
    """
    torch.set_num_threads(1)
    data = pixelrnn.load_data(source, **SETS[kind])
    print(f"{len(data.train):,} training, {len(data.test):,} test images")
    names = [name for name in (*MODELS, PLAIN, "JPEG XL") if kind == "cifar" or name != OF_JPEG]
    if only is not None and only not in names:
        raise SystemExit(f"{only!r} is none of {', '.join(names)}")
    for name in names if only is None else [only]:
        folder = out / f"colour-{kind}" / name.lower().replace(",", "").replace(" ", "-")
        file = folder / "figure.json"
        if not file.exists():
            begun = time.perf_counter()
            if name == "JPEG XL":
                found = jpeg_xl(data.test)
            elif name == PLAIN:
                largest = pixelrnn.ModelConfig(**MODELS["Row LSTM, softmax"], **data.model_fields)
                weights = count_weights(pixelrnn.build_model(largest))
                found = dataclasses.asdict(plain(data, weights, minutes, plain_rate))
            else:
                found = dataclasses.asdict(ours(name, data, minutes, folder))
            write_json(file, found)
            print(f"{name}: {(time.perf_counter() - begun) / 60:.1f} minutes in all")
        print(json.dumps(json.loads(file.read_text())), flush=True)


if __name__ == "__main__":
    tyro.cli(main)

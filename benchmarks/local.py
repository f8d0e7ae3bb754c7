"""Rate against decoding speed of local models, beside PNG, WebP and JPEG XL: the table and the plot of performance.md.

    python benchmarks/local.py photos-small.zip --minutes 6 --out benchmarks/out

trains each model on the training images of a source for so many minutes on one thread, codes its test images one by one
and decodes them again. Times are those of the processor, so that other work on the machine counts less.
"""

import dataclasses
import io
import json
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from pixelrnn import Codec, ModelConfig, TrainConfig, build_model, fit, load_data
from pixelrnn.archive.ordinary import file_of

# What is tried: layers, features, and whether it is adaptive.
MODELS = ((1, 24, False), (2, 48, False), (2, 48, True), (3, 96, False), (3, 96, True))
SIDE = 48


@dataclasses.dataclass(frozen=True)
class Point:
    """Bits of a sub-pixel, and MB (a byte for each sub-pixel) decoded in a second."""

    name: str
    bits: float
    speed: float
    weights: int = 0


def model_point(
    source: str, images: list[np.ndarray], layers: int, hidden: int, adaptive: bool, minutes: float
) -> Point:
    """Train one model, and code the images with it."""
    data = load_data(source, size=SIDE, crop="random", patches=4)
    config = ModelConfig(
        architecture="local", layers=layers, hidden=hidden, mixtures=6, adaptive=adaptive, **data.model_fields
    )
    model = build_model(config, seed=0)
    fit(model, data, TrainConfig(minutes=minutes, batch=10, learning_rate=4e-3, samples=0, evaluations=3))
    codec, size, seconds = Codec(model), 0, 0.0
    tensors = [torch.tensor(image)[None] for image in images]
    codec.decode(codec.encode(tensors[0][..., :8, :8]))  # compiles
    for x in tensors:
        content = codec.encode(x, verify=False)
        begun = time.process_time()
        restored = codec.decode(content)
        seconds += time.process_time() - begun
        if not torch.equal(restored, x):
            raise SystemExit("an image was not restored")
        size += len(content)
    subpixels = sum(image.size for image in images)
    name = f"local {layers}x{hidden}{' adaptive' if adaptive else ''}"
    weights = sum(parameter.numel() for parameter in model.parameters())
    return Point(name, 8 * size / subpixels, subpixels / seconds / 1e6, weights)


def format_point(name: str, images: list[np.ndarray]) -> Point:
    """An ordinary format, by Pillow."""
    size, seconds = 0, 0.0
    for image in images:
        content = file_of(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))), name)
        size += len(content)
        begun = time.process_time()
        for _ in range(3):
            with Image.open(io.BytesIO(content)) as picture:
                picture.load()
        seconds += (time.process_time() - begun) / 3
    subpixels = sum(image.size for image in images)
    return Point(name, 8 * size / subpixels, subpixels / seconds / 1e6)


def draw(points: list[Point], path: Path) -> None:
    """Rate against speed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, point in enumerate(points):
        axes.plot(point.speed, point.bits, "o", color="C0" if point.weights else "C7")
        # On either side in turn, so that names of models with like figures do not overlap.
        is_left = number % 2 == 0 and point.weights > 0
        axes.annotate(
            point.name,
            (point.speed, point.bits),
            xytext=(-7 if is_left else 7, -3),
            textcoords="offset points",
            ha="right" if is_left else "left",
            fontsize=9,
        )
    axes.set(xscale="log", xlabel="MB of pixels decoded in a second on one core", ylabel="bits a sub-pixel")
    axes.set_xlim(min(point.speed for point in points) / 9, max(point.speed for point in points) * 3)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def main(source: str, /, minutes: float = 6.0, images: int = 50, out: Path = Path("benchmarks/out")) -> None:
    """Measure everything.

    Args:
        source: Images with a test split, as `pixelrnn train` takes them.
        minutes: Of training, for each model.
        images: Of the test split, that are coded.
        out: Folder to write to.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(source, size=SIDE, crop="random")
    tests = data.test.spaced(images)
    pictures = [np.asarray(image) for image in tests.pixels.read(tests.positions.tolist())]
    points = [format_point(name, pictures) for name in ("PNG", "WebP")]
    try:
        import pillow_jxl  # noqa: F401

        points.append(format_point("JPEG XL", pictures))
    except ImportError:
        print("JPEG XL is left out: pip install pillow-jxl-plugin")
    for layers, hidden, adaptive in MODELS:
        points.append(model_point(source, pictures, layers, hidden, adaptive, minutes))
        print(points[-1], flush=True)
    (out / "local.json").write_text(json.dumps([dataclasses.asdict(point) for point in points], indent=1) + "\n")
    draw(points, out / "local.png")
    for point in points:
        print(f"| {point.name} | {point.weights:,} | {point.bits:.3f} | {point.speed:.2f} |")


if __name__ == "__main__":
    tyro.cli(main)

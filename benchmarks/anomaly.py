"""How well each score tells unusual images from usual ones: the table and the plot of results.md.

    python benchmarks/anomaly.py cifar10-jpeg.tar.xz --emoji emoji.zip --mnist mnist.npz --photos photos-small.zip

trains a model of the usual images and one of their background, for so many minutes each on one thread, and measures the
area under the ROC curve for each of the five scores, against five kinds of unusual images of 32x32 pixels.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from pixelrnn import AbstractImageModel, Data, ModelConfig, TrainConfig, build_model, fit, load_data
from pixelrnn.scores.anomaly import METHODS, AreaUnderCurve, area_under_curve, detector

SIDE = 32


def unusual_images(images: int, emoji: str, mnist: str, photos: str) -> dict[str, Tensor]:
    """Sets of images that the model has never seen the like of, `(N, 3, 32, 32)` uint8."""
    random = np.random.default_rng(0)
    digits = load_data(mnist).test.spaced(images).batch(range(images))[:, 0].numpy() / 255
    plain = np.zeros((images, 1, SIDE, SIDE))
    plain[:, 0, 2:-2, 2:-2] = digits
    ground, ink = random.integers(0, 256, (2, images, 3, 1, 1))
    found = {
        "emoji, 32x32 of each": _crops(emoji, images, channels="rgb"),
        "photographs, 32x32 of each": _crops(photos, images, channels="rgb"),
        "MNIST in two colours": torch.from_numpy(np.rint(ground + plain * (ink - ground)).astype(np.uint8)),
        "one colour": torch.from_numpy(np.broadcast_to(ground, (images, 3, SIDE, SIDE)).astype(np.uint8)),
        "noise": torch.from_numpy(random.integers(0, 256, (images, 3, SIDE, SIDE), dtype=np.uint8)),
    }
    return found


def _crops(source: str, images: int, **fields: object) -> Tensor:
    whole = load_data(source, size=SIDE, crop="random", skip_bad=True, **fields).whole
    patches = dataclasses.replace(whole, patches=-(-images // len(whole)))
    return patches.batch(range(images)) if patches.patches > 1 else patches.spaced(images).batch(range(images))


def trained(data: Data, minutes: float, weight_decay: float) -> AbstractImageModel:
    """A local model of the training images."""
    model = build_model(ModelConfig(architecture="local", hidden=48, mixtures=5, **data.model_fields), seed=0)
    fit(
        model,
        data,
        TrainConfig(
            minutes=minutes, batch=64, learning_rate=4e-3, weight_decay=weight_decay, samples=0, valid_images=500,
            evaluations=4,
        ),
    )  # fmt: skip
    return model


def draw(path: Path, areas: dict[str, dict[str, AreaUnderCurve]]) -> None:
    """Bars: a group for each kind of unusual images, a bar for each score."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes, width = figure.subplots(), 0.8 / len(METHODS)
    for number, method in enumerate(METHODS):
        found = [by_method[method] for by_method in areas.values()]
        at = np.arange(len(areas)) + (number - (len(METHODS) - 1) / 2) * width
        errors = [[each.area - each.interval[0] for each in found], [each.interval[1] - each.area for each in found]]
        axes.bar(at, [each.area for each in found], width, yerr=errors, label=method, capsize=2)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_xticks(np.arange(len(areas)), [name.replace(", ", "\n").replace(" in ", "\nin ") for name in areas])
    axes.set(
        ylabel="area under the ROC curve", ylim=(0, 1.02), title="CIFAR-10 JPEGs are usual; which score finds what?"
    )
    axes.legend(ncols=len(METHODS), loc="lower center", bbox_to_anchor=(0.5, -0.32), frameon=False)
    figure.savefig(path, dpi=120)


def main(
    source: tyro.conf.Positional[str],
    emoji: str,
    mnist: str,
    photos: str,
    minutes: float = 10.0,
    images: int = 1_000,
    perturb: float = 0.2,
    weight_decay: float = 0.0,
    out: Path = Path("benchmarks/out"),
) -> None:
    """Measure everything.

    Args:
        source: The usual images, with a test split, as `pixelrnn train` takes them.
        emoji: Pictures of another kind.
        mnist: Grey digits.
        photos: Photographs that were no JPEG files.
        minutes: Of training, for each of the two models.
        images: Of each kind.
        perturb: Share of noise that the background learns from.
        weight_decay: Of the background.
        out: Folder to write to.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(source)
    model = trained(data, minutes, 0.0)
    background = trained(load_data(source, perturb=perturb), minutes, weight_decay)
    usual, valid = data.test.spaced(images), data.valid.spaced(images)
    areas: dict[str, dict[str, AreaUnderCurve]] = {}
    detectors = {name: detector(name, model, background if name == "ratio" else None).fit(valid) for name in METHODS}
    scores = {name: found.score_samples(usual) for name, found in detectors.items()}
    for kind, x in unusual_images(images, emoji, mnist, photos).items():
        areas[kind] = {
            name: area_under_curve(scores[name], found.score_samples(x)) for name, found in detectors.items()
        }
        shown = ", ".join(
            f"{n} {a.area:.3f} [{a.interval[0]:.3f}, {a.interval[1]:.3f}]" for n, a in areas[kind].items()
        )
        print(f"{kind}: {shown}", flush=True)
    (out / "anomaly.json").write_text(json.dumps(areas, indent=2))
    draw(out / "anomaly.png", areas)


if __name__ == "__main__":
    tyro.cli(main)

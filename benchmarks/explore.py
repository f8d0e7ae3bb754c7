"""Pseudo-counts against true counts on a stream of frames, and frames a second: figures of results.md.

    python benchmarks/explore.py --out benchmarks/out

Six scenes of 42x42 pixels and 8 levels come by in random order, each twice as often as the next; in each a small thing
moves. A PixelCNN learns them online, a frame at a time.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
import tyro

from pixelrnn import ModelConfig, build_model
from pixelrnn.agents.explore import PseudoCounts

SIDE, LEVELS, SCENES, WARM = 42, 8, 6, 30


def scene(number: int) -> np.ndarray:
    """A picture of a few rectangles."""
    random, image = np.random.default_rng(number), np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(8):
        (top, left), (height, width) = random.integers(0, SIDE - 6, 2), random.integers(3, 20, 2)
        image[top : top + height, left : left + width] = random.integers(1, LEVELS)
    return image


def main(
    frames: int = 3_000, layers: int = 2, hidden: int = 16, seed: int = 0, out: Path = Path("benchmarks/out")
) -> None:
    """Measure, print and draw.

    Args:
        frames: Of the stream.
        layers: Of the model.
        hidden: Of the model.
        seed: Of the model and the stream.
        out: Folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one small frame at a time has no work for two
    config = ModelConfig(
        architecture="pixelcnn", shape=(1, SIDE, SIDE), levels=LEVELS, layers=layers, hidden=hidden, head=hidden
    )
    counts, random = PseudoCounts(build_model(config, seed=seed)), np.random.default_rng(seed)
    scenes = [scene(number) for number in range(SCENES)]
    chances = 0.5 ** np.arange(SCENES)
    seen, points, seconds = np.zeros(SCENES, int), [], []
    for number in random.choice(SCENES, frames, p=chances / chances.sum()):
        image = scenes[number].copy()
        row, column = random.integers(0, SIDE - 3, 2)
        image[row : row + 3, column : column + 3] = LEVELS - 1
        begun = time.perf_counter()
        novelty = counts.observe(torch.from_numpy(image)[None])
        seconds.append(time.perf_counter() - begun)
        points.append((int(number), int(seen[number]), novelty.pseudo_count))
        seen[number] += 1
    rate = 1 / np.median(seconds[WARM:])
    finite = [(true, count) for _, true, count in points if true > 0 and np.isfinite(count)]
    true, count = np.array(finite).T
    slope, _ = np.polyfit(np.log(true), np.log(count), 1)
    rank = np.corrcoef(np.argsort(np.argsort(true)), np.argsort(np.argsort(count)))[0, 1]
    print(f"{rate:.0f} frames a second ({sum(p.numel() for p in counts.model.parameters()):,} weights)")
    print(f"pseudo-counts grow as the true ones to the power {slope:.2f}; rank correlation {rank:.2f}")
    (out / "explore.json").write_text(json.dumps({"rate": rate, "slope": slope, "rank": rank, "points": points}))
    draw(out / "explore.png", points, slope)


def draw(path: Path, points: list[tuple[int, int, float]], slope: float) -> None:
    """True counts against pseudo-counts, on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for number in range(SCENES):
        own = [(true, count) for scene, true, count in points if scene == number and true > 0 and np.isfinite(count)]
        axes.scatter(*zip(*own, strict=True), s=5, alpha=0.5, label=f"scene {number + 1}")
    most = max(true for _, true, _ in points)
    axes.plot([1, most], [1, most], color="black", linewidth=0.8, label="equal")
    axes.set(
        xscale="log", yscale="log", xlabel="times that the scene was seen before", ylabel="pseudo-count",
        title=f"Six scenes, in one stream: slope {slope:.2f}",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(markerscale=3, loc="upper left", fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    tyro.cli(main)

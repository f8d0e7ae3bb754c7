"""How well flaws in drawn discs are found, by every score of whole pictures and by windows: the table of results.md.

    python benchmarks/inspection.py --minutes 8 --out benchmarks/out

draws textured discs, some with a scratch one pixel wide or a spot of four pixels, trains a Diagonal BiLSTM of four
orders on the good ones, and measures the area under the ROC curve. Its model is what is shipped as `drawn-discs`.
"""

import json
from pathlib import Path

import numpy as np
import torch
import tyro

from pixelrnn import Inspector, ModelConfig, TrainConfig, build_model, fit, load_data
from pixelrnn.app.flaws import overlay
from pixelrnn.inspection.metrics import area_under_overlap
from pixelrnn.plots import sheet, to_image
from pixelrnn.scores.anomaly import area_under_curve, detector

SIDE, LEVELS = 48, 32
METHODS = ("likelihood", "complexity", "typicality", "surprise")


def disc(random: np.random.Generator, flaw: str) -> tuple[np.ndarray, np.ndarray]:
    """A disc with a brushed texture before a dark ground, `(SIDE, SIDE)` levels, and where its flaw is."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    row, column = SIDE / 2 + random.uniform(-2, 2, 2)
    distance = np.hypot(rows - row, columns - column)
    angle = np.arctan2(rows - row, columns - column)
    rings = 1.5 * np.sin(distance * 1.3 + random.uniform(0, 6))
    light = 18 + 4 * np.cos(angle - random.uniform(0, 6)) + rings + random.normal(0, 1.0, (SIDE, SIDE))
    inside = distance < random.uniform(17, 19)
    image = np.where(inside, light, 4 + random.normal(0, 0.7, (SIDE, SIDE)))
    mask = np.zeros((SIDE, SIDE), np.bool_)
    if flaw:
        at, turn = random.uniform(0, 12), random.uniform(0, 2 * np.pi)
        r, c = row + at * np.sin(turn), column + at * np.cos(turn)
        if flaw == "scratch":
            slope, length = random.uniform(0, np.pi), random.integers(7, 14)
            steps = np.linspace(-length / 2, length / 2, 2 * length)
            places = np.rint([r + steps * np.sin(slope), c + steps * np.cos(slope)]).astype(int)
            mask[tuple(places)] = True
        else:
            mask[int(r) : int(r) + 2, int(c) : int(c) + 2] = 1
        image[mask] += random.choice([-1, 1]) * random.uniform(5, 8)
    return np.clip(np.rint(image), 0, LEVELS - 1).astype(np.uint8), mask


def tensor(discs: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
    """Discs as a model takes them."""
    return torch.from_numpy(np.stack([image for image, _ in discs]))[:, None]


def main(minutes: float = 8.0, seed: int = 0, out: Path = Path("benchmarks/out")) -> None:
    """Measure everything.

    Args:
        minutes: Of training.
        seed: Of the discs, and of the model.
        out: Folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    train = np.stack([disc(random, "")[0] for _ in range(200)])
    usual = np.stack([disc(random, "")[0] for _ in range(60)])
    good = [disc(random, "") for _ in range(200)]
    bad = {flaw: [disc(random, flaw) for _ in range(100)] for flaw in ("scratch", "spot")}
    np.savez(out / "discs.npz", train=train, test=usual)
    data = load_data(out / "discs.npz", source_levels=LEVELS)
    model = build_model(ModelConfig(orders=4, hidden=16, layers=4, **data.model_fields), seed=seed)
    fit(model, data, TrainConfig(minutes=minutes, batch=16, samples=0, seed=seed))
    model.save_pretrained(out / "drawn-discs")
    found: dict[str, dict[str, float]] = {}
    images = {"good": tensor(good)} | {flaw: tensor(each) for flaw, each in bad.items()}
    for method in METHODS:
        scorer = detector(method, model).fit(data.test)
        scores = {name: scorer.score_samples(x) for name, x in images.items()}
        found[method] = {flaw: area_under_curve(scores["good"], scores[flaw]).area for flaw in bad}
    inspector = Inspector(model).fit(data.test)
    seen = {name: inspector.predict(x) for name, x in images.items()}
    highest = {name: np.array([-each.highest for each in result]) for name, result in seen.items()}
    found["inspect"] = {flaw: area_under_curve(highest["good"], highest[flaw]).area for flaw in bad}
    for flaw, each in bad.items():
        maps = [result.exceedance for result in seen["good"] + seen[flaw]]
        found["inspect"][f"{flaw}, AUPRO"] = area_under_overlap(maps, [None] * len(good) + [mask for _, mask in each])
    found["inspect"]["false alarms at 0.01"] = float(np.mean([not each.is_usual for each in seen["good"]]))
    for name, areas in found.items():
        print(f"{name:12}", ", ".join(f"{flaw} {area:.3f}" for flaw, area in areas.items()), flush=True)
    (out / "inspection.json").write_text(json.dumps(found, indent=2))
    pairs = [pair for flaw in bad for pair in list(zip(images[flaw], seen[flaw], strict=True))[:6]]
    sheet([overlay(to_image(x, LEVELS), result) for x, result in pairs], columns=6, side=1500).save(out / "discs.png")


if __name__ == "__main__":
    tyro.cli(main)

"""How well flaws of real parts are found: the table of results.md for magnetic tiles, or any parts with masks.

    pip install scikit-learn
    python benchmarks/tiles.py runs/tiles-0 runs/tiles-1 runs/tiles-2 --parts magnetic-tiles/ --out benchmarks/out

takes runs that were trained on `train/good` of the parts, and tells each kind in `test/` from `test/good`: by each
score of whole pictures, by `Inspector`, and by two baselines without a model: the distance of the means and deviations
of windows from a Gaussian, and what the principal components of patches leave of them. All see the pictures as the
runs read them (`--shrink`, levels); masks are in `masks/`, in the size of the pictures.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from sklearn.decomposition import PCA

from pixelrnn import Inspector
from pixelrnn.app.flaws import GOOD, kind_of, read_masks
from pixelrnn.app.images import load_as_trained
from pixelrnn.data import Data, ImageSet
from pixelrnn.data.quantise import enlarged
from pixelrnn.inspection.metrics import area_under_overlap
from pixelrnn.inspection.windows import averaged, window_sums
from pixelrnn.model.loading import load_model
from pixelrnn.runs.run import Run
from pixelrnn.scores.anomaly import area_under_curve, detector

METHODS = ("likelihood", "complexity", "typicality", "surprise")
SIDES = (4, 8, 16)  # of the windows and patches of the baselines
COMPONENTS = 16
AS_FAR = 0.99  # quantile of a map that a picture is judged by, beside its highest value
SHOWN = 3  # pictures of each kind in the figure

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass
class Parts:
    """The pictures of a folder, as a run reads them.

    Attributes:
        data: All.
        kinds: The kind of each.
        masks: The mask of each; None for good ones.
    """

    data: Data
    kinds: list[str]
    masks: list[Array | None]

    @property
    def images(self) -> ImageSet:
        """Of all pictures."""
        return self.data.whole

    def areas(self, scores: Array) -> dict[str, float]:
        """Area under the ROC curve of each kind, by scores that are higher for what is more usual."""
        own = {kind: scores[[each == kind for each in self.kinds]] for kind in {*self.kinds}}
        return {kind: area_under_curve(own[GOOD], each).area for kind, each in own.items() if kind != GOOD}

    def overlaps(self, maps: list[Array]) -> dict[str, float]:
        """AUPRO of each kind."""
        found = {}
        for kind in {*self.kinds} - {GOOD}:
            items = [item for item, own in enumerate(self.kinds) if own in (GOOD, kind)]
            found[kind] = area_under_overlap([maps[i] for i in items], [self.masks[i] for i in items])
        return found


def floats(images: ImageSet) -> Iterator[Array]:
    """Each picture as read, `(H, W)`, the mean of its channels."""
    for item in range(len(images)):
        yield images.batch([item])[0].double().mean(0).numpy()


def gaussian_windows(usual: ImageSet, side: int) -> Callable[[Array], Array]:
    """The squared Mahalanobis distance of the means and deviations of windows from those of usual pictures."""

    def features(image: Array) -> Array:
        side_here = min(side, *image.shape)
        means = window_sums(image, side_here) / side_here**2
        variances = np.maximum(window_sums(image**2, side_here) / side_here**2 - means**2, 0)
        return np.stack([means, np.log(np.sqrt(variances) + 0.1)])

    known = np.concatenate([features(image).reshape(2, -1) for image in floats(usual)], 1)
    centre, inverse = known.mean(1)[:, None, None], np.linalg.inv(np.cov(known))

    def distance(image: Array) -> Array:
        left = features(image) - centre
        return averaged(np.einsum("ihw,ij,jhw->hw", left, inverse, left), min(side, *image.shape))

    return distance


def padded(image: Array, side: int) -> Array:
    """A picture that has a patch of a side, if need be by reflection."""
    return np.pad(image, [(0, max(0, side - length)) for length in image.shape], mode="reflect")


def left_by_components(usual: ImageSet, side: int) -> Callable[[Array], Array]:
    """The mean square of what the principal components of patches of usual pictures leave of a patch."""

    def patches(image: Array) -> Array:
        return np.lib.stride_tricks.sliding_window_view(image, (side, side))

    known = np.concatenate([patches(padded(image, side))[::3, ::3].reshape(-1, side**2) for image in floats(usual)])
    components = PCA(min(COMPONENTS, side**2 - 1)).fit(known)

    def error(image: Array) -> Array:
        found = patches(padded(image, side))
        flat = found.reshape(-1, side**2)
        left = flat - components.inverse_transform(components.transform(flat))
        means = averaged((left**2).mean(1).reshape(found.shape[:2]), side)
        return means[: image.shape[0], : image.shape[1]]

    return error


def baselines(usual: ImageSet, parts: Parts) -> dict[str, dict[str, dict[str, float]]]:
    """The two without a model, of each size."""
    found = {}
    for name, make in (("Gaussian of windows", gaussian_windows), ("principal components", left_by_components)):
        for side in SIDES:
            of = make(usual, side)
            maps = [of(image) for image in floats(parts.images)]
            scores = {"highest": [-each.max() for each in maps], "0.99": [-np.quantile(each, AS_FAR) for each in maps]}
            side_of, size_of = parts.images.reduction, parts.images.original_size
            overlaps = parts.overlaps([enlarged(each, side_of, size_of(item)) for item, each in enumerate(maps)])
            for how, each in scores.items():
                found[f"{name}, {side}x{side}, {how}"] = {"AUROC": parts.areas(np.array(each)), "AUPRO": overlaps}
    return found


def measured(run: Run, folder: Path) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, Any]]:
    """Every method with one model."""
    model = load_model(run.folder)
    data = load_as_trained(run, str(folder / "test"), are_whole=True, skip_bad=True).data
    names = [data.name(data.whole, item) for item in range(len(data.whole))]
    parts = Parts(data, [kind_of(name) for name in names], read_masks(folder / "masks", names))
    usual = load_as_trained(run, are_whole=True).data.valid
    found = {}
    for method in METHODS:
        scores = detector(method, model).fit(usual).score_samples(parts.images)
        found[method] = {"AUROC": parts.areas(scores)}
        print(method, found[method], flush=True)
    inspector = Inspector(model).fit(usual)
    seen = inspector.predict(parts.images)
    areas = parts.areas(np.array([-each.highest for each in seen]))
    found["inspect"] = {"AUROC": areas, "AUPRO": parts.overlaps([each.exceedance for each in seen])}
    print("inspect", found["inspect"], flush=True)
    rejected = {
        kind: [not each.is_usual for each, own in zip(seen, parts.kinds, strict=True) if own == kind]
        for kind in {*parts.kinds}
    }
    found["inspect"]["rejected at 0.01"] = {kind: float(np.mean(each)) for kind, each in rejected.items()}
    found |= baselines(usual, parts)
    return found, {"parts": parts, "seen": seen}


def draw(parts: Parts, seen: list[Any], path: Path) -> None:
    """The first pictures of each kind with the outlines of their flaws, each beside where it is said to be unusual."""
    from matplotlib.figure import Figure

    kinds = sorted({*parts.kinds})
    figure = Figure(figsize=(2.2 * 2 * SHOWN, 2.3 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), 2 * SHOWN)
    for kind, row in zip(kinds, axes, strict=True):
        items = [item for item, own in enumerate(parts.kinds) if own == kind][:SHOWN]
        for item, left, right in zip(items, row[::2], row[1::2], strict=True):
            mask, found = parts.masks[item], seen[item]
            left.imshow(parts.images.original(item)[0], cmap="gray", vmin=0, vmax=255)
            if mask is not None:
                left.contour(mask, [0.5], colors="red", linewidths=0.8)
            last = right.imshow(found.exceedance, cmap="inferno", vmin=-found.threshold, vmax=found.threshold)
            right.set_title(f"p-value {found.p_value:.2g}", fontsize=8)
        row[0].set_ylabel(kind)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.colorbar(last, ax=axes, shrink=0.6, label="exceedance (0: what usual pictures reach; top: alpha 0.01)")
    figure.savefig(path, dpi=90)


def main(runs: list[Path], /, parts: Path, out: Path = Path("benchmarks/out")) -> None:
    """Measure everything.

    Args:
        runs: Folders of trainings on `train/good` of the parts.
        parts: Folder with `test/good`, folders of flaws beside it, and `masks/`.
        out: Folder to write to.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    each = []
    for folder in runs:
        found, rest = measured(Run.open(folder), parts)
        each.append(found)
        draw(rest["parts"], rest["seen"], out / f"{folder.name}.png")
    (out / "tiles.json").write_text(json.dumps(each, indent=1))
    kinds = sorted(each[0]["inspect"]["AUPRO"])
    print("| | " + " | ".join([*kinds, "mean"]) + " |")
    for name in each[0]:
        for what in ("AUROC", "AUPRO"):
            if what in each[0][name]:
                table = np.array([[found[name][what][kind] for kind in kinds] for found in each])
                table = np.concatenate([table, table.mean(1, keepdims=True)], 1)
                print(
                    f"| {name}, {what} | "
                    + " | ".join(f"{m:.3f} +- {s:.3f}" for m, s in zip(table.mean(0), table.std(0), strict=True))
                    + " |"
                )


if __name__ == "__main__":
    tyro.cli(main)

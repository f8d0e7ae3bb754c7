"""Which pictures of a folder are odd, beside usual ones: one number each, and where it is."""

import dataclasses
import io
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelrnn.app.images import load_as_trained
from pixelrnn.data.images import Data, ImageSet
from pixelrnn.errors import ConfigError, DataError, RunError
from pixelrnn.inspection.gumbel import threshold_of
from pixelrnn.inspection.inspector import Inspector
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.plots import to_bytes, to_image
from pixelrnn.progress import Callback, Reporter
from pixelrnn.runs.run import Run
from pixelrnn.scores.anomaly import AbstractDetector, detector
from pixelrnn.scores.score import log_prob_maps
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.folders import Folders
from pixelrnn.studio.held import Held
from pixelrnn.studio.jobs import Job, Turns, Work
from pixelrnn.studio.pictures import as_base64, as_number
from pixelrnn.studio.shelf import Shelf

__all__ = ["Judging"]

INSPECTION = "inspection"
METHODS = (INSPECTION, "surprise", "typicality", "complexity", "likelihood")
ALPHA = 0.01
MOST = 2_000  # pictures of a folder; of more so many are taken, evenly spaced
MOST_BYTES = 1_000_000_000  # of what is known of all folders
MOST_PIXELS = 4_000_000  # of a picture that is shown whole
THUMBNAIL, SEEN = 96, 24  # pixels: of a small picture, and of one that is compared with others
NEAREST = 4


@dataclasses.dataclass(frozen=True)
class _Judged:
    """What is known of a folder.

    Attributes:
        judge: Who judged.
        model: By which model.
        images: Its pictures.
        usual: Those that they were compared with.
        small: All pictures as they are compared with one another, `(N, P)`, and the usual ones.
        names: What the usual ones are called.
    """

    judge: Inspector | AbstractDetector
    model: AbstractImageModel
    images: ImageSet
    usual: ImageSet
    small: tuple[Tensor, Tensor]
    names: list[str]


class Judging:
    """What is known of folders, for all pages.

    Args:
        shelf: The models.
        folders: The folders.
        turns: Whose turn it is to use all processors.
    """

    def __init__(self, shelf: Shelf, folders: Folders, turns: Turns) -> None:
        self.shelf, self.folders, self.turns = shelf, folders, turns
        self._held = Held[_Judged](MOST_BYTES, "this folder is not in memory any more; look at it again")

    def judge(self, asked: Asked) -> Work:
        """How odd each picture of a folder is, and how odd usual ones are: higher is odder."""
        name, method = asked.text("model"), asked.text("method")
        folder, numbers = self.folders.find(asked.text("folder")), self.folders.numbers(asked.text("folder"))
        usual = self.folders.find(asked.text("usual")) if asked.has("usual") else None
        if method not in METHODS:
            raise ConfigError(f"method is {method!r:.60}; one of {', '.join(METHODS)} is needed")

        def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
            model, run, report = self.shelf.model(name), Run.open(self.shelf.folder(name)), Reporter(callback)
            data, left = _loaded(run, folder, report.part(0, 0.1).forward)
            others, known = _usual(run, usual, report.part(0.1, 0.2).forward)
            images = data.whole
            judge, of_usual, odd, p_values = _odd(method, model, (images, known), report)
            names = [others.name(known, item) for item in range(len(known))]
            judged = _Judged(judge, model, images, known, (_small(images, report), _small(known, report)), names)
            key = uuid.uuid4().hex
            self._held.add(key, judged, sum(_size(each) for each in (images, known)))
            rows = [
                {
                    "name": data.name(images, item),
                    "odd": as_number(odd[item]),
                    "pValue": float(p_values[item]),
                    "of": numbers.get(data.name(images, item)),
                }
                for item in range(len(images))
            ]
            about = {"result": key, "threshold": _threshold(judge, of_usual), "usual": list(map(as_number, of_usual))}
            return [{"type": "done", **about, "pictures": rows, "skipped": list(data.skipped), "left": left}]

        return work

    def look(self, asked: Asked) -> dict[str, Any]:
        """One picture of a folder: its values, where it is odd, and which usual ones are nearest to it."""
        judged = self._held.find(asked.text("result"))
        number = asked.whole("number", 0, len(judged.images) - 1)
        if math.prod(judged.images.original_size(number)) > MOST_PIXELS:
            raise DataError(f"this picture has more than {MOST_PIXELS:,} pixels; pixelrnn inspect shows it")
        with self.turns:
            found = _where(judged, number)
        original = judged.images.original(number)
        shown = to_bytes(original, judged.images.quantiser.source_levels).transpose(1, 2, 0)
        small, others = judged.small
        nearest = (others - small[number]).square().mean(1).argsort()[:NEAREST].tolist()
        return {
            "shape": list(original.shape),
            "values": as_base64(shown),
            **found,
            "nearest": [{"number": each, "name": judged.names[each]} for each in nearest],
        }

    def thumbnail(self, result: str, which: str, number: int) -> bytes:
        """A small PNG of a picture, or of a usual one; raises `DataError` if it is not there (any more)."""
        judged = self._held.find(result)
        images = judged.usual if which == "usual" else judged.images
        if not 0 <= number < len(images):
            raise DataError(f"there is no picture {number}")
        picture = to_image(images.original(number), images.quantiser.source_levels)
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        file = io.BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()


def _loaded(run: Run, folder: Path | None, callback: Callback) -> tuple[Data, int]:
    """Pictures of a folder, or of the run itself, whole; and how many there are more."""
    may_lack_labels = run.model.classes and run.model.label_dropout > 0
    given: dict[str, Any] = {"labels": False if may_lack_labels else None, "skip_bad": True}
    source = None if folder is None else str(folder)
    found = load_as_trained(run, source, are_whole=True, callback=callback, **given).data
    return dataclasses.replace(found, whole=found.whole.spaced(MOST)), max(0, len(found.whole) - MOST)


def _usual(run: Run, folder: Path | None, callback: Callback) -> tuple[Data, ImageSet]:
    """Usual pictures: all of a folder, or else those of validation of the run."""
    try:
        data, _ = _loaded(run, folder, callback)
    except (ConfigError, DataError) as error:
        if folder is not None:
            raise
        said = f"the images that {run.name} was trained on are not here; choose a folder of usual pictures"
        raise RunError(said) from error
    return data, dataclasses.replace(data.valid if folder is None else data.whole, perturb=0.0)


def _odd(
    method: str, model: AbstractImageModel, sets: tuple[ImageSet, ImageSet], report: Reporter
) -> tuple[Inspector | AbstractDetector, Any, Any, Any]:
    """Who judges, how odd usual pictures are and those of the folder, and how often a usual one is as odd as these."""
    images, usual = sets
    first, second = report.part(0.2, 0.6).forward, report.part(0.6, 1.0).forward
    if method == INSPECTION:
        inspector = Inspector(model, alpha=ALPHA).fit(usual, callback=first)
        assert inspector.calibration_ is not None
        found = np.array([(each.highest, each.p_value) for each in inspector.inspect(images, callback=second)])
        return inspector, inspector.calibration_.reached, *found.T
    judge = detector(method, model).fit(usual, callback=first)
    assert judge.usual_ is not None
    scores = judge.score_samples(images, callback=second)
    return judge, -judge.usual_, -scores, judge.p_values(scores)


def _threshold(judge: Inspector | AbstractDetector, usual: Any) -> float:
    """What few usual pictures are above."""
    if isinstance(judge, Inspector):
        return threshold_of(judge.alpha)
    finite = np.sort(usual[np.isfinite(usual)])
    return float(np.quantile(finite, 1 - max(ALPHA, 1 / (1 + len(finite))))) if len(finite) else 0.0


def _where(judged: _Judged, number: int) -> dict[str, Any]:
    """Where a picture is odd: the exceedance of its pixels and its regions, or else its bits."""
    one = dataclasses.replace(judged.images, positions=judged.images.positions[[number]])
    if isinstance(judged.judge, Inspector):
        (found,) = judged.judge.predict(one)
        regions = [{**region.box._asdict(), "pValue": region.p_value} for region in found.regions]
        return {"map": as_base64(found.exceedance.astype(np.float32)), "size": list(found.size), "regions": regions}
    (maps,) = log_prob_maps(judged.model, one)
    bits = (-maps[0].double().sum(0) / math.log(2)).numpy().astype(np.float32)
    return {"map": as_base64(bits), "size": list(bits.shape), "regions": []}


def _small(images: ImageSet, report: Reporter) -> Tensor:
    """Pictures as they are compared: a few grey pixels each, `(N, P)`, less their means."""
    found = []
    for item in range(len(images)):
        report(1.0)
        picture = to_image(images.original(item), images.quantiser.source_levels).convert("L")
        picture = picture.resize((SEEN, SEEN), Image.Resampling.BOX)
        found.append(torch.from_numpy(np.asarray(picture, np.float32).ravel()))
    small = torch.stack(found)
    return small - small.mean(1, keepdim=True)


def _size(images: ImageSet) -> int:
    """Bytes, about, that is known of images: their pixels, what they are compared by, and what a calibration keeps."""
    return sum(20 * math.prod(images.original_size(item)) + 4 * SEEN**2 for item in range(len(images)))

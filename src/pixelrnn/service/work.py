"""What a service does with pictures: longer work in turns, and only while somebody waits for it."""

import base64
import dataclasses
import io
import math
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelrnn.app.conditions import label_number
from pixelrnn.archive.pictures import require_pictures
from pixelrnn.config import Sampling
from pixelrnn.data.single import known_of, whole_image
from pixelrnn.errors import ArchiveError, ConfigError, DataError
from pixelrnn.plots import to_image
from pixelrnn.progress import Callback, Progress
from pixelrnn.runs.run import Run
from pixelrnn.scale.batch import Picture, picture_of, sets_of
from pixelrnn.scale.compressor import Compressor
from pixelrnn.scale.scorer import Scorer
from pixelrnn.scores.comparison import Comparison
from pixelrnn.scores.score import log_prob_maps
from pixelrnn.service.apart import Apart
from pixelrnn.service.uploads import MOST_IMAGES, Cell, Upload, WrongError
from pixelrnn.studio.asked import MOST_SEED, Asked
from pixelrnn.studio.jobs import Turns
from pixelrnn.studio.places import require_few
from pixelrnn.studio.shelf import takes_any_size

__all__ = ["Worker"]

MOST_PIXELS = 16_000_000  # of a picture
MOST_VALUES = 50_000_000  # of all walks of a request
BRIGHTEST = 0.99  # quantile of the bits of a map that has the brightest colour


class Worker:
    """The work of one model.

    Args:
        scorer: Of the model, by its folder.
        run: What the folder tells.
    """

    def __init__(self, scorer: Scorer, run: Run) -> None:
        self.scorer, self.run, self.model, self.data = scorer, run, scorer.loaded, run.data
        self.rows = Apart(Rows(scorer), [Cell(b"", None)])
        """What is told of each of some pictures."""

        config, method = self.model.config, scorer.method
        self.about = {
            "shape": config.shape,
            "levels": config.levels,
            "labels": run.labels,
            "method": method.method if isinstance(method, Comparison) else method,
        }
        self.turns = Turns()

    def label(self, upload: Upload) -> int | None:
        """The label that a request names; raises `ConfigError` if it names none that is needed, or there is."""
        if (text := upload.fields.word("label")) is not None:
            label = label_number(self.run, text)
            if label is not None and not 0 <= label < self.model.config.classes:
                raise ConfigError(f"label is {label}; 0 .. {self.model.config.classes - 1} are allowed")
            return label
        if self.model.config.classes and self.model.config.label_dropout == 0:
            raise ConfigError(f"label is missing; it is one of {', '.join(self.run.labels) or 'the numbers'}")
        return None

    def close(self) -> None:
        """End what was started."""
        self.rows.close()

    def warm(self) -> None:
        """Have all compiled before the first request."""
        config = self.model.config
        if config.context is not None:
            return
        image = self.model.sample(1, label=0 if config.classes else None, seed=0)
        with suppress(ArchiveError):  # of a model that codes no files
            self.compress(Upload({"a.png": self._encoded(image[0])}, Asked({})), lambda _: False)

    def map(self, upload: Upload, _: Callback) -> tuple[bytes, str]:
        """Where in a picture its bits are: a picture of colours, or the numbers."""
        form = upload.fields.text("format") if upload.fields.has("format") else "png"
        if form not in ("png", "npy"):
            raise WrongError(f"format is {form!r:.60}; png or npy is allowed")
        label = self.label(upload)
        found = picture_of(_bounded(_only(upload)), self.model.config, self.data)
        if found.values is None:
            raise DataError(found.error)
        labels = None if not self.model.config.classes else [-1 if label is None else label]
        ((_rows, images),) = sets_of([found], self.model.config, labels, has_support=self.data.support)
        log_p = np.concatenate([part.double().numpy() for part in log_prob_maps(self.model, images)])
        bits = (-log_p[0].sum(0) / math.log(2)).astype(np.float32)
        file = io.BytesIO()
        if form == "npy":
            np.save(file, bits)
            return file.getvalue(), "application/x-npy"
        _coloured(bits).save(file, "PNG")
        return file.getvalue(), "image/png"

    def compress(self, upload: Upload, callback: Callback) -> tuple[bytes, str]:
        """An archive of all files."""
        require_pictures(self.model.config)
        files = upload.pictures()
        row = Compressor(self.model)({"name": [*files], "bytes": [*files.values()]}, callback)
        return bytes(row["archive"][0]), "application/octet-stream"

    def complete(self, upload: Upload, callback: Callback) -> dict[str, Any]:
        """What is missing in a picture, drawn some times: what is black in its mask, or transparent."""
        fields, label, sampling = upload.fields, self.label(upload), _sampling(upload)
        number, particles = fields.whole("n", 1, MOST_IMAGES, 4), fields.particles(64)
        content = _only(upload, "mask")
        is_free = takes_any_size(self.run)
        config = self.data if is_free else whole_image(self.data, self.model.config.shape[1:])
        picture = picture_of(_bounded(content), self.model.config, config)
        if picture.values is None:
            raise DataError(picture.error)
        mask = upload.files.get("mask")
        known = known_of(content, None if mask is None else _required(_bounded(mask)), config)
        if known is None or bool(known.all()):
            raise WrongError("nothing is missing; send a file mask, black where it is, or a picture with transparency")
        x = torch.from_numpy(picture.values)
        require_few(number * particles * x.numel(), MOST_VALUES)
        found = self.model.complete(
            x.expand(number, -1, -1, -1),
            known,
            label=label,
            particles=particles,
            **dataclasses.asdict(sampling),
            callback=callback,
        )
        bits = [_number(-each / math.log(2)) for each in found.log_known.tolist()]
        return {"images": self._files(found.images), "bits_of_known": bits, "seed": sampling.seed}

    def sample(self, upload: Upload, callback: Callback) -> dict[str, Any]:
        """New images."""
        fields = upload.fields
        label, number = self.label(upload), fields.whole("n", 1, MOST_IMAGES, 1)
        sampling = _sampling(upload)
        images = self.model.sample(number, label=label, **dataclasses.asdict(sampling), callback=callback)
        return {"images": self._files(images), "seed": sampling.seed}

    @contextmanager
    def turn(self, is_over: threading.Event) -> Iterator[Callback]:
        """A turn, with a callback that lets others go between, and ends the work when nobody waits for it."""

        def callback(_: Progress) -> bool:
            self.turns.pass_on()
            return is_over.is_set()

        with self.turns:
            yield callback

    def _files(self, images: Tensor) -> list[str]:
        """Images as base64 of PNG files."""
        return [base64.b64encode(self._encoded(image)).decode() for image in images.cpu()]

    def _encoded(self, image: Tensor) -> bytes:
        """An image as a PNG file."""
        file = io.BytesIO()
        to_image(image, self.model.config.levels).save(file, "PNG")
        return file.getvalue()


class Rows:
    """Rows of pictures, as JSON has them; it goes to another process.

    Args:
        scorer: Tells them.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def __call__(self, cells: list[Cell]) -> list[dict[str, Any]]:
        """What is told of each of some pictures."""
        batch: dict[str, Any] = {"bytes": [_bounded(cell.content) for cell in cells]}
        if self.scorer.loaded.config.classes:
            batch["label"] = [-1 if cell.label is None else cell.label for cell in cells]
        table = self.scorer(batch)
        names = [name for name in table if name not in ("label", "error")]
        return [
            {"error": str(error)} if error else {name: _number(table[name][row]) for name in names}
            for row, error in enumerate(table["error"])
        ]


def _sampling(upload: Upload) -> Sampling:
    """How images are drawn: by another seed each time, if none is given."""
    return upload.fields.sampling(secrets.randbelow(MOST_SEED))


def _only(upload: Upload, *others: str) -> bytes:
    """The one picture of a request, beside others that have a name."""
    files = [content for name, content in upload.pictures().items() if name not in others]
    if len(files) != 1:
        raise WrongError(f"there are {len(files)} pictures; one is needed")
    return files[0]


def _bounded(content: bytes) -> bytes | Picture:
    """A picture that is not too large, by its head; what has none is left to who reads it."""
    try:
        with Image.open(io.BytesIO(content)) as head:
            width, height = head.size
    except Exception:
        return content
    if width * height <= MOST_PIXELS:
        return content
    return Picture(None, f"the picture has {width}x{height} pixels; {MOST_PIXELS:,} at most are taken")


def _required(cell: bytes | Picture) -> bytes:
    if isinstance(cell, Picture):
        raise DataError(cell.error)
    return cell


def _number(value: Any) -> float | int | None:
    """A number as JSON has it; None if it is infinite."""
    return value.item() if hasattr(value, "item") and math.isfinite(value) else value if math.isfinite(value) else None


def _coloured(bits: np.ndarray[Any, Any]) -> Image.Image:
    """Bits as colours."""
    import matplotlib

    top = float(np.quantile(bits[np.isfinite(bits)], BRIGHTEST)) if np.isfinite(bits).any() else 1.0
    shades = matplotlib.colormaps["inferno"](np.clip(bits / max(top, 1e-3), 0, 1), bytes=True)
    return Image.fromarray(shades[..., :3])

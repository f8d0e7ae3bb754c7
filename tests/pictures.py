"""Random pictures of every mode, and folders of them as archives take them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pixelrnn.archive.files import find
from pixelrnn.archive.ingest import Ingest


def picture(mode: str = "RGB", size: tuple[int, int] = (6, 5), seed: int = 0) -> Image.Image:
    """A random image of a mode; width, height."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    return Image.fromarray(values[:, :, 0] if bands == 1 else values, mode if mode != "1" else "L").convert(mode)


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """A file of an image."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(*shape: int, levels: int = 256) -> np.ndarray:
    """The same random values of a shape each time."""
    return np.random.default_rng(0).integers(0, levels, shape, dtype=np.uint8)


def ingest_of(folder: Path) -> Ingest:
    """The files of a folder, none of them read yet."""
    return Ingest(find(folder, without=folder / "none", skip_bad=False), io.BytesIO())


def png(values: np.ndarray) -> bytes:
    """A PNG file of some values."""
    return saved(Image.fromarray(values))

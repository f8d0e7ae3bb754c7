"""The fixed stochastic binarisation as a file: one draw that everyone can make again, bit for bit."""

from pathlib import Path

import numpy as np

from pixelrnn.data.load import load_data
from pixelrnn.errors import DataError
from pixelrnn.runs.files import atomic_write

__all__ = ["binarize"]


def binarize(source: str, out: Path, *, seed: int, valid: int) -> dict[str, int]:
    """Write the bit-packed splits of a binarised source.

    Args:
        source: Grey images with splits `train` and `test` of their own.
        out: `.npz` file with uint8 arrays `train`, `valid`, `test` of `numpy.packbits` rows.
        seed: Seed of the draw, which runs over the training images and then the test images.
        valid: Training images, the last ones, that become `valid`.

    Returns:
        The number of images of each split.

    Raises:
        DataError: If the source has no such splits, is not grey, or has too few images.
    """
    data = load_data(source, binarize="fixed", binarize_seed=seed)
    if not data.has_splits or data.shape[0] != 1:
        raise DataError(f"{source}: {data.summary}; grey images with splits train and test are needed")
    total, tests = len(data.whole), len(data.test)
    ends = [total - tests - valid, total - tests, total]
    if ends[0] < 1 or valid < 1:
        raise DataError(
            f"{source}: {total - tests:,} training images; validation takes {valid:,}, and at least 1 of each is needed"
        )
    rows = np.packbits(data.whole.batch(range(total)).numpy().reshape(total, -1), axis=1)
    train, validation, test = np.split(rows, ends[:2])
    splits = {"train": train, "valid": validation, "test": test}

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **splits)  # type: ignore[arg-type]

    atomic_write(out, write)
    return {name: len(images) for name, images in splits.items()}

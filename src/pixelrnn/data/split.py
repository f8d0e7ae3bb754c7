"""Which images are for training, validation and testing."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pixelrnn.config import DataConfig
from pixelrnn.errors import DataError

__all__ = ["SPLITS", "complete_splits", "split_folders"]

SPLITS = ("train", "valid", "test")
SPLIT_FOLDERS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}


def split_folders(names: Sequence[str], where: str) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Names below their split's folder, and the positions of each split; one split `all` if there are no such folders.

    Folders that all names share count for nothing, but for the innermost, which may be the only label.

    Raises:
        DataError: If there are folders for splits, and files outside them.
    """
    paths = [PurePosixPath(name).parts for name in names]
    shared = 0
    while paths and all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    heads = [SPLIT_FOLDERS.get(path[shared].lower()) if len(path) > shared + 1 else None for path in paths]
    if "train" not in heads:
        return ["/".join(path[max(0, shared - 1) :]) for path in paths], {"all": np.arange(len(names))}
    if None in heads:
        raise DataError(f"{where}: {names[heads.index(None)]} lies outside the folders train, valid and test beside it")
    splits = {
        split: np.array([n for n, head in enumerate(heads) if head == split], dtype=np.int64)
        for split in SPLITS
        if split in heads
    }
    return ["/".join(path[shared + 1 :]) for path in paths], splits


def complete_splits(found: dict[str, NDArray[np.int64]], config: DataConfig) -> dict[str, NDArray[np.int64]]:
    """The three splits; missing ones are drawn from the training images, if there are any."""
    splits = {name: positions for name, positions in found.items() if name != "all"}
    rest = found.get("train", found.get("all", np.zeros(0, np.int64)))
    rest = np.random.Generator(np.random.PCG64(config.split_seed)).permutation(rest)
    total = len(rest)
    for name, fraction in (("test", config.test_fraction), ("valid", config.valid_fraction)):
        if name not in splits:
            count = max(1, round(fraction * total)) if total else 0
            splits[name], rest = np.sort(rest[:count]), rest[count:]
    splits["train"] = np.sort(rest)
    return splits

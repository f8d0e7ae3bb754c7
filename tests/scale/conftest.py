"""Pictures of digits, usual and new ones, and what runs a command."""

import numpy as np
import pytest
from PIL import Image

from pixelrnn import load_model


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Folders of digits that a shipped model drew: `new`, in two formats and with a file beside them, and `usual`."""
    folder, model = tmp_path_factory.mktemp("digits"), load_model("mnist-grey")
    for name, count, seed in (("new", 30, 1), ("usual", 20, 2)):
        for number, values in enumerate(model.sample(count, seed=seed)[:, 0].numpy().astype(np.uint8)):
            below = folder / name / ("below" if number % 3 == 0 else "")
            below.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(below / f"{number}.{'bmp' if number % 5 == 0 else 'png'}")
    (folder / "new" / "notes.txt").write_text("of the digits")
    return folder

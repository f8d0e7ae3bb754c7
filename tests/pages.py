"""What the commands in README and docs find when they are run: pictures, a small run; and how they are run."""

import atexit
import functools
import shlex
import shutil
import tempfile
import warnings
from pathlib import Path

from PIL import Image, ImageFilter
from sybil import Example

from pixelrnn import ImageModel, ModelConfig, TrainConfig, fit, load_data, load_model
from pixelrnn.__main__ import main, parse
from pixelrnn.cli.inspect import REJECTED
from pixelrnn.zoo import hub
from tests.pictures import picture as noise

OUTSIDE = ("make", "pip", "hf", "python", "torchrun")  # of these a page may speak; they are not run
SHORT = {
    "train": ["--steps", "2", "--batch", "4", "--samples", "4", "--valid-images", "4", "--evaluations", "1"],
    "train --resume": ["--steps", "3"],
    "pack": ["--minutes", "0.02"],
    "complete": ["--particles", "4"],
}
BUDGETS = ("--minutes", "--steps", "--epochs")


def picture(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    """Soft noise."""
    return noise(mode, size, seed).filter(ImageFilter.GaussianBlur(2))


def prepare(folder: Path) -> None:
    """Fill a folder with what the pages speak of."""
    for number in range(24):
        group = ("cats", "dogs", "birds")[number % 3]
        _save(picture("RGB", (56, 50), number), folder / "photos" / group / f"{group[:-1]}-{number // 3}.png")
        _save(picture("L", (20, 20), number), folder / "letters" / "ab"[number % 2] / f"{number}.png")
        _save(picture("L", (16, 16), number), folder / "scans" / f"{number}.png")
    for number in range(12):
        _save(picture("L", (70, 66), 300 + number), folder / "good-parts" / f"{number}.png")
        _save(picture("L", (70, 66), 400 + number), folder / "other-good-parts" / f"{number}.png")
        kind = ("good", "scratch")[number % 2]
        _save(picture("L", (70, 66), 500 + number), folder / "labelled" / kind / f"{number}.png")
        spot = Image.new("L", (70, 66))
        spot.paste(255, (30, 30, 40, 34))
        _save(spot, folder / "masks" / "scratch" / f"{number}.png")
    for number in range(3):
        _save(picture("RGB", (40, 36), 100 + number), folder / "new" / f"{number}.png")
        _save(picture("RGB", (48, 40), 100 + number), folder / "holiday" / f"{number}.png")
        _save(picture("RGBA", (72, 72), 100 + number).quantize(16), folder / "icons" / f"{number}.png")
    _save(picture("RGB", (56, 50), 200), folder / "photos" / "cats" / "tom.png")
    torn = picture("RGBA", (32, 32), 201)
    torn.paste((0, 0, 0, 0), (8, 20, 24, 32))
    _save(torn, folder / "torn.png")
    _save(picture("RGB", (32, 32), 202), folder / "photo.png")
    mask = Image.new("L", (32, 32), 255)
    mask.paste(0, (4, 12, 20, 24))
    _save(mask, folder / "mask.png")
    _save(picture("RGB", (8, 8), 203), folder / "small.png")
    _save(picture("L", (32, 32), 204), folder / "old.png")
    digit = load_model("mnist-row-lstm").sample(1, seed=0)[0, 0].numpy() * 255
    _save(Image.fromarray(digit), folder / "digit.png")
    shutil.copytree(_run(), folder / "runs" / "photos")


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@functools.cache
def _run() -> Path:
    """A run on some pictures, made once."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for number in range(12):
        _save(picture("RGB", (32, 32), number), folder / "pictures" / f"{number}.png")
    data = load_data(folder / "pictures")
    model = ImageModel(ModelConfig(**data.model_fields, output="logistic-mixture", layers=1, hidden=6), seed=0)
    fit(model, data, TrainConfig(steps=2, batch=4, evaluations=1, samples=0), folder=folder / "run")
    return folder / "run"


def run_commands(example: Example) -> None:
    """Run the commands of a block in this process, with budgets of a moment; those of the hub are parsed."""
    for line in example.parsed.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] in OUTSIDE:
            continue
        assert words[0] == "pixelrnn", line
        if words[1] in ("push", "serve", "studio") or "--watch" in words or any(hub.is_there(word) for word in words):
            parse(words[1:])
            continue
        with warnings.catch_warnings():
            if "ray" in words:  # which warns of itself
                warnings.simplefilter("ignore")
            assert main(shortened(words[1:])) in ((0, REJECTED) if words[1] == "inspect" else (0,)), line


def shortened(words: list[str]) -> list[str]:
    """A command with a smaller budget."""
    kind = "train --resume" if words[:2] == ["train", "--resume"] else words[0]
    for budget in BUDGETS:
        if budget in words:
            place = words.index(budget)
            words = words[:place] + words[place + 2 :]
    return words + SHORT.get(kind, [])

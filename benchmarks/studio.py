"""The studio as a person sees it, for README and guide, and as fast as a person sees it: needs Chromium.

    python benchmarks/studio.py pictures --photographs kodak --out docs/images

starts a studio, and takes `studio.gif` (digits are drawn; a value is changed, and all after it is drawn again) and a
picture of each view.

    python benchmarks/studio.py latency

measures how long it takes from the end of a stroke until the first pixel of a completion is on the screen.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tyro
from inspection import LEVELS, disc
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from pixelrnn import ModelConfig, TrainConfig, build_model, fit, load_data

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def write_discs(folder: Path) -> None:
    """Usual discs, and others, of which every fifth has a scratch or a spot."""
    random = np.random.default_rng(5)
    for name, count in (("usual", 60), ("incoming", 40)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            is_good = name == "usual" or number % 5
            levels, _ = disc(random, "" if is_good else ("scratch", "spot")[number // 5 % 2])
            picture = Image.fromarray((levels.astype(int) * 256 // LEVELS + 4).astype(np.uint8))
            picture.save(folder / name / f"part-{number:03d}.png")


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """The address of a studio of its own, which sees the parts and the runs of a folder."""
    command = [sys.executable, "-m", "pixelrnn", "studio", "--port", "0", "--no-browser"]
    command += ["--folders", str(folder / "parts"), "--runs", str(folder / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+/", process.stdout.readline())[0]
        finally:
            process.terminate()


def settle(page: Page) -> None:
    """Wait until nothing goes on any more, and all of it is painted."""
    page.wait_for_selector("body[data-idle]", state="attached", timeout=300_000)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def shot(page: Page) -> Image.Image:
    """What is seen now."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def place(page: Page, image: int, row: int, column: int, columns: int) -> tuple[float, float]:
    """Where a pixel of a 28x28 sample is on the screen."""
    box = page.locator(".sheet canvas").first.bounding_box()
    zoom, (down, right) = box["width"] / (30 * columns - 2), divmod(image, columns)
    return box["x"] + zoom * (30 * right + column + 0.5), box["y"] + zoom * (30 * down + row + 0.5)


def film(page: Page, address: str) -> list[tuple[Image.Image, int]]:
    """Digits are drawn, a value is looked at and changed, and what comes after it is drawn again."""
    page.goto(f"{address}?model=mnist-diagonal-bilstm&n=4&seed=3")
    settle(page)
    slider, frames = page.get_by_label("Pixels drawn"), []
    for at in range(0, 785, 56):
        slider.fill(str(at))
        settle(page)
        frames.append((shot(page), 120))
    for row, column in ((8, 8), (9, 10), (10, 12)):
        page.mouse.move(*place(page, 3, row, column, 2))
        settle(page)
        frames.append((shot(page), 500))
    page.mouse.click(*place(page, 3, 10, 12, 2))
    settle(page)
    page.locator('.bars button[aria-pressed="false"]').first.hover()
    frames.append((shot(page), 900))
    page.locator('.bars button[aria-pressed="false"]').first.click()
    page.get_by_role("button", name="Take back").wait_for()
    settle(page)
    for at in (*range(293, 784, 49), 784):
        slider.fill(str(at))
        settle(page)
        frames.append((shot(page), 120))
    return [*frames, (frames[-1][0], 2500)]


def write_runs(runs: Path) -> None:
    """Two short trainings on the digits that come with the package."""
    data = load_data("digits")
    for architecture in ("pixelcnn", "diagonal-bilstm"):
        model = build_model(ModelConfig(**data.model_fields, architecture=architecture, layers=2, hidden=16), seed=0)
        training = TrainConfig(steps=400, batch=16, evaluations=8, samples=25)
        fit(model, data, training, folder=runs / f"digits-{architecture}")


def pictures(photographs: Path, out: Path = Path("benchmarks/out")) -> None:
    """Take all pictures.

    Args:
        photographs: Folder of photographs as PNG, of which five become an archive: those of Kodak, say.
        out: Folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_discs(Path(folder) / "parts")
        write_runs(Path(folder) / "runs")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with studio(Path(folder)) as address:
            take_film(browser, address, out / "studio.gif")
            take_views(browser, address, photographs, out)
            take_phone(browser, address, out / "studio-phone.png")


def take_film(browser: Browser, address: str, path: Path) -> None:
    """Take the animated picture."""
    page = browser.new_page(viewport={"width": 1180, "height": 620})
    frames = [(frame.resize((885, 465), Image.Resampling.LANCZOS), ms) for frame, ms in film(page, address)]
    first = frames[-1][0].quantize(48)
    shown = [frame.quantize(palette=first, dither=Image.Dither.NONE) for frame, _ in frames]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=[ms for _, ms in frames], loop=0)


VIEWS = {
    "light": "?model=cifar-row-lstm&n=16",
    "dark": "?model=mnist-classes&n=16",
    "complete": "?view=complete&model=mnist-grey&of=4&n=6",
    "surprise": "?view=surprise&model=mnist-diagonal-bilstm&against=mnist-pixelcnn&of=2&top=4",
    "folder": "?view=folder&model=drawn-discs&folder=parts/incoming&usual=parts/usual",
    "files": "?view=files",
    "trainings": "?view=trainings",
    "how": "?view=how&field=pixelcnn",
}


def take_views(browser: Browser, address: str, photographs: Path, out: Path) -> None:
    """Take a picture of each view."""
    for name, query in VIEWS.items():
        scheme = "dark" if name == "dark" else "light"
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
        page.goto(address + query)
        settle(page)
        if name in ("light", "dark"):
            page.mouse.click(500, 300)
        elif name == "complete":
            page.get_by_role("button", name="Clear").click()
            page.get_by_role("button", name="Box").click()
            box = page.locator(".stage canvas").first.bounding_box()
            page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
            page.mouse.up()
        elif name == "folder":
            page.locator("tbody button").first.click()
        elif name == "files":
            page.locator("input[type=file]").set_input_files(sorted(photographs.glob("*.png"))[:5])
        elif name == "how":
            page.evaluate("document.querySelector('#field').closest('section').scrollIntoView()")
        settle(page)
        shot(page).quantize(128).save(out / f"studio-{name}.png", optimize=True)


def take_phone(browser: Browser, address: str, path: Path) -> None:
    """Take three views as a phone shows them, side by side."""
    sheet = Image.new("RGB", (3 * 390 + 2 * 24, 844), "white")
    for number, name in enumerate(("dark", "complete", "how")):
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark" if number == 0 else "light")
        page.goto(address + VIEWS[name])
        settle(page)
        sheet.paste(shot(page), (number * 414, 0))
    sheet.quantize(128).save(path, optimize=True)


STROKES, BRUSH = 20, 5  # pixels: of the brush as the page has it
WATCH = """([row, column]) => {
    const canvas = document.querySelector(".aside canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#ff0000";  // so that whatever is painted is new
    context.fillRect(0, 0, canvas.width, canvas.height);
    const colour = () => context.getImageData(column, row, 1, 1).data;
    window.took = new Promise((done) => {
        document.querySelector(".stage canvas").addEventListener("pointerup", () => {
            const began = performance.now();
            const look = () => {
                const [r, g, b, a] = colour();
                const isDrawn = a === 255 && r === g && g === b;  // neither red nor the bluish grey of what is to come
                isDrawn ? done(performance.now() - began) : requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        }, { once: true });
    });
}"""


def latency() -> None:
    """Print milliseconds from the end of a stroke to the first pixel: medians, and the slowest of all strokes."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (Path(folder) / "parts").mkdir()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with studio(Path(folder)) as address:
            for model in ("mnist-diagonal-bilstm", "mnist-pixelcnn", "mnist-classes", "mnist-grey"):
                for particles in (1, 64):
                    took = strokes(browser, f"{address}?view=complete&model={model}&n=6&particles={particles}")
                    times = f"median {np.median(took):4.0f} ms, slowest {max(took):4.0f} ms"
                    print(f"{model:24}{particles:4} particles: {times}", flush=True)


def strokes(browser: Browser, address: str) -> list[float]:
    """Milliseconds to the first pixel of each of some strokes, of which the first, that compiles, does not count."""
    page, took = browser.new_page(viewport={"width": 1280, "height": 800}), []
    page.goto(address)
    settle(page)
    box = page.locator(".stage canvas").first.bounding_box()
    for number in range(STROKES + 1):
        page.get_by_role("button", name="Clear").click()
        settle(page)
        row = 4 + number % 8
        page.evaluate(WATCH, [row - BRUSH // 2, 14])  # the first row that is painted over
        page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + (row + 0.5) / 28 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + (row + 6.5) / 28 * box["height"], steps=5)
        page.mouse.up()
        took.append(page.evaluate("window.took"))
        settle(page)
    page.close()
    return took[1:]


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"pictures": pictures, "latency": latency})

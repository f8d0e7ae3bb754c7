"""Pictures of the studio for README and guide, as a person sees it: needs Chromium.

    python benchmarks/studio.py --photographs kodak --out docs/images

starts a studio, and takes `studio.gif` (digits are drawn; a value is changed, and all after it is drawn again) and a
picture of the page in both schemes.
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
    """The address of a studio of its own, which sees a folder."""
    command = [sys.executable, "-m", "pixelrnn", "studio", "--port", "0", "--no-browser", "--folders", str(folder)]
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


def main(photographs: Path, out: Path = Path("benchmarks/out")) -> None:
    """Take all pictures.

    Args:
        photographs: Folder of photographs as PNG, of which five become an archive: those of Kodak, say.
        out: Folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_discs(Path(folder) / "parts")
        with studio(Path(folder) / "parts") as address:
            take(
                playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS),
                address,
                photographs,
                out,
            )


def take(browser: Browser, address: str, photographs: Path, out: Path) -> None:
    """Take all pictures of the page at an address."""
    page = browser.new_page(viewport={"width": 1180, "height": 620})
    frames = [(frame.resize((885, 465), Image.Resampling.LANCZOS), ms) for frame, ms in film(page, address)]
    first = frames[-1][0].quantize(48)
    pictures = [frame.quantize(palette=first, dither=Image.Dither.NONE) for frame, _ in frames]
    durations = [ms for _, ms in frames]
    pictures[0].save(out / "studio.gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{address}?view=complete&model=mnist-grey&of=4&n=6")
    settle(page)
    shot(page).quantize(128).save(out / "studio-complete.png", optimize=True)
    page.goto(f"{address}?view=surprise&model=mnist-diagonal-bilstm&against=mnist-pixelcnn&of=2&top=4")
    settle(page)
    page.mouse.move(660, 180)
    shot(page).quantize(128).save(out / "studio-surprise.png", optimize=True)
    page.goto(f"{address}?view=folder&model=drawn-discs&folder=parts/incoming&usual=parts/usual")
    settle(page)
    page.locator("tbody button").first.click()
    settle(page)
    shot(page).quantize(128).save(out / "studio-folder.png", optimize=True)
    page.goto(f"{address}?view=files")
    settle(page)
    page.locator("input[type=file]").set_input_files(sorted(photographs.glob("*.png"))[:5])
    settle(page)
    shot(page).quantize(128).save(out / "studio-files.png", optimize=True)
    page.goto(f"{address}?view=how&field=pixelcnn")
    settle(page)
    page.evaluate("document.querySelector('#masks').closest('section').scrollIntoView()")
    settle(page)
    shot(page).quantize(128).save(out / "studio-how.png", optimize=True)
    for scheme, query in (("light", "?model=cifar-row-lstm&n=16"), ("dark", "?model=mnist-classes&n=16")):
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
        page.goto(address + query)
        settle(page)
        page.mouse.click(500, 300)
        settle(page)
        shot(page).quantize(128).save(out / f"studio-{scheme}.png", optimize=True)


if __name__ == "__main__":
    tyro.cli(main)

"""The page in a real browser: what a person does, and what is seen then, pixel by pixel."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import torch

from pixelrnn import ImageModel, ModelConfig, Run, TrainConfig, fit, load_data, load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.restore import decompress
from pixelrnn.model.receptive import receptive_fields
from pixelrnn.studio.figures import _untrained
from tests.conftest import build

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 60_000  # ms
PIXELS = """canvas => {
    const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.width, canvas.height, Array.from(all.data)];
}"""


def turned():
    """A model that draws from every corner."""
    return build(architecture="pixelcnn", shape=(1, 6, 9), levels=5, orders=8).float()


def write_parts(folder):
    """Usual digits, and new ones, of which the last has a spot."""
    from PIL import Image

    digits = load_model("mnist-grey").sample(28, seed=0)[:, 0].numpy().astype(np.uint8)
    digits[27, 2:6, 2:6] = 255
    for number, digit in enumerate(digits):
        path = folder / ("usual" if number < 20 else "new") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digit).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def address(folder, chromium):
    """A studio that was started in a terminal."""
    turned().save_pretrained(folder / "runs" / "turned")
    write_parts(folder / "parts")
    command = [sys.executable, "-m", "pixelrnn", "studio", "--port", "0", "--no-browser", "--runs", folder / "runs"]
    command += ["--folders", folder / "parts"]
    environment = os.environ | {"PIXELRNN_CACHE": str(folder / "cache")}
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        line = process.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    assert "Traceback" not in errors


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@pytest.fixture
def open_page(browser, address):
    """Opens the page; nothing may be said on its console, and no other machine be asked."""
    contexts, said, asked = [], [], []

    def opened(query="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + query)
        return page

    opened.said = said
    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def settle(page):
    """Wait until nothing goes on any more, and all of it is painted."""
    page.wait_for_selector("body[data-idle]", state="attached")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def images_of(page, n, height, width):
    """The values of the sheet of grey images, `(n, H, W)`; -1 where nothing is shown."""
    columns, rows, data = page.locator(".sheet canvas").first.evaluate(PIXELS)
    pixels = np.array(data).reshape(rows, columns, 4)
    grey = np.where((pixels[..., :3] == pixels[..., :1]).all(2) & (pixels[..., 3] == 255), pixels[..., 0], -1)
    across = (columns + 2) // (width + 2)
    places = [divmod(number, across) for number in range(n)]
    return np.stack([grey[r * (height + 2) :, c * (width + 2) :][:height, :width] for r, c in places])


def point(page, image, row, column, shape, *, across):
    """Where a pixel of an image is on the screen."""
    canvas = page.locator(".sheet canvas").first
    box, (width, _, _) = canvas.bounding_box(), canvas.evaluate("canvas => [canvas.width, canvas.height, 0]")
    zoom, (down, right) = box["width"] / width, divmod(image, across)
    x, y = right * (shape[1] + 2) + column + 0.5, down * (shape[0] + 2) + row + 0.5
    return box["x"] + x * zoom, box["y"] + y * zoom


def test_samples_are_drawn_and_can_be_turned_back(open_page):
    page = open_page("?model=mnist-diagonal-bilstm&n=4&seed=3")
    settle(page)
    wanted = load_model("mnist-diagonal-bilstm").sample(4, seed=3)[:, 0].numpy() * 255
    np.testing.assert_array_equal(images_of(page, 4, 28, 28), wanted)
    page.get_by_label("Pixels drawn").fill("0")
    page.get_by_role("button", name="Row on").click()
    page.get_by_text("28 of 784 values").wait_for()
    settle(page)
    seen = images_of(page, 4, 28, 28)
    np.testing.assert_array_equal(seen[:, 0], wanted[:, 0])
    assert (seen[:, 1:] == -1).all()
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("784 of 784 values").wait_for()
    settle(page)
    np.testing.assert_array_equal(images_of(page, 4, 28, 28), wanted)


def test_images_of_every_order_come_as_they_are_drawn(open_page):
    page = open_page("?model=runs/turned&n=9&seed=1")
    settle(page)
    wanted = np.rint(turned().sample(9, seed=1)[:, 0].numpy() / 4 * 255)
    np.testing.assert_array_equal(images_of(page, 9, 6, 9), wanted)
    page.get_by_label("Pixels drawn").fill("20")
    settle(page)
    seen = images_of(page, 9, 6, 9)
    assert ((seen >= 0).sum((1, 2)) == 20).all()
    np.testing.assert_array_equal(seen[seen >= 0], wanted[seen >= 0])


def test_another_value_is_chosen_and_taken_back(open_page):
    page = open_page("?model=mnist-diagonal-bilstm&n=4&seed=3")
    settle(page)
    before = images_of(page, 4, 28, 28)
    row, column = 10, 12
    page.mouse.click(*point(page, 3, row, column, (28, 28), across=2))
    page.get_by_text(f"row {row}, column {column}; {row * 28 + column} values came before it").wait_for()
    model = load_model("mnist-diagonal-bilstm")
    x = model.sample(4, seed=3)[3:]
    bits = -model.log_prob_map(x)[0, 0, row, column].item() / np.log(2)
    page.get_by_text(f"{bits:.2f} bits (").wait_for()
    other = 1 - int(x[0, 0, row, column])
    page.get_by_role("button", name=f"value {other}, probability").click()
    page.get_by_role("button", name="Take back").wait_for()
    settle(page)
    after = images_of(page, 4, 28, 28)
    np.testing.assert_array_equal(after[:3], before[:3])
    assert after[3, row, column] == 255 * other
    at = row * 28 + column
    np.testing.assert_array_equal(after[3].ravel()[:at], before[3].ravel()[:at])
    page.get_by_role("button", name="Take back").click()
    settle(page)
    np.testing.assert_array_equal(images_of(page, 4, 28, 28), before)


def test_many_levels_are_a_curve(open_page):
    page = open_page("?model=cifar-row-lstm&n=1&seed=0")
    settle(page)
    page.mouse.click(*point(page, 0, 16, 16, (32, 32), across=1))
    page.get_by_label("another value green").fill("200")
    assert page.locator("canvas.curve").count() == 3
    page.get_by_role("button", name="Draw from it").nth(1).click()
    page.get_by_role("button", name="Take back").wait_for()
    page.get_by_text("200 of 0 .. 255").wait_for()


def test_the_keyboard_is_enough(open_page):
    page = open_page("?model=mnist-classes&n=4&seed=0")
    settle(page)
    page.locator(".sheet canvas").first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown"):
        page.keyboard.press(key)
    page.get_by_text("row 1, column 2; 30 values came before it").wait_for()
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.bars') !== null"):
            break
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Take back").wait_for()


def test_the_address_says_what_is_shown(open_page):
    page = open_page("?model=mnist-classes&n=4&seed=0")
    settle(page)
    page.get_by_label("Label").select_option("7")
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Temperature").fill("0.8")
    page.get_by_role("button", name="Draw", exact=True).click()
    settle(page)
    wanted = load_model("mnist-classes").sample(4, label=7, seed=5, temperature=0.8)[:, 0].numpy()
    np.testing.assert_array_equal(images_of(page, 4, 28, 28), np.rint(wanted / 15 * 255))
    page.reload()
    settle(page)
    np.testing.assert_array_equal(images_of(page, 4, 28, 28), np.rint(wanted / 15 * 255))


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (800, "light"), (1280, "dark"), (1900, "light")])
@pytest.mark.parametrize("view", ["draw", "complete", "surprise", "folder", "files", "trainings", "how"])
def test_it_fits_and_can_be_read(open_page, view, width, scheme):
    query, viewport = f"?view={view}&model=mnist-classes", {"width": width, "height": 800}
    page = open_page(query, viewport=viewport, color_scheme=scheme)
    if view == "draw":
        settle(page)
        page.mouse.click(*point(page, 0, 14, 14, (28, 28), across=1))
        page.get_by_text("row 14, column 14").wait_for()
    elif view == "complete":
        completed(page)
    else:
        settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for each in page.evaluate(CONTRASTS):
        assert each["ratio"] >= 4.5, each
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == []


CONTRASTS = """() => {
    const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const ground = element => {
        for (; element; element = element.parentElement) {
            const found = numbers(getComputedStyle(element).backgroundColor);
            if (found.length < 4 || found[3] === 1) return found;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || !element.getClientRects().length || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
        const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground(element))];
        found.push({ text: element.textContent.slice(0, 30), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
    }
    return found;
}"""

UNNAMED = """() => [...document.querySelectorAll("button, input, select, canvas[tabindex], a")]
    .filter(each => !(each.getAttribute("aria-label") || each.labels?.length || each.textContent.trim()))
    .map(each => each.outerHTML)"""


SEED_3 = "?view=complete&model=mnist-diagonal-bilstm&of=3&seed=5&n=4&particles=16"


def editor_of(page):
    """What is seen of the picture, `(28, 28)`; -1 where it is painted out."""
    _, _, data = page.locator(".stage canvas").first.evaluate(PIXELS)
    pixels = np.array(data).reshape(28, 28, 4)
    return np.where((pixels[..., :3] == pixels[..., :1]).all(2), pixels[..., 0], -1)


def completions_of(page, n=4):
    columns, rows, data = page.locator(".aside canvas").first.evaluate(PIXELS)
    pixels = np.array(data).reshape(rows, columns, 4)[..., 0]
    across = (columns + 2) // 30
    return np.stack([pixels[r * 30 :, c * 30 :][:28, :28] for r, c in (divmod(k, across) for k in range(n))])


def drag(page, *places):
    """Draw a stroke over pixels of the picture."""
    box = page.locator(".stage canvas").first.bounding_box()
    for number, (row, column) in enumerate(places):
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28, steps=4
        )
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def completed(page):
    settle(page)
    page.get_by_text("what is known: log2 p").wait_for()


def test_what_is_painted_out_is_drawn_again(open_page):
    page = open_page(SEED_3)
    completed(page)
    x = load_model("mnist-diagonal-bilstm").sample(1, seed=3)
    original = x[0, 0].numpy() * 255
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Paint over what is to be drawn again.").wait_for()
    np.testing.assert_array_equal(editor_of(page), original)
    page.get_by_role("button", name="Box").click()
    drag(page, (6, 8), (15, 20))
    completed(page)
    known = np.ones((28, 28), bool)
    known[6:16, 8:21] = False
    np.testing.assert_array_equal(editor_of(page) >= 0, known)
    model = load_model("mnist-diagonal-bilstm")
    wanted = model.complete(x.expand(4, -1, -1, -1), torch.from_numpy(known), seed=5, particles=16).images
    np.testing.assert_array_equal(completions_of(page), wanted[:, 0].numpy() * 255)
    page.get_by_text("the 16 were chosen among by what is known").wait_for()
    page.reload()  # all of it is in the address
    completed(page)
    np.testing.assert_array_equal(editor_of(page) >= 0, known)
    np.testing.assert_array_equal(completions_of(page), wanted[:, 0].numpy() * 255)


def test_tools_and_undo(open_page):
    page = open_page(SEED_3)
    completed(page)
    half = editor_of(page)
    assert ((half >= 0).sum(1) == np.repeat([28, 0], 14)).all()
    page.get_by_role("button", name="Eraser").click()
    page.get_by_label("Size of the brush").fill("3")
    drag(page, (20, 10), (20, 15))
    seen = editor_of(page) >= 0
    assert seen[19:22, 9:17].all()
    assert seen[14:].sum() == 3 * 8
    page.get_by_role("button", name="Invert").click()
    np.testing.assert_array_equal(editor_of(page) >= 0, ~seen)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    np.testing.assert_array_equal(editor_of(page), half)
    page.get_by_role("button", name="Redo").click()
    np.testing.assert_array_equal(editor_of(page) >= 0, seen)
    canvas = page.locator(".stage canvas").first
    canvas.focus()
    for key in ("b", "]", "]", "ArrowUp", " "):
        page.keyboard.press(key)
    assert (editor_of(page) >= 0).sum() < seen.sum()
    painted = editor_of(page)
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(editor_of(page) >= 0, seen)
    page.keyboard.press("Control+Shift+Z")
    np.testing.assert_array_equal(editor_of(page), painted)
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="Fill").click()
    drag(page, (0, 0))
    assert (editor_of(page)[0] == -1).all()
    drag(page, (-3, 4), (5, 4))  # from past the edge


PLACES = """() => [...document.querySelectorAll("main canvas, main button")].filter(each => each.offsetWidth).map(each => {
    const { x, y, width, height } = each.getBoundingClientRect();
    return [each.getAttribute("aria-label") || each.textContent, x, y + scrollY, width, height].join(" ");
})"""

WATCHED = """() => {
    window.places = new Set();
    const look = () => (places.add((PLACES)().join("; ")), requestAnimationFrame(look));
    look();
}""".replace("PLACES", PLACES)


@pytest.mark.parametrize("width", [700, 1280])
@pytest.mark.parametrize(("view", "again"), [("draw", "Draw"), ("complete", "Complete again")])
def test_nothing_moves_under_the_pointer(open_page, view, again, width):
    """Work that begins, is listed, fails and ends moves nothing that one may be about to touch."""
    page = open_page(f"{SEED_3}&view={view}".replace("view=complete&", ""), viewport={"width": width, "height": 800})
    settle(page)
    jobs = [{"number": n, "title": "Completing with mnist-diagonal-bilstm", "fraction": n / 4} for n in range(4)]
    page.evaluate(WATCHED)
    page.route("**/api/jobs", lambda route: route.fulfill(json={"jobs": jobs}))
    page.get_by_role("button", name=again, exact=True).click()
    page.get_by_role("status").get_by_text("75%").wait_for()
    settle(page)
    page.unroute("**/api/jobs")
    page.get_by_role("status").get_by_text("75%").wait_for(state="detached")
    settle(page)
    first, *others = [each.split("; ") for each in page.evaluate("[...places]")]
    for other in others:
        assert other == first


def test_a_picture_of_a_folder(open_page, folder):
    from PIL import Image

    page = open_page("?view=complete&model=mnist-grey&folder=parts/new&of=3")
    completed(page)
    seen = editor_of(page)
    pixels = np.asarray(Image.open(folder / "parts" / "new" / "23.png"))
    np.testing.assert_array_equal(seen[:14], pixels[:14])
    page.get_by_role("button", name="Another picture").click()
    completed(page)
    pixels = np.asarray(Image.open(folder / "parts" / "new" / "24.png"))
    np.testing.assert_array_equal(editor_of(page)[:14], pixels[:14])
    page.get_by_role("combobox", name="Picture").select_option("")
    completed(page)
    drawn = load_model("mnist-grey").sample(1, seed=4)[0, 0].numpy()
    np.testing.assert_array_equal(editor_of(page)[:14], drawn[:14])


def test_one_goes_on_with_a_completion(open_page):
    page = open_page(SEED_3)
    completed(page)
    second = completions_of(page)[1]
    box = page.locator(".aside canvas").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    page.get_by_text(re.compile(r"^seed 5, number 1; what is known: log2 p = -[0-9.]+ bits$")).wait_for()
    page.get_by_role("button", name="Go on with number 1").click()
    page.get_by_text("Paint over what is to be drawn again.").wait_for()
    np.testing.assert_array_equal(editor_of(page), second)


def test_another_value_of_a_completion(open_page):
    page = open_page(SEED_3)
    completed(page)
    before = completions_of(page)
    page.locator(".aside canvas").first.focus()
    for key in ("PageDown", *["ArrowDown"] * 16, *["ArrowRight"] * 13, "Enter"):
        page.keyboard.press(key)
    page.get_by_text("row 16, column 13; 461 values came before it").wait_for()
    other = int(before[1, 16, 13] == 0)
    page.get_by_role("button", name=f"value {other}, probability").click()
    settle(page)
    after = completions_of(page)
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])
    np.testing.assert_array_equal(after[1].ravel()[:461], before[1].ravel()[:461])
    assert after[1, 16, 13] == 255 * other
    assert (after[1] != before[1]).sum() > 1
    page.get_by_role("button", name="Go on with number 1").click()
    page.get_by_text("Paint over what is to be drawn again.").wait_for()
    np.testing.assert_array_equal(editor_of(page), after[1])


def test_a_picture_of_ones_own(open_page, tmp_path):
    from PIL import Image

    path = tmp_path / "<b>mine.png"
    pixels = load_model("mnist-diagonal-bilstm").sample(1, seed=9)[0, 0].numpy() * 255
    Image.fromarray(pixels).save(path)
    page = open_page(SEED_3)
    completed(page)
    page.get_by_label("A picture of yours").set_input_files(path)
    completed(page)
    np.testing.assert_array_equal(editor_of(page)[:14], pixels[:14])
    (tmp_path / "none.png").write_bytes(b"none")
    page.get_by_label("A picture of yours").set_input_files(tmp_path / "none.png")
    page.get_by_role("alert").get_by_text("the picture cannot be used").wait_for()
    open_page.said.clear()


def test_the_bits_of_a_picture_are_seen(open_page):
    names = ("mnist-diagonal-bilstm", "mnist-pixelcnn")
    page = open_page(f"?view=surprise&model={names[0]}&against={names[1]}&of=2&top=4")
    settle(page)
    x = load_model(names[0]).sample(1, seed=2)
    maps = [-load_model(name).log_prob_map(x)[0, 0].detach().numpy() / np.log(2) for name in names]
    for name, bits in zip(names, maps, strict=True):
        _, _, data = page.get_by_role("img", name=name, exact=True).evaluate(PIXELS)
        pixels = np.array(data).reshape(28, 28, 4)
        light = pixels[..., :3] @ [0.2126, 0.7152, 0.0722]
        order = np.argsort(bits.ravel())  # the more bits, the lighter, as far as the scale goes
        shown = np.sort(bits.ravel()) < 4
        assert (np.diff(light.ravel()[order][shown]) > -1.5).all()
        assert pixels[bits >= 4][:, :3].tolist() == [[253, 231, 37]] * int((bits >= 4).sum())
        page.get_by_text(f"-{bits.sum():.1f} bits").wait_for()
    box = page.get_by_role("img", name=names[0], exact=True).bounding_box()
    row, column = np.unravel_index(maps[0].argmax(), (28, 28))
    assert maps[0].max() >= 10  # told with one decimal
    page.mouse.move(box["x"] + (column + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28)
    page.get_by_text(f"row {row}, column {column}: {maps[0].max():.1f} bits").wait_for()
    page.get_by_role("application", name="Maps.").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_text(f"row {row + 1}, column {column}: ").wait_for()
    cursors = page.locator(".map .cursor").evaluate_all("all => all.map(each => [each.style.top, each.style.left])")
    zoom = box["width"] / 28
    assert cursors == [[f"{(row + 1) * zoom:g}px", f"{column * zoom:g}px"]] * 4
    other = 1 - int(x[0, 0, row, column])
    page.mouse.click(box["x"] + (column + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28)
    settle(page)
    page.get_by_role("button", name=f"value {other}, probability").click()
    settle(page)
    _, _, data = page.get_by_role("img", name="the picture", exact=True).evaluate(PIXELS)
    changed = np.array(data).reshape(28, 28, 4)[..., 0] // 255
    assert changed[row, column] == other
    np.testing.assert_array_equal(changed.ravel()[: row * 28 + column], x.numpy().ravel()[: row * 28 + column])
    page.get_by_label("Shown").select_option("beyond")
    page.get_by_text("-4 bits").wait_for()
    page.reload()
    settle(page)
    assert page.get_by_label("Shown").input_value() == "beyond"
    page.get_by_role("combobox").first.select_option("cifar-row-lstm")
    page.get_by_text("cifar-row-lstm").last.wait_for()


def test_trainings_are_watched(open_page, trained):
    page = open_page("?view=trainings&runs=first")
    settle(page)
    page.get_by_text("finished, 100%, step 6").first.wait_for()
    _, _, data = page.locator("canvas.chart").evaluate(PIXELS)
    pixels = {tuple(pixel) for pixel in np.array(data).reshape(-1, 4)}
    assert (0, 0x72, 0xB2, 255) in pixels  # the first run's colour
    assert (0xD5, 0x5E, 0, 255) not in pixels
    page.get_by_role("checkbox", name="second").check()
    settle(page)
    _, _, data = page.locator("canvas.chart").evaluate(PIXELS)
    assert (0xD5, 0x5E, 0, 255) in {tuple(pixel) for pixel in np.array(data).reshape(-1, 4)}
    slider = page.get_by_label("Samples over time").last
    last = page.locator("img.samples").get_attribute("src")
    slider.fill("0")
    settle(page)
    assert page.locator("img.samples").get_attribute("src") != last
    assert page.locator("img.samples").evaluate("async image => (await image.decode(), image.naturalWidth)") > 8


@pytest.fixture
def trained(address, folder):
    """Two runs in the studio's folder."""
    data = load_data("digits")
    for name in ("first", "second"):
        model = ImageModel(ModelConfig(**data.model_fields, architecture="pixelcnn", layers=1, hidden=4), seed=0)
        training = TrainConfig(steps=6, batch=8, evaluations=3, samples=4, valid_images=8)
        fit(model, data, training, folder=folder / "runs" / name)


def test_a_training_is_begun_from_the_page(open_page, folder):
    page = open_page("?view=trainings")
    settle(page)
    form = page.get_by_role("form", name="Begin a training")
    form.get_by_label("Architecture").select_option("pixelcnn")
    for label, value in (("Layers", 1), ("Features h", 4), ("Name", "mine")):
        form.get_by_label(label).fill(str(value))
    form.get_by_role("button", name="Begin").click()
    page.locator(".run", has_text="mine").get_by_text("running, ").wait_for()
    page.get_by_role("button", name="Stop and save: mine").click()
    page.get_by_role("button", name="Go on: mine").wait_for()
    assert not Run.open(folder / "runs" / "mine").is_finished
    page.get_by_role("button", name="Go on: mine").click()
    page.get_by_role("button", name="Stop and save: mine").wait_for()
    form.get_by_role("button", name="Begin").click()
    page.get_by_role("alert").get_by_text("there is a run mine already; choose another name").wait_for()
    open_page.said.clear()  # the browser itself says that a request was refused


def test_what_is_half_drawn_is_nothing_to_go_back_to(open_page):
    page = open_page("?model=cifar-row-lstm&n=1&seed=0")
    settle(page)
    before = page.locator(".sheet canvas").first.evaluate(PIXELS)
    page.mouse.click(*point(page, 0, 2, 16, (32, 32), across=1))
    page.get_by_label("another value red").fill("30")
    page.get_by_role("button", name="Draw from it").first.click()
    page.wait_for_timeout(60)  # some of it is drawn
    page.get_by_label("another value red").fill("220")
    page.get_by_role("button", name="Draw from it").first.click()
    page.get_by_role("button", name="Take back").wait_for()
    settle(page)
    assert page.locator(".sheet canvas").first.evaluate(PIXELS)[2][4 * (2 * 32 + 16)] == 220
    page.get_by_role("button", name="Take back").click()
    settle(page)
    after = page.locator(".sheet canvas").first.evaluate(PIXELS)
    assert sum(a != b for a, b in zip(after[2], before[2], strict=True)) == 0
    assert page.get_by_role("button", name="Take back").is_hidden()


def test_a_model_that_is_changed_twice_shows_the_last(open_page):
    page = open_page("?view=complete&model=mnist-diagonal-bilstm")
    completed(page)
    page.get_by_role("combobox").first.select_option("cifar-row-lstm")
    page.get_by_role("combobox").first.select_option("mnist-grey")
    completed(page)
    assert page.locator(".stage canvas").first.evaluate("canvas => canvas.width") == 28
    page.get_by_text("what is known: log2 p").wait_for()


@pytest.mark.parametrize(
    "query",
    [
        "?view=complete&of=abc&n=abc&particles=zz&mask=zzz",
        "?view=constructor",
        "?view=draw&n=4.0&seed=-1&temperature=abc&top_p=7e999",
        "?view=surprise&top=zzz&what=q&of=-3",
        "?view=trainings&along=z&range=q",
    ],
)
def test_a_damaged_address_is_mended(open_page, query):
    page = open_page(query)
    settle(page)
    assert page.get_by_role("alert").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('select')].every(each => each.hidden || each.selectedIndex >= 0 || !each.length)"
    )


def test_who_leaves_ends_the_work(open_page, address):
    page = open_page("?model=mnist-pixelcnn&n=1&seed=0")
    settle(page)
    page.goto(f"{address}?model=mnist-grey&n=64&seed=0")
    page.close()
    for _ in range(100):
        with urllib.request.urlopen(f"{address}api/jobs") as response:
            running = json.load(response)["jobs"]
        if not running:
            break
        time.sleep(0.1)
    assert running == []


def test_trouble_is_one_line(open_page):
    page = open_page("?model=mnist-classes&n=4&seed=0")
    settle(page)
    page.route("**/api/draw", lambda route: route.abort())
    page.get_by_role("button", name="Next seed").click()
    page.get_by_role("alert").get_by_text("the studio does not answer; is it still running in the terminal?").wait_for()
    open_page.said.clear()  # the browser itself says that a request failed
    page.unroute("**/api/draw")
    page.get_by_label("Temperature").fill("")
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_role("alert").get_by_text("temperature is 0.0").wait_for()
    open_page.said.clear()


def test_names_are_never_html(open_page):
    """Whatever a model is called, it is text."""
    page = open_page("?model=<img src=x onerror=alert(1)>&n=4&view=<script>")
    settle(page)
    assert page.locator("main img").count() == 0


def test_how_it_works_is_seen(open_page):
    page = open_page("?view=how")
    settle(page)
    fields = receptive_fields(*_untrained("pixelcnn"), 13, 9)
    seen = page.locator("#field output")
    assert (
        seen.inner_text()
        == f"the output, at row 13, column 9: sees {int((fields[-1] > 0).sum())} of the 282 pixels before it"
    )
    blind = fields[-1].flatten() == 0
    blind[13 * 21 + 9 :] = False
    canvas = page.get_by_role("application", name="What the pixel sees")
    _, _, data = canvas.evaluate(PIXELS)
    np.testing.assert_array_equal((np.array(data).reshape(-1, 4)[:, :3] == [213, 94, 0]).all(1), blind)
    page.get_by_label("Layer").fill("0")
    assert "the first convolution, at row 13, column 9: sees 24 of" in seen.inner_text()
    page.get_by_label("Network").select_option("gated-pixelcnn")
    settle(page)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    page.get_by_text("The blind spot is gone").wait_for()
    assert "row 13, column 10" in seen.inner_text()
    page.get_by_label("Order").select_option("7")
    settle(page)
    _, _, data = page.locator("#walk .sheet canvas").first.evaluate(PIXELS)
    pixels = np.array(data).reshape(32, 32, 4)[..., :3]
    assert (pixels[:, :19] == pixels[0, 0]).all()  # columns from the lower right: these are not drawn at two fifths
    assert len(np.unique(pixels[:, 20:].reshape(-1, 3), axis=0)) > 100
    page.get_by_role("slider", name="Temperature").fill("0.1")
    page.get_by_role("slider", name="Temperature").dispatch_event("change")
    settle(page)
    assert page.locator("#temperature .columns i").count() == 16
    wanted = load_model("mnist-classes").sample(10, label=torch.arange(10), seed=1, temperature=0.1)[0, 0].numpy()
    columns, rows, data = page.locator("#temperature .sheet canvas").first.evaluate(PIXELS)
    np.testing.assert_array_equal(np.array(data).reshape(rows, columns, 4)[:28, :28, 0], np.rint(wanted / 15 * 255))
    assert (
        page.get_by_role("img", name="mask A: blue sees all earlier pixels, and at its own pixel red and green").count()
        == 1
    )


def test_pictures_become_an_archive_and_come_back(open_page, tmp_path):
    from PIL import Image

    x = load_model("photographs").sample(2, size=(48, 64), seed=3).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    for name, pixels in zip(("<b>first.png", "second.png"), x, strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "words.txt").write_text("words")
    page = open_page("?view=files")
    settle(page)
    bring = page.get_by_label("Pictures, or an archive (or drop them)")
    bring.set_input_files(sorted(tmp_path.iterdir()))
    settle(page)
    page.get_by_text("3 files in ").wait_for()
    shares = page.locator(".size i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert len(shares) == 4  # as they came, PNG, WebP, .pxr
    assert shares[3] < min(shares[:3])
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the archive").click()
    saved = tmp_path / "saved.pxr"
    download.value.save_as(saved)
    with Archive(saved) as archive:
        decompress(archive, None, tmp_path / "out")
    for name, pixels in zip(("<b>first.png", "second.png"), x, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / name)), pixels)
    bring.set_input_files(saved)
    settle(page)
    page.get_by_text("64x48 RGB").first.wait_for()
    assert page.locator("img.thumbnail").evaluate_all("all => all.map(each => each.naturalWidth)") == [64, 64]
    with page.expect_download() as download:
        page.get_by_role("row", name="second.png").get_by_role("link", name="Save").click()
    download.value.save_as(tmp_path / "again.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "again.png")), x[1])
    (tmp_path / "bad.pxr").write_bytes(saved.read_bytes()[:40])
    bring.set_input_files(tmp_path / "bad.pxr")
    settle(page)
    assert "cut off" in page.get_by_role("status").last.inner_text()
    open_page.said.clear()  # the browser itself says that a request was refused


def test_the_odd_one_of_a_folder_is_found(open_page, folder, tmp_path):
    from PIL import Image

    page = open_page("?view=folder&model=mnist-grey&folder=parts/new&usual=parts/usual")
    settle(page)
    page.get_by_text("8 pictures, compared with 20 usual ones.").wait_for()
    rows = page.locator("tbody tr")
    assert rows.count() == 8
    assert "27.png" in rows.first.inner_text()  # the oddest first
    page.get_by_role("button", name="show 27.png").click()
    settle(page)
    _, _, data = page.get_by_role("img", name="27.png").evaluate(PIXELS)
    pixels = np.array(data).reshape(28, 28, 4)[..., :3]
    assert ([255, 32, 32] == pixels).all(2).any()  # its spot is framed
    box = page.get_by_role("img", name="where it is odd").bounding_box()
    _, _, data = page.get_by_role("img", name="where it is odd").evaluate(PIXELS)
    light = np.array(data).reshape(28, 28, 4)[..., :3].sum(2)
    row, column = np.unravel_index(light.argmax(), (28, 28))
    assert box["width"] == box["height"]
    assert max(row, column) < 14  # in the quarter of the spot
    assert page.locator(".near img").count() == 4
    counts = page.get_by_text("Above ")
    assert "1 of 8 pictures" in counts.inner_text()
    slider = page.get_by_label("Threshold")
    slider.fill(slider.get_attribute("min"))
    page.get_by_text("8 of 8 pictures, and 20 of 20 usual ones (100.0%)").wait_for()
    page.get_by_role("button", name="name").click()
    assert "20.png" in rows.first.inner_text()
    page.get_by_label("tag of 21.png").fill('a "slanted" one')
    page.get_by_label("tag of 21.png").blur()
    page.get_by_label("Filter").fill("slanted")
    assert rows.count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save CSV").click()
    download.value.save_as(tmp_path / "a.csv")
    ((name, _, p_value, verdict, tag),) = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))[1:]
    assert (name, verdict, tag) == ("21.png", "odd", 'a "slanted" one')
    assert 0 < float(p_value) <= 1
    page.reload()
    settle(page)
    assert page.get_by_label("tag of 21.png").input_value() == 'a "slanted" one'
    page.get_by_role("button", name="show 27.png").click()
    page.get_by_role("link", name="its bits, one by one").click()
    settle(page)
    _, _, data = page.get_by_role("img", name="the picture").evaluate(PIXELS)
    seen = np.array(data).reshape(28, 28, 4)[..., 0]
    np.testing.assert_array_equal(seen, np.asarray(Image.open(folder / "parts" / "new" / "27.png")))
    page.go_back()
    settle(page)
    page.get_by_label("or bring some").set_input_files(
        [folder / "parts" / "usual" / "3.png", folder / "parts" / "new" / "27.png"]
    )
    settle(page)
    page.get_by_role("combobox", name="Usual pictures").select_option("parts/usual")
    page.get_by_role("button", name="Look").click()
    settle(page)
    page.get_by_text("2 pictures, compared with 20 usual ones.").wait_for()
    assert "27.png" in rows.first.inner_text()


def test_work_can_be_stopped_from_any_page(open_page):
    first = open_page("?model=cifar-row-lstm&n=64&seed=0&view=draw")
    first.get_by_role("button", name="Stop: samples").click()
    first.wait_for_selector("#work div", state="detached")
    settle(first)
    drawn, every = re.findall(r"[\d,]+", first.locator(".time output").inner_text())
    assert drawn != every  # it ended before it was done
    with urllib.request.urlopen(first.url.split("?")[0] + "api/jobs") as response:
        assert json.load(response)["jobs"] == []

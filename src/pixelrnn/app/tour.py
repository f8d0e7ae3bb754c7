"""What the shipped models can do, in seconds: pictures and numbers for the demo, and the page that shows them."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixelrnn.app.page import write_page
from pixelrnn.progress import Reporter

if TYPE_CHECKING:
    from torch import Tensor

    from pixelrnn.model.base import AbstractImageModel

__all__ = ["Exhibit", "tour", "write_exhibits"]

MODEL, OTHER, PARTS = "mnist-diagonal-bilstm", "mnist-row-lstm", "drawn-discs"
SHOWN, COMPLETED, GUESSES, CODED = 64, 6, 6, 256
SPOT = slice(4, 7)  # rows and columns of the flaw that is to be found: nothing is drawn there otherwise
USUAL = 40  # parts that say what is usual
SCRATCH = [(17 + step, 20 + step // 2) for step in range(12)]  # pixels of a part that are lighter


class Exhibit(NamedTuple):
    """A picture with what it shows.

    Attributes:
        file: Its name.
        title: Title in a few words.
        text: What to see in it.
    """

    file: str
    title: str
    text: str


def tour(out: Path, seed: int, report: Reporter) -> list[Exhibit]:
    """Draw samples, completions, sizes of files, an anomaly map and a flaw with shipped models.

    Args:
        out: Folder for the pictures.
        seed: Seed of all draws.
        report: Reporter that is told the finished share.
    """
    from pixelrnn.model.loading import load_model
    from pixelrnn.plots import grid, save_image

    model = load_model(MODEL)
    # Digits that the model has not seen, by another model: the package ships no images of MNIST.
    digits = load_model(OTHER).sample(CODED, seed=seed)
    report(0.2)
    save_image(out / "shipped-samples.png", grid(model.sample(SHOWN, seed=seed), 2))
    report(0.3)
    exhibits = [
        Exhibit(
            "shipped-samples.png",
            "Samples",
            f"{SHOWN} digits by the shipped model {MODEL}, drawn pixel by pixel.",
        )
    ]
    for part, end in ((_completions, 0.35), (_files, 0.7), (_anomaly, 0.75)):
        exhibits.append(part(model, digits, out, seed))
        report(end)
    exhibits.append(_flaw(out, seed))
    report(1.0)
    return exhibits


def _completions(model: "AbstractImageModel", digits: "Tensor", out: Path, seed: int) -> Exhibit:
    import torch

    from pixelrnn import plots

    known = torch.zeros(28, 28, dtype=torch.bool)
    known[:14] = True
    given = digits[:COMPLETED]
    drawn = model.complete(given.repeat_interleave(GUESSES, dim=0), known, seed=seed).images
    pictures, guesses = ([plots.to_image(x, 2) for x in each] for each in (given, drawn))
    shown = plots.completions(pictures, known.numpy(), guesses, has_originals=False)
    plots.save_image(out / "completions.png", shown)
    return Exhibit("completions.png", "Completions", "Left: the upper half that is given. Right: how it could go on.")


def _files(model: "AbstractImageModel", digits: "Tensor", out: Path, seed: int) -> Exhibit:
    import torch
    from PIL import Image

    from pixelrnn.archive.ordinary import file_of
    from pixelrnn.codec import Codec
    from pixelrnn.plots import save_bars
    from pixelrnn.runs.files import atomic_write

    content = Codec(model).encode(digits)
    is_same = torch.equal(Codec(model).decode(content), digits)
    bits = Image.fromarray((digits.reshape(-1, 28).numpy() * 255).astype("uint8")).convert("1")  # all in one picture
    sizes = {
        **{name: len(file_of(bits, name)) for name in ("PNG", "WebP")},
        "PixelRNN": len(content),
    }
    save_bars(out / "sizes.png", sizes, "bytes", f"{len(digits)} digits as one file each")
    atomic_write(out / "digits.pxr", lambda temporary: temporary.write_bytes(content))
    kept = "the same pixels" if is_same else "OTHER PIXELS, which is a bug"
    text = (
        f"{len(digits)} digits, drawn by another model ({OTHER}), in one lossless file: {sizes['PixelRNN']:,} bytes; "
        f"{sizes['PNG']:,} as PNG, {sizes['WebP']:,} as WebP. Decoded again, they are {kept}."
    )
    return Exhibit("sizes.png", "A smaller file", text)


def _anomaly(model: "AbstractImageModel", digits: "Tensor", out: Path, seed: int) -> Exhibit:
    from pixelrnn.plots import save_heat_map, to_image

    flawed = digits[:1].clone()
    flawed[0, 0, SPOT, SPOT] = 1 - flawed[0, 0, SPOT, SPOT]
    before, after = (-model.log_prob_map(x).detach()[0, 0].double().numpy() / math.log(2) for x in (digits[:1], flawed))
    title = f"a flaw of 3x3 pixels: {before.sum():.0f} bits without it, {after.sum():.0f} with it"
    save_heat_map(out / "anomaly.png", after, "bits a pixel", title, picture=to_image(flawed[0], 2), top=16.0)
    text = "Where the model did not expect what it sees, it is bright: each pixel's surprise, -log2 p, in bits."
    return Exhibit("anomaly.png", "What is unusual", text)


def _flaw(out: Path, seed: int) -> Exhibit:
    from pixelrnn.app.flaws import overlay
    from pixelrnn.inspection.inspector import Inspector
    from pixelrnn.model.loading import load_model
    from pixelrnn.plots import save_image, to_image

    model = load_model(PARTS)
    part, *usual = model.sample(USUAL + 1, seed=seed)
    flawed, levels = part.clone(), model.config.levels
    for row, column in SCRATCH:
        flawed[0, row, column] = min(int(flawed[0, row, column]) + levels // 5, levels - 1)
    inspector = Inspector(model).fit([each.numpy() for each in usual])
    before, after = inspector.predict([part, flawed])
    save_image(out / "flaw.png", overlay(to_image(flawed, levels), after))
    text = (
        f"A disc that the shipped model {PARTS} drew, with a scratch of {len(SCRATCH)} pixels; {USUAL} other discs say "
        f"what is usual. How often a usual one is as odd: {before.p_value:.2g} before the scratch, {after.p_value:.2g} "
        "with it; in red is where. `pixelrnn inspect` does this with folders."
    )
    return Exhibit("flaw.png", "A flaw, found", text)


def write_exhibits(path: Path, exhibits: Sequence[Exhibit], heading: str, commands: Sequence[str]) -> None:
    """Write a page of pictures that lie beside it, with what one may try next."""
    cards = []
    for each in exhibits:
        title, shape = html.escape(each.title), _shape(path.parent / each.file)
        picture = f'<div><img src="{each.file}" alt="{title}"></div>'
        caption = f"<figcaption>{html.escape(each.text)}</figcaption>"
        cards.append(f'<figure class="{shape}"><h2>{title}</h2>{picture}{caption}</figure>')
    lines = html.escape("\n".join(commands))
    parts = [
        f"<p>{LEAD}</p>",
        '<main class="cards">',
        *cards,
        "</main>",
        "<h2>What to try next</h2>",
        f"<pre>{lines}</pre>",
    ]
    write_page(path, heading, STYLE, parts)


def _shape(file: Path) -> str:
    """Whether a picture needs two columns, which is what its card is called for."""
    from PIL import Image

    with Image.open(file) as picture:
        return "wide" if picture.width > WIDE * picture.height else "plain"


WIDE = 1.5  # times its height
LEAD = "All of this was computed on this machine, just now."
STYLE = """.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); grid-auto-flow: dense;
  gap: 24px; margin: 24px 0;
}
@media (min-width: 1000px) {
  .cards { grid-template-columns: repeat(6, minmax(0, 1fr)) }
  .plain { grid-column: span 2 } .wide { grid-column: span 3 }
}
figure {
  margin: 0; padding: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  display: grid; grid-template-rows: auto 1fr auto; gap: 12px;
}
figure div { display: grid; place-items: center; min-height: 240px }
img { max-width: 100%; max-height: 320px; min-width: min(100%, 240px); object-fit: contain; image-rendering: pixelated }
h2 { font-size: 1rem; font-weight: 650; margin: 0 }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 16px; overflow-x: auto }"""

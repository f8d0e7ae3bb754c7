"""Pictures for people: grids of images, curves of training and of speed. Nothing here knows a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixelrnn.runs.files import atomic_write

__all__ = [
    "NEAREST",
    "completions",
    "grid",
    "grid_with_contexts",
    "occluded",
    "save_bars",
    "save_curve",
    "save_growth",
    "save_heat_map",
    "save_image",
    "sheet",
    "to_bytes",
    "to_image",
]

NEAREST = Image.Resampling.NEAREST
GAP = (128, 128, 160)  # between pictures, and where nothing is known

BYTES = 256
SHOWN = (0.001, 0.999)  # quantiles of the values of a picture of more levels that are black, and white

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def to_image(image: Tensor, levels: int) -> Image.Image:
    """One image `(C, H, W)` as a picture: levels spread over 0 .. 255; floats from -1 .. 1, clipped.

    Two channels are shown as red and green.

    Example:
        >>> to_image(torch.ones(1, 2, 3, dtype=torch.uint8), levels=2).getpixel((0, 0))
        255
    """
    pixels = to_bytes(image, levels).transpose(1, 2, 0)
    if pixels.shape[2] == 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:, :, :1])], axis=2)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, MODES[pixels.shape[2]])


def to_bytes(x: Tensor, levels: int) -> NDArray[np.uint8]:
    """What is shown of values: levels spread over 0 .. 255; floats from -1 .. 1, clipped.

    Of more than 256 levels those between the lowest and the highest thousandth of the values are spread: most pictures
    of 16 bits would be black.
    """
    values = x.detach().cpu().double().numpy()
    scaled = (values + 1) / 2 if levels == 0 else values / (levels - 1)
    if levels > BYTES:
        low, high = np.quantile(values, SHOWN)
        scaled = (values - low) / max(high - low, 1)
    shown: NDArray[np.uint8] = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return shown


def grid(images: Tensor, levels: int, *, columns: int | None = None, side: int = 640) -> Image.Image:
    """Images `(N, C, H, W)` of so many levels as a `sheet`."""
    return sheet([to_image(image, levels) for image in images], columns=columns, side=side)


def grid_with_contexts(images: Tensor, levels: int, contexts: Tensor | None, *, each: int = 1) -> Image.Image:
    """A sheet of images in which each context comes before those that were drawn given it.

    Args:
        images: `(K each, C, H, W)`.
        levels: Levels of a sub-pixel; 0 for floats.
        contexts: `(K, Cc, Hc, Wc)`; left out if there are none, or if they have channels that cannot be shown.
        each: Images of each context.
    """
    if contexts is None or contexts.shape[1] not in MODES:
        return grid(images, levels)
    pictures = []
    for number, context in enumerate(contexts):
        mine = [to_image(image, levels) for image in images[number * each : (number + 1) * each]]
        shown = to_image(context, 0 if context.is_floating_point() else levels)
        pictures += [shown.resize(mine[0].size, NEAREST), *mine]
    columns = (each + 1) * max(1, round((len(contexts) / (each + 1)) ** 0.5))
    return sheet([picture.convert("RGB") for picture in pictures], columns=columns)


def sheet(pictures: Sequence[Image.Image], *, columns: int | None = None, side: int = 640) -> Image.Image:
    """Pictures of one size side by side with a gap, enlarged by a whole factor towards `side` pixels.

    Args:
        pictures: What to show, in reading order.
        columns: Pictures in a row; as square as possible if not given.
        side: Wanted width of the sheet; it is never enlarged beyond it nor shrunk.
    """
    columns = columns or int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    width, height = pictures[0].size
    zoom = max(1, side // (columns * (width + 1)))
    cell = (width * zoom + zoom, height * zoom + zoom)
    whole = Image.new("RGB", (columns * cell[0] + zoom, rows * cell[1] + zoom), GAP)
    for number, picture in enumerate(pictures):
        big = picture.resize((width * zoom, height * zoom), NEAREST)
        place = (number % columns * cell[0] + zoom, number // columns * cell[1] + zoom)
        whole.paste(big.convert("RGB"), place, big if big.mode == "RGBA" else None)
    return whole


def occluded(picture: Image.Image, known: NDArray[np.bool_]) -> Image.Image:
    """A picture without what is not known of it, `known` being `(H, W)`."""
    covered = Image.new("RGB", picture.size, GAP)
    covered.paste(picture.convert("RGB"), mask=Image.fromarray(np.uint8(255) * known.astype(np.uint8)))
    return covered


def completions(
    pictures: Sequence[Image.Image],
    known: NDArray[np.bool_],
    guesses: Sequence[Image.Image],
    *,
    has_originals: bool = True,
) -> Image.Image:
    """A sheet with a row for each picture: what is known of it, how it could go on, and what it was.

    Args:
        pictures: N of one size.
        known: `(H, W)`.
        guesses: K completions of each picture, N K in all.
        has_originals: Whether the pictures show what is not known.
    """
    each = len(guesses) // len(pictures)
    shown = []
    for number, picture in enumerate(pictures):
        mine = guesses[number * each : (number + 1) * each]
        shown += [occluded(picture, known), *mine, *([picture] if has_originals else [])]
    return sheet(shown, columns=1 + each + has_originals)


def save_image(path: Path, image: Image.Image) -> None:
    """Write a PNG, whole or not at all."""
    atomic_write(path, lambda temporary: image.save(temporary, format="PNG"))


def save_curve(
    path: Path, metrics: Sequence[Mapping[str, Any]], title: str, *, lines: Mapping[str, float] | None = None
) -> None:
    """Draw training and validation loss in bits/dim against images seen.

    Args:
        path: PNG to write.
        metrics: Lines of a run's journal.
        title: Title of the plot.
        lines: Values to compare with, drawn across.
    """
    figure = _figure(7, 4.2)
    axes = figure.subplots()
    for key, label, style in (
        ("train_bits_per_dim", "training", "-"),
        ("valid_bits_per_dim", "validation (average weights)", "o-"),
    ):
        points = [(line["images"], line[key]) for line in metrics if line.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, markersize=4)
    for shade, (label, value) in enumerate((lines or {}).items()):
        axes.axhline(value, linestyle="--", linewidth=1, color=f"C{2 + shade}", label=f"{label} ({value:.3f})")
    # The first steps start so far up that nothing else could be seen: they may leave the picture at the top.
    keys = ("train_bits_per_dim", "valid_bits_per_dim")
    late = [line[key] for line in metrics[len(metrics) // 20 :] for key in keys if key in line]
    late += (lines or {}).values()
    if late:
        margin = 0.05 * (max(late) - min(late)) or None
        axes.set_ylim(*((min(late) - margin, max(late) + margin) if margin else (None, None)))
    axes.set(xlabel="training images seen", ylabel="bits/dim", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(path, figure)


def save_growth(path: str | Path, title: str, panels: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    """Draw images a second against what grows: one panel for each, with a line for each kind of work.

    Args:
        path: PNG file.
        title: What is measured, and where.
        panels: Points (value, images a second) for each axis label and each kind of work.
    """
    figure = _figure(4 * len(panels), 4)
    for axes, (label, lines) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for name, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        values = sorted({x for points in lines.values() for x, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values], minor=False)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("images per second")
    figure.axes[0].legend(frameon=False)
    figure.suptitle(title)
    _save(Path(path), figure)


def save_bars(path: Path, values: Mapping[str, int], unit: str, title: str) -> None:
    """Draw a few numbers as bars, each with its number; the last one, which is ours, in another colour.

    Args:
        path: PNG to write.
        values: Names and numbers, from top to bottom.
        unit: Unit of the numbers.
        title: Title of the plot.
    """
    figure = _figure(7, 0.6 * len(values) + 1.4)
    axes = figure.subplots()
    colours = ["C7"] * (len(values) - 1) + ["C0"]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.bar_label(bars, [f"{value:,}" for value in values.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set(xlabel=unit, title=title, xlim=(0, None))
    axes.ticklabel_format(axis="x", style="plain")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    _save(path, figure)


def save_heat_map(
    path: Path, values: NDArray[np.float64], unit: str, title: str, *, picture: Image.Image | None = None, top: float
) -> None:
    """Draw numbers over the pixels of an image as colours, with a colour bar; beside the image, if it is given.

    Args:
        path: PNG to write.
        values: `(H, W)`, 0 and above.
        unit: Unit of the numbers.
        title: Title of the figure.
        picture: The image.
        top: Value of the brightest colour; what is above it looks like it.
    """
    panels, (height, width) = 1 if picture is None else 2, values.shape
    # As large as it takes to see the pixels, whatever the shape of the image.
    tall, wide = (4.0, 4.0 * width / height) if height > width else (4.0 * height / width, 4.0)
    figure = _figure(panels * max(wide, 1.5) + 1.3, max(tall, 1.5) + 0.6)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    if picture is not None:
        axes[0].imshow(np.asarray(picture.convert("RGBA")), interpolation="nearest")
    shown = axes[-1].imshow(values, cmap="inferno", vmin=0, vmax=top, interpolation="nearest")
    for each in axes:
        each.set_axis_off()
    figure.colorbar(shown, ax=axes[-1], label=unit, extend="max" if values.max() > top else "neither")
    figure.suptitle(title, fontsize=9)
    _save(path, figure)


def _figure(width: float, height: float) -> Any:
    # Imported here: it takes half a second, and most users of this module draw grids only.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(path: Path, figure: Any) -> None:
    atomic_write(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120))

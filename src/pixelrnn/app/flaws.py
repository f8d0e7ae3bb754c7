"""What an inspection found, for people: pictures, masks, a page; and how well it went where the truth is known."""

import html
import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from pixelrnn.app.page import figure, write_page
from pixelrnn.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from pixelrnn.inspection.inspector import Inspection

__all__ = ["GOOD", "Rating", "file_name", "kind_of", "overlay", "rate", "read_masks", "write_flaws_page"]

GOOD = "good"
"""Folder of usual pictures, beside which each other one is of a kind of flaws."""

RED, SHARE = (255, 32, 32), 0.35  # of a region, and how much of it is seen
LEAST_SIDE = 240  # of a picture that is shown: smaller ones are enlarged


def kind_of(name: str) -> str:
    """The folder that a picture lies in, which names its kind; empty if it lies in none."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return parts[-2] if len(parts) > 1 else ""


def file_name(name: str, taken: Collection[str] = ()) -> str:
    """What the pictures of a picture are called: `crack/3.jpg` gives `crack-3`, or `crack-3-2` if that is taken."""
    stem = "-".join(PurePosixPath(name.replace("\\", "/")).with_suffix("").parts).strip("-./")
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(each for each in names if each not in taken)


def overlay(picture: "Image.Image", found: "Inspection") -> "Image.Image":
    """A picture with what is unusual of it in red, each region in a frame."""
    import numpy as np
    from PIL import Image, ImageDraw

    zoom = max(1, LEAST_SIDE // max(picture.size))
    mask = np.repeat(np.repeat(found.mask, zoom, axis=0), zoom, axis=1)
    shown = picture.convert("RGB").resize((zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST)
    pixels = np.asarray(shown).astype(np.float64)
    pixels[mask] += SHARE * (np.array(RED) - pixels[mask])
    shown = Image.fromarray(np.rint(pixels).astype(np.uint8))
    draw = ImageDraw.Draw(shown)
    for region in found.regions:
        top, left, bottom, right = (zoom * side for side in region.box)
        draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=RED)
    return shown


def write_flaws_page(folder: Path, title: str, rejected: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> Path:
    """Write the page of the pictures that were rejected, the most unusual first; returns it.

    Args:
        folder: Where the pictures are.
        title: Title.
        rejected: Rows of them: name, p_value, regions; and file, of those whose picture was kept.
        lines: What is said of all pictures.
    """
    parts = [f"<p>{html.escape(line)}</p>" for line in lines]
    for row in sorted(rejected, key=lambda row: row["p_value"]):
        if "file" not in row:  # rejected by a call that kept no pictures
            parts.append(f"<p>{html.escape(row['name'])}: p-value {row['p_value']:.2g}; its picture was not kept</p>")
            continue
        name, count = row["name"], row["regions"]
        text = f"{name}: p-value {row['p_value']:.2g}, {count} {'region' if count == 1 else 'regions'}"
        parts.append(figure(row["file"], f"{name}, with its regions", text))
    write_page(folder / "index.html", title, STYLE, parts)
    return folder / "index.html"


STYLE = """figure { display: inline-block; margin: 0 1.5em 1.5em 0; vertical-align: top }
img { max-width: 100%; display: block }
figcaption { overflow-wrap: anywhere; max-width: 24em }"""


def read_masks(folder: Path, names: Sequence[str]) -> "list[NDArray[np.bool_] | None]":
    """The masks of pictures, in folders of their kinds: what is above the middle is unusual; None for good ones.

    Raises:
        DataError: If one is missing, or cannot be read.
    """
    import numpy as np
    from PIL import Image

    masks: list[NDArray[np.bool_] | None] = []
    for name in names:
        kind, stem = kind_of(name), PurePosixPath(name).stem
        if kind == GOOD:
            masks.append(None)
            continue
        found = sorted((folder / kind).glob(f"{stem}.*")) or sorted((folder / kind).glob(f"{stem}_mask.*"))
        if not found:
            raise DataError(f"{folder / kind} has no mask of {name}; {stem}.png, or {stem}_mask.png, is needed")
        try:
            masks.append(np.asarray(Image.open(found[0]).convert("L")) > 127)
        except OSError as error:
            raise DataError(f"{found[0]}: no picture ({error})") from error
    return masks


class Rating(NamedTuple):
    """How well flaws of a kind were told from good pictures.

    Attributes:
        kind: Its folder.
        pictures: How many it has.
        rejected: How many of them were rejected.
        area: Area under the ROC curve.
        interval: Its confidence interval.
        overlap: Area under the curve of the per-region overlap; None without masks.
    """

    kind: str
    pictures: int
    rejected: int
    area: float
    interval: tuple[float, float]
    overlap: float | None


def rate(
    rows: Sequence[Mapping[str, Any]],
    seen: "Mapping[str, Inspection]",
    masks: "Sequence[NDArray[np.bool_] | None] | None",
) -> list[Rating]:
    """How well each kind of flaws was told from the good pictures, `GOOD` itself first.

    Args:
        rows: The name, the verdict and the p-value of each picture.
        seen: What was found in pictures, by their names; without some of a kind its overlap is not known.
        masks: The mask of each picture.
    """
    import numpy as np

    from pixelrnn.inspection.metrics import area_under_overlap
    from pixelrnn.scores.anomaly import area_under_curve

    names, kinds = [row["name"] for row in rows], [kind_of(row["name"]) for row in rows]
    p_values = np.array([row["p_value"] for row in rows])
    is_rejected = np.array([row["verdict"] != "usual" for row in rows])
    good = np.flatnonzero([kind == GOOD for kind in kinds])
    ratings = [Rating(GOOD, len(good), int(is_rejected[good].sum()), 0.5, (0.5, 0.5), None)]
    for kind in sorted({*kinds} - {GOOD, ""}):
        items = np.flatnonzero([own == kind for own in kinds])
        area, overlap, both = area_under_curve(p_values[good], p_values[items]), None, [*good, *items]
        if masks is not None and all(names[item] in seen for item in both):
            maps = [seen[names[item]].exceedance for item in both]
            overlap = area_under_overlap(maps, [masks[item] for item in both])
        ratings.append(Rating(kind, len(items), int(is_rejected[items].sum()), area.area, area.interval, overlap))
    return ratings

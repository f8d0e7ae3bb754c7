"""Pictures of where in images their bits are, and a page that shows them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrnn.app.page import figure, write_page

if TYPE_CHECKING:
    from pixelrnn.data import ImageSet
    from pixelrnn.model.base import AbstractImageModel

__all__ = ["save_maps"]

BRIGHTEST = 0.99  # quantile of the bits of all pixels that are shown


def save_maps(
    folder: Path,
    name: str,
    model: "AbstractImageModel",
    images: "ImageSet",
    groups: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> Path:
    """Draw some images, each beside the bits that its pixels take, all with the same colours.

    Args:
        folder: Where the pictures and the page are written.
        name: Name of the model.
        model: What to measure with.
        images: A set of images.
        groups: Groups that are drawn, in their order: of each, the numbers of its images, and what is known of them:
            name, score, p_value, bits_per_dim.

    Returns:
        The page.
    """
    import numpy as np

    from pixelrnn.plots import save_heat_map, to_image
    from pixelrnn.scores.score import log_prob_map

    maps = {}
    for item in (item for items in groups.values() for item in items):
        found = log_prob_map(model, images.examples([item]))
        maps[item] = -found[0].double().sum(0).numpy() / math.log(2)
    bits = np.concatenate([each.ravel() for each in maps.values()])
    top = max(1e-3, float(np.quantile(bits[np.isfinite(bits)], BRIGHTEST))) if np.isfinite(bits).any() else 1.0
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for group, items in groups.items():
        parts.append(f"<h2>{group} usual</h2>")
        for place, (item, row) in enumerate(items.items(), start=1):
            file = f"{group.lower()}-{place:02d}.png"
            title = f"score {row['score']:.3f}, p-value {row['p_value']:.4f}, {row['bits_per_dim']:.3f} bits/dim"
            picture = to_image(images.batch([item])[0], model.config.levels)
            save_heat_map(folder / file, maps[item], "bits a pixel", title, picture=picture, top=top)
            parts.append(figure(file, f"{row['name']} and its bits", row["name"]))
    write_page(folder / "index.html", f"{len(images):,} images by {name}", STYLE, [LEGEND, *parts])
    return folder / "index.html"


STYLE = """figure { display: inline-block; margin: 0 1.5em 1.5em 0 }
img { max-width: 100%; display: block }
figcaption { overflow-wrap: anywhere; max-width: 32em }"""

LEGEND = """<p>Where the right half of a picture is bright, the model did not expect what it saw: it takes many bits to
say.</p>"""

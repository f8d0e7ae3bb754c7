"""Validation against training images seen and against minutes, of several trainings in one picture.

    python benchmarks/curves.py docs/journals/*.jsonl --out docs/images/mnist-curves.png

A journal is the `metrics.jsonl` of a run, or the lines of it that have a validation.
"""

import json
from pathlib import Path

import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter


def main(journals: tyro.conf.Positional[tuple[Path, ...]], out: Path, most: float = 88.0) -> None:
    """Draw.

    Args:
        journals: One of each training; its name, or that of its folder, is that of the line.
        out: PNG to write.
        most: Highest validation that is shown, in nats.
    """
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for path in journals:
        lines = [json.loads(text) for text in path.read_text().splitlines() if "valid_nats" in text]
        name = path.parent.name if path.name == "metrics.jsonl" else path.stem
        nats = [line["valid_nats"] for line in lines]
        for axes, at in zip(panels, ("images", "seconds"), strict=True):
            values = [line[at] / (1_000 if at == "images" else 60) for line in lines]
            axes.plot(values, nats, "o-", markersize=3, label=f"{name} ({min(nats):.2f})")
    for axes, label in zip(panels, ("thousand training images seen", "minutes of training"), strict=True):
        axes.set(xscale="log", xlabel=label, ylim=(None, most))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("validation, nats an image")
    figure.legend(*panels[0].get_legend_handles_labels(), title="lowest in brackets", loc="outside right upper")
    figure.savefig(out, dpi=120)


if __name__ == "__main__":
    tyro.cli(main)

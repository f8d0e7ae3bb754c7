"""What goes with a model that is given away: its card, and the way to the Hugging Face hub."""

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pixelrnn import hub, storage
from pixelrnn.config import DataConfig, ModelConfig, TrainConfig

__all__ = ["model_card", "push"]

TITLES = {"model": "Network", "data": "How images became values", "train": "Training"}


def model_card(folder: Path, name: str, licence: str | None = None) -> str:
    """The card of a model as the hub reads it: Markdown with a head in YAML.

    What is known of its data and training comes from the folder: a run's `config.json` and journal. The figure is the
    best validation: nats an image, and bits a sub-pixel.

    Args:
        folder: Of a run or a model.
        name: `owner/name` on the hub.
        licence: Of the weights, an identifier that the hub knows (mit, cc-by-4.0).

    Raises:
        RunError: If the folder holds no model, or `huggingface_hub` is not installed.
    """
    recorded = storage.read_json(folder / "config.json")
    config = storage.read_config(folder, ModelConfig)
    weights = sum(tensor.numel() for tensor in storage.read_tensors(folder / storage.MODEL)[0].values())
    source = _last(recorded.get("source"))
    best = min(
        (line for line in storage.read_metrics(folder) if "valid_nats" in line),
        key=lambda line: float(line["valid_nats"]),
        default=None,
    )
    head = hub.card_head(
        name,
        licence=licence,
        source=source,
        figures={"nats": best["valid_nats"], "bits/dim": best["valid_bits_per_dim"]} if best else {},
        tags=["pixelrnn", "autoregressive", "density-estimation", config.architecture],
    )
    size = "x".join(map(str, config.shape))
    lines = [
        *("---", head, "---", "", f"# {name.split('/')[1]}", ""),
        f"An image model with exact probability: {config.architecture}, layers: {config.layers}, h={config.hidden}, "
        f"{weights:,} weights; images of {size} (channels, height, width), "
        f"{f'{config.levels} levels' if config.levels else 'continuous values'}, output {config.resolved_output}.",
        *("", "    pip install 'pixelrnn[hub]'", f"    pixelrnn sample hf:{name} -n 64", ""),
        *("```python", "import pixelrnn", "", f'model = pixelrnn.load_model("hf:{name}")', "```", ""),
    ]
    if best is not None:
        lines += [
            f"Best validation: **{best['valid_nats']:.3f} nats** an image +- {best['valid_standard_error']:.3f} "
            f"(mean +- standard error), {best['valid_bits_per_dim']:.4f} bits a sub-pixel; "
            f"{best['images']:,} training images seen, {best['seconds'] / 60:.1f} minutes.",
            "",
        ]
    if source:
        lines += [f"Trained on `{source}`.", ""]
    for key, kind in (("model", ModelConfig), ("data", DataConfig), ("train", TrainConfig)):
        if key in recorded:
            lines += [f"{TITLES[key]} (all else as by default):", "", *_changed(recorded[key], kind), ""]
    return "\n".join(lines)


def push(folder: Path, name: str, *, private: bool = False, licence: str | None = None) -> str:
    """Put the model of a run or model folder on the hub, with its card; see `AbstractImageModel.push_to_hub`.

    Of where the images lay only the last part of the path goes with it.
    """
    card = model_card(folder, name, licence)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        recorded = storage.read_json(folder / "config.json")
        storage.write_json(copy / "config.json", recorded | {"source": _last(recorded.get("source"))})
        shutil.copyfile(folder / storage.MODEL, copy / storage.MODEL)
        storage.write_text(copy / "README.md", card)
        return hub.upload(copy, name, private=private)


def _last(source: str | None) -> str | None:
    """The last part of a path, or a name on the hub as it is."""
    return source if source is None or source.startswith(hub.PREFIX) else Path(source).name


def _changed(fields: dict[str, Any], kind: type[ModelConfig | DataConfig | TrainConfig]) -> list[str]:
    """Lines of code with the fields that are not as by default."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    lines = [f"    {name}: {value}" for name, value in plain.items() if value != defaults.get(name)]
    return lines or ["    (nothing)"]

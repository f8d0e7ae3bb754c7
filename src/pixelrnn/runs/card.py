"""What goes with a model that is given away: its card, and the way to the Hugging Face hub."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixelrnn import zoo
from pixelrnn.config import DataConfig, ModelConfig, TrainConfig
from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import RunError
from pixelrnn.runs import files
from pixelrnn.runs.run import Run
from pixelrnn.zoo import hub

__all__ = ["model_card", "push_to_hub", "sample_command"]

TITLES = {"model": "Network", "data": "How images became values", "train": "Training"}
KINDS = {"model": ModelConfig, "data": DataConfig, "train": TrainConfig}


def sample_command(model: str | Path, config: ModelConfig) -> str:
    """The command that draws from a model, given what it has to be given."""
    options = " --context IMAGE" if config.context else ""
    options += " --label each" if config.classes else ""
    return f"pixelrnn sample {model} -n {8 if options else 64}{options}"


def model_card(folder: str | Path, name: str, licence: str | None = None) -> str:
    """The card of a model as the hub reads it: Markdown with a head in YAML.

    What is known of its data and training comes from the folder: a run's `config.json` and journal. The figure is the
    best validation: nats an image, and bits a sub-pixel.

    Args:
        folder: Folder of a run or a model.
        name: `owner/name` on the hub.
        licence: Licence of the weights, an identifier that the hub knows (mit, cc-by-4.0).

    Raises:
        RunError: If the folder holds no model, or `huggingface_hub` is not installed.
    """
    folder = zoo.find(folder)
    run = Run.open(folder)
    recorded, config = _with_places(run.recorded, _last), run.model
    weights = sum(tensor.numel() for tensor in files.read_tensors(folder / MODEL)[0].values())
    best, source = run.best_validation, recorded.get("source")
    head = hub.card_head(
        name,
        task=_task(config),
        licence=licence,
        source=source or "images",
        figures={"nats": best["valid_nats"], "bits/dim": best["valid_bits_per_dim"]} if best else {},
        tags=["pixelrnn", "autoregressive", "density-estimation", config.architecture],
    )
    size = "x".join(map(str, config.shape))
    lines = [
        *("---", head, "---", "", f"# {name.split('/')[1]}", ""),
        f"An image model with exact probability: {config.architecture}, layers: {config.layers}, h={config.hidden}, "
        f"{weights:,} weights; images of {size} (channels, height, width), "
        f"{f'{config.levels} levels' if config.levels else 'continuous values'}, output {config.resolved_output}.",
        *("", "    pip install 'pixelrnn[hub]'", f"    {sample_command(f'hf:{name}', config)}", ""),
        *("```python", "import pixelrnn", "", f'model = pixelrnn.load_model("hf:{name}")', "```", ""),
    ]
    if best is not None:
        error = f" +- {best['valid_standard_error']:.3f} (standard error)" if "valid_standard_error" in best else ""
        lines += [
            f"Best validation: **{best['valid_nats']:.3f} nats** an image{error}, "
            f"{best['valid_bits_per_dim']:.4f} bits a sub-pixel; "
            f"{best['images']:,} training images seen, {best['seconds'] / 60:.1f} minutes.",
            "",
        ]
    if source:
        lines += [f"Trained on `{source}`.", ""]
    for key, title in TITLES.items():
        if key in recorded:
            lines += [f"{title} (all else as by default):", "", *_changed(recorded[key], KINDS[key]), ""]
    return "\n".join(lines)


def push_to_hub(folder: str | Path, name: str, *, private: bool = False, licence: str | None = None) -> str:
    """Put the model of a run or model folder on the Hugging Face hub, with a card (extra `hub`).

    What leaves the machine are weights, configurations, names of labels, numbers of images, the best validation and,
    in the card alone, the last part of the path where the images lay, and of that of the model it started from.

    Args:
        folder: Folder of the run or model.
        name: `owner/name`; the repository is made if there is none.
        private: Whether only you can see a repository that is made.
        licence: Licence of the weights, an identifier that the hub knows: mit, cc-by-4.0.

    Returns:
        The address of the commit; `hf:owner/name` then stands for the model.

    Raises:
        RunError: If the folder holds no model, or a run without any validation or with scales not trained; if the
            extra is not installed, nobody is logged in, or the hub refuses.
    """
    folder = zoo.find(folder)
    run = Run.open(folder)
    if not run.is_trained:
        raise RunError(f"{folder} is not trained yet; go on with: pixelrnn train --resume {folder}")
    card = model_card(folder, name, licence)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        # Elsewhere a path would be that of other images or another model, or of none.
        files.write_json(copy / CONFIG, _with_places(run.recorded, lambda _: None))
        shutil.copyfile(folder / MODEL, copy / MODEL)
        files.write_text(copy / "README.md", card)
        return hub.upload(copy, name, private=private)


def _task(config: ModelConfig) -> str | None:
    """The task by which the hub files a model."""
    if config.context:
        return "image-to-image"
    return None if config.classes else "unconditional-image-generation"


def _with_places(recorded: dict[str, Any], rename: Callable[[str], str | None]) -> dict[str, Any]:
    """What is recorded of a run, with paths of this machine renamed, and names that mean the same anywhere kept."""

    def place(name: str | None, is_known: bool) -> str | None:
        return name if name is None or is_known or hub.is_there(name) else rename(name)

    source, train = recorded.get("source"), recorded.get("train")
    placed = recorded | {"source": place(source, source == "digits")}
    if train is not None:
        start = train.get("start_from")
        placed["train"] = train | {"start_from": place(start, start in zoo.names() and zoo.is_shipped(zoo.find(start)))}
    return placed


def _last(path: str) -> str:
    return Path(path).name


def _changed(fields: dict[str, Any], kind: type[ModelConfig | DataConfig | TrainConfig]) -> list[str]:
    """Lines of code with the fields that are not as by default."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    lines = [f"    {name}: {value}" for name, value in plain.items() if value != defaults.get(name)]
    return lines or ["    (nothing)"]

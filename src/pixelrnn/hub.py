"""Models on the Hugging Face hub (extra `hub`): `hf:owner/name` stands for one wherever a model folder can be given."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from pixelrnn.errors import RunError

__all__ = ["PREFIX", "card_head", "fetch", "name_of", "upload"]

PREFIX = "hf:"
FILES = ["config.json", "model.safetensors"]  # all that a model is made of; nothing in them is run
NAME = re.compile(r"[\w.-]+/[\w.-]+")


def fetch(model: str) -> Path:
    """The folder with the files of a model, fetched unless they are there already.

    Args:
        model: `hf:owner/name`, or `hf:owner/name@revision` for one version: a branch, a tag or a commit.

    Raises:
        RunError: If the extra is not installed, there is no such model, or it cannot be fetched.
    """
    name, _, revision = model.removeprefix(PREFIX).partition("@")
    hub = _hub(name)
    try:
        return Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=FILES))
    except (OSError, ValueError) as error:
        raise RunError(f"{model} cannot be fetched ({_reason(error)})") from error


def name_of(folder: Path) -> str | None:
    """The name, without its owner, of the model that was fetched into a folder; None for any other folder."""
    kept = folder.parent.parent.name
    return kept.split("--")[-1] if folder.parent.name == "snapshots" and kept.startswith("models--") else None


def upload(folder: Path, name: str, *, private: bool) -> str:
    """Make a repository on the hub, if there is none of that name, and put the files of a folder there.

    Args:
        folder: Of the files.
        name: `owner/name`.
        private: Whether only its owner can see a repository that is made.

    Returns:
        The address of the commit.

    Raises:
        RunError: If the extra is not installed, nobody is logged in, or the hub refuses.
    """
    hub = _hub(name)
    try:
        api = hub.HfApi(library_name="pixelrnn")
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message="Model by PixelRNN"))
    except (OSError, ValueError) as error:
        raise RunError(f"{name} cannot be pushed ({_reason(error)}); to log in: hf auth login") from error


def card_head(
    name: str, *, licence: str | None, source: str | None, figures: Mapping[str, float], tags: Sequence[str]
) -> str:
    """The head of a model card in YAML, as the hub reads it.

    Args:
        name: `owner/name`.
        licence: An identifier that the hub knows.
        source: The name of the data.
        figures: Values by their units, measured on validation images.
        tags: What to find it by.
    """
    hub = _hub(name)
    task = "unconditional-image-generation"
    results = [
        hub.EvalResult(task, "images", source or "images", unit, value, dataset_split="validation")
        for unit, value in figures.items()
    ]
    data = hub.ModelCardData(
        library_name="pixelrnn",
        pipeline_tag=task,
        license=licence,
        tags=list(tags),
        model_name=name.split("/")[1],
        eval_results=results,
    )
    return str(data.to_yaml())


def _hub(name: str) -> ModuleType:
    """The library, if it is installed and the name could be one."""
    if not NAME.fullmatch(name):
        raise RunError(f"{name!r} is no name of a model on the hub; it has the form owner/name")
    try:
        import huggingface_hub
    except ImportError as error:
        raise RunError("the hub needs the huggingface_hub package: pip install 'pixelrnn[hub]'") from error
    return huggingface_hub


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

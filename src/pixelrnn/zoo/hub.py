"""Models on the Hugging Face hub (extra `hub`): `hf:owner/name` stands for one wherever a model folder can be given."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from pixelrnn.config.names import CONFIG, MODEL
from pixelrnn.errors import RunError

__all__ = ["PREFIX", "card_head", "fetch", "is_there", "name_of", "origin", "require_name", "split", "upload"]

PREFIX = "hf:"
NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_there(model: str | Path) -> bool:
    """Whether what stands for a model names one of the hub."""
    return _plain(model).startswith(PREFIX)


def require_name(name: str) -> None:
    """Check the form of a name on the hub, `owner/name`; raises `RunError` if it has another."""
    if not NAME.fullmatch(name):
        raise RunError(f"{name!r} is no name of a model on the hub; it has the form owner/name")


def split(model: str | Path) -> tuple[str, str | None]:
    """Name and version of `hf:owner/name` or `hf:owner/name@revision`; raises `RunError` if it has another form."""
    name, _, revision = _plain(model).removeprefix(PREFIX).partition("@")
    require_name(name)
    return name, revision or None


def fetch(model: str | Path) -> Path:
    """The folder with the files of a model, fetched unless they are there already.

    Args:
        model: `hf:owner/name`, or `hf:owner/name@revision` for one version: a branch, a tag or a commit.

    Raises:
        RunError: If the extra is not installed, there is no such model, or it cannot be fetched.
    """
    name, revision = split(model)
    hub = _library()
    try:
        # All that a model is made of; nothing in these files is run.
        folder = Path(hub.snapshot_download(name, revision=revision, allow_patterns=[CONFIG, MODEL]))
    except Exception as error:  # the library raises errors of many kinds where a name or the network is not there
        raise RunError(f"{_plain(model)} cannot be fetched ({_reason(error)})") from error
    if not all((folder / file).exists() for file in (CONFIG, MODEL)):
        raise RunError(f"{_plain(model)} is no model of this package: it has no {CONFIG} or no {MODEL}")
    return folder


def name_of(folder: Path) -> str | None:
    """`owner--name` of the model that was fetched into a folder; None for any other folder."""
    kept = folder.parent.parent.name
    is_fetched = folder.parent.name == "snapshots" and kept.startswith("models--")
    return kept.removeprefix("models--") if is_fetched else None


def origin(folder: Path) -> str:
    """`hf:owner/name@commit` of the model that was fetched into a folder; empty for any other folder."""
    name = name_of(folder)
    return "" if name is None else f"{PREFIX}{name.replace('--', '/', 1)}@{folder.name}"


def upload(folder: Path, name: str, *, private: bool) -> str:
    """Make a repository on the hub, if there is none of that name, and put the files of a folder there.

    Args:
        folder: Folder of the files.
        name: `owner/name`.
        private: Whether only its owner can see a repository that is made.

    Returns:
        The address of the commit.

    Raises:
        RunError: If the extra is not installed, nobody is logged in, or the hub refuses.
    """
    require_name(name)
    hub = _library()
    doing = "made"
    try:
        api = hub.HfApi(library_name="pixelrnn")
        api.create_repo(name, private=private, exist_ok=True)
        doing = "filled; the repository is there, and as it was"
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message="Model by PixelRNN"))
    except Exception as error:  # as in fetch
        is_refused = getattr(getattr(error, "response", None), "status_code", None) in (401, 403)
        advice = "; to log in: hf auth login" if is_refused else ""
        raise RunError(f"{name} cannot be {doing} ({_reason(error)}){advice}") from error


def card_head(
    name: str, *, task: str | None, licence: str | None, source: str, figures: Mapping[str, float], tags: Sequence[str]
) -> str:
    """The head of a model card in YAML, as the hub reads it.

    Args:
        name: `owner/name`.
        task: One that the hub knows.
        licence: An identifier that the hub knows.
        source: The name of the data.
        figures: Values by their units, measured on validation images.
        tags: What to find it by.
    """
    require_name(name)
    hub = _library()
    results = [
        hub.EvalResult("density-estimation", "images", source, unit, value, dataset_split="validation")
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


def _library() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise RunError("the hub needs the huggingface_hub package: pip install 'pixelrnn[hub]'") from error
    return huggingface_hub


def _plain(model: str | Path) -> str:
    return model if isinstance(model, str) else model.as_posix()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""Files that appear whole or not at all: JSON and safetensors, written to a temporary name and renamed.

Nothing is pickled: reading a file never runs code from it. All functions raise `RunError` with the path and the reason.
"""

import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import filelock
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pixelrnn.config.model import ModelConfig
from pixelrnn.errors import PixelRNNError, RunError

__all__ = [
    "TEMPORARY",
    "atomic_write",
    "build_within",
    "held",
    "json_text",
    "load_tensors",
    "read_json",
    "read_tensors",
    "temporary_name",
    "write_json",
    "write_tensors",
    "write_text",
]

Module = TypeVar("Module", bound=nn.Module)

SMALL = 2**16  # least weights of a configuration, up to which a module is built without counting them first
TEMPORARY = ".pixelrnn-"  # how the names of files begin that are not whole yet


def atomic_write(path: Path, write: Callable[[Path], object], *, is_new: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in the place of `path` in one step.

    If `is_new`, a file that is there by then is not replaced. What is no regular file never is. A new file may be read
    by whom the umask says, one that is replaced by whom it could be before.
    """
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is no regular file, and is not replaced")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_name(path.parent, path.suffix)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        try:
            write(temporary)
            # A library may have put a file of its own there, which only its owner can read.
            temporary.chmod(stat.S_IMODE(path.stat().st_mode if path.exists() else mode))
            if is_new:
                _rename_to_new(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error  # without the temporary name, which nobody has to know
        raise RunError(f"{path} cannot be written ({reason})") from error


def temporary_name(folder: Path, suffix: str = "") -> Path:
    """A name for what is not whole yet, that nothing in a folder has."""
    # What comes behind the first dot of a name may be nearly as long as names can be.
    return folder / f"{TEMPORARY}{secrets.token_hex(8)}{suffix[:16]}"


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Give a file a name that no other has; of two that do so at once one fails, where the file system has links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # some file systems have no links
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists") from None
        os.replace(temporary, path)


@contextmanager
def held(path: Path, refusal: PixelRNNError) -> Iterator[None]:
    """Hold a lock file, or raise `refusal` at once if another process does; the lock goes with the process."""
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise refusal from error
    try:
        yield
    finally:
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    atomic_write(path, write)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON as its standard has it: null for a number that is infinite, or none.

    Example:
        >>> json_text({"best": math.inf, "step": 3})
        '{"best": null, "step": 3}'
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file."""
    write_text(path, json_text(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path.parent}: no {path.name} here; is this a run or model folder?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: not readable as JSON ({error})") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Any = None) -> None:
    """Write tensors, and a JSON value beside them in the same file."""
    # Copies, since the format wants tensors that share no memory.
    contiguous = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    metadata = {"json": json_text(about)}
    atomic_write(path, lambda temporary: safetensors.torch.save_file(contiguous, temporary, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read what `write_tensors` wrote.

    The file is opened once: a training at work may replace it meanwhile, and the library's own reader, which opens a
    path twice, would then take the header of one file and the values of another.
    """
    try:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return safetensors.torch.load(content), json.loads(header.get("__metadata__", {}).get("json", "null"))
    except FileNotFoundError as error:
        raise RunError(f"{path.parent}: no {path.name} here; is this a run or model folder?") from error
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, safetensors.SafetensorError) as error:
        raise RunError(f"{path}: damaged or not a safetensors file ({error})") from error


def load_tensors(path: Path, build: Callable[[], Module], config: ModelConfig) -> Module:
    """A module with a file's tensors, whose names and shapes must be the module's own, and whose numbers finite."""
    tensors, _ = read_tensors(path)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        if config.layers * config.scales > len(found):
            raise TypeError(f"{config.layers * config.scales:,} layers, {len(found):,} tensors")
        module = build_within(sum(tensor.numel() for tensor in tensors.values()), build, config)
        wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        if odd := [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]:
            raise TypeError(f"{odd[0]} is {found.get(odd[0])}, not {wanted.get(odd[0])}")
    except (RuntimeError, OverflowError, TypeError) as error:  # ours and torch's, for sizes of a wrong kind
        reason = " ".join(str(error).split())
        raise RunError(f"{path}: the weights do not fit the configuration ({reason})") from error
    if odd := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise RunError(f"{path}: {odd[0]} holds numbers that are not finite: its training went wrong, or it is damaged")
    module.load_state_dict(tensors)
    return module


def build_within(most: int, build: Callable[[], Module], config: ModelConfig) -> Module:
    """Build a module of at most so many weights; its configuration, from elsewhere, may say anything.

    A large one is counted first, without memory for it. (That takes a third of a second, so a small one is not.)

    Raises:
        OverflowError: If it has more weights.
    """
    least = config.least_weights
    if SMALL < least <= most:
        with torch.device("meta"):
            least = sum(tensor.numel() for tensor in build().state_dict().values())
    if least > most:
        raise OverflowError(f"{least:,} weights or more, {most:,} are there")
    return build()

"""The entry: which verbs there are, and how errors end.

Nothing here or in the verbs' heads imports torch: help and usage errors answer at once.
"""

import dataclasses
import difflib
import inspect
import io
import os
import re
import shutil
import sys
import typing
from collections.abc import Sequence
from typing import Any

from pixelrnn import __version__
from pixelrnn.cli import let_go
from pixelrnn.cli.bench import Bench
from pixelrnn.cli.calibrate import Calibrate
from pixelrnn.cli.complete import Complete
from pixelrnn.cli.compress import Compress
from pixelrnn.cli.console import is_first_process, say
from pixelrnn.cli.data import DataCommand
from pixelrnn.cli.decompress import Decompress
from pixelrnn.cli.demo import Demo
from pixelrnn.cli.entropy import Entropy
from pixelrnn.cli.evaluate import Evaluate
from pixelrnn.cli.info import Info
from pixelrnn.cli.inspect import Inspect
from pixelrnn.cli.interrupt import insistent
from pixelrnn.cli.merge import Merge
from pixelrnn.cli.model_folder import fetched
from pixelrnn.cli.models import Models
from pixelrnn.cli.pack import Pack
from pixelrnn.cli.parser import one_of, read_arguments
from pixelrnn.cli.push import Push
from pixelrnn.cli.sample import Sample
from pixelrnn.cli.score import Score
from pixelrnn.cli.serve import Serve
from pixelrnn.cli.studio import StudioCommand
from pixelrnn.cli.train import INTERRUPTED, Train
from pixelrnn.cli.upscale import Upscale
from pixelrnn.errors import ConfigError, PixelRNNError

__all__ = ["main", "parse"]

DESCRIPTION = """Image models with exact probability: train, measure, sample, complete, upscale, compress.

Examples:
    pixelrnn demo
    pixelrnn train photos/ --size 32
    pixelrnn train --help
"""

Command = (
    Train
    | Evaluate
    | Sample
    | Complete
    | Upscale
    | Compress
    | Decompress
    | Pack
    | Score
    | Inspect
    | Calibrate
    | Entropy
    | Merge
    | Info
    | Models
    | Push
    | DataCommand
    | Demo
    | StudioCommand
    | Serve
    | Bench
)
VERBS: dict[str, type[Command]] = {
    "train": Train,
    "evaluate": Evaluate,
    "sample": Sample,
    "complete": Complete,
    "upscale": Upscale,
    "compress": Compress,
    "decompress": Decompress,
    "pack": Pack,
    "unpack": Decompress,
    "score": Score,
    "inspect": Inspect,
    "calibrate": Calibrate,
    "entropy": Entropy,
    "merge": Merge,
    "info": Info,
    "models": Models,
    "push": Push,
    "data": DataCommand,
    "demo": Demo,
    "studio": StudioCommand,
    "serve": Serve,
    "bench": Bench,
}


LEAST_COLUMNS = 40  # the parser never ends to wrap its help where there are a few


def parse(arguments: Sequence[str]) -> Command:
    """The command that the arguments name; errors as for `read_arguments`."""
    if arguments and arguments[0] in VERBS:
        # The verb alone: faster to build, and its whole docstring, with the examples, is the help.
        kind = VERBS[arguments[0]]
        name, description = f"pixelrnn {arguments[0]}", inspect.getdoc(kind) or ""
        return typing.cast(Command, read_arguments(kind, name, description, arguments[1:]))
    if arguments and not arguments[0].startswith("-"):
        near = difflib.get_close_matches(arguments[0], VERBS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{arguments[0]!r} is none of the commands {', '.join(VERBS)}{hint}")
    return typing.cast(Command, read_arguments(one_of(VERBS), "pixelrnn", DESCRIPTION, arguments))


def _options(kind: Any) -> set[str]:
    """The fields of a verb, and of the groups of options in it."""
    fields = dataclasses.fields(kind)
    groups = [field.default_factory for field in fields if dataclasses.is_dataclass(field.default_factory)]
    return {field.name for field in fields}.union(*map(_options, groups))


def _with_options(message: str, arguments: Sequence[str]) -> str:
    """A message of the library, whose `fields` are options of the verb."""
    kind = VERBS.get(arguments[0]) if arguments else None
    known = set[str]() if kind is None else _options(kind)

    def option(found: re.Match[str]) -> str:
        return f"--{found[1].replace('_', '-')}" if found[1] in known else found[0]

    return re.sub(r"`(\w+)`", option, message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    let_go()
    _prepare_output()
    if list(arguments) == ["--version"]:
        say(f"pixelrnn {__version__}")
        return 0
    try:
        command = parse(arguments)
        if isinstance(command, Train):
            command.refuse_ignored(arguments)
        with insistent():
            return fetched(command).run()
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be flushed into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PixelRNNError, OSError, MemoryError) as error:
        # Under torchrun every process fails in the same way; one says so.
        if is_first_process():
            say(f"pixelrnn: {_with_options(str(error), arguments) or 'there is not enough memory'}", is_error=True)
        return 2
    except RuntimeError as error:
        if (lacking := re.search(r"you tried to allocate (\d+) bytes", str(error))) is None:
            raise
        say(f"pixelrnn: there is not enough memory for {int(lacking[1]) / 2**30:.1f} GiB at once", is_error=True)
        return 2
    except KeyboardInterrupt:
        say("pixelrnn: interrupted", is_error=True)
        return INTERRUPTED


def _prepare_output() -> None:
    """Let every text be printed, wherever: a name may have letters that the encoding of the output has not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if shutil.get_terminal_size().columns < LEAST_COLUMNS:
        os.environ["COLUMNS"] = str(LEAST_COLUMNS)


if __name__ == "__main__":
    sys.exit(main())

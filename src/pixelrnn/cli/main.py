"""The entry: which verbs there are, and how errors end.

Nothing here or in the verbs' heads imports torch: help and usage errors answer at once.
"""

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from pixelrnn.cli.console import is_first_process, say
from pixelrnn.cli.data import DataCommand
from pixelrnn.cli.demo import Demo
from pixelrnn.cli.evaluate import Evaluate
from pixelrnn.cli.info import Info
from pixelrnn.cli.sample import Sample
from pixelrnn.cli.train import INTERRUPTED, Train
from pixelrnn.errors import PixelRNNError

__all__ = ["main"]

DESCRIPTION = """Image models with exact probability: train them on images, measure, sample.

Examples:
    pixelrnn demo
    pixelrnn train photos/ --size 32
    pixelrnn train --help
"""

Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Sample, tyro.conf.subcommand("sample")]
    | Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[DataCommand, tyro.conf.subcommand("data")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
)


def _parse(arguments: Sequence[str]) -> Command:
    """The command that the arguments name.

    Raises:
        PixelRNNError: If a value is refused by one of our own checks. The parser would draw a box around its message
            and name its own internals: what it prints is held back until it is known whether the error is ours.
        SystemExit: After help (0), or after a usage error and the parser's suggestions (2).
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                Command,
                prog="pixelrnn",
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            )
    except SystemExit as stop:
        error: BaseException | None = stop
        while error is not None:
            if isinstance(error, PixelRNNError):
                raise error from None
            error = error.__context__
        sys.stderr.write(printed.getvalue())
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        command = _parse(arguments)
        if isinstance(command, Train):
            command.refuse_with_resume(arguments)
        return command.run()
    except (PixelRNNError, OSError) as error:
        # Under torchrun every process fails in the same way; one says so.
        if is_first_process():
            say(f"pixelrnn: {error}", is_error=True)
        return 2
    except KeyboardInterrupt:
        say("pixelrnn: interrupted", is_error=True)
        return INTERRUPTED

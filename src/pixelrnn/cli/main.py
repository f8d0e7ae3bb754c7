"""The entry: which verbs there are, and how errors end.

Nothing here or in the verbs' heads imports torch: help and usage errors answer at once.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from pixelrnn.cli.console import say
from pixelrnn.cli.data import DataCommand
from pixelrnn.cli.demo import Demo
from pixelrnn.cli.evaluate import Evaluate
from pixelrnn.cli.info import Info
from pixelrnn.cli.sample import Sample
from pixelrnn.cli.train import Train
from pixelrnn.errors import PixelRNNError

__all__ = ["main"]

INTERRUPTED = 130

Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Sample, tyro.conf.subcommand("sample")]
    | Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[DataCommand, tyro.conf.subcommand("data")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        command: Command = tyro.cli(
            Command,
            prog="pixelrnn",
            description=__doc__,
            args=arguments,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        )
        return command.run()
    except PixelRNNError as error:
        say(f"pixelrnn: {error}", is_error=True)
        return 2
    except KeyboardInterrupt:
        say("pixelrnn: interrupted", is_error=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0

"""The parser of arguments, and what it would say otherwise than we do."""

import contextlib
import dataclasses
import io
import os
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union

import tyro

from pixelrnn.errors import ConfigError, PixelRNNError

__all__ = ["SOURCE", "one_of", "read_arguments"]

SOURCE = tyro.conf.arg(metavar="SOURCE")  # what a positional argument is called in the help

HELP = {"-h", "--help"}
NO_NUMBER = r"Error parsing (--?[\w-]+)\S*: (invalid literal for int|could not convert string to float)[^']*'(.*?)'"


def read_arguments(kind: Any, name: str, description: str, arguments: Sequence[str]) -> Any:
    """A command from its arguments.

    Args:
        kind: Dataclass of the command, or a union of several.
        name: What it is called by.
        description: What its help begins with.
        arguments: What follows the name.

    Raises:
        PixelRNNError: If a value is refused by one of our own checks. The parser would draw a box around its message
            and name its own internals: what it prints is held back until it is known whether the error is ours.
        SystemExit: After help (0), or after a usage error and the parser's suggestions (2).
    """
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():  # the parser asks for neither
        tyro._experimental_options["ansi_codes"] = False
    if HELP.intersection(arguments):
        for each in _dataclasses(kind):
            _explain(each)
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(kind, prog=name, description=description, args=arguments, config=config)
    except SystemExit as stop:
        error: BaseException | None = stop
        while error is not None:
            if isinstance(error, PixelRNNError):
                raise error from None
            error = error.__context__
        said = re.sub(r"\[/?bold\]", "", printed.getvalue())  # markup that the parser forgets to render
        if (wrong := re.search(NO_NUMBER, " ".join(re.sub("[│|]", " ", said).split()))) is not None:
            wanted = "a whole number" if wrong[2].startswith("invalid") else "a number"
            raise ConfigError(f"{wrong[1]} is {wrong[3]!r}; {wanted} is needed") from None
        sys.stderr.write(said)
        raise


def one_of(kinds: Mapping[str, type]) -> Any:
    """The union of commands by their names, for `read_arguments`."""
    verbs = [Annotated[kind, tyro.conf.subcommand(name)] for name, kind in kinds.items()]
    return Union[tuple(verbs)]  # noqa: UP007 (made at run time)


def _dataclasses(annotation: Any) -> Iterator[type]:
    """The dataclasses in an annotation, and in the fields of these."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
        for field in dataclasses.fields(annotation):
            yield from _dataclasses(field.type)
    for part in typing.get_args(annotation):
        yield from _dataclasses(part)


def _explain(kind: type) -> None:
    """Give the parser the docstrings of fields as running text: it would break lines where the source does."""
    import docstring_parser  # by which the parser reads them

    told: dict[str, str | None] = {}
    for base in reversed(kind.__mro__[:-1]):
        told |= {each.arg_name: each.description for each in docstring_parser.parse_from_object(base).params}
    for field in dataclasses.fields(kind):
        if text := told.get(field.name):
            field.metadata = types.MappingProxyType({**field.metadata, "help": " ".join(text.split())})

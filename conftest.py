"""The examples in docstrings, README and docs are tests, each file in an empty folder of its own."""

import os
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

from pixelrnn.config import ModelConfig
from pixelrnn.masks import groups
from tests.pages import prepare, run_commands

FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE


def _setup(namespace: dict[str, Any]) -> None:
    # An example in a docstring sees the names of its module, and these.
    namespace.update(torch=torch, ModelConfig=ModelConfig, groups=groups)
    _enter(namespace)


def _enter(namespace: dict[str, Any]) -> None:
    torch.manual_seed(0)
    namespace["_folder"], namespace["_before"] = TemporaryDirectory(), Path.cwd()
    os.chdir(namespace["_folder"].name)


def _setup_page(namespace: dict[str, Any]) -> None:
    _enter(namespace)
    prepare(Path.cwd())


def _teardown(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


_docstrings = Sybil([DocTestParser(FLAGS)], path="src", pattern="**/*.py", setup=_setup, teardown=_teardown)
_pages = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=FLAGS), CodeBlockParser("bash", run_commands)],
    patterns=["README.md", "docs/*.md"],
    setup=_setup_page,
    teardown=_teardown,
)
pytest_collect_file = (_docstrings + _pages).pytest()

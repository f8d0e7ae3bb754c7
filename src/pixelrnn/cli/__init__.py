"""The command line: one file a verb, which parses, calls the library and prints."""

from pixelrnn.cli.main import main

__all__ = ["main"]

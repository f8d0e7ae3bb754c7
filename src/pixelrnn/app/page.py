"""A page of pictures that lie beside it."""

import html
from collections.abc import Sequence
from pathlib import Path

__all__ = ["figure", "write_page"]


def figure(file: str, shown: str, caption: str) -> str:
    """HTML of a picture beside the page, with what it shows and what stands below it, both plain text."""
    file, shown, caption = (html.escape(text) for text in (file, shown, caption))
    return f'<figure><img src="{file}" alt="{shown}"><figcaption>{caption}</figcaption></figure>'


def write_page(path: Path, title: str, style: str, parts: Sequence[str]) -> None:
    """Write a page.

    Args:
        path: HTML to write.
        title: Its title and heading.
        style: CSS of what is in the parts.
        parts: HTML.
    """
    from pixelrnn.runs.files import write_text

    write_text(path, PAGE.format(title=html.escape(title), style=style, body="\n".join(parts)))


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 sans-serif; margin: 2em; max-width: 90em }}
{style}
</style>
<h1>{title}</h1>
{body}
</html>
"""

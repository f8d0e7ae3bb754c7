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
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark; --paper: light-dark(#ffffff, #1d2026); --line: light-dark(#d5dae2, #363c47);
  --faint: light-dark(#5a6270, #a3acba); background: light-dark(#f6f7f9, #14161a); color: light-dark(#1a1d23, #e9ecf1);
  font: 100%/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}}
body {{ margin: 32px auto; padding: 0 24px; max-width: 1200px }}
h1 {{ font-size: 1.5rem; font-weight: 650; letter-spacing: -0.01em; margin: 0 0 16px }}
figcaption {{ color: var(--faint); font-size: 0.875rem; overflow-wrap: anywhere }}
{style}
</style>
<h1>{title}</h1>
{body}
</html>
"""

"""What the files of a folder take in the usual lossless formats, to compare with."""

import importlib

from pixelrnn.archive.ingest import Ingest
from pixelrnn.archive.ordinary import file_of
from pixelrnn.progress import Callback, Reporter

__all__ = ["COMPARED", "JPEG_XL", "measure", "measure_jpeg_xl"]

ORIGINAL, JPEG_XL = "original files", "JPEG XL"
COMPARED = ("PNG", "WebP")  # as the files are read; JPEG XL is too slow for that


def measure(ingest: Ingest, callback: Callback | None = None) -> dict[str, int]:
    """Bytes of all files in each format; files that are no pictures count as they are.

    Args:
        ingest: The files, read before, with `COMPARED` formats compared.
        callback: Callback that is told the bytes of files that were written as JPEG XL, and of all; if it returns True,
            JPEG XL is left out, as it is without the extra `jpeg-xl`.
    """
    entries = ingest.entries
    total = {ORIGINAL: sum(entry.file.size for entry in entries)}
    total |= {name: sum(entry.compared[name] for entry in entries) for name in COMPARED}
    if (sizes := measure_jpeg_xl(ingest, callback)) is not None:
        total[JPEG_XL] = sum(sizes)
    return total


def measure_jpeg_xl(ingest: Ingest, callback: Callback | None = None) -> list[int] | None:
    """Bytes of each file as JPEG XL; None if the callback asked for the end, or without the extra `jpeg-xl`."""
    if not _has_jpeg_xl():
        return None
    report = Reporter(callback)
    sizes = list[int]()
    for number, picture in ingest.pictures():
        entry = ingest.entries[number]
        if picture is None:
            sizes.append(entry.file.size if entry.same_as < 0 else sizes[entry.same_as])
        else:
            sizes.append(len(file_of(picture, JPEG_XL)))
        if report.tell(min(1.0, ingest.done / max(1, ingest.size))):
            return None
    return sizes


def _has_jpeg_xl() -> bool:
    """Whether the plugin is installed that teaches Pillow JPEG XL; importing it does."""
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        return False
    return True

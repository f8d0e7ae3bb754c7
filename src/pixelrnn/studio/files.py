"""Files for a page: pictures into an archive, beside what ordinary formats would take, and out of one again."""

import hashlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import NO_PACKED_MODEL, staging_for, write_archive
from pixelrnn.archive.files import Found, Listing
from pixelrnn.archive.ingest import Entry, Ingest
from pixelrnn.archive.pictures import as_png, require_pictures
from pixelrnn.codec.codec import Codec
from pixelrnn.codec.container import Kind
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.config import Writing
from pixelrnn.errors import ArchiveError, ConfigError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.pack.formats import COMPARED, JPEG_XL, measure_jpeg_xl
from pixelrnn.progress import Callback, Reporter
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.held import Held
from pixelrnn.studio.jobs import Job, Work
from pixelrnn.studio.pictures import as_base64
from pixelrnn.studio.shelf import Shelf

__all__ = ["Files"]

MOST_HELD = 256_000_000  # bytes of all archives
MOST_FILES, MOST_LISTED = 1_000, 10_000
MOST_BYTES = 60_000_000  # of files that are taken out at once
MOST_PIXELS = 60_000_000  # of all pictures that are compressed, or restored, at once
WRITING = Writing(skip_bad=True)


class Files:
    """Archives of all pages, by names that stand for their bytes.

    Args:
        shelf: The models.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._held = Held[bytes](MOST_HELD, "this archive is not in memory any more; bring it again")

    def content(self, name: str) -> bytes:
        """The bytes of an archive; raises `DataError` if it is not there (any more)."""
        return self._held.find(name)

    def compress(self, asked: Asked) -> Work:
        """Files into an archive by a model; what each takes there, and in ordinary formats."""
        name, files = asked.text("model"), asked.files("files", MOST_FILES)
        _require_few(sum(_pixels(content) for _, content in files))

        def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
            model = self.shelf.model(name)
            require_pictures(model.config)
            with tempfile.TemporaryDirectory() as folder:
                listing, out = _listing(Path(folder), files), Path(folder) / "pictures.pxr"
                with staging_for(out) as staging:
                    ingest = Ingest(listing, staging, writing=WRITING, held=MOST_PIXELS, compared=COMPARED)
                    report = Reporter(callback)
                    write_archive(ingest, Codec(model), out, packed=NO_PACKED_MODEL, writing=WRITING, report=report)
                    other = measure_jpeg_xl(ingest, callback)
                content = out.read_bytes()
            with Archive(io.BytesIO(content)) as archive:
                sizes = [line.bytes for line in archive.listing()]
            lines = [_compressed(*each) for each in zip(ingest.entries, sizes, strict=True)]
            for line, size in zip(lines, other or [], strict=False):
                line["formats"][JPEG_XL] = size
            return [{"type": "done", **self._hold(content), "lines": lines, "skipped": ingest.skipped}]

        return work

    def open(self, asked: Asked) -> dict[str, Any]:
        """What is in an archive that a page brings."""
        content = asked.content("file")
        with Archive(io.BytesIO(content)) as archive:
            lines = [
                {"name": line.name, "what": line.what, "bytes": line.bytes} for line in archive.listing()[:MOST_LISTED]
            ]
            about = {
                "model": "in the archive" if archive.index.has_model else archive.named_model,
                "version": archive.index.version,
                "count": len(archive.members),
            }
        return {**self._hold(content), **about, "lines": lines}

    def restore(self, asked: Asked) -> Work:
        """Members of an archive, as PNG files or as they were."""
        content, name = self._held.find(asked.text("archive")), asked.text("model")
        numbers = asked.wholes("numbers", 0, 2**53, MOST_LISTED)

        def work(job: Job, callback: Callback) -> list[dict[str, Any]]:
            def damaged(number: int, error: ArchiveError) -> None:
                told.append({"number": number, "error": str(error).removeprefix("archive: ")})

            told = list[dict[str, Any]]()
            with Archive(io.BytesIO(content)) as archive:
                wanted, model = _fitting(archive, numbers), _model_of(archive, self.shelf, name)
                for number, member in archive.extract(model, wanted, damaged=damaged, callback=callback):
                    file = as_png(member) if isinstance(member, Image.Image) else member
                    is_picture = isinstance(member, Image.Image)
                    told.append({"number": number, "file": as_base64(file), "isPicture": is_picture})
            return [{"type": "done", "members": sorted(told, key=lambda each: each["number"])}]

        return work

    def _hold(self, content: bytes) -> dict[str, Any]:
        name = hashlib.blake2b(content, digest_size=12).hexdigest()
        self._held.add(name, content, len(content))
        return {"archive": name, "size": len(content)}


def _require_few(pixels: int) -> None:
    """Refuse pictures that would take too long, and too much memory."""
    if pixels > MOST_PIXELS:
        raise ConfigError(f"these pictures have {pixels:,} pixels in all; {MOST_PIXELS:,} at most are taken at once")


def _pixels(content: bytes) -> int:
    """Pixels of the picture that a file holds, as its head says; 0 if it is none."""
    try:
        with Image.open(io.BytesIO(content)) as head:
            return head.width * head.height
    except Exception:  # decoders raise errors of many kinds
        return 0


def _listing(folder: Path, files: Sequence[tuple[str, bytes]]) -> Listing:
    """Files as they are found on disk: under numbers, whatever they are called."""
    found = []
    for number, (name, content) in enumerate(sorted(files)):
        path = folder / str(number)
        path.write_bytes(content)
        found.append(Found(name, path, len(content)))
    return Listing(tuple(found), 0, ())


def _compressed(entry: Entry, size: int | None) -> dict[str, Any]:
    """What became of a file; the size of one that shares its stream is not known."""
    what = "same as another" if entry.same_as >= 0 else "coded" if entry.coded else entry.reason or "as it was"
    return {
        "name": entry.file.name,
        "original": entry.file.size,
        "what": what,
        "bytes": size,
        "formats": dict(entry.compared),
    }


def _model_of(archive: Archive, shelf: Shelf, name: str) -> AbstractImageModel | None:
    """The model of an archive: its own, a shipped one, or else the one that the page names, if it is the one."""
    if (model := archive.model(may_fetch=False)) is not None or not archive.index.coded:
        return model
    chosen = shelf.model(name)
    if fingerprint(chosen) != archive.index.fingerprint:
        needed = archive.index.model or f"with fingerprint {archive.index.fingerprint.hex()}"
        raise ArchiveError(f"the archive needs the model {needed}; choose it, if you have it")
    return chosen


def _fitting(archive: Archive, numbers: Sequence[int]) -> list[int]:
    """As many members, of the first of some, as are restored at once; the first one always, if it is not too large."""
    found, pixels, size = list[int](), 0, 0
    for number in numbers:
        if number >= len(archive.members):
            continue
        own_pixels, own_size = _costs(archive, number)
        pixels, size = pixels + own_pixels, size + own_size
        if found and (pixels > MOST_PIXELS or size > MOST_BYTES):
            break
        _require_few(pixels)
        found.append(number)
    return found


def _costs(archive: Archive, number: int) -> tuple[int, int]:
    """Pixels and bytes that a member takes when it is restored."""
    member = archive.members[number]
    if member.kind == Kind.SAME:
        return _costs(archive, member.same_as)
    if member.kind == Kind.CODED:
        return member.height * member.width, 0
    try:
        content = archive.ordinary(number)
    except ArchiveError:  # it is damaged, which is told where it is restored
        return 0, 0
    return (_pixels(content) if member.kind == Kind.IMAGE else 0), len(content)

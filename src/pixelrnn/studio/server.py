"""The server of the page: which address does what."""

import functools
import json
import logging
import mimetypes
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pixelrnn.errors import PixelRNNError
from pixelrnn.studio import completing, drawing, figures
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.files import Files
from pixelrnn.studio.folders import Folders
from pixelrnn.studio.jobs import Job, Jobs, Work, said_of
from pixelrnn.studio.judging import Judging
from pixelrnn.studio.pictures import Pictures
from pixelrnn.studio.safety import Guard
from pixelrnn.studio.shelf import Shelf
from pixelrnn.studio.surprise import Surprises
from pixelrnn.studio.trainers import Trainers
from pixelrnn.studio.trainings import Trainings
from pixelrnn.studio.values import Values

__all__ = ["Studio"]

MOST_ASKING = 16  # questions that are answered at once, some of which wait for their turn; work has its own threads

BYTES, SAVED = "application/octet-stream", {"content-disposition": 'attachment; filename="pictures.pxr"'}
STAYS = {"cache-control": "private, max-age=3600, immutable"}  # its address is of this content alone

logger = logging.getLogger(__name__)


class Studio:
    """All that the pages share.

    Args:
        runs: Folder of runs.
        folders: Folders whose pictures may be seen.
        models: Further models, by their names, and their folders.
    """

    def __init__(self, runs: Path, folders: Sequence[Path] = (), models: Mapping[str, Path] | None = None) -> None:
        self.shelf, self.pictures, self.jobs = Shelf(runs, models or {}), Pictures(), Jobs()
        self._limiter = CapacityLimiter(MOST_ASKING)
        self.files, self.folders = Files(self.shelf), Folders(folders)
        self.trainers = Trainers(runs, self.folders)
        self.trainings = Trainings(runs, self.trainers)
        self.judging = Judging(self.shelf, self.folders, self.jobs.turns)
        self.values = Values(self.shelf, self.pictures, self.jobs.turns)
        self.surprises = Surprises(self.shelf, self.pictures)

    def app(self, hosts: set[str], token: str | None = None) -> Guard:
        """The application: for pages of some hosts, or for those who know a token."""
        draw, redraw, complete = (
            functools.partial(make, self.shelf, self.pictures)
            for make in (drawing.draw, drawing.redraw, completing.complete)
        )
        fields = functools.partial(figures.fields, self.shelf)
        thumbnails = _content(self.judging.thumbnail, "image/png", STAYS)
        routes = [
            Route("/", _file("index.html")),
            Route("/static/{path:path}", _static),
            Route("/api/models", self._asked(lambda _: {"models": self.shelf.about()}), methods=["GET"]),
            Route("/api/plans", self._asked(lambda _: figures.plans()), methods=["GET"]),
            Route("/api/fields", self._work("receptive fields", fields), methods=["POST"]),
            Route("/api/runs", self._asked(self.trainings.list), methods=["GET"]),
            Route("/api/train", self._asked(self.trainers.start), methods=["POST"]),
            Route("/api/train/resume", self._asked(self.trainings.resume), methods=["POST"]),
            Route("/api/train/stop", self._asked(self.trainers.stop), methods=["POST"]),
            Route("/samples/{run}/{file}", _content(self.trainings.samples, "image/png"), methods=["GET"]),
            Route("/api/jobs", self._list, methods=["GET"]),
            Route("/api/folders", self._asked(self.folders.list), methods=["GET"]),
            Route("/api/bring", self._asked(self.folders.bring), methods=["POST"]),
            Route("/api/judge", self._work("a folder", self.judging.judge), methods=["POST"]),
            Route("/api/judged", self._asked(self.judging.look), methods=["POST"]),
            Route("/thumbnails/{result}/{which}/{number:int}", thumbnails, methods=["GET"]),
            Route("/api/compress", self._work("an archive", self.files.compress), methods=["POST"]),
            Route("/api/archive", self._asked(self.files.open), methods=["POST"]),
            Route("/api/restore", self._work("pictures of an archive", self.files.restore), methods=["POST"]),
            Route("/archives/{name}", _content(self.files.content, BYTES, SAVED), methods=["GET"]),
            Route("/api/stop", self._stop, methods=["POST"]),
            Route("/api/draw", self._work("samples", draw), methods=["POST"]),
            Route("/api/redraw", self._work("another value", redraw), methods=["POST"]),
            Route("/api/value", self._asked(self.values.at), methods=["POST"]),
            Route("/api/picture", self._asked(self._picture), methods=["POST"]),
            Route("/api/surprise", self._work("surprise", self.surprises.look), methods=["POST"]),
            Route("/api/complete", self._work("completions", complete), methods=["POST"]),
        ]
        return Guard(Starlette(routes=routes, exception_handlers={Exception: _failed, 404: _missing}), hosts, token)

    async def _list(self, _: Request) -> Response:
        """What goes on: answered here, whatever waits elsewhere."""
        return _Told({"jobs": self.jobs.list()})

    async def _stop(self, request: Request) -> Response:
        """End a piece of work."""
        try:
            self.jobs.stop((await _read(request)).whole("number", 1, 2**53))
        except PixelRNNError as error:
            return _refused(error)
        return _Told({})

    def _picture(self, asked: Asked) -> dict[str, Any]:
        """A picture that a page brings, or one of a folder, or one that is held."""
        if asked.has("file"):
            return completing.read_picture(self.shelf, self.pictures, asked.content("file"), asked)
        if asked.has("folder"):
            content = self.folders.picture(asked.text("folder"), asked.whole("number", 0, 2**53))
            return completing.read_picture(self.shelf, self.pictures, content, asked)
        levels = self.shelf.model(asked.text("model")).config.levels
        return completing.shown(self.pictures.find(asked.text("picture")), levels)

    def _asked(self, answer: Callable[[Asked], dict[str, Any]]) -> Callable[[Request], Any]:
        """A route that answers at once."""

        async def route(request: Request) -> Response:
            try:
                asked = await _read(request)
                return _Told(await to_thread.run_sync(answer, asked, limiter=self._limiter))
            except (PixelRNNError, OSError) as error:
                return _refused(error)

        return route

    def _work(self, title: str, make: Callable[[Asked], Work]) -> Callable[[Request], Any]:
        """A route that begins work, and answers with what it tells, a line of JSON each."""

        async def route(request: Request) -> Response:
            try:
                asked = await _read(request)
                job = self.jobs.start(title, await run_in_threadpool(make, asked))
            except (PixelRNNError, OSError) as error:
                return _refused(error)
            return StreamingResponse(_lines(job), media_type="application/x-ndjson")

        return route


async def _lines(job: Job) -> AsyncIterator[bytes]:
    yield _as_json({"type": "job", "number": job.number}) + b"\n"
    async for event in job.events():
        yield _as_json(event) + b"\n"


async def _read(request: Request) -> Asked:
    """The fields of a request; none of one that only asks."""
    if request.method != "POST":
        return Asked({})
    try:
        return Asked(await request.json())
    except ClientDisconnect as error:
        raise _WrongError("the request was not finished") from error
    except (ValueError, RecursionError) as error:
        raise _WrongError(f"the request is no JSON ({error})") from error


def _as_json(content: Any) -> bytes:
    """JSON of any names there are: what is no text is escaped; and of no numbers that JSON has not."""
    return json.dumps(content, allow_nan=False).encode()


class _Told(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        """Its bytes."""
        return _as_json(content)


class _WrongError(PixelRNNError):
    """A request that cannot be read."""


def _refused(error: PixelRNNError | OSError) -> Response:
    return _Told({"error": said_of(error)}, status_code=400)


async def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, ClientDisconnect):
        logger.error("%s failed", request.url.path, exc_info=error)
    return _Told({"error": "this failed; the terminal says more"}, status_code=500)


async def _missing(request: Request, _: Exception) -> Response:
    return _Told({"error": f"there is nothing at {request.url.path[:60]}"}, status_code=404)


def _content(
    give: Callable[..., bytes], kind: str, headers: Mapping[str, str] | None = None
) -> Callable[[Request], Any]:
    """A route that answers with bytes, by what its address names; what is not there (any more) is missing."""

    async def route(request: Request) -> Response:
        try:
            content = await run_in_threadpool(give, **request.path_params)
        except (PixelRNNError, OSError):
            return await _missing(request, KeyError(request.url.path))
        return Response(content, media_type=kind, headers=headers)

    return route


@functools.cache
def _files() -> dict[str, tuple[bytes, str]]:
    """The files of the page: a fixed set, so no path can lead elsewhere."""
    found, root = {}, resources.files("pixelrnn.studio") / "static"
    folders = [("", root)]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir():
            name = f"{prefix}{entry.name}"
            if entry.is_dir():
                folders.append((f"{name}/", entry))
            else:
                kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
                found[name] = entry.read_bytes(), "text/javascript" if name.endswith(".js") else kind
    return found


async def _static(request: Request) -> Response:
    path = request.path_params["path"]
    if path not in _files():
        return await _missing(request, KeyError(path))
    content, kind = _files()[path]
    return Response(content, media_type=kind)


def _file(name: str) -> Callable[[Request], Any]:
    async def route(_: Request) -> Response:
        content, kind = _files()[name]
        return Response(content, media_type=kind)

    return route

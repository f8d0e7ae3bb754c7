"""The addresses of a service: what each takes and gives, how requests are bounded, and what is counted of them."""

import asyncio
import functools
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pixelrnn.errors import DataError, PixelRNNError
from pixelrnn.progress import Callback, StoppedError
from pixelrnn.service.batches import Batches
from pixelrnn.service.metrics import CONTENT_TYPE_LATEST, Metrics
from pixelrnn.service.openapi import Field, Operation, described
from pixelrnn.service.uploads import MOST_IMAGES, BusyError, Cell, Upload, read_upload
from pixelrnn.studio.asked import MOST_PARTICLES, MOST_SEED
from pixelrnn.studio.jobs import said_of
from pixelrnn.studio.safety import Guard, Scope, Send, TooLargeError, answer

__all__ = ["Service"]

MOST_WORKING = 16  # pieces of work that have begun, or wait for their turn
RETRY_SECONDS = "1"

logger = logging.getLogger(__name__)


def between(least: int, most: int) -> dict[str, int]:
    """Which numbers are allowed, as JSON schemas say it."""
    return {"minimum": least, "maximum": most}


LABEL = Field("label", "string", "label of the pictures, by number or name, if the model knows labels")
DRAWING = (
    Field("seed", "integer", "of what is drawn; another each time if not given", None, between(0, MOST_SEED)),
    Field("temperature", "number", "of what is drawn", 1.0, {"minimum": 0}),
    Field("top_p", "number", "share of the probability that is drawn from", 1.0, {"exclusiveMinimum": 0, "maximum": 1}),
)
NUMBER = {"type": ["number", "null"]}
ROW = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "error": {"type": "string"}}
    | {name: NUMBER for name in ("nats", "bits_per_dim", "score", "p_value", "rank")},
}
SCORED = {"type": "object", "properties": {"model": {"type": "string"}, "results": {"type": "array", "items": ROW}}}
IMAGES = {
    "images": {"type": "array", "items": {"type": "string", "contentEncoding": "base64", "description": "PNG"}},
    "seed": {"type": "integer"},
}
COMPLETED = IMAGES | {"bits_of_known": {"type": "array", "items": NUMBER}}
PICTURES = "pictures, in any format that is read"
OPERATIONS = {
    "score": Operation(
        "/v1/score", "score", "How likely pictures are, and how unusual", "application/json", [LABEL], PICTURES, SCORED
    ),
    "map": Operation(
        "/v1/map",
        "map",
        "The bits of each pixel of a picture",
        "image/png",
        [LABEL, Field("format", "string", "png: colours; npy: float32 numbers", "png", {"enum": ["png", "npy"]})],
        "one picture",
        formats=["application/x-npy"],
    ),
    "compress": Operation(
        "/v1/compress", "compress", "Files as a .pxr archive", "application/octet-stream", files="files of any kind"
    ),
    "complete": Operation(
        "/v1/complete",
        "complete",
        "What is missing in a picture, drawn some times",
        "application/json",
        [
            Field("n", "integer", "how many completions", 4, between(1, MOST_IMAGES)),
            Field("particles", "integer", "walks of each", 64, between(1, MOST_PARTICLES)),
            LABEL,
            *DRAWING,
        ],
        "a picture, and a mask of its size, black where it is missing; or one with transparency",
        {"type": "object", "properties": COMPLETED},
    ),
    "sample": Operation(
        "/v1/sample",
        "sample",
        "New images",
        "application/json",
        [Field("n", "integer", "how many", 1, between(1, MOST_IMAGES)), LABEL, *DRAWING],
        answers={"type": "object", "properties": IMAGES},
    ),
}
ASKED = (
    Operation("/healthz", "health", "Whether the service answers"),
    Operation("/v1/model", "model", "What the model is, and what is compared with"),
    Operation("/metrics", "metrics", "Counts for Prometheus", "text/plain"),
    Operation("/openapi.json", "openapi", "This description"),
)


class Worker(Protocol):
    """What does the work: see `pixelrnn.service.work`."""

    about: dict[str, Any]
    """What is said of the model."""

    @property
    def rows(self) -> Callable[[list[Cell]], list[dict[str, Any]]]:
        """What is told of each of some pictures."""

    def close(self) -> None:
        """End what was started."""

    def turn(self, is_over: threading.Event) -> AbstractContextManager[Callback]:
        """A turn at work, with the callback of it."""

    def label(self, upload: Upload) -> int | None:
        """The label that a request names."""

    def map(self, upload: Upload, callback: Callback) -> tuple[bytes, str]:
        """The bits of each pixel, and the type of the content."""

    def compress(self, upload: Upload, callback: Callback) -> tuple[bytes, str]:
        """An archive, and the type of the content."""

    def complete(self, upload: Upload, callback: Callback) -> dict[str, Any]:
        """Completions."""

    def sample(self, upload: Upload, callback: Callback) -> dict[str, Any]:
        """New images."""


class _Gate(Guard):
    """Refuses as the service does everything: in JSON, and counted."""

    no_token = "a token is needed: send it as Authorization: Bearer TOKEN"

    def __init__(self, app: Starlette, hosts: set[str], token: str | None, metrics: Metrics) -> None:
        super().__init__(app, hosts, token)
        self.metrics, self.paths = metrics, {route.path for route in app.routes if isinstance(route, Route)}

    def is_free(self, path: str) -> bool:
        """Whether a path needs no token: who looks after the service may ask whether it lives."""
        return path == "/healthz"

    def is_taken(self, method: str, kind: str) -> bool:
        """Every content is taken."""
        return True

    async def refuse(self, scope: Scope, send: Send, status: int, text: str) -> None:
        """Answer, and count."""
        path = scope["path"] if scope["path"] in self.paths else "other"
        self.metrics.requests.labels(path, status).inc()
        await answer(send, status, _json({"error": text}), "application/json")


class Service:
    """A model behind an address.

    Args:
        worker: What does the work.
        name: What the model is called.
    """

    def __init__(self, worker: Worker, name: str) -> None:
        self.worker, self.name = worker, name
        self.metrics = Metrics(lambda: self.batches.waiting)
        self.batches = Batches(worker.rows, seen=self.metrics.batches.observe)
        self._working = 0

    def app(self, hosts: set[str] | None, token: str | None = None) -> _Gate:
        """The application, for those who call it by one of some hosts, or know a token."""
        work = {"map": self.worker.map, "compress": self.worker.compress}
        drawing = {"complete": self.worker.complete, "sample": self.worker.sample}
        routes = [self._route(OPERATIONS["score"], self._score)]
        routes += [self._route(OPERATIONS[name], self._worked(each)) for name, each in {**work, **drawing}.items()]
        description = _json(described([*OPERATIONS.values(), *ASKED], self.name))
        texts = {
            "/openapi.json": description,
            "/healthz": _json({"status": "ok"}),
            "/v1/model": _json({"name": self.name, **self.worker.about}),
        }
        routes += [
            Route(path, functools.partial(_constant, content), methods=["GET"]) for path, content in texts.items()
        ]
        routes += [Route("/metrics", self._metrics, methods=["GET"])]
        handlers = {Exception: _failed, HTTPException: _refused_by_library}
        app = Starlette(routes=routes, exception_handlers=handlers)
        return _Gate(app, hosts or set(), token, self.metrics)

    def close(self) -> None:
        """End when all that waits is done."""
        self.batches.close()
        self.worker.close()

    def _route(self, operation: Operation, answered: Callable[[Request, Upload], Awaitable[Response]]) -> Route:
        """A route whose requests are counted, and whose errors are answers."""
        path = operation.path

        async def route(request: Request) -> Response:
            start = time.perf_counter()
            try:
                response = await answered(request, await read_upload(request, operation))
            except asyncio.CancelledError:  # the time is over that is left to what was asked before the end
                response = _error(503, "the service ends; nothing was done", {"retry-after": RETRY_SECONDS})
            except TooLargeError as error:
                response = _error(413, str(error))
            except BusyError as error:
                response = _error(503, str(error), {"retry-after": RETRY_SECONDS})
            except DataError as error:
                response = _error(422, str(error))
            except (PixelRNNError, OSError) as error:
                response = _error(400, said_of(error))
            except StoppedError:
                response = Response(status_code=499)  # who asked has gone away
            self.metrics.requests.labels(path, response.status_code).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - start)
            return response

        return Route(path, route, methods=["POST"])

    async def _score(self, _: Request, upload: Upload) -> Response:
        files, label = upload.pictures(), self.worker.label(upload)
        rows = await self.batches.rows([Cell(content, label) for content in files.values()])
        bad = [row for row in rows if "error" in row]
        self.metrics.unusable.inc(len(bad))
        if len(bad) == len(rows):
            raise DataError(bad[0]["error"])
        results = [{"name": name} | row for name, row in zip(files, rows, strict=True)]
        return Response(_json({"model": self.name, "results": results}), media_type="application/json")

    def _worked(self, make: Callable[[Upload, Callback], Any]) -> Callable[[Request, Upload], Awaitable[Response]]:
        """Work in a thread of its own, which ends when who asked goes away."""

        async def worked(request: Request, upload: Upload) -> Response:
            is_over = threading.Event()
            if self._working >= MOST_WORKING:
                raise BusyError(f"{self._working} pieces of work go on already; try again later")

            def work() -> Any:
                with self.worker.turn(is_over) as callback:
                    if is_over.is_set():
                        raise StoppedError
                    return make(upload, callback)

            self._working += 1
            listening = asyncio.create_task(_gone(request, is_over))
            try:
                found = await run_in_threadpool(work)
            finally:
                is_over.set()
                self._working -= 1
                listening.cancel()
            if isinstance(found, tuple):
                content, kind = found
                return Response(content, media_type=kind)
            return Response(_json(found), media_type="application/json")

        return worked

    async def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


async def _gone(request: Request, is_over: threading.Event) -> None:
    """Wait for who asked to go away."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
    is_over.set()


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()


async def _constant(content: bytes, _: Request) -> Response:
    return Response(content, media_type="application/json")


def _error(status: int, said: str, headers: dict[str, str] | None = None) -> Response:
    return Response(_json({"error": said}), status, headers, media_type="application/json")


async def _refused_by_library(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _error(405, f"{request.method} is not for {request.url.path[:60]}", dict(error.headers or {}))
    return _error(error.status_code, f"there is nothing at {request.url.path[:60]}")


async def _failed(request: Request, error: Exception) -> Response:
    logger.error("%s failed", request.url.path, exc_info=error)
    return _error(500, "this failed; the terminal says more")

"""Who may ask the server: only pages that it served itself, on this machine, or whoever has its token."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

__all__ = ["HEADERS", "Guard", "TooLargeError"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

MOST_BYTES = 64_000_000  # of a request
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer that does not say otherwise."""

PASS = "token"
"""Field of an address, and name of a header, in which the token is given."""


class TooLargeError(ValueError):
    """A request that is larger than one may be."""


class Guard:
    """Middleware that refuses what does not come from a page of this server.

    A page elsewhere can have a browser send requests here: their Host (after its name was made to point here) or their
    Origin give them away. Nothing is done without one of the hosts, and nothing is changed by another origin.

    Args:
        app: The application.
        hosts: What a Host may be: with the port.
        token: What every request must know; nothing if None.
        is_page: Whether it is for a page, whose requests are all JSON.
        is_free: Paths that need no token.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        hosts: set[str],
        token: str | None,
        *,
        is_page: bool = True,
        is_free: frozenset[str] = frozenset(),
    ) -> None:
        self.app, self.hosts, self.token = app, hosts, token
        self.is_page, self.is_free = is_page, is_free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        received = 0

        async def bounded() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MOST_BYTES:
                raise TooLargeError(f"a request is larger than {MOST_BYTES // 1_000_000} MB")
            return message

        async def headed(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                known = {name for name, _ in given}
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in known]
                message = {**message, "headers": [*given, *own]}
            await send(message)

        await self.app(scope, bounded, headed)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.token is None and host not in self.hosts:
            return 403, "this page is only there under the address that the terminal says"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return 403, "pages of other origins may not ask here"
        if int(headers.get("content-length") or 0) > MOST_BYTES:
            return 413, f"a request is larger than {MOST_BYTES // 1_000_000} MB"
        if self.is_page and scope["method"] == "POST" and not _is_json(headers.get("content-type", "")):
            return 415, "requests are JSON"
        is_free = scope["path"].startswith("/static/") or scope["path"] in self.is_free
        if self.token is not None and not is_free:
            given = headers.get("authorization", "").removeprefix("Bearer ") or headers.get(f"x-{PASS}", "")
            asked = parse_qs(scope["query_string"].decode("latin-1")).get(PASS, [given])[0]
            if not hmac.compare_digest(asked.encode(), self.token.encode()):
                return 401, "the address lacks the token that the terminal says"
        return None


def _is_json(kind: str) -> bool:
    return kind.split(";")[0].strip().lower() == "application/json"


async def _answer(send: Send, status: int, text: str) -> None:
    """A refusal, in plain text."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})

"""Who may ask the server: only pages that it served itself, on this machine, or whoever has its token."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

__all__ = ["HEADERS", "PASS", "Guard", "Scope", "Send", "TooLargeError", "answer"]

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
    """

    no_token = "the address lacks the token that the terminal says"
    """What is said to who does not know it."""

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hosts: set[str], token: str | None
    ) -> None:
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await self.refuse(scope, send, *refusal)
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

    def is_free(self, path: str) -> bool:
        """Whether a path needs no token."""
        return path.startswith("/static/")

    def is_taken(self, method: str, kind: str) -> bool:
        """Whether requests may have such a content: those of a page are all JSON."""
        return method != "POST" or kind.split(";")[0].strip().lower() == "application/json"

    async def refuse(self, scope: Scope, send: Send, status: int, text: str) -> None:
        """Answer a request that is refused."""
        await answer(send, status, text.encode(), "text/plain; charset=utf-8")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.token is None and host not in self.hosts:
            return 403, "this page is only there under the address that the terminal says"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return 403, "pages of other origins may not ask here"
        if int(headers.get("content-length") or 0) > MOST_BYTES:
            return 413, f"a request is larger than {MOST_BYTES // 1_000_000} MB"
        if not self.is_taken(scope["method"], headers.get("content-type", "")):
            return 415, "requests are JSON"
        if self.token is not None and not self.is_free(scope["path"]):
            scheme, _, credentials = headers.get("authorization", "").partition(" ")
            given = credentials.strip() if scheme.lower() == "bearer" else headers.get(f"x-{PASS}", "")
            asked = parse_qs(scope["query_string"].decode("latin-1")).get(PASS, [given])[0]
            if not hmac.compare_digest(asked.encode(), self.token.encode()):
                return 401, self.no_token
        return None


async def answer(send: Send, status: int, content: bytes, kind: str) -> None:
    """Send an answer that is known at once, and end the connection: the request is not read."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    headers += [(b"content-type", kind.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})

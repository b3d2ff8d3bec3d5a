"""What the server answers at all: the page and its drawing, no files, no uploads, nothing for other hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gradio.route_utils import FnIndexInferError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ANSWERED = ("/", "/config", "/theme.css", "/favicon.ico", "/robots.txt")
ANSWERED_BELOW = (
    "/assets/", "/static/", "/svelte/",
    "/gradio_api/run/", "/gradio_api/api/", "/gradio_api/call/", "/gradio_api/queue/", "/gradio_api/info",
    "/gradio_api/heartbeat/", "/gradio_api/startup-events", "/gradio_api/app_id", "/gradio_api/cancel",
    "/gradio_api/reset",
)  # fmt: skip
"""What the page asks for, and what a client needs that draws through the server. Gradio has much more: uploads, files,
proxies, run histories, streams."""
LONGEST_BODY = 1 << 17
"""Bytes of a request; the page's own are some thousand. Gradio would print what it cannot read, whole."""
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)


class Guard:
    """ASGI middleware that refuses all but what the page needs, and tells the browser to ask no other host."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = str(scope["path"])
        if path not in ANSWERED and not path.startswith(ANSWERED_BELOW):
            await _refuse(send, 404, b"fdsl explore draws images; it has nothing here\n")
            return
        length = dict(scope["headers"]).get(b"content-length", b"" if scope["method"] == "POST" else b"0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            await _refuse(send, 413, b"this is longer than any request of the page\n")
            return
        started = False

        async def with_policy(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                more = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            await self.app(scope, receive, with_policy)
        except (
            FnIndexInferError,
            ValueError,
            TypeError,
            LookupError,
        ):  # Gradio's, of what is none of its requests
            if started:
                raise
            await _refuse(send, 400, b"this is no request that the page makes\n")


async def _refuse(send: Send, status: int, why: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(why)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why})

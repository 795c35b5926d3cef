"""What stands around every page's application: strict headers, a bound on bodies, and the names that are answered to."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1_000_000  #: bytes of a form or of one label
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class StrictHeaders:
    """Adds the headers every answer has."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._application(scope, receive, with_headers)


class SmallBodies:
    """Cuts a body off at a bound before anybody is signed in, so that a form cannot fill memory or disk."""

    def __init__(self, application: ASGIApp, streaming: set[str]) -> None:
        self._application, self._streaming = application, streaming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._streaming:
            await self._application(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                return {"type": "http.disconnect"}
            return message

        length = Request(scope).headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            await JSONResponse({"code": "TOO_LARGE", "detail": "The form is too large."}, 413)(scope, receive, send)
            return
        await self._application(scope, bounded, send)


class KnownHosts:
    """Answers only to the site's own names, so that a foreign name cannot be pointed at it (DNS rebinding)."""

    def __init__(self, application: ASGIApp, site: str, refused: Callable[[str, str, str], None]) -> None:
        self._application, self._refused = application, refused
        self._names = {f"{site}.localhost", "localhost", "127.0.0.1"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Request(scope).headers.get("host", "").rpartition(":")[0] or Request(scope).headers.get("host", "")
            if host not in self._names:
                await run_in_threadpool(self._refused, "any", scope["method"], "FOREIGN_HOST")
                await Response("No site of this name here.", 421)(scope, receive, send)
                return
        await self._application(scope, receive, send)

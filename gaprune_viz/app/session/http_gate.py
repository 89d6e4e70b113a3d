"""Before the page: what is no request is refused; on a public server routes that the page does not need are closed,
and requests have a size.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from gaprune_viz.app.session.limits import Window
from gaprune_viz.config import ServeSpec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

API = "/gradio_api/"
# What the page asks for; everything else below `API` is closed. Among that: fetching other sites for whoever asks,
# calls outside the queue, ending an event by its number whoever began it, keeping a session's values under a link.
OPEN = ("info", "startup-events", "theme.css", "app_id", "login_check", "reset", "upload", "upload_progress")
OPEN += ("queue/join", "queue/data", "component_server")
OPEN_BELOW = ("heartbeat/", "file=")
CLOSED = (API + "file=http", "/monitoring", "/login", "/logout")
MOST_BODY = 256 * 1024
UPLOAD = API + "upload"


class Gate:
    """ASGI middleware: closes routes, bounds bodies, counts uploads."""

    def __init__(self, app: Any, spec: ServeSpec) -> None:
        self.app, self.spec = app, spec
        self.uploads = Window(spec.jobs_per_hour * spec.pages_per_address, 3_600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await _answer(send, *refused)
            return
        limit = (self.spec.upload_mb + 1) * 2**20 if _path(scope) == UPLOAD else MOST_BODY
        await self.app(scope, _bounded(receive, limit), _nosniff(send))

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason where a request is turned away."""
        path = _path(scope)
        if not _is_open(path):
            return 404, "This route is closed on a public page."
        if path == UPLOAD:
            address = self._address(scope)
            wait = self.uploads.wait(address)
            if wait > 0:
                return 429, f"Too many uploads from here. Try again in {round(wait)} s."
            self.uploads.take(address)
        return None

    def _address(self, scope: Scope) -> str:
        from gaprune_viz.app.session.event_guard import forwarded_for

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return forwarded_for(headers, self.spec.proxies) or str((scope.get("client") or ("",))[0])


async def no_request(request: Request, error: Exception) -> Response:
    """422 and what is wrong with a body. FastAPI would send the body back too, and fail where that is no UTF-8."""
    assert isinstance(error, RequestValidationError)
    told = [{name: wrong[name] for name in ("type", "loc", "msg")} for wrong in error.errors()]
    return Response(json.dumps({"detail": told}), status_code=422, media_type="application/json")


REFUSALS: dict[Any, Any] = {RequestValidationError: no_request}


def _is_open(path: str) -> bool:
    if path.startswith(CLOSED):
        return False
    name = path.removeprefix(API)
    return name == path or name.rstrip("/") in OPEN or name.startswith(OPEN_BELOW)


def _path(scope: Scope) -> str:
    """The path below the root path, one slash at its head."""
    path = str(scope["path"]).removeprefix(str(scope.get("root_path") or ""))
    return "/" + path.lstrip("/")


def _bounded(receive: Receive, limit: int) -> Receive:
    """The same body, ended as if the client had left where it is longer than the limit."""
    seen = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > limit else message

    return bounded


def _nosniff(send: Send) -> Send:
    async def sender(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]}
        await send(message)

    return sender


async def _answer(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

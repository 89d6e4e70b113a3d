"""Scripts that are there before gradio's: it adds what `launch(head=...)` names when its own page is up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gaprune_viz.app.session.http_gate import API
from gaprune_viz.app.widgets import scripts

Message = MutableMapping[str, Any]
HEAD = b"<head>"


class First:
    """ASGI middleware: puts the scripts of `assets/js/first` into the head of a page as it is sent."""

    def __init__(self, app: Any) -> None:
        self.app, self.script = app, scripts.first().encode()

    async def __call__(self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        # Below its interface are files of whoever asks, which may be HTML, too.
        if scope["type"] != "http" or scope["method"] != "GET" or API in scope["path"]:
            await self.app(scope, receive, send)
            return
        begun: Message | None = None
        body = b""

        async def sent(message: Message) -> None:
            nonlocal begun, body
            if message["type"] == "http.response.start" and _is_page(message):
                begun = message
            elif begun is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    whole = body.replace(HEAD, HEAD + self.script, 1)
                    await send({**begun, "headers": _sized(begun["headers"], len(whole))})
                    await send({"type": "http.response.body", "body": whole})

        await self.app(scope, receive, sent)


def _is_page(begun: Message) -> bool:
    headers = {name.lower(): value for name, value in begun["headers"]}
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


def _sized(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]

"""A page over HTTP as anybody could talk to it: any event, any data, any session."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

ANN, BOB = "ann-0123456789", "bob-0123456789"
"""Two visitors of a public page, by their sessions."""


class Caller:
    """One session of a served page, with no browser: events are sent by their number, values as they come."""

    def __init__(self, address: str, session: str) -> None:
        self.address, self.session = address.rstrip("/"), session
        self.http = httpx.Client(timeout=60)
        self.config = self.http.get(f"{self.address}/config").json()

    def event(self, element: str, kind: str, nth: int = 0) -> dict[str, Any]:
        """The nth event of the element with some id."""
        ids = {c["id"] for c in self.config["components"] if c["props"].get("elem_id") == element}
        found = [d for d in self.config["dependencies"] if any(t[0] in ids and t[1] == kind for t in d["targets"])]
        return found[nth]

    def values(self, event: dict[str, Any], **changed: Any) -> list[Any]:
        """The values that a fresh page would send, some changed by element id (`gv_samples` for `gv-samples`)."""
        props = {c["id"]: (c["type"], c["props"]) for c in self.config["components"]}
        values = []
        for id_ in event["inputs"]:
            kind, about = props[id_]
            name = str(about.get("elem_id") or kind).replace("-", "_")
            values.append(changed.get(name, about.get("value")))
        return values

    def join(self, event: dict[str, Any], data: list[Any], **body: Any) -> httpx.Response:
        document = {"data": data, "fn_index": event["id"], "session_hash": self.session, "event_data": None, **body}
        return self.http.post(f"{self.address}/gradio_api/queue/join", json=document)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the server tells this session, until its events are done."""
        with self.http.stream(
            "GET", f"{self.address}/gradio_api/queue/data", params={"session_hash": self.session}
        ) as reply:
            for line in reply.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] == "close_stream":
                        return

    def call(self, event: dict[str, Any], data: list[Any]) -> dict[str, Any]:
        """Run one event to its end; gives its last message, `seen` holding all text that was sent on the way."""
        joined = self.join(event, data)
        joined.raise_for_status()
        seen: list[str] = []
        last: dict[str, Any] = {}
        for message in self.messages():
            seen.append(json.dumps(message, ensure_ascii=False))
            if message["msg"] == "process_completed":
                last = message
                break
        return {**last, "seen": "\n".join(seen)}


@contextmanager
def open_tab(address: str, session: str) -> Iterator[None]:
    """What a browser keeps open for a tab; the server frees what the tab held when this ends."""
    with httpx.stream("GET", f"{address.rstrip('/')}/gradio_api/heartbeat/{session}", timeout=60) as reply:
        reply.raise_for_status()
        yield


def wait_for(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)

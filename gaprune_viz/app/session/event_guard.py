"""Around every event of a page: who asks, how often, and nothing of the server's own in what is answered."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from gaprune_viz.app.session.access import SHORTEST_SESSION, Access, Visitor, visit, visitor
from gaprune_viz.app.session.limits import Limits
from gaprune_viz.app.session.sent_values import check_sent
from gaprune_viz.app.widgets.events import COMPUTE
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import assets
from gaprune_viz.storage.workspace import workspace

DIRECT = "direct"
_SAYS = (gr.HTML, gr.Markdown, gr.Code, gr.Textbox)


def guard(demo: gr.Blocks, access: Access) -> None:
    """Put the rules around all events of a page, once it is wired."""
    limits = Limits(access.spec)
    for event in demo.fns.values():
        if event.fn is None:
            continue
        closing = any(name == "unload" for _, name in event.targets)
        heavy = event.concurrency_id == COMPUTE
        event.fn = _guarded(
            event.fn, access, limits, heavy=heavy, free=closing, inputs=event.inputs, outputs=event.outputs
        )


def _guarded(
    fn: Callable[..., Any], access: Access, limits: Limits, *, heavy: bool, free: bool, inputs: Any, outputs: Any
) -> Callable[..., Any]:
    """The same handler, answered for whoever asks. Its signature stays: gradio reads it."""

    def enter(values: Sequence[Any]) -> Visitor:
        who = visitor_of(access, LocalContext.request.get(None))
        try:
            if not free:
                _check_session(who)
                limits.take(who, heavy=heavy)
            check_sent(values, inputs)
        except GapruneError as error:
            raise refusal(error) from error
        return who

    def clean(answer: Any) -> Any:
        return scrubbed(answer, outputs) if access.spec.public else answer

    def told(error: GapruneError) -> gr.Error:
        return refusal(error, public=access.spec.public)

    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def steps(*values: Any, **named: Any) -> Generator[Any, None, None]:
            who, work = enter(values), fn(*values, **named)
            try:
                while True:
                    # Gradio may take each step in another thread, so the visitor is set anew for each.
                    with visit(who):
                        try:
                            answer = next(work)
                        except StopIteration:
                            return
                        except GapruneError as error:
                            raise told(error) from error
                    yield clean(answer)
            finally:
                with visit(who):
                    work.close()

        return steps

    @functools.wraps(fn)
    def once(*values: Any, **named: Any) -> Any:
        with visit(enter(values)):
            try:
                return clean(fn(*values, **named))
            except GapruneError as error:
                raise told(error) from error

    return once


def session_of(request: Any) -> str:
    """The open page behind a request; `DIRECT` where there is none."""
    return str(getattr(request, "session_hash", None) or DIRECT)


def visitor_of(access: Access, request: Any) -> Visitor:
    """Who sent a request."""
    return Visitor(access, session_of(request), address_of(request, access.spec.proxies))


def address_of(request: Any, proxies: int) -> str:
    """The network address behind a request: the connection's own, or the one that the outermost trusted proxy saw."""
    client = getattr(request, "client", None)
    headers = getattr(request, "headers", None) or {}
    return forwarded_for(headers, proxies) or str(getattr(client, "host", "") or "")


def forwarded_for(headers: Mapping[str, str], proxies: int) -> str:
    """The address that the outermost trusted proxy saw; empty without one. What stands further left can be forged."""
    parts = [part.strip() for part in str(headers.get("x-forwarded-for", "")).split(",") if part.strip()]
    return parts[max(len(parts) - proxies, 0)] if proxies and parts else ""


def _check_session(who: Visitor) -> None:
    """In public mode an event belongs to an open page: what is made under a shared name could be seen by all."""
    if who.public and (who.session == DIRECT or len(who.session) < SHORTEST_SESSION):
        raise GapruneError("This request belongs to no open page.", "Open the page and use it there.")


def refusal(error: GapruneError, before: str = "", *, public: bool = False) -> gr.Error:
    """The message that a page shows for an error. It is shown as HTML, and may quote what somebody sent."""
    text = f"{before}{error}"
    text = without_paths(text) if public else text
    return gr.Error(escape(text, quote=False), print_exception=False)


def warn(error: GapruneError, before: str = "") -> None:
    """Say on the page why nothing was changed, as text: an address may hold anything."""
    gr.Warning(refusal(error, before, public=visitor().public).message)


def scrubbed(answer: Any, outputs: Any) -> Any:
    """An answer without the server's folders in what people read; files and states keep theirs."""
    if isinstance(answer, Mapping):
        return {key: _scrub(value) if isinstance(key, _SAYS) else value for key, value in answer.items()}
    if isinstance(answer, (list, tuple)) and len(answer) == len(outputs) > 1:
        return [_scrub(v) if isinstance(place, _SAYS) else v for v, place in zip(answer, outputs, strict=True)]
    if len(outputs) == 1 and isinstance(outputs[0], _SAYS):
        return _scrub(answer)
    return answer


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        return {**value, "value": without_paths(value["value"])}
    return value


def without_paths(text: str) -> str:
    """A text in which every path below the server's own folders is cut to its last part."""
    return _own_paths().sub(lambda match: match[0].rstrip("/").rsplit("/", 1)[-1], text)


@functools.lru_cache(maxsize=1)
def _own_paths() -> re.Pattern[str]:
    folders = {workspace(), assets(), Path(tempfile.gettempdir()), Path.home(), Path(sys.prefix), Path.cwd()}
    roots = {str(form) for folder in folders for form in (folder, folder.resolve()) if len(form.parts) > 1}
    longest_first = "|".join(re.escape(root) for root in sorted(roots, key=len, reverse=True))
    return re.compile(rf"(?:{longest_first})(?:/[^\s\"'<>&;,]*)?")

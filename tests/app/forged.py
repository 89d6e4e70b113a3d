"""Requests that no page and no honest program would send, made from what a page says of itself.

Named endpoints are read from `/gradio_api/info`, the page's own events from its components: right shapes with odd
values, wrong types, values out of range, too few and too many, very deep and very long ones, and events that nobody
clicked.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import orjson
from gradio.blocks import BlockFunction
from gradio.state_holder import SessionState
from hypothesis import strategies as st
from starlette.requests import Request

from gaprune_viz.app.frame import long_work
from gaprune_viz.app.widgets.events import COMPUTE
from gaprune_viz.config import MaskSpec, ScoreSpec
from tests.app.served import Caller
from tests.odd import HANG_SECONDS, MARKUP, NUMBERS, ODD, TEXTS, VALUES, deep

# Work that began is stopped after one of these, and then has as long to end as a refusal.
PATIENCE = (0.0, 0.1, 0.5)
LONG = st.sampled_from(["x" * 100_000, ["x"] * 2_000, deep(60), deep(300), {"a": "b" * 10_000}])
ANYTHING = st.one_of(VALUES, TEXTS, NUMBERS, LONG)
WRITTEN = (gr.HTML, gr.Markdown)
READ = (*WRITTEN, gr.Textbox, gr.Code)


@dataclass
class Answer:
    """What came back.

    Attributes:
        data: the values of each step, by output.
        error: what was raised, where something was.
        seconds: until the last step: of the clock or of the processor, whichever are fewer.
        stopped: whether it was work that had begun and was then stopped.
    """

    data: list[list[Any]] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0
    stopped: bool = False


class Direct:
    """The events of a page with no server before it: gradio reads the values, our handler answers, gradio writes.

    Args:
        demo: the page, as `build` made it.
        session: who asks.
        states: what the page remembers of them before each event, by component id.
    """

    def __init__(self, demo: gr.Blocks, session: str, states: Mapping[int, Any]) -> None:
        self.demo, self.session, self.states = demo, session, states
        self._runner, self._state = asyncio.Runner(), SessionState(demo)
        # A thread of its own: the driver of a browser, in the same process, holds a running loop in this one.
        self._thread = ThreadPoolExecutor(1)
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": ("::1", 1)}
        self._request = Request(scope)

    def close(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def call(
        self, fn: BlockFunction, values: Sequence[Any], event: Any = None, patience: float = PATIENCE[-1]
    ) -> Answer:
        """Send one event; work that it begins is stopped after so many seconds."""
        answer, began, used = Answer(), time.monotonic(), time.process_time()
        try:
            steps = self._steps(fn, list(values), event, answer, patience)
            self._thread.submit(self._runner.run, steps).result()
        except Exception as error:
            answer.error = error
        answer.seconds = min(time.monotonic() - began, time.process_time() - used)
        return answer

    def _fresh(self) -> SessionState:
        """A page as it is at first. Its values are shared: gradio keeps them for links, and making them is slow."""
        state = copy(self._state)
        state.blocks_config, state.config_values = copy(self._state.blocks_config), dict(self._state.config_values)
        state.state_data = deepcopy(dict(self.states))
        return state

    async def _steps(self, fn: BlockFunction, values: list[Any], event: Any, answer: Answer, patience: float) -> None:
        request, state = gr.Request(self._request, session_hash=self.session), self._fresh()
        until, iterator = time.monotonic() + patience, None
        while True:
            out = await self.demo.process_api(
                fn,
                values,
                state=state,
                request=request,
                iterator=iterator,
                event_data=gr.EventData(None, event),
            )
            answer.data.append(out["data"])
            iterator = out["iterator"]
            if not out["is_generating"]:
                return
            if time.monotonic() > until and not answer.stopped:
                answer.stopped = True
                long_work.stop(request)


def events(demo: gr.Blocks, *, heavy: bool) -> list[BlockFunction]:
    """The page's own events that have a handler, light or heavy. Closing it is left out: it forgets what it made."""
    own = [fn for fn in demo.fns.values() if fn.fn and fn.targets and fn.api_visibility != "public"]
    own = [fn for fn in own if not any(name == "unload" for _, name in fn.targets)]
    return [fn for fn in own if (fn.concurrency_id == COMPUTE) is heavy]


def endpoints(demo: gr.Blocks) -> dict[str, BlockFunction]:
    """The named endpoints, as `/gradio_api/info` lists them."""
    named = demo.get_api_info()["named_endpoints"]
    return {fn.api_name: fn for fn in demo.fns.values() if f"/{fn.api_name}" in named}


def usual_values(inputs: Sequence[Any], changed: Mapping[str, Any]) -> list[Any]:
    """What a page sends at first."""
    return [changed.get(str(c.elem_id or ""), c.value) for c in inputs]


def _usual(component: Any, changed: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """What a page would send for a component."""
    name = str(component.elem_id or "")
    if name in changed:
        return st.just(changed[name])
    choices = [value for _, value in getattr(component, "choices", None) or ()]
    return st.sampled_from([component.value, *choices]) if choices else st.just(component.value)


def _odd(component: Any, ids: Sequence[str]) -> st.SearchStrategy[Any]:
    """What it would not, of the component's own shape as often as of any other."""
    if isinstance(component, (gr.Slider, gr.Number)):
        return st.one_of(NUMBERS, ANYTHING)
    if isinstance(component, (gr.File, gr.UploadButton)):
        paths = st.fixed_dictionaries({"path": TEXTS, "meta": st.just({"_type": "gradio.FileData"})})
        return st.one_of(paths, st.lists(paths, max_size=2), ANYTHING)
    if isinstance(component, gr.Dataframe):
        table = {"headers": st.lists(TEXTS, max_size=3), "data": st.lists(st.lists(VALUES, max_size=3), max_size=3)}
        return st.one_of(st.fixed_dictionaries(table), ANYTHING)
    return st.one_of(st.sampled_from(ids), TEXTS, st.lists(TEXTS, max_size=3), ANYTHING)


@st.composite
def page_values(
    draw: st.DrawFn, inputs: Sequence[Any], changed: Mapping[str, Any], ids: Sequence[str], least: int
) -> list[Any]:
    """Values for an event, some of them odd, at times too few or too many.

    Args:
        inputs: the components that the event reads.
        changed: what a page would send for some of them, by element id, where it is not what is on it at first.
        ids: ids of analyses, other people's among them.
        least: how many values are odd at least; with 0, an event that nobody made often comes with the page's own.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(st.lists(ANYTHING, max_size=len(inputs) + 2))
    forged = draw(st.sets(st.integers(0, max(len(inputs) - 1, 0)), min_size=least, max_size=3))
    return [draw(_odd(c, ids) if i in forged else _usual(c, changed)) for i, c in enumerate(inputs)]


KEYS = ("name", "row", "column", "act", "query", "drop", "source", "index", "value", "row_value", "selected")
WORDS = st.sampled_from(["zoom", "weight", "out", "cell-0", "cell-²", "exact&sparsity=7", "chemistry", True])
PLACES = st.one_of(WORDS, st.integers(-3, 300), ODD, VALUES)
FORGED_EVENTS = st.one_of(
    st.none(),
    VALUES,
    st.dictionaries(st.sampled_from(KEYS), PLACES, max_size=6),
    # As gradio needs them of a chosen line or tab, or our handlers never see it.
    st.fixed_dictionaries(
        {"index": st.one_of(PLACES, st.lists(st.integers(-3, 300), min_size=2, max_size=2)), "value": PLACES},
        optional={"row_value": st.one_of(VALUES, st.lists(TEXTS, max_size=4)), "selected": VALUES},
    ),
)


FLAGS = st.sampled_from([*ScoreSpec.model_fields, *MaskSpec.model_fields])


def from_schema(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a JSON schema's type, as odd as the type allows."""
    if "anyOf" in schema:
        return st.one_of(*map(from_schema, schema["anyOf"]))
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": TEXTS,
        "integer": st.one_of(st.integers(), st.sampled_from([-1, 0, 2**31, 2**63, 10**30])),
        "number": NUMBERS,
        "boolean": st.booleans(),
        "null": st.none(),
        "array": st.lists(VALUES, max_size=4),
        "object": st.dictionaries(st.one_of(FLAGS, TEXTS), st.one_of(NUMBERS, VALUES), max_size=4),
    }
    return kinds.get(str(schema.get("type")), VALUES)


@st.composite
def call_values(draw: st.DrawFn, parameters: Sequence[Mapping[str, Any]], good: Mapping[str, Sequence[Any]]) -> Any:
    """Values for a named endpoint, by its own schema: one or two are odd or of another type, the others good.

    With more of them, what looks at the last ones would never be reached.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(st.lists(ANYTHING, max_size=len(parameters) + 2))
    forged = draw(st.sets(st.integers(0, len(parameters) - 1), min_size=1, max_size=2))
    return [
        draw(st.one_of(from_schema(p["type"]), ANYTHING) if i in forged else st.sampled_from(good[p["parameter_name"]]))
        for i, p in enumerate(parameters)
    ]


def hangs(answer: Answer) -> bool:
    return answer.seconds > (PATIENCE[-1] + HANG_SECONDS if answer.stopped else HANG_SECONDS)


def check_answer(answer: Answer, outputs: Sequence[Any], hidden: Sequence[str], *, shown: bool) -> None:
    """The promise: an answer in time, a result or a clean line, and nothing of the server or of the sender's markup.

    Args:
        hidden: texts that the answer may not hold.
        shown: whether a page would show it, as HTML; a program reads it as it is.
    """
    assert not hangs(answer), f"it took {answer.seconds:.0f} s"
    # As the server does it; what it cannot write is never sent.
    orjson.dumps([answer.data, str(answer.error)], default=str)
    if answer.error is not None:
        check_error(answer.error, hidden, shown=shown)
    for step in answer.data:
        for value, component in zip(step, outputs, strict=False):
            if not isinstance(component, READ):
                continue
            text = json.dumps(value, default=str)
            assert not [secret for secret in hidden if secret in text]
            if isinstance(component, WRITTEN):
                assert not [markup for markup in MARKUP if json.dumps(markup)[1:-1] in text]


def check_error(error: Exception, hidden: Sequence[str], *, shown: bool) -> None:
    """A refusal is one line of text; anything else is a click's data that gradio could not read."""
    if isinstance(error, gr.Error):
        assert "\n" not in error.message
        assert "Traceback" not in error.message
        assert not [markup for markup in MARKUP if markup in error.message] or not shown
        assert not [secret for secret in hidden if secret in error.message]
        return
    if ours(error) or "postprocess" in str(error):
        raise error


def ours(error: BaseException) -> bool:
    """Whether it passed through our code; `sent_values` only looks at what gradio is to read."""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "gaprune_viz/app" in name and not name.endswith("sent_values.py"):
            return True
        trace = trace.tb_next
    return False


def posted(caller: Caller, place: str, body: bytes) -> str:
    """What the server says at once to a body, in time; nothing breaks it."""
    reply = caller.http.post(
        f"{caller.address}/gradio_api/{place}", content=body, headers={"content-type": "application/json"}, timeout=10
    )
    assert reply.status_code < 500, reply.text
    return reply.text


def sent(caller: Caller, fn: BlockFunction, values: Sequence[Any], event: Any) -> str:
    """All that the server tells a page of one event."""
    body = {"data": values, "fn_index": fn._id, "session_hash": caller.session, "event_data": event}
    joined = posted(caller, "queue/join", json.dumps(body).encode())
    if "event_id" not in joined:
        return joined
    return "\n".join(map(json.dumps, caller.messages()))


def called(caller: Caller, name: str, values: Sequence[Any]) -> str:
    """What a program is told by a named endpoint."""
    joined = posted(caller, f"call/{name}", json.dumps({"data": values}).encode())
    if "event_id" not in joined:
        return joined
    place = f"{caller.address}/gradio_api/call/{name}/{json.loads(joined)['event_id']}"
    return caller.http.get(place, timeout=30).text

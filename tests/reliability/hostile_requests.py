"""Requests that no page would send, to a page on a port of its own, and the line that answers each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostile_names import words

SESSION, OTHER = "forger-0123456789", "other-0123456789"
LONG = "x" * 3_000_000


def public_requests(model: str) -> Iterator[tuple[str, str]]:
    """To a public page that offers the default model and a tiny one, of which somebody else has made an analysis."""
    import httpx

    from gaprune_viz.app import launch
    from gaprune_viz.config import ServeSpec
    from tests.app.served import Caller

    spec = ServeSpec(public=True, models=("default", model), pages_per_address=100)
    _, address, _ = launch(port=0, serve=spec, prevent_thread_lock=True, quiet=True)
    other, forger = Caller(str(address), OTHER), Caller(str(address), SESSION)
    run, move = forger.event("gv-run", "click"), forger.event("gv-sparsity", "input")
    asked = {"gv_model": model, "gv_samples": 4, "gv_sampling": "random"}
    theirs = _analysis_of(other.call(run, other.values(run, **asked)))
    click, values = forger.event("gv-atlas", "select"), forger.values(move)

    def sent(event: dict[str, Any], data: list[Any], **body: Any) -> str:
        try:
            joined = forger.join(event, data, **body)
        except httpx.HTTPError:
            return "The connection is closed."
        if joined.status_code != 200:
            return _refusal(joined)
        return _shown(list(forger.messages()))

    yield "a slider that is an object", sent(move, forger.values(move, gv_sparsity={"a": 1}))
    yield "a slider out of range", sent(move, forger.values(move, gv_sparsity=1e308))
    markup = forger.values(move, gv_criterion="<script>alert(1)</script>")
    yield "a criterion that is markup", sent(move, markup)
    yield "a criterion that is a list", sent(move, forger.values(move, gv_criterion=[]))
    yield "too few values", sent(move, values[:3])
    yield "a click on a matrix that is not there", sent(click, forger.values(click), event_data={"name": "../../x"})
    view = {"analysis": theirs, "selected": "", "metric": "pruned_fraction"}
    yield "a view of somebody else's analysis", sent(move, forger.values(move, state=view))
    for what, changed in (
        ("a run of a model that is a folder", {"gv_model": "/etc"}),
        ("a run of a model of the Hub", {"gv_model": "intfloat/e5-small-v2"}),
        ("a run on a file of the server", {"gv_domain": "/etc/passwd"}),
        ("a run on somebody else's upload", {"gv_domain": "upload:" + "a" * 22 + "/own.csv"}),
        ("a run with 100,000 samples", {"gv_samples": 100_000}),
        ("a seed that is a text", {"gv_seed": "NaN"}),
    ):
        yield what, sent(run, forger.values(run, **{**asked, **changed}))
    upload = forger.event("gv-upload-domain", "upload")
    for path in ("/etc/passwd", "/dev/zero", "http://127.0.0.1:9/x.csv"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        yield f"an upload that is {path}", sent(upload, forger.values(upload, gv_upload_domain=file))
    yield "a body of 3 MB", sent(move, [LONG])
    yield "a body that is no JSON", _refusal(forger.http.post(f"{address}gradio_api/queue/join", content=b"[" * 99))
    yield "a session that is no page", _shown(list(_nobody(Caller(str(address), "x"), move, values)))
    for route in ("call/tune", "file=http://127.0.0.1:9/", "file=/etc/passwd"):
        yield f"GET gradio_api/{route}", _refusal(forger.http.get(f"{address}gradio_api/{route}"))


def _nobody(caller: Any, event: dict[str, Any], values: list[Any]) -> Iterator[dict[str, Any]]:
    caller.join(event, values).raise_for_status()
    yield from caller.messages()


def private_calls() -> Iterator[tuple[str, str]]:
    """To the named endpoints of a private page."""
    from gaprune_viz.app import launch
    from gaprune_viz.config import ServeSpec
    from tests.app.forged import called
    from tests.app.served import Caller

    _, address, _ = launch(port=0, serve=ServeSpec(), prevent_thread_lock=True, quiet=True)
    caller = Caller(str(address), SESSION)
    for name, values in (
        ("tune", ["demo", "paper", {"sparsity": 7}]),
        ("tune", ["demo", "paper", {"colour": "red"}]),
        ("tune", ["demo", "paper", [1]]),
        ("tune", ["../../etc", "paper", None]),
        ("tune", [5, "paper", None]),
        ("tune", ["demo", ["paper"], None]),
        ("tune", []),
        ("analyze", ["/etc", "chemistry", "general", "mlp", 4, 0, "contrastive", 2]),
        ("analyze", ["default", "/dev/zero", "general", "mlp", 4, 0, "contrastive", 2]),
        ("analyze", ["default", "chemistry", "general", "mlp", 10**9, 0, "contrastive", 2]),
        ("analyze", ["default", "chemistry", "general", "mlp", "many", 0, "contrastive", 2]),
        ("compare", ["analysis-0000000000000000", "paper", None, "chemistry"]),
        ("export", ["analysis-0000000000000000", "paper", {}]),
    ):
        yield f"{name}({', '.join(map(repr, values))})", _called(called(caller, name, values))


def _called(stream: str) -> str:
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    last = events[-1] if events else {}
    return str(last.get("error")) if isinstance(last, dict) and "error" in last else f"ANSWERED: {str(last)[:80]}"


def _refusal(reply: Any) -> str:
    try:
        detail = reply.json().get("detail")
    except (ValueError, AttributeError):
        detail = reply.text
    text = detail if isinstance(detail, str) else (detail[0]["msg"] if detail else "")
    return f"{reply.status_code}: {text[:120]}"


def _analysis_of(answer: dict[str, Any]) -> str:
    """The id in somebody's own answer."""
    import re

    found = re.search(r"run=([0-9a-f]{16})", answer["seen"])
    assert found is not None, answer["seen"][-500:]
    return f"analysis-{found[1]}"


def _shown(messages: list[dict[str, Any]]) -> str:
    """The error that a page shows, or the card in its place; what a usual answer is, else."""
    for message in reversed(messages):
        output = message.get("output") or {}
        if message["msg"] == "process_completed" and not message["success"]:
            return " ".join(str(output.get("error") or "An error without any words.").split())
        for value in output.get("data") or ():
            value = value.get("value") if isinstance(value, dict) else value
            if isinstance(value, str) and "gv-error" in value:
                return words(value)
    text = json.dumps(messages)
    return "Answered for the bundled analysis." if "encoder.layer.5" in text else "Nothing changes."

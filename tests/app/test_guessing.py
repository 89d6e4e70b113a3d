"""A second browser that knows or guesses what a first one has: it reads, lists, exports and stops nothing of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gaprune_viz.app import launch
from gaprune_viz.app.frame import long_work
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.session.http_gate import API, CLOSED, OPEN, OPEN_BELOW
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.export import events as export_events
from gaprune_viz.app.tabs.retrieval import events as retrieval_events
from gaprune_viz.app.tabs.runs import events as runs_events
from gaprune_viz.app.widgets.events import COMPUTE
from gaprune_viz.config import ServeSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs.job_queue import LINE
from gaprune_viz.storage.workspace import keep_upload, workspace
from tests.app.conftest import Held
from tests.app.served import Caller, wait_for

ANN, BOB = "ann-9876543210", "bob-9876543210"
WORDS = "a name that is nobody else's"
# What Gradio says of a choice that is not there quotes what was sent, to its sender.
QUOTED = re.compile(r"Value: [\w-]+ is not in the list of choices")


STOPS = ("gv-cancel", "gv-stop-export", "gv-stop-retrieval", "gv-sweep-stop", "gv-bench-stop", "gv-train-stop")


@dataclass(frozen=True)
class Hers:
    """What Ann has on the server, as one who knows all of it could name it."""

    caller: Caller
    run: str
    files: tuple[str, ...]
    upload: str


@pytest.fixture(scope="module")
def served(tiny_bert: Path) -> Iterator[tuple[Any, str]]:
    serve = ServeSpec(public=True, models=("default", str(tiny_bert)), pages_per_address=100)
    app, address, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    yield app, str(address)
    app.state_holder.session_data.clear()


@pytest.fixture(scope="module")
def address(served: tuple[Any, str]) -> str:
    return served[1]


@pytest.fixture(scope="module")
def hers(address: str, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Hers:
    """Ann's run, with a name and a note, exported, and a file of hers."""
    caller, before = Caller(address, ANN), set(workspace().glob("analysis-*"))
    event = caller.event("gv-run", "click")
    small = {"gv_model": str(tiny_bert), "gv_domain": "finance", "gv_samples": 6, "gv_sampling": "random"}
    assert "Done." in caller.call(event, caller.values(event, **small, gv_seed=77))["seen"]
    (place,) = set(workspace().glob("analysis-*")) - before
    # The list is read when the tab is opened, so that its choices hold the run.
    tab = next(c["id"] for c in caller.config["components"] if c["props"].get("id") == "runs")
    opened = [d for d in caller.config["dependencies"] if [tab, "select"] in d["targets"] and len(d["inputs"]) == 2]
    assert place.name in caller.call(opened[0], [None, None])["seen"]
    save = caller.event("gv-run-save", "click")
    assert "Saved." in caller.call(save, [place.name, WORDS, WORDS])["seen"]
    export = caller.event("gv-export", "click")
    seen = caller.call(export, caller.values(export))["seen"]
    files = tuple(dict.fromkeys(re.findall(r'"path": "([^"]+\.zip)"', seen)))
    assert files, seen[-2_000:]
    own = tmp_path_factory.mktemp("ann") / "own.csv"
    own.write_text("query,positive,negative\nwhy,because,not\n")
    return Hers(caller, place.name, files, keep_upload(own))


def test_ann_herself_finds_her_run_under_its_name(hers: Hers, address: str) -> None:
    pick = hers.caller.event("gv-run-pick", "input")
    assert WORDS in hers.caller.call(pick, [hers.run])["seen"]
    assert hers.caller.http.get(f"{address}gradio_api/file={hers.files[0]}").status_code == 200


def test_no_light_event_answers_bob_with_what_is_hers(hers: Hers, served: tuple[Any, str]) -> None:
    """Every one of the page, its text and its session's own state forged with her id."""
    app, address = served
    bob, view = Caller(address, BOB), View(analysis=hers.run).model_dump()
    kinds = {c["id"]: c["type"] for c in bob.config["components"]}
    tried = 0
    for event in bob.config["dependencies"]:
        heavy = app.get_blocks().fns[event["id"]].concurrency_id == COMPUTE
        if not event["backend_fn"] or heavy or any(kind == "unload" for _, kind in event["targets"]):
            continue
        forged = {"state": view, "dropdown": hers.run, "textbox": hers.run}
        data = [forged.get(kinds[i], v) for i, v in zip(event["inputs"], bob.values(event), strict=True)]
        query = {"query": f"run={hers.run.removeprefix('analysis-')}", "index": [0, 0], "value": hers.run}
        joined = bob.join(event, data, event_data=query)
        joined.raise_for_status()
        seen = QUOTED.sub("", "".join(str(message) for message in bob.messages()))
        tried += 1
        for secret in (WORDS, hers.run, hers.files[0]):
            assert secret not in seen, (event["id"], seen[:500])
    assert tried > 80


@pytest.mark.parametrize(
    ("tab", "make"),
    [
        pytest.param("export", export_events.export_model, id="export_model"),
        pytest.param("retrieval", retrieval_events.measure, id="measure0"),
        pytest.param("retrieval", retrieval_events.surprise, id="surprise"),
        pytest.param("export", export_events.measure, id="measure1"),
    ],
)
def test_no_heavy_work_of_bobs_begins_with_her_run(
    hers: Hers, page: Page, held: Held, tab: str, make: Callable[..., Any]
) -> None:
    """Were the view ever kept by the browser, a forged one would still export and measure nothing."""
    access, view = Access(ServeSpec(public=True)), View(analysis=hers.run)
    access.admit(workspace() / hers.run, ANN)
    values = held(view=view, settings=Settings(), others={page.frame.collection: "finance"})
    with visit(Visitor(access, BOB)):
        request: Any = SimpleNamespace(session_hash=BOB)
        steps = list(make(page.tabs[tab].parts, page.frame)(values, request))
    assert "That analysis is not here" in str(steps[-1])
    assert not LINE


def test_an_address_with_her_run_opens_the_demo_and_says_so(hers: Hers, address: str) -> None:
    bob = Caller(address, BOB)
    load = next(d for d in bob.config["dependencies"] if any(kind == "load" for _, kind in d["targets"]))
    document = {"data": bob.values(load), "fn_index": load["id"], "session_hash": BOB, "event_data": None}
    run = hers.run.removeprefix("analysis-")
    bob.http.post(f"{bob.address}/gradio_api/queue/join?run={run}", json=document).raise_for_status()
    seen = "".join(str(message) for message in bob.messages())
    assert "The analysis of this link is not here" in seen
    assert f"run={run}" not in seen


def test_no_file_of_hers_can_be_fetched_by_its_place(hers: Hers, address: str) -> None:
    bob, place = Caller(address, BOB), workspace() / hers.run
    token, name = hers.upload.removeprefix("upload:").split("/")
    own = [path for folder in (place, *workspace().glob("export-*")) for path in folder.rglob("*") if path.is_file()]
    own += [workspace() / "uploads" / token / name, *Path(tempfile.gettempdir()).glob("gaprune-viz-downloads-*/*/*")]
    assert len(own) > 8
    cached = Path(hers.files[0])
    guessed = [
        cached.parent,
        cached.parents[1],
        cached.parents[1] / hashlib.sha256(cached.read_bytes()).hexdigest() / cached.name,
        cached.parents[1] / ".." / ".." / place.relative_to(place.anchor) / "spec.json",
    ]
    for path in (*own, *guessed):
        for form in (str(path), str(path).replace("/", "%2f"), f"//{path}", str(path).replace("..", "%2e%2e")):
            reply = bob.http.get(f"{bob.address}/gradio_api/file={form}")
            assert reply.status_code in (403, 404), form
            assert name not in reply.text or "not allowed" in reply.text


def test_knowing_a_file_does_not_tell_its_place(hers: Hers) -> None:
    """Gradio keeps an answer's file under a hash that a secret of the server is part of."""
    cached = Path(hers.files[0])
    assert re.fullmatch(r"[0-9a-f]{64}", cached.parent.name)
    assert cached.parent.name != hashlib.sha256(cached.read_bytes()).hexdigest()


def test_her_job_goes_on_whatever_bob_cancels(hers: Hers, address: str) -> None:
    caller, bob = Caller(address, "ann-second-tab"), Caller(address, BOB)
    event = caller.event("gv-run", "click")
    data = caller.values(event, gv_model="default", gv_domain="finance", gv_samples=64, gv_seed=78)
    own = caller.join(event, data).json()["event_id"]
    told: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: told.extend(caller.messages()))
    thread.start()
    wait_for(lambda: LINE)
    for session in (BOB, caller.session, "ann-second-ta", ""):
        body = {"session_hash": session, "fn_index": event["id"], "event_id": own}
        assert bob.http.post(f"{bob.address}/gradio_api/cancel", json=body).status_code == 404
    for way in (f"stream/{own}/close", f"stream/{own}", f"call/run/{own}", f"call/v2/run/{own}"):
        for ask in (bob.http.post, bob.http.get):
            assert ask(f"{bob.address}/gradio_api/{way}").status_code == 404
    stops = [name for name in STOPS if bob.call(bob.event(name, "click"), [])["success"]]
    assert stops == list(STOPS)
    assert len(LINE) == 1
    caller.http.post(f"{caller.address}/gradio_api/queue/join", json={"data": [], "fn_index": 0, "session_hash": "x"})
    long_work.stop(SimpleNamespace(session_hash=caller.session))  # type: ignore[arg-type]
    thread.join(60)
    assert "Cancelled." in str(told)
    wait_for(lambda: not LINE)


@pytest.mark.parametrize("guess", ["ann-987654321", "ANN-9876543210", "ann-9876543210 ", "ann-9876543210%00", "*", ""])
def test_a_session_that_is_nearly_hers_hears_nothing(hers: Hers, address: str, guess: str) -> None:
    bob = Caller(address, guess)
    told: list[dict[str, Any]] = []
    # Gradio says that there is no such session, and breaks the connection off.
    with pytest.raises(httpx.RemoteProtocolError):
        told.extend(bob.messages())
    assert [message["msg"] for message in told] in ([], ["unexpected_error"])


def test_every_route_below_the_api_is_one_that_the_page_needs_or_closed(served: tuple[Any, str]) -> None:
    """A new version of Gradio may have more of them: they are closed until somebody opens them."""
    app, address = served
    below = {name.removeprefix(API).rstrip("/") for name in app.openapi()["paths"] if name.startswith(API)}
    assert len(below) > 20
    assert {name for name in OPEN if name not in below} == set()
    assert all(any(name.startswith(start) for name in below) for start in OPEN_BELOW)
    caller = Caller(address, BOB)
    for name in sorted(below - set(OPEN)):
        if name.startswith(OPEN_BELOW):
            continue
        path = re.sub(r"\{[^}]*\}", "x", name)
        for ask in (caller.http.get, caller.http.post):
            reply = ask(f"{caller.address}{API}{path}")
            assert (reply.status_code, "closed" in reply.text) == (404, True), path
    for start in CLOSED:
        assert "closed" in caller.http.get(f"{caller.address}{start}://127.0.0.1:9/").text


def test_two_who_made_the_same_run_share_neither_words_nor_deletion(tiny_analysis: Path, page: Page) -> None:
    place = Path(shutil.copytree(tiny_analysis, workspace() / ("analysis-" + "5" * 16)))
    access, tab = Access(ServeSpec(public=True)), page.tabs["runs"].parts
    ann, bob = Visitor(access, ANN), Visitor(access, BOB)
    name = access.admit(place, ANN)
    access.admit(place, BOB)

    def chosen() -> list[str]:
        found = runs_events.chosen(tab, name)
        return [found[part] for part in (tab.name, tab.note)]

    def deleted() -> str:
        return runs_events.delete(tab, page.frame, {tab.pick: name, page.frame.view: {"analysis": "demo"}})[tab.said]

    with visit(ann):
        assert "Saved" in runs_events.save(tab, {tab.pick: name, tab.name: "mine", tab.note: WORDS})[tab.said]
        assert chosen() == ["mine", WORDS]
    with visit(bob):
        assert chosen() == ["", ""]
        assert "Deleted" in deleted()
        assert "No analysis is picked" in deleted()
        with pytest.raises(GapruneError):
            bob.folder(name)
    with visit(ann):
        assert chosen() == ["mine", WORDS]
        assert ann.folder(name) == place
        assert "are free again" in deleted()
    assert not place.exists()

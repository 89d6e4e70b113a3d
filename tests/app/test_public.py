"""A public page: nobody sees, lists, exports or stops what another made, and nothing of the server is shown."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from gaprune_viz.app import launch
from gaprune_viz.app.frame import work
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.session.closing import MOST_SESSIONS, let_go
from gaprune_viz.app.session.guard import address_of, guard, without_paths
from gaprune_viz.app.session.limits import Limits, Window
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, ServeSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs.line import LINE, Line
from gaprune_viz.storage.workspace import keep_upload, upload_path, workspace
from tests.app.conftest import Held
from tests.app.served import Caller, wait_for

ANN, BOB = "ann-0123456789", "bob-0123456789"


@pytest.fixture(scope="module")
def address(tiny_bert: Path) -> Iterator[str]:
    """A public page that offers the tiny model; the operator may list a folder, a visitor may not name one."""
    serve = ServeSpec(public=True, models=("default", str(tiny_bert)), pages_per_address=100)
    app, local, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    yield str(local)
    app.state_holder.session_data.clear()


@pytest.fixture(scope="module")
def ann(address: str, tiny_bert: Path) -> dict[str, Any]:
    """Ann's session, after a run of the tiny model."""
    caller = Caller(address, ANN)
    event = caller.event("gv-run", "click")
    data = caller.values(event, gv_model=str(tiny_bert), gv_domain="finance", gv_samples=4, gv_sampling="random")
    return {"caller": caller, "answer": caller.call(event, data), "model": tiny_bert}


def analyses() -> set[str]:
    return {folder.name for folder in workspace().glob("analysis-*")}


def test_ann_sees_her_run_and_no_folder_of_the_server(ann: dict[str, Any]) -> None:
    assert "Done." in ann["answer"]["seen"]
    for folder in (workspace(), Path(tempfile.gettempdir()), Path.home(), Path(sys.prefix)):
        assert f"{folder}/" not in ann["answer"]["seen"]
    caller = ann["caller"]
    event = caller.event("gv-sparsity", "input")
    seen = caller.call(event, caller.values(event))["seen"]
    assert "encoder.layer.1" in seen
    assert "encoder.layer.5" not in seen


def test_bob_sees_the_demo_whatever_view_he_sends(ann: dict[str, Any], address: str) -> None:
    bob = Caller(address, BOB)
    event = bob.event("gv-sparsity", "input")
    states = {c["id"] for c in bob.config["components"] if c["type"] == "state"}
    for name in analyses():
        data = bob.values(event)
        view = next(place for place, id_ in enumerate(event["inputs"]) if id_ in states)
        data[view] = {"analysis": name, "selected": "", "metric": "pruned_fraction"}
        assert "encoder.layer.5" in bob.call(event, data)["seen"]


def test_bobs_stop_leaves_anns_job_alone(ann: dict[str, Any], address: str) -> None:
    caller = ann["caller"]
    event = caller.event("gv-run", "click")
    data = caller.values(event, gv_model=str(ann["model"]), gv_samples=64, gv_sampling="random", gv_seed=7)
    answer: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answer.append(caller.call(event, data)))
    thread.start()
    wait_for(lambda: LINE)
    bob = Caller(address, BOB)
    stop = bob.event("gv-cancel", "click")
    assert bob.call(stop, [])["success"]
    thread.join(60)
    assert "Done." in answer[0]["seen"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gv_model": "/etc"}, "not offered on this public page"),
        ({"gv_model": "intfloat/e5-small-v2"}, "not offered on this public page"),
        ({"gv_domain": "/etc/passwd"}, "starter collections and your own uploads only"),
        ({"gv_general": "hub:a/b"}, "starter collections and your own uploads only"),
        ({"gv_domain": "ontology:chebi"}, "starter collections and your own uploads only"),
        ({"gv_domain": "upload:" + "a" * 22 + "/own.csv"}, "That upload is not here"),
        ({"gv_samples": 100_000}, "more than this public page takes"),
    ],
)
def test_what_is_not_offered_is_refused_before_it_is_touched(address: str, changed: dict[str, Any], said: str) -> None:
    bob = Caller(address, BOB)
    event = bob.event("gv-run", "click")
    seen = bob.call(event, bob.values(event, **changed))["seen"]
    assert said in seen or "greater than maximum" in seen
    assert "Traceback" not in seen


@pytest.mark.parametrize("value", [{"a": 1}, [[]], "<script>alert(1)</script>", 1e308, "NaN", None, "x" * 9_999])
def test_forged_values_are_one_line_or_nothing(address: str, value: Any) -> None:
    bob = Caller(address, BOB)
    event = bob.event("gv-sparsity", "input")
    seen = bob.call(event, [value] * len(event["inputs"]))["seen"]
    assert "Traceback" not in seen
    # Gradio's own refusal quotes what was sent, to its sender only, and its page cleans what it shows.
    assert "<script>alert" not in seen or "not in the list of choices" in seen
    assert "site-packages" not in seen


def test_a_session_without_a_page_is_refused(address: str) -> None:
    nobody = Caller(address, "x")
    event = nobody.event("gv-sparsity", "input")
    assert "belongs to no open page" in nobody.call(event, nobody.values(event))["seen"]


def test_the_config_names_no_folder(address: str) -> None:
    text = json.dumps(Caller(address, BOB).config)
    for folder in (workspace(), Path.home(), Path(sys.prefix)):
        assert str(folder) not in text


@pytest.mark.parametrize(
    "path",
    ["file=http://127.0.0.1:9/", "file=/etc/passwd", "file=../../etc/passwd", "call/refresh", "run/predict"],
)
def test_other_ways_in_are_closed(address: str, path: str) -> None:
    caller = Caller(address, BOB)
    assert caller.http.get(f"{caller.address}/gradio_api/{path}").status_code in (403, 404, 405)
    assert caller.http.post(f"{caller.address}/gradio_api/{path}", json={"data": []}).status_code in (403, 404, 405)


def test_a_body_of_any_size_is_not_read(address: str) -> None:
    caller = Caller(address, BOB)
    event = caller.event("gv-sparsity", "input")
    with pytest.raises((gr.exceptions.Error, Exception)):
        caller.join(event, ["x" * 3_000_000]).raise_for_status()


def test_an_id_opens_what_its_session_made_and_nothing_else(tiny_analysis: Path) -> None:
    access = Access(ServeSpec(public=True))
    name = access.admit(tiny_analysis, ANN)
    assert "/" not in name
    assert access.folder(name, ANN) == tiny_analysis
    absent = "analysis-" + "0" * 16
    told = []
    for other in (name, absent, str(tiny_analysis), "../demo", "demo/../..", ""):
        with pytest.raises(GapruneError) as caught:
            access.folder(other, BOB)
        told.append(str(caught.value))
    assert len(set(told)) == 1
    access.forget(ANN)
    with pytest.raises(GapruneError):
        access.folder(name, ANN)


def test_at_home_an_id_opens_what_is_in_the_workspace_and_no_path(tiny_analysis: Path, tmp_path: Path) -> None:
    access = Access(ServeSpec())
    for forged in (str(tiny_analysis), f"../{tiny_analysis.name}", "analysis-../../etc", "analysis-" + "0" * 16):
        with pytest.raises(GapruneError):
            access.folder(forged, "direct")
    link = workspace() / ("analysis-" + "f" * 16)
    link.symlink_to(tiny_analysis)
    with pytest.raises(GapruneError):
        access.folder(link.name, "direct")
    link.unlink()


def test_a_view_that_the_browser_holds_is_checked_as_well(page: Page, held: Held, tiny_analysis: Path) -> None:
    """Were the view ever kept by the browser, a forged one would still open nothing."""
    access = Access(ServeSpec(public=True))
    name = access.admit(tiny_analysis, ANN)
    values, headline = held(view=View(analysis=name)), page.frame.headline
    with visit(Visitor(access, BOB)):
        assert "not here" in page.following.refresh(values)[headline]
        with pytest.raises(GapruneError):
            STORE.analysis(name)
    with visit(Visitor(access, ANN)):
        assert "not here" not in page.following.refresh(values)[headline]


def test_an_upload_is_its_sessions_own(tmp_path: Path) -> None:
    access = Access(ServeSpec(public=True))
    (tmp_path / "own.csv").write_text("a,b,c\n")
    source = keep_upload(tmp_path / "own.csv")
    access.own(source, ANN)
    access.check_source(source, ANN)
    with pytest.raises(GapruneError, match="not here"):
        access.check_source(source, BOB)
    for forged in ("upload:../x/own.csv", source + "/../../x", "upload:" + "a" * 22 + "/..", "upload:"):
        with pytest.raises(GapruneError, match="not here"):
            upload_path(forged)


def test_a_model_has_a_size(tiny_bert: Path) -> None:
    access = Access(ServeSpec(public=True, models=(str(tiny_bert),), max_parameters=1_000))
    run = RunSpec(model=ModelSpec(model=str(tiny_bert)), calibration=CalibrationSpec(samples=2))
    with visit(Visitor(access, ANN)), pytest.raises(GapruneError, match="at most 1,000"):
        STORE.outline(run.model.with_(max_length=17))


def test_a_page_has_one_job_and_an_address_a_few() -> None:
    line, access = Line(), Access(ServeSpec(public=True, pages_per_address=2))
    first = line.draw(Visitor(access, ANN, "10.0.0.1").owner)
    with pytest.raises(GapruneError, match="waiting or running already"):
        line.draw(Visitor(access, ANN, "10.0.0.1").owner)
    second = line.draw(Visitor(access, BOB, "10.0.0.1").owner)
    with pytest.raises(GapruneError, match="from this address"):
        line.draw(Visitor(access, "eve-0123456789", "10.0.0.1").owner)
    assert (line.ahead(first), line.ahead(second)) == (0, 1)
    line.leave(first)
    line.leave(first)
    assert line.ahead(second) == 0


def test_a_waiting_job_says_its_place_and_can_leave() -> None:
    release = threading.Event()
    running = work.watched(lambda report, stopped: release.wait(20), work.begin(None))
    thread = threading.Thread(target=lambda: list(running))
    thread.start()
    wait_for(lambda: len(LINE) == 1)
    request: Any = SimpleNamespace(session_hash=BOB)
    waiting = work.watched(lambda report, stopped: 1, work.begin(request))
    assert next(waiting).stage == "Waiting: 1 job is ahead of this one"
    work.stop(request)
    with pytest.raises(Cancelled):
        next(waiting)
    assert len(LINE) == 1
    release.set()
    thread.join()
    wait_for(lambda: not LINE)


def test_a_job_has_an_end() -> None:
    access = Access(ServeSpec(public=True, job_seconds=5).model_copy(update={"job_seconds": 0}))

    def endless(report: Any, stopped: Any) -> None:
        while not stopped():
            report("Working", 1, 2)

    with visit(Visitor(access, ANN)), pytest.raises(GapruneError, match="longer than the 0 s"):
        list(work.watched(endless, threading.Event()))
    wait_for(lambda: not LINE)


def test_limits_count_pages_and_addresses() -> None:
    now = [0.0]
    window = Window(2, 60, lambda: now[0])
    for _ in range(2):
        assert window.wait("a") == 0
        window.take("a")
    assert (window.wait("a"), window.wait("b")) == (60, 0)
    now[0] = 61
    assert window.wait("a") == 0
    limits = Limits(ServeSpec(public=True, jobs_per_hour=1, pages_per_address=2), lambda: now[0])
    access = Access(ServeSpec(public=True))
    for session in ("one", "two"):
        limits.take(Visitor(access, session, "10.0.0.1"), heavy=True)
    with pytest.raises(GapruneError, match="try again in"):
        limits.take(Visitor(access, "three", "10.0.0.1"), heavy=True)
    limits.take(Visitor(access, "three", "10.0.0.2"), heavy=True)
    for _ in range(9_999):
        Limits(ServeSpec()).take(Visitor(access, "one"), heavy=True)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [("1.1.1.1, 2.2.2.2", 1, "2.2.2.2"), ("6.6.6.6, 1.1.1.1, 2.2.2.2", 2, "1.1.1.1"), ("1.1.1.1", 0, "9.9.9.9")],
)
def test_a_forged_header_does_not_change_the_address(forwarded: str, proxies: int, address: str) -> None:
    request = SimpleNamespace(headers={"x-forwarded-for": forwarded}, client=SimpleNamespace(host="9.9.9.9"))
    assert address_of(request, proxies) == address


def test_folders_of_the_server_are_cut_from_what_is_read() -> None:
    text = f"Writing {workspace()}/export-1/model failed; see <b>{sys.prefix}/lib/x.py</b>, and /etc/hosts."
    assert without_paths(text) == "Writing model failed; see <b>x.py</b>, and /etc/hosts."


def test_every_event_is_guarded() -> None:
    """A handler that is wired later is guarded too: the guard takes whatever the page has."""
    asked: list[str] = []
    with gr.Blocks() as demo:
        box = gr.Textbox()
        box.input(lambda text: asked.append(text) or f"{workspace()}/secret", box, box)
    guard(demo, Access(ServeSpec(public=True)))
    (event,) = (f for f in demo.fns.values() if f.fn)
    assert event.fn is not None
    with pytest.raises(gr.Error, match="no open page"):
        event.fn("x")
    assert asked == []


def test_spaces_are_public_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ServeSpec.here().public
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert ServeSpec.here().public
    assert ServeSpec.here().proxies == 1
    assert not ServeSpec.here(public=False).public
    assert re.fullmatch(r"\d+mb", ServeSpec.here().upload_limit)


def test_what_gradio_keeps_of_a_page_can_be_let_go_of_and_is_bounded() -> None:
    app, address, _ = launch(port=0, serve=ServeSpec(public=True), prevent_thread_lock=True, quiet=True)
    session, kept = "cid-0123456789", app.state_holder
    caller = Caller(str(address), session)
    event = caller.event("gv-sparsity", "input")
    assert caller.call(event, caller.values(event))["success"]
    assert kept.session_data[session].config_values
    let_go(app.get_blocks(), session, wholly=False)
    assert not kept.session_data[session].config_values
    let_go(app.get_blocks(), session, wholly=True)
    assert session not in kept.session_data
    assert kept.capacity == MOST_SESSIONS


def test_a_client_finds_no_named_endpoint_to_try_ids_at(address: str) -> None:
    offered = Client(address, verbose=False).view_api(return_format="dict", print_info=False)
    assert offered == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_the_list_of_runs_is_ones_own_and_others_are_neither_renamed_nor_deleted(
    address: str, ann: dict[str, Any]
) -> None:
    bob, names = Caller(address, BOB), analyses()
    assert names
    for event in bob.config["dependencies"]:
        ids = {target[0] for target in event["targets"]}
        kinds = {c["id"]: str(c["props"].get("elem_id") or "") for c in bob.config["components"]}
        if not any(kinds.get(i, "").startswith("gv-run") or "runs" in kinds.get(i, "") for i in ids):
            continue
        if any(kinds.get(i) == "gv-run" for i in ids):
            continue
        for name in names:
            asked = [name if kinds[i] in ("gv-run-pick", "gv-run-table") else "x" for i in event["inputs"]]
            seen = bob.call(event, asked)["seen"]
            # Gradio's own refusal quotes what was sent.
            assert name not in seen.replace(f"Value: {name} is not in the list of choices: []", "")
    assert analyses() == names
    label = {folder.name: (folder / "label.json").exists() for folder in workspace().glob("analysis-*")}
    assert not any(label.values())


@pytest.mark.parametrize(
    "body", [b'{"event_data": "\\ud800 a"}', b'{"event_data": NaN}', b'{"event_data": "a"}', b"[]", b"a"]
)
def test_a_body_that_is_no_request_is_refused_and_not_sent_back(body: bytes, address: str) -> None:
    reply = Caller(address, ANN).http.post(f"{address}gradio_api/queue/join", content=body)
    assert reply.status_code == 422
    told = reply.json()["detail"]
    assert told
    assert all(set(wrong) == {"type", "loc", "msg"} for wrong in told)


@pytest.mark.parametrize("place", ["value", "event"])
def test_half_a_character_is_refused(place: str, address: str) -> None:
    """Repeated in an answer it broke the stream of answers, and nothing was said."""
    caller = Caller(address, ANN)
    event = caller.event("gv-sparsity", "input")
    values = caller.values(event, **({"gv_sparsity": "\ud800"} if place == "value" else {}))
    body = {"data": values, "fn_index": event["id"], "session_hash": ANN, "event_data": {"x\ud800": 1}}
    join = f"{address}gradio_api/queue/join"
    kind = {"content-type": "application/json"}
    caller.http.post(join, content=json.dumps(body).encode(), headers=kind).raise_for_status()
    assert "none that the page sends" in json.dumps(list(caller.messages()))

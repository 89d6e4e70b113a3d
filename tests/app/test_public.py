"""A public page: nobody sees, lists, exports or stops what another made, and nothing of the server is shown."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from gaprune_viz.app import launch
from gaprune_viz.app.session.page_closing import MOST_SESSIONS, let_go
from gaprune_viz.config import ServeSpec
from gaprune_viz.jobs.job_queue import LINE
from gaprune_viz.storage.workspace import workspace
from tests.app.served import ANN, BOB, Caller, wait_for


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

"""What guards a public page: an id opens what its session made, and no path, forged header or event opens more."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.session.event_guard import address_of, guard, without_paths
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.benchmark.task_picker import chosen_names
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, ServeSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.workspace import keep_upload, upload_path, workspace
from tests.app.conftest import Held
from tests.app.served import ANN, BOB
from tests.beir_folders import write_beir


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


@pytest.mark.parametrize("name", ["{}", "{}@main", "./{}@main", "~/{}", "../{}", "{}/deeper@x"])
def test_a_folder_of_the_server_is_no_model_of_the_hub(
    name: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "models" / "secret")
    monkeypatch.chdir(tmp_path)
    access = Access(ServeSpec(public=True, hub_models=True))
    for of_the_hub in ("org/name", "org/name@main"):
        access.check_model(ModelSpec(model=of_the_hub))
    with pytest.raises(GapruneError, match="not offered"):
        access.check_model(ModelSpec(model=name.format("models/secret")))


@pytest.mark.parametrize("name", ["internal", "internal.zip", "./internal", "~/internal", "upload:x/y", "a\\b"])
def test_a_collection_of_the_server_is_no_task_of_mteb(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_beir(tmp_path / "internal", 0)
    (tmp_path / "internal.zip").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    with visit(Visitor(Access(ServeSpec(public=True, hub_data=True)), ANN)):
        assert chosen_names([[], "SciFact, chemistry"]) == ["SciFact", "chemistry"]
        with pytest.raises(GapruneError, match=r"starter collections|not here"):
            chosen_names([[], name])

"""The Domains tab: opens what is ours, follows clicks and addresses, loads settings, and refuses strangers' files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.frame.tab import Asked
from gaprune_viz.app.page import Page
from gaprune_viz.app.tabs.domains import events
from gaprune_viz.app.tabs.domains.finished_maps import MAPS
from gaprune_viz.app.tabs.domains.layout import DomainsTab
from gaprune_viz.app.tabs.domains.selection import Place, sparsities_of
from gaprune_viz.experiments.transfer.document import open_transfer
from gaprune_viz.experiments.transfer.findings import has_refit, map_at, rows_of, verdict
from gaprune_viz.experiments.transfer.markdown import transfer_markdown
from gaprune_viz.storage.paths import assets
from tests.app.conftest import Held, plain

FILE = assets() / "transfer" / "starters.json"
STARTERS = "bundled:starters"
SCRIPT = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return open_transfer(FILE)


@pytest.fixture
def tab(page: Page) -> DomainsTab:
    return page.tabs["domains"].parts


def test_the_bundled_map_is_whole_small_and_first(document: dict[str, Any]) -> None:
    assert MAPS.choices()[0][1] == STARTERS
    assert FILE.stat().st_size < 2**20
    assert [source["label"] for source in document["sources"]] == ["chemistry", "finance", "general"]
    assert any(one["shuffled"] for one in document["maps"])
    assert transfer_markdown(document)


def test_opening_the_tab_shows_the_first_map_and_says_what_it_says(tab: DomainsTab, document: dict[str, Any]) -> None:
    shown = events.arrive(tab, "")
    assert set(shown) == set(tab.opened)
    assert shown[tab.pick] == STARTERS
    said = plain(shown[tab.says])
    assert verdict(document, rows_of(document)[0]).replace("`", "") in said
    assert shown[tab.scores].count("data-name") == 9
    assert shown[tab.queries]["visible"] is False and shown[tab.load]["visible"] is False
    assert "Click a cell" in shown[tab.detail]
    # What is shown already is not drawn anew.
    assert events.arrive(tab, shown[tab.place]) == {}


@pytest.mark.parametrize("texts", ["real", "shuffled"])
def test_every_table_of_the_map_can_be_shown(texts: str, tab: DomainsTab, document: dict[str, Any]) -> None:
    for row in rows_of(document):
        for sparsity in sparsities_of(document):
            for kept in ("mask", "refit") if has_refit(document) else ("mask",):
                place = Place(STARTERS, row, sparsity, kept, texts, "0-1")
                shown = events.show(tab, place)
                assert Place.of(shown[tab.place]) == place
                one = map_at(document, row, float(sparsity), refit=kept == "refit", shuffled=texts == "shuffled")
                assert one is not None
                assert f"{one['scores'][0][1]['of_dense']:.1f} %" in plain(shown[tab.detail])
                assert shown[tab.queries]["visible"] == (texts == "real")
                assert "Where the masks of chemistry and finance differ" in shown[tab.differences]


def test_a_cell_shows_its_queries(tab: DomainsTab, document: dict[str, Any]) -> None:
    shown = events.show(tab, Place(STARTERS, cell="2-0"))
    table = shown[tab.queries]["value"]
    assert len(table) == len(document["sources"][0]["queries"])
    names = ("chemistry", "finance", "general")
    assert list(table.columns) == ["Query", "Dense", *(f"On {name}" for name in names)]
    own = events.show(tab, Place(STARTERS, cell="1-1"))
    assert "differs from the others" in own[tab.differences]


def values_at(held: Held, tab: DomainsTab, place: Place, **more: Any) -> dict[Any, Any]:
    controls = {tab.pick: place.name, tab.row: place.row, tab.sparsity: place.sparsity}
    controls |= {tab.kept: place.kept, tab.texts: place.texts, tab.place: place.text, tab.upload: None}
    return held(others={**controls, **more})


def test_the_settings_of_a_table_go_into_the_bar(page: Page, tab: DomainsTab, held: Held) -> None:
    place = Place(STARTERS, "balanced", "0.7", cell="0-0")
    loaded = events.load(tab, page.frame, values_at(held, tab, place))
    settings = page.frame.tuning.settings(loaded)
    assert settings.mask.sparsity == 0.7
    assert settings.score.fisher_scale == "auto"


def test_controls_and_place_agree(tab: DomainsTab, held: Held) -> None:
    place = Place(STARTERS, "balanced", "0.5", cell="1-2")
    assert events.place_of(tab, values_at(held, tab, place)) == place
    moved = values_at(held, tab, place, **{})
    moved[tab.sparsity] = "0.7"
    assert events.place_of(tab, moved) == Place(STARTERS, "balanced", "0.7", cell="1-2")


@pytest.mark.parametrize(
    "text", ["", "~~~~~", "x" * 500, f"{STARTERS}~{SCRIPT}~nan~x~y~9-9", f"{STARTERS}~balanced~1e9~refit~shuffled~0-7"]
)
def test_any_address_is_brought_within_the_map(text: str, document: dict[str, Any]) -> None:
    place = Place.of(text).within(document)
    assert place.row in rows_of(document) and place.sparsity in sparsities_of(document)
    assert place.cell == ""
    assert place.within(document) == place


def test_a_control_of_masks_alone_has_no_refit_to_look_at(document: dict[str, Any]) -> None:
    refitted = [{**one, "refit": True} for one in document["maps"] if not one["shuffled"]]
    both = {**document, "maps": [*document["maps"], *refitted]}
    for asked, kept in ((("refit", "real"), "refit"), (("refit", "shuffled"), "mask"), (("mask", "shuffled"), "mask")):
        place = Place(STARTERS, "balanced", "0.5", *asked).within(both)
        assert (place.kept, place.texts) == (kept, asked[1])
        assert map_at(both, "balanced", 0.5, refit=kept == "refit", shuffled=asked[1] == "shuffled") is not None
        assert has_refit(both, shuffled=asked[1] == "shuffled") == (asked[1] == "real")


def test_an_address_brings_back_what_was_shown(page: Page, tab: DomainsTab) -> None:
    def restored(params: dict[str, str]) -> dict[Any, Any]:
        return events.restore(tab, Asked(params, None, None, moved=False))  # type: ignore[arg-type]

    place = Place(STARTERS, "balanced", "0.5", cell="1-0")
    assert restored({"domains": place.text})[tab.place] == place.text
    assert restored({}) == {}
    assert restored({"tab": "domains"})[tab.pick] == STARTERS
    assert restored({"domains": "own:../../x~balanced"}) == {}
    assert restored({"tab": "domains", "domains": "file~balanced"})[tab.pick] == STARTERS


@pytest.mark.parametrize("name", ["bundled:nothing", "bundled:../study/chebi", "own:../x", "/etc/passwd", "bundled:"])
def test_a_map_that_is_not_listed_is_not_opened(name: str, tab: DomainsTab) -> None:
    shown = events.show(tab, Place(name))
    assert "gv-error" in shown[tab.says]
    assert shown[tab.scores] == ""


def test_own_maps_of_the_workspace_are_listed(tab: DomainsTab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    (tmp_path / "transfer-mine").mkdir()
    (tmp_path / "transfer-mine" / "transfer.json").write_bytes(FILE.read_bytes())
    (tmp_path / "transfer-begun").mkdir()
    assert ("mine", "own:transfer-mine") in MAPS.choices()
    assert len(MAPS.choices()) == 2
    assert "gv-sentence" in events.show(tab, Place("own:transfer-mine"))[tab.says]


def test_a_strangers_file_is_one_line_or_text(tab: DomainsTab, document: dict[str, Any], tmp_path: Path) -> None:
    place = tmp_path / "transfer.json"
    for content in (b"\x80\x04pickle", b"7", b"[" * 200_000, FILE.read_bytes()[:5_000], b'{"format": 1}'):
        place.write_bytes(content)
        text = events.show(tab, Place("file"), str(place))[tab.says]
        assert "gv-error" in text and "Traceback" not in text
    hostile = json.loads(json.dumps(document))
    for source in hostile["sources"]:
        source["label"] = source["task"] = SCRIPT
    for one in hostile["maps"]:
        one["row"] = SCRIPT if one["row"] == "balanced" else one["row"]
    hostile["model"]["label"] = SCRIPT
    place.write_text(json.dumps(hostile))
    shown = events.show(tab, Place("file", SCRIPT, cell="0-1"), str(place))
    for part in (tab.says, tab.scores, tab.overlap, tab.words, tab.detail, tab.differences):
        assert shown[part] and "<img" not in shown[part]
    assert shown[tab.pick] is None


def clicked(data: object) -> gr.EventData:
    return SimpleNamespace(_data=data)  # type: ignore[return-value]


def test_a_click_chooses_a_cell_and_odd_clicks_change_nothing(tab: DomainsTab, held: Held) -> None:
    values = values_at(held, tab, Place(STARTERS, "balanced", "0.7"))
    assert Place.of(events.clicked(tab, values, clicked({"name": "2-1"}))[tab.place]).cell == "2-1"
    for data in ({}, {"name": 7}, {"name": "9-9"}, {"name": "0-0-0"}, {"name": "../x"}, "0-0"):
        assert events.clicked(tab, values, clicked(data)) == {}

"""What the Domains tab does: open a map, choose a table and a cell of it, load its settings, follow an address."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.experiment import Described, wire_experiment
from gaprune_viz.app.frame.tab import Asked, Wiring
from gaprune_viz.app.frame.updates import knobs
from gaprune_viz.app.session.event_guard import warn
from gaprune_viz.app.tabs.domains import view
from gaprune_viz.app.tabs.domains.finished_maps import MAPS, opened
from gaprune_viz.app.tabs.domains.layout import EMPTY, DomainsTab
from gaprune_viz.app.tabs.domains.run_panel import described
from gaprune_viz.app.tabs.domains.selection import CELL, FILE, REFIT, SHUFFLED, Place, sparsities_of
from gaprune_viz.app.widgets.events import CARRIES, Changes, Values, arrived, listener, sent_with
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.transfer.findings import by_chance, has_refit, rows_of
from gaprune_viz.experiments.transfer.tables import frame as scores_of
from gaprune_viz.figures.experiments.transfer import (
    advantage_figure,
    overlap_map_html,
    score_map_html,
    score_table,
    word_map_html,
)
from gaprune_viz.figures.kit import panels

NAME = "domains"


def wire(tab: DomainsTab, page: Wiring) -> None:
    """Connect what opens a map, what chooses a table, the cells, and the button."""
    asked = [tab.pick, tab.upload, *tab.choices, tab.place]
    page.tab.select(**listener(lambda values: arrive(tab, values[tab.place]), [tab.place], tab.opened))
    tab.pick.focus(**listener(lambda: {tab.pick: gr.update(choices=MAPS.choices())}, (), [tab.pick]))
    picked = listener(lambda values: show(tab, Place(values[tab.pick] or "")), [tab.pick], tab.opened)
    tab.pick.input(**picked).then(**listener(lambda: {tab.upload: None}, (), [tab.upload]))
    sent = listener(lambda values: show(tab, Place(FILE), values[tab.upload]), [tab.upload], tab.opened)
    tab.upload.upload(**sent)
    chosen = listener(lambda values: show(tab, place_of(tab, values), values[tab.upload]), asked, tab.opened)
    gr.on([choice.input for choice in tab.choices], **chosen)
    _wire_cells(tab, asked)
    for section, parts in tab.sections:
        section.wire(parts, page)
    loaded = tab.load.click(**listener(lambda values: load(tab, page.frame, values), asked, page.frame.tuning.all))
    loaded.then(**knobs(page.frame)).then(**page.refresh)
    _wire_running(tab, page)


def _wire_running(tab: DomainsTab, page: Wiring) -> None:
    """Run a map, and open it when it is done."""
    panel, frame = tab.running, page.frame
    reads, writes = [*panel.all, *frame.sidebar.all], [*tab.opened, tab.upload]

    def describe(values: Values) -> Described:
        return described(panel, frame, values)

    wire_experiment(panel.experiment, "transfer", describe, reads, lambda folder: finished(tab, folder), writes)


def finished(tab: DomainsTab, folder: Path) -> Changes:
    """Open a map that has come to its end here."""
    name = MAPS.id_of(folder.name)
    return {**show(tab, Place(name)), tab.pick: gr.update(choices=MAPS.choices(), value=name), tab.upload: None}


def _wire_cells(tab: DomainsTab, asked: list[Any]) -> None:
    def cell(values: Values, event: gr.EventData) -> Changes:
        return clicked(tab, values, event)

    for grid in tab.grids:
        looked = grid.select(**listener(cell, asked, tab.opened, CARRIES))  # type: ignore[attr-defined]
        looked.then(**arrived(str(grid.elem_id)))
    # Its cells are looked at, and choose nothing; the browser waits for an answer all the same.
    nothing_follows = listener(lambda: {}, (), [tab.differences], CARRIES)
    looked = tab.differences.select(**nothing_follows)  # type: ignore[attr-defined]
    looked.then(**arrived(str(tab.differences.elem_id)))


def clicked(tab: DomainsTab, values: Values, event: gr.EventData) -> Changes:
    """The cell that was chosen by click or by key; anything odd changes nothing."""
    name = sent_with(event).get("name")
    if not (isinstance(name, str) and CELL.fullmatch(name)):
        return {}
    return show(tab, replace(place_of(tab, values), cell=name), values[tab.upload])


def place_of(tab: DomainsTab, values: Values) -> Place:
    """Where a person looks, by what the controls hold."""
    before = Place.of(values[tab.place] or "")
    held = {
        "name": FILE if values[tab.upload] else values[tab.pick] or before.name,
        "row": values[tab.row],
        "sparsity": values[tab.sparsity],
        "kept": values[tab.kept],
        "texts": values[tab.texts],
    }
    return replace(before, **{name: str(value) for name, value in held.items() if value})


def arrive(tab: DomainsTab, place: str) -> Changes:
    """The first map of the list, where the tab is opened and shows none."""
    return {} if place or not MAPS.choices() else show(tab, Place(MAPS.choices()[0][1]))


def restore(tab: DomainsTab, asked: Asked) -> Changes:
    """What an address asks for; nothing where it does not ask for this tab."""
    text = asked.params.get(NAME, "")
    known = [value for _, value in MAPS.choices()]
    place = Place.of(text)
    if text and place.name in known:
        return show(tab, place)
    return arrive(tab, "") if asked.params.get("tab") == NAME else {}


def show(tab: DomainsTab, place: Place, upload: str | None = None) -> Changes:
    """A map at a place; what the map has not is as usual."""
    if not (place.name or upload):
        return nothing(tab, EMPTY)
    try:
        document = opened(place.name, upload)
    except GapruneError as error:
        return {**nothing(tab, panels.error_card(error.message, error.hint)), **({tab.pick: None} if upload else {})}
    place = place.within(document)
    return {**_chosen(tab, document, place, upload), **_drawn(tab, document, place)}


def nothing(tab: DomainsTab, text: str) -> Changes:
    """No map, and why."""
    hidden = [*tab.choices, tab.advantage, tab.load, tab.queries, tab.table]
    empty = [*tab.grids, tab.detail, tab.differences, tab.place]
    return {**dict.fromkeys(hidden, gr.update(visible=False)), **dict.fromkeys(empty, ""), tab.says: text}


def _chosen(tab: DomainsTab, document: view.Document, place: Place, upload: str | None) -> Changes:
    """The controls at a place."""
    shares = [(f"{100 * float(value):g} %", value) for value in sparsities_of(document)]
    control = any(one["shuffled"] for one in document["maps"])
    refitted = has_refit(document, shuffled=place.texts == SHUFFLED)
    return {
        tab.pick: None if upload else place.name,
        tab.row: gr.update(choices=rows_of(document), value=place.row, visible=True),
        tab.sparsity: gr.update(choices=shares, value=place.sparsity, visible=True),
        tab.kept: gr.update(value=place.kept, visible=refitted),
        tab.texts: gr.update(value=place.texts, visible=control),
        tab.place: place.text,
    }


def _drawn(tab: DomainsTab, document: view.Document, place: Place) -> Changes:
    """Everything that is drawn of a map at a place."""
    one, labels, chosen = view.map_of(document, place), view.labels_of(document), place.cell or None
    unrelated = by_chance(float(place.sparsity))
    words = document["words"]["shuffled" if place.texts == SHUFFLED else "real"]
    beside = [m for m in document["maps"] if m["refit"] == (place.kept == REFIT)]
    queries = view.query_table(document, place)
    return {
        tab.says: view.says_html(document, place),
        tab.scores: score_map_html(one, labels, chosen),
        tab.overlap: overlap_map_html(one, labels, unrelated, chosen),
        tab.words: word_map_html(words, labels, chosen),
        tab.advantage: gr.update(value=advantage_figure(beside), visible=True),
        tab.detail: view.detail_html(document, place),
        tab.load: gr.update(visible=chosen is not None),
        tab.differences: view.differences_html(document, place),
        tab.queries: gr.update(value=queries, visible=queries is not None),
        tab.table: gr.update(value=score_table(scores_of(document)), visible=True),
    }


def load(tab: DomainsTab, frame: Frame, values: Values) -> Changes:
    """Put the settings of the table that is looked at into the tuning bar."""
    try:
        document = opened(place_of(tab, values).name, values[tab.upload])
        return frame.tuning.set(view.settings_at(document, place_of(tab, values).within(document)))
    except GapruneError as error:
        warn(error)
        return {}

"""What the Compare tab does: pin, unpin, compare."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.event_guard import warn
from gaprune_viz.app.session.runs import run_choices
from gaprune_viz.app.tabs.compare.layout import CompareTab
from gaprune_viz.app.tabs.compare.view import NAMES, board_html, choices_of, pinned
from gaprune_viz.app.widgets.events import CARRIES, ONCE, Changes, Values, listener, sent_with
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels


def wire(tab: CompareTab, page: Wiring) -> None:
    """Connect the pin of the tuning bar, the board and the pickers."""
    frame = page.frame
    pins = [tab.pins, tab.board, tab.one, tab.other]
    kept = [tab.pins, tab.metric]
    frame.tuning.pin.click(**listener(lambda values: pin(tab, frame, values), [*frame.state, *kept], pins, ONCE)).then(
        **page.follow
    )

    def dropped(values: Values, event: gr.EventData) -> Changes:
        return drop(tab, values, event)

    tab.board.select(**listener(dropped, kept, pins, CARRIES)).then(**page.follow)  # type: ignore[attr-defined]
    gr.on(
        [tab.one.input, tab.other.input, tab.metric.input],
        **listener(
            lambda values: draw(tab, frame, values), [*frame.state, *tab.chosen], [tab.board, tab.difference, tab.table]
        ),
    )
    page.tab.select(**listener(lambda values: choices(tab, values[tab.pins]), [tab.pins], [tab.one, tab.other]))


def pin(tab: CompareTab, frame: Frame, values: Values) -> Changes:
    """Keep the settings of the moment."""
    try:
        changed = pinned(values[tab.pins], frame.view_of(values), frame.tuning.settings(values))
        drawn = _drawn(tab, changed, values[tab.metric])
        gr.Info(f"Pinned as {NAMES[len(changed) - 1]}. Compare shows it.", duration=3)
        return drawn
    except GapruneError as error:
        warn(error)
        return {}


def drop(tab: CompareTab, values: Values, event: gr.EventData) -> Changes:
    """Let a pin go. Browsers may send anything."""
    pins, index = values[tab.pins], sent_with(event).get("drop")
    if not isinstance(index, int) or not 0 <= index < len(pins):
        return {}
    return _drawn(tab, [p for i, p in enumerate(pins) if i != index], values[tab.metric])


def draw(tab: CompareTab, frame: Frame, values: Values) -> Changes:
    """The board on another metric, and the difference."""
    try:
        return {tab.board: board_html(values[tab.pins], values[tab.metric]), **tab.open(frame.shown(values))}
    except GapruneError as error:
        return {tab.difference: panels.error_card(error.message, error.hint)}


def choices(tab: CompareTab, pins: list[Any]) -> Changes:
    """What can be compared now; runs may have come or gone."""
    update = gr.update(choices=choices_of(pins, run_choices()))
    return {tab.one: update, tab.other: update}


def _drawn(tab: CompareTab, pins: list[Any], metric: str) -> Changes:
    return {tab.pins: pins, tab.board: board_html(pins, metric), **choices(tab, pins)}

"""What the Compare tab does: pin, unpin, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app.guard import warn
from gaprune_viz.app.runs import run_choices
from gaprune_viz.app.tabs.compare import board_html, choices_of, difference_of, pinned
from gaprune_viz.app.tuning import settings_from
from gaprune_viz.app.views import View
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def outputs(page: Page) -> list[Any]:
    """What a new or a dropped pin changes."""
    tab = page.compare
    return [tab.pins, tab.board, tab.one, tab.other]


def pin(view: dict[str, Any], pins: list[Any], metric: str, *values: Any) -> list[Any]:
    """Keep the settings of the moment."""
    try:
        shown = View.parse(view)
        changed = pinned(pins, shown, settings_from(values))
        gr.Info(f"Pinned as {'ABCD'[len(changed) - 1]}. Compare shows it.", duration=3)
        return _drawn(changed, metric)
    except GapruneError as error:
        warn(error)
        return [gr.skip()] * 4


def drop(event: gr.EventData, pins: list[Any], metric: str) -> list[Any]:
    """Let a pin go. Browsers may send anything."""
    data: Any = getattr(event, "_data", None)
    index = data.get("drop") if isinstance(data, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(pins):
        return [gr.skip()] * 4
    return _drawn([p for i, p in enumerate(pins) if i != index], metric)


def draw(view: dict[str, Any], pins: list[Any], one: str, other: str, metric: str, *values: Any) -> list[Any]:
    """The board on another metric, and the difference."""
    try:
        html, table = difference_of(pins, one, other, metric, View.parse(view), settings_from(values))
        return [board_html(pins, metric), html, table]
    except GapruneError as error:
        return [gr.skip(), panels.error_card(error.message, error.hint), gr.skip()]


def follow(view: dict[str, Any], chosen: tuple[Any, ...], values: tuple[Any, ...]) -> list[Any]:
    """The difference where the settings now are part of it."""
    pins, one, other, metric = chosen
    return draw(view, pins, one, other, metric, *values)[1:]


def choices(pins: list[Any]) -> list[Any]:
    """What can be compared now; runs may have come or gone."""
    update = gr.update(choices=choices_of(pins, run_choices()))
    return [update, update]


def _drawn(pins: list[Any], metric: str) -> list[Any]:
    return [pins, board_html(pins, metric), *choices(pins)]

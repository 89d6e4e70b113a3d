"""What follows a move: the sentence and what is drawn at once, then what the open tab shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.address import settings_query
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.frame.tab import Placed
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.event_guard import warn
from gaprune_viz.app.tuning.controls import CUSTOM, knob_updates, preset_of
from gaprune_viz.app.widgets.events import LIGHT, Changes, Listener, Values, followed, listener, script
from gaprune_viz.config.presets import preset
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.saved_presets import find_preset
from gaprune_viz.figures.kit import panels

FIRST = "atlas"
"""The tab that a page opens with: the address need not name it."""


class Following:
    """What is drawn after a move, of a page with some tabs."""

    def __init__(self, frame: Frame, tabs: Sequence[Placed[Any]]) -> None:
        self.frame, self.tabs = frame, tabs

    def refresh(self, values: Values) -> Changes:
        """Answer a move at once: figures, sentence, and what the tabs draw with every move."""
        frame = self.frame
        try:
            shown = frame.shown(values)
            query = settings_query(shown.settings)
            changes = {
                frame.tuning.preset: preset_of(shown.settings),
                frame.headline: headline_html(shown.now),
                frame.query: query,
                frame.drawn: query,
                **frame.timing.follow(shown.now),
            }
            for placed in self.tabs:
                changes |= placed.draw("at_once", shown)
            return changes
        except GapruneError as error:
            return {frame.headline: panels.error_card(error.message, error.hint)}

    def follow(self, values: Values) -> Changes:
        """Redraw what the open tab shows; the other tabs are redrawn when they are opened."""
        return self.drawn(values, values[self.frame.active])

    def follow_selection(self, values: Values) -> Changes:
        """Redraw a tab that was opened before the matrix selected in the first one was known; that one shows it."""
        return {} if values[self.frame.active] == FIRST else self.follow(values)

    def drawn(self, values: Values, name: str) -> Changes:
        """What a tab shows."""
        try:
            shown = self.frame.shown(values)
            placed = next((placed for placed in self.tabs if placed.tab.name == name), None)
            return placed.draw("open", shown) if placed else {}
        except GapruneError:
            # `refresh` shows the error; what is drawn here stays.
            return {}

    def arrived(self, values: Values) -> Changes:
        """What the open tab shows, and what belongs to the selected matrix where one is selected."""
        return {**self.follow(values), **(self.on_matrix(values) if self.frame.view_of(values).selected else {})}

    def on_matrix(self, values: Values) -> Changes:
        """What belongs to the selected matrix, whatever the settings."""
        try:
            shown = self.frame.shown(values)
            return {k: v for placed in self.tabs for k, v in placed.draw("on_matrix", shown).items()}
        except GapruneError:
            return {}

    @property
    def refreshing(self) -> Listener:
        frame = self.frame
        writes = [frame.tuning.preset, frame.headline, *frame.timing.writes, *self._all("writes", "at_once")]
        writes += [frame.query, frame.drawn]
        return listener(self.refresh, [*frame.state, *self._all("reads", "at_once")], writes)

    @property
    def following(self) -> Listener:
        return self._drawing(self.follow)

    @property
    def following_selection(self) -> Listener:
        return self._drawing(self.follow_selection)

    def _drawing(self, handler: Callable[..., Changes]) -> Listener:
        frame = self.frame
        reads = [*frame.state, frame.active, *self._all("reads", "open")]
        return listener(handler, reads, self._all("writes", "open"))

    @property
    def selecting(self) -> Listener:
        return listener(self.on_matrix, self.frame.state, self._all("writes", "on_matrix"))

    def _all(self, what: str, kind: str) -> list[Any]:
        return [part for placed in self.tabs for part in getattr(placed, what)(kind)]


def knobs(frame: Frame) -> Listener:
    """Grey out what the criterion does not read."""
    tuning = frame.tuning
    criterion = tuning.controls["criterion"]

    def handler(values: Values) -> Changes:
        return tuning.changes(knob_updates(values[criterion]))

    return listener(handler, [criterion], tuning.all)


def load_preset(frame: Frame, name: str) -> Changes:
    """All controls at once; `custom` changes nothing."""
    if name == CUSTOM:
        return {}
    try:
        found = preset(name) if visitor().public else find_preset(name)
    except GapruneError as error:
        warn(error)
        return {}
    return {frame.tuning.preset: name, **frame.tuning.set(found.settings)}


def wire_tuning(frame: Frame, following: Following) -> None:
    """A control, a preset or a reset is followed by what it changes."""
    tuning = frame.tuning
    refreshing, drawing, greying = following.refreshing, following.following, knobs(frame)
    # `release` too, because `input` can lose a slider's last value.
    moved = [control.input for control in tuning.all] + [slider.release for slider in tuning.sliders]
    # One after the other: a chart drawn first would hold up the headline.
    gr.on(moved, **refreshing).then(**drawing).then(**followed("drawn"))
    tuning.controls["criterion"].input(**greying)
    everything = [tuning.preset, *tuning.all]
    loading = listener(lambda values: load_preset(frame, values[tuning.preset]), [tuning.preset], everything)
    back = listener(lambda: load_preset(frame, "paper"), (), everything)
    for chain in (tuning.preset.input(**loading), tuning.reset.click(**back)):
        chain.then(**greying)
        chain.then(**refreshing).then(**drawing)


def wire_opening(frame: Frame, following: Following) -> None:
    """A tab that is opened goes into the address, and is drawn."""
    drawing = following.following
    for placed in following.tabs:
        name = placed.tab.name
        part = "" if name == FIRST else name
        placed.box.select(**script(f"() => gv.part('tab', '{part}')"))
        placed.box.select(**listener(lambda name=name: {frame.active: name}, (), [frame.active], LIGHT)).then(**drawing)

"""What a tab is: one object that says its name, builds its components, draws what it shows, and wires its events.

The page loops over a list of them (`gaprune_viz.app.tabs`). Nothing else knows a tab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown, View
from gaprune_viz.app.widgets.events import Changes, Listener

P = TypeVar("P")
"""The components of a tab, a frozen dataclass of its `layout`."""


def _none(_: Any) -> Sequence[Any]:
    return ()


@dataclass(frozen=True)
class Drawing(Generic[P]):
    """Something that a tab draws.

    Attributes:
        draw: what becomes of the tab's components for what is shown; may raise `GapruneError`.
        writes: the components that `draw` may name.
        reads: the components whose values it needs, beside the view and the settings.
    """

    draw: Callable[[P, Shown], Changes]
    writes: Callable[[P], Sequence[Any]]
    reads: Callable[[P], Sequence[Any]] = _none


@dataclass(frozen=True)
class Asked:
    """What an address asks for.

    Attributes:
        params: its parts.
        view: what is looked at from now on.
        analysis: that of the view.
        moved: whether it is another one than before.
    """

    params: Mapping[str, str]
    view: View
    analysis: Analysis
    moved: bool


@dataclass(frozen=True)
class Restoring(Generic[P]):
    """How a tab's own components follow an address.

    Attributes:
        restore: what becomes of them.
        writes: the components that `restore` may name.
    """

    restore: Callable[[P, Asked], Changes]
    writes: Callable[[P], Sequence[Any]]


@dataclass(frozen=True)
class Wiring:
    """What a tab needs to wire its events.

    Attributes:
        frame: the components around the tabs.
        tab: the tab itself, for what happens when it is opened.
        refresh: the listener that draws what follows a move at once; what changes settings ends with it, and heavy
            work too, because an exact mask says how far the preview was off.
        follow: the listener that draws what the open tab shows.
        follow_selection: the same, after another matrix was selected: the tab that shows the selection has it already.
    """

    frame: Frame
    tab: gr.Tab
    refresh: Listener
    follow: Listener
    follow_selection: Listener


@dataclass(frozen=True)
class Tab(Generic[P]):
    """One tab.

    Attributes:
        name: its id, in the address too.
        label: its title.
        build: lays its components out with what is shown first in them.
        wire: ties its events to handlers.
        at_once: drawn with every move, whether the tab is open or not.
        open: drawn where the tab is open; the other tabs are drawn when they are opened.
        on_matrix: drawn when another matrix is selected or another analysis is on screen, and not when settings move.
        on_run: drawn when a run has put another analysis on screen.
        kept: components whose value is a part of the address, by the name of the part; the browser keeps them there.
        restoring: how its components follow an address.
    """

    name: str
    label: str
    build: Callable[[Frame, Shown], P]
    wire: Callable[[P, Wiring], None] = lambda parts, wiring: None
    at_once: Drawing[P] | None = None
    open: Drawing[P] | None = None
    on_matrix: Drawing[P] | None = None
    on_run: Drawing[P] | None = None
    kept: Mapping[str, Callable[[P], Any]] = field(default_factory=dict)
    restoring: Restoring[P] | None = None


@dataclass(frozen=True)
class Placed(Generic[P]):
    """A tab on a page: itself, gradio's own tab, and its components."""

    tab: Tab[P]
    box: gr.Tab
    parts: P

    def writes(self, kind: str) -> list[Any]:
        """The components that one of its drawings may change; none where it has no such drawing."""
        drawing = self._drawing(kind)
        return list(drawing.writes(self.parts)) if drawing else []

    def reads(self, kind: str) -> list[Any]:
        """The components that one of its drawings reads."""
        drawing = self._drawing(kind)
        return list(drawing.reads(self.parts)) if drawing else []

    def draw(self, kind: str, shown: Shown) -> Changes:
        """What one of its drawings changes."""
        drawing = self._drawing(kind)
        return drawing.draw(self.parts, shown) if drawing else {}

    def _drawing(self, kind: str) -> Drawing[P] | None:
        return getattr(self.tab, kind)

"""Parts of the tab that are drawn from the analysis on screen, below what is drawn from a map.

A new part is a module with a `Section`, and one entry in `layout.SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.widgets.events import Changes


@dataclass(frozen=True)
class Section:
    """One part.

    Attributes:
        build: lays its components out, and gives them.
        draw: what becomes of them for the analysis on screen, when the tab is open; may raise `GapruneError`.
        writes: the components that `draw` may name.
        wire: connects the part's own events.
    """

    build: Callable[[], Any]
    draw: Callable[[Any, Shown], Changes]
    writes: Callable[[Any], Sequence[Any]]
    wire: Callable[[Any, Wiring], None]

"""Compare: up to four pinned settings side by side, and the difference between two of them."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Tab
from gaprune_viz.app.tabs.compare import events
from gaprune_viz.app.tabs.compare.layout import CompareTab, build

TAB = Tab[CompareTab](
    "compare",
    "Compare",
    build,
    events.wire,
    open=Drawing(CompareTab.open, lambda tab: [tab.difference, tab.table], lambda tab: tab.chosen),
)

"""Export: the pruned model, the table, the settings, and how to get the same numbers again."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Tab
from gaprune_viz.app.tabs.export import events
from gaprune_viz.app.tabs.export.layout import ExportTab, build

TAB = Tab[ExportTab](
    "export",
    "Export",
    build,
    events.wire,
    open=Drawing(ExportTab.open, lambda tab: [tab.table, tab.settings, tab.shell, tab.python]),
)

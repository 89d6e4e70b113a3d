"""Retrieval: one query side by side, then all sample queries."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Restoring, Tab
from gaprune_viz.app.tabs.retrieval import events
from gaprune_viz.app.tabs.retrieval.layout import RetrievalTab, build

TAB = Tab[RetrievalTab](
    "retrieval",
    "Retrieval",
    build,
    events.wire,
    on_run=Drawing(RetrievalTab.on_run, lambda tab: [tab.task, tab.pick]),
    kept={"task": lambda tab: tab.task, "pick": lambda tab: tab.pick, "ask": lambda tab: tab.text},
    restoring=Restoring(RetrievalTab.restore, lambda tab: [tab.task, tab.pick, tab.text]),
)

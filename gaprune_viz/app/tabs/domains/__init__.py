"""Domains: a transfer map is run or opened: calibrated on each source, measured on each; what their match is worth."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Restoring, Tab
from gaprune_viz.app.tabs.domains import events
from gaprune_viz.app.tabs.domains.layout import DomainsTab, build

TAB = Tab[DomainsTab](
    "domains",
    "Domains",
    build,
    events.wire,
    open=Drawing(DomainsTab.drawn, lambda tab: tab.section_writes),
    kept={"domains": lambda tab: tab.place},
    restoring=Restoring(events.restore, lambda tab: tab.opened),
)

"""Atlas: a heatmap of layers by roles, and the selected matrix in detail."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Restoring, Tab
from gaprune_viz.app.tabs.atlas import events
from gaprune_viz.app.tabs.atlas.layout import AtlasTab, build

TAB = Tab[AtlasTab](
    "atlas",
    "Atlas",
    build,
    events.wire,
    at_once=Drawing(AtlasTab.at_once, lambda tab: [tab.heatmap, tab.detail]),
    open=Drawing(AtlasTab.open, lambda tab: [tab.profile, tab.table, tab.overlaps, tab.reasons]),
    on_matrix=Drawing(AtlasTab.on_matrix, lambda tab: [tab.histogram]),
    restoring=Restoring(AtlasTab.restore, lambda tab: [tab.metric, tab.scale, tab.grouping]),
)

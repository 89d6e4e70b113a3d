"""Matrix: the selected matrix from inside, down to single weights and why each was pruned."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Restoring, Tab
from gaprune_viz.app.tabs.matrix import events
from gaprune_viz.app.tabs.matrix.layout import MatrixTab, build

TAB = Tab[MatrixTab](
    "inside",
    "Matrix",
    build,
    events.wire,
    restoring=Restoring(MatrixTab.restore, lambda tab: [tab.weight.row, tab.weight.column]),
)

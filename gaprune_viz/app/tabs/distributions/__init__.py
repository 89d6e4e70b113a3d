"""Distributions: layer by value densities of Fisher information, score and alignment; kinds of weights."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Tab
from gaprune_viz.app.tabs.distributions import events
from gaprune_viz.app.tabs.distributions.layout import DistributionsTab, build

TAB = Tab[DistributionsTab](
    "distributions",
    "Distributions",
    build,
    events.wire,
    open=Drawing(DistributionsTab.open, lambda tab: tab.drawn, lambda tab: [tab.only]),
)

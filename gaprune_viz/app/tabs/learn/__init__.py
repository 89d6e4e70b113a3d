"""Learn: the formula with live numbers, what its parts mean, a lesson, and what to be careful about."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Drawing, Tab
from gaprune_viz.app.tabs.learn import events
from gaprune_viz.app.tabs.learn.layout import LearnTab, build

TAB = Tab[LearnTab](
    "learn", "Learn", build, events.wire, open=Drawing(LearnTab.open, lambda tab: [tab.formula, tab.signs])
)

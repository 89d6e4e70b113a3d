"""Study: run one, or open a finished one and walk through it, one question at a time."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.tabs.study import events
from gaprune_viz.app.tabs.study.layout import StudyTab, build

TAB = Tab[StudyTab]("study", "Study", build, events.wire)

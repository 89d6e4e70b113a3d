"""Runs: the analyses kept on this machine, each with a name, a note and its size; open or delete one."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.tabs.runs import events
from gaprune_viz.app.tabs.runs.layout import RunsTab, build

TAB = Tab[RunsTab]("runs", "Runs", build, events.wire)

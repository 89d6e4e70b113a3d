"""Sweep: two settings over a grid, the domain beside general data."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.tabs.sweep import events
from gaprune_viz.app.tabs.sweep.layout import SweepTab, build

TAB = Tab[SweepTab]("sweep", "Sweep", build, events.wire)

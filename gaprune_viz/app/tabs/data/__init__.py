"""Data: bring triplets of your own, see what they are, and use them as the domain or the general side."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.tabs.data import events
from gaprune_viz.app.tabs.data.layout import SideData, build

TAB = Tab[dict[str, SideData]]("data", "Data", build, events.wire)

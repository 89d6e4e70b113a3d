"""What the picker of the weights does."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.tabs.distributions.layout import DistributionsTab


def wire(tab: DistributionsTab, page: Wiring) -> None:
    """Other weights are drawn at once."""
    tab.only.input(**page.follow)
